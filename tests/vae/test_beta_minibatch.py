"""The estimates from a minibatch of the notebook `beta_vae`, over all minibatches."""

import itertools
import math

import pytest
import torch
from torch.distributions import Normal

from gmlib import vae
from gmlib.vae import disentangle
from tests.vae.beta_models import F64, Codes, assert_mean, close, exactly

N, M = 6, 3

@pytest.fixture(scope="module")
def codes():
    return Codes()


@pytest.fixture
def six(generator):
    """Six posteriors, draws of the second, and all 10 minibatches of three that hold the second, which comes first."""
    mu = torch.randn(N, 2, generator=generator, dtype=F64)
    sigma = 0.3 + torch.rand(N, 2, generator=generator, dtype=F64)
    z = mu[1] + sigma[1] * torch.randn(7, 2, generator=generator, dtype=F64)
    batches = [(1, *rest) for rest in itertools.combinations([n for n in range(N) if n != 1], M - 1)]
    return Normal(mu, sigma).log_prob(z[:, None]), batches


def mean_over_batches(log_q, batches, log_w):
    """E of q(z) and of q(z_j) over the minibatches, for points drawn from the first of each."""
    values = [disentangle.log_aggregate(log_q[:, list(batch)], log_w) for batch in batches]
    return [torch.stack([v[i].exp() for v in values]).mean(0) for i in (0, 1)]


@pytest.mark.equation("eq-vae-stratified")
def test_stratified_estimate_is_unbiased_for_the_density(six):
    log_q, batches = six
    joint, marginals = mean_over_batches(log_q, batches, vae.stratified_log_weights(M, N, log_q)[0])
    torch.testing.assert_close(joint, log_q.sum(-1).exp().mean(1), **exactly)
    torch.testing.assert_close(marginals, log_q.exp().mean(1), **exactly)


@pytest.mark.equation("eq-vae-stratified")
def test_stratified_weights_are_the_only_unbiased_ones(six):
    """Own weight a, b for each other: E is linear in (a, b); demanding q(z) at seven points leaves one solution."""
    log_q, batches = six
    q = log_q.sum(-1).exp()
    others = torch.stack([q[:, list(batch[1:])].sum(1) for batch in batches]).mean(0)
    solved = torch.linalg.lstsq(torch.stack([q[:, 1], others], 1), q.mean(1, keepdim=True))
    assert torch.linalg.matrix_rank(torch.stack([q[:, 1], others], 1)) == 2
    w = vae.stratified_log_weights(M, N, log_q).exp()
    torch.testing.assert_close(solved.solution[:, 0], w[0, :2], **close)
    torch.testing.assert_close(w.sum(1), torch.ones(M, dtype=F64), **exactly)
    torch.testing.assert_close(w.diagonal(), torch.full((M,), 1 / N, dtype=F64), **exactly)
    all_of_them = vae.stratified_log_weights(N, N, log_q).exp()
    torch.testing.assert_close(all_of_them, torch.full((N, N), 1 / N, dtype=F64), **exactly)


@pytest.mark.equation("eq-vae-stratified")
def test_stratified_estimate_is_the_mean_of_the_published_one_over_orders(six):
    """Chen et al. 2018, appendix C.2: 1/N own, 1/M' all others but one, (N - M')/(N M') that one, for M' others."""
    log_q, batches = six
    q, others = log_q.sum(-1).exp(), M - 1
    ours, theirs = [], []
    for own, *rest in batches:
        log_w = vae.stratified_log_weights(M, N, log_q)[0]
        ours.append(disentangle.log_aggregate(log_q[:, [own, *rest]], log_w)[0].exp())
        for order in itertools.permutations(rest):
            w = [1 / N, *[1 / others] * (others - 1), (N - others) / (N * others)]
            theirs.append(q[:, [own, *order]] @ torch.tensor(w, dtype=F64))
    ours, theirs = torch.stack(ours), torch.stack(theirs)
    torch.testing.assert_close(theirs.reshape(len(ours), -1, 7).mean(1), ours, **exactly)
    assert (ours.var(0, correction=0) < theirs.var(0, correction=0)).all()


@pytest.mark.equation("eq-vae-weighted")
def test_weighted_estimate_is_too_low(six):
    log_q, batches = six
    w = torch.full((M,), -math.log(N * M), dtype=F64)
    q = log_q.sum(-1).exp()
    joint, _ = mean_over_batches(log_q, batches, w)
    formula = ((N - M) * q[:, 1] + N * (M - 1) * q.mean(1)) / (N * M * (N - 1))
    torch.testing.assert_close(joint, formula, **exactly)
    assert (joint <= q.mean(1) / M).all()


@pytest.mark.equation("eq-vae-minibatch-bias")
def test_bias_of_the_terms(codes, generator):
    """The expectation over n, z and the minibatch of M = 3 of N = 5, by quadrature and enumeration."""
    log_q, exact = disentangle.pairwise_log_prob(codes.z, codes.mu, codes.sigma), codes.terms()
    log_w = vae.stratified_log_weights(3, 5, log_q)[0]
    expected = []
    for n in range(5):
        rest = [m for m in range(5) if m != n]
        values = [disentangle.log_aggregate(log_q[:, [n, *r]], log_w) for r in itertools.combinations(rest, 2)]
        split = [disentangle.kl_integrands(codes.z, log_q[:, n].sum(-1), *v) for v in values]
        expected.append([torch.stack(term).mean(0) for term in zip(*split, strict=True)])
    mi, tc, dwkl = (codes.mean(torch.stack(term)) for term in zip(*expected, strict=True))
    assert mi > exact.mi + 0.01 and dwkl < exact.dwkl - 0.01
    torch.testing.assert_close(mi + tc + dwkl, sum(exact), **close)

    draws = []
    for _ in range(4000):
        batch = torch.randperm(5, generator=generator)[:3]
        mu, sigma = codes.mu[batch], codes.sigma[batch]
        z = mu + sigma * torch.randn(3, 2, generator=generator, dtype=F64)
        terms = vae.minibatch_kl_terms(z, mu, sigma, vae.stratified_log_weights(3, 5, z))
        draws.append(torch.stack([t.mean() for t in terms]))
    assert_mean(torch.stack(draws), torch.stack([mi, tc, dwkl]))
