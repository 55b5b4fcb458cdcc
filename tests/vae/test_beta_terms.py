"""The three terms of the notebook `beta_vae`, against enumeration, quadrature and closed forms."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from gmlib import vae
from gmlib.vae import disentangle
from tests.vae.beta_models import F64, Codes, close, exactly, masses


@pytest.fixture(scope="module")
def codes():
    return Codes()


@pytest.fixture
def table(generator):
    """q(z|x_n) for five examples, z on a 3 x 4 x 2 table, and three priors."""
    return masses(generator, 5, 3, 4, 2), [masses(generator, 1, K)[0] for K in (3, 4, 2)]


def by_loops(q, priors):
    """The three terms from their definitions, entry by entry in NumPy."""
    q, priors = q.numpy(), [p.numpy() for p in priors]
    q_z, terms = q.mean(0), np.zeros(3)
    marginals = [q_z.sum(tuple(i for i in range(q_z.ndim) if i != j)) for j in range(q_z.ndim)]
    for at in itertools.product(*map(range, q_z.shape)):
        product = math.prod(m[i] for m, i in zip(marginals, at, strict=True))
        prior = math.prod(p[i] for p, i in zip(priors, at, strict=True))
        terms[0] += sum(q_n[at] * math.log(q_n[at] / q_z[at]) for q_n in q) / len(q)
        terms[1] += q_z[at] * math.log(q_z[at] / product)
        terms[2] += q_z[at] * math.log(product / prior)
    return torch.from_numpy(terms)


def average_kl(q, prior):
    return (q * (q / prior).log()).sum() / len(q)


@pytest.mark.equation("eq-vae-kl-three", "eq-vae-aggregate")
def test_three_terms_of_a_table(table):
    q, priors = table
    terms = torch.stack(vae.kl_decomposition(q, priors))
    torch.testing.assert_close(terms, by_loops(q, priors), **exactly)
    prior = torch.einsum("a,b,c->abc", *priors)
    torch.testing.assert_close(terms.sum(), average_kl(q, prior), **exactly)
    assert (terms > 0.01).all()


@pytest.mark.equation("eq-vae-surgery")
def test_two_terms_for_any_prior(table, generator):
    """With a prior that does not factorise the two-term form holds, and the three terms no longer add up to it."""
    q, _ = table
    prior = masses(generator, 1, 3, 4, 2)[0]
    marginals = [prior.sum((1, 2)), prior.sum((0, 2)), prior.sum((0, 1))]
    q_z = q.mean(0)
    mi, tc, dwkl = vae.kl_decomposition(q, marginals)
    torch.testing.assert_close(mi + (q_z * (q_z / prior).log()).sum(), average_kl(q, prior), **exactly)
    assert abs(mi + tc + dwkl - average_kl(q, prior)) > 0.01
    assert 0 < mi < math.log(5)


@pytest.mark.equation("eq-vae-surgery")
def test_mutual_information_reaches_its_ends():
    one_each = torch.eye(6, dtype=F64).reshape(6, 3, 2)
    priors = [torch.full((3,), 1 / 3, dtype=F64), torch.full((2,), 0.5, dtype=F64)]
    log_6 = torch.tensor(math.log(6), dtype=F64)
    torch.testing.assert_close(vae.kl_decomposition(one_each, priors)[0], log_6, **exactly)
    same = one_each.mean(0, keepdim=True).expand(6, 3, 2)
    torch.testing.assert_close(torch.stack(vae.kl_decomposition(same, priors)), torch.zeros(3, dtype=F64), **exactly)


@pytest.mark.equation("eq-vae-kl-three", "eq-vae-aggregate")
def test_three_terms_of_gaussians_add_up_to_the_closed_form(codes):
    terms = torch.stack(codes.terms())
    torch.testing.assert_close(terms.sum(), vae.kl_to_standard_normal(codes.mu, codes.sigma).mean(), **close)
    assert (terms > 0.05).all()


@pytest.mark.equation("eq-vae-kl-split", "eq-vae-aggregate")
def test_integrands(codes):
    """Their means by quadrature are the terms; at each z they add up to the log-ratio; the aggregate is a mixture."""
    log_q = disentangle.pairwise_log_prob(codes.z, codes.mu, codes.sigma)
    by_torch = Normal(codes.mu, codes.sigma).log_prob(codes.z[:, None])
    torch.testing.assert_close(log_q, by_torch, **close)
    joint, marginals = disentangle.log_aggregate(log_q, torch.full((1,), -math.log(5), dtype=F64))
    torch.testing.assert_close(joint, by_torch.sum(-1).exp().mean(1).log(), **close)
    torch.testing.assert_close(marginals, by_torch.exp().mean(1).log(), **close)
    split = [disentangle.kl_integrands(codes.z, log_q[:, n].sum(-1), joint, marginals) for n in range(5)]
    for term, exact in zip(zip(*split, strict=True), codes.terms(), strict=True):
        torch.testing.assert_close(codes.mean(torch.stack(term)), exact, **close)
    ratio = by_torch.sum(-1)[:, 0] - Normal(0.0, 1.0).log_prob(codes.z).sum(-1)
    torch.testing.assert_close(sum(split[0]), ratio, **close)


@pytest.mark.equation("eq-vae-distortion")
def test_reconstruction_is_limited_by_the_mutual_information(table, generator):
    q, priors = table
    mi = vae.kl_decomposition(q, priors)[0]
    for _ in range(50):  # any decoder: masses of the five examples and of one more image at each z
        decoder = masses(generator, 24, 6).T[:5].reshape(5, 3, 4, 2)
        assert (q * decoder.log()).sum() / 5 <= mi - math.log(5) + 1e-12
    best = q / q.sum(0)
    torch.testing.assert_close((q * best.log()).sum() / 5, mi - math.log(5), **exactly)


@pytest.mark.equation("eq-vae-rotation")
def test_a_rotation_of_the_code_changes_only_the_split(codes, linear, x):
    """The evidence, the information and the divergence of q(z) stay; total correlation and its rest trade places."""
    W, mu, sigma = linear
    c, s = math.cos(0.6), math.sin(0.6)
    R = torch.tensor([[c, -s], [s, c]], dtype=F64)
    rotated = vae.LinearGaussian(W @ R.T, mu, sigma)
    torch.testing.assert_close(rotated.log_prob(x), vae.LinearGaussian(*linear).log_prob(x), **close)

    def terms(means):  # round posteriors, which a rotation leaves round
        log_q = Normal(means[:, None], 0.5).log_prob(codes.t[:, None])
        density = log_q[:, :, None, 0].exp() * log_q[:, None, :, 1].exp() * codes.step**2
        return vae.kl_decomposition(density, [codes.prior, codes.prior])

    before, after = terms(codes.mu), terms(codes.mu @ R.T)
    torch.testing.assert_close(after.mi, before.mi, **close)
    torch.testing.assert_close(after.tc + after.dwkl, before.tc + before.dwkl, **close)
    assert abs(after.tc - before.tc) > 0.01
