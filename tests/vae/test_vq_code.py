"""The code and the bound of the notebook `vq_vae`, against enumeration, plain loops and PyTorch's divergences."""

import itertools
import math

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from gmlib import vae
from gmlib.vae.vq import nearest
from gmlib.vae.vq_prior import all_codes
from tests.vae.vq_models import F64, K, L, all_images, close, d, log_lik_by_hand, make, randn


@pytest.fixture
def model():
    return make()


@pytest.fixture
def images():
    return all_images()


@pytest.mark.equation("eq-vae-vq-nearest", "eq-vae-vq-posterior")
def test_nearest_against_every_distance():
    z_e, e = randn(7, 20, d), randn(9, d, seed=1)
    by_force = torch.cdist(z_e, e.expand(7, 9, d), compute_mode="donot_use_mm_for_euclid_dist").argmin(-1)
    assert torch.equal(nearest(z_e, e), by_force)
    assert len(by_force.unique()) == 9


@pytest.mark.equation("eq-vae-vq-nearest")
def test_of_equally_near_vectors_the_first_wins():
    e = torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 2.0], [0.0, 0.0]], dtype=F64)
    z_e = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [5.0, 5.0]], dtype=F64)
    assert nearest(z_e, e).tolist() == [0, 1, 0, 1, 0]


@pytest.mark.equation("eq-vae-vq-posterior")
def test_encoder_picks_the_nearest_vector_at_each_position(model, images):
    for x, code in zip(images, model.encode(images), strict=True):
        z_e = model.encoder(x).reshape(L, d)
        assert [min(range(K), key=lambda k: (z - model.codebook[k]).norm().item()) for z in z_e] == code.tolist()
    assert len(model.encode(images).unique(dim=0)) > 5


@pytest.mark.equation("eq-vae-vq-evidence")
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_evidence_by_plain_loops(model, images, chunk):
    x = images[[0, 5, 30]]
    with torch.no_grad():
        joint = torch.tensor(
            [[log_lik_by_hand(model, v, c) + model.prior.log_prob(torch.tensor(c))
              for c in itertools.product(range(K), repeat=L)] for v in x], dtype=F64,
        )  # fmt: skip
        torch.testing.assert_close(vae.log_prob_by_enumeration(model, x, chunk), joint.exp().sum(1).log(), **close)


@pytest.mark.equation("eq-vae-vq-evidence")
def test_evidence_sums_to_one_over_all_images(model, images):
    with torch.no_grad():
        mass = vae.log_prob_by_enumeration(model, images).exp().sum()
    torch.testing.assert_close(mass, torch.ones((), dtype=F64), **close)


def test_a_batch_of_any_shape_is_that_of_its_rows(model, images):
    with torch.no_grad():
        for f in (model.encode, model.elbo, lambda x: vae.log_prob_by_enumeration(model, x, 7)):
            torch.testing.assert_close(f(images.reshape(2, 16, -1)).flatten(0, 1), f(images), **close)


@pytest.mark.equation("eq-vae-vq-elbo")
def test_elbo_is_the_expectation_under_a_one_hot_q(model, images):
    """The general ELBO, E_q[log p(x, c) - log q(c)], over all codes with q one-hot and 0 log 0 = 0."""
    with torch.no_grad():
        codes = all_codes(L, K)
        log_joint = model.prior.log_prob(codes) + model.decode(codes).log_prob(images.unsqueeze(1))
        q = (model.encode(images).unsqueeze(1) == codes).all(-1).to(F64)
        assert (q.sum(1) == 1).all()
        bound = (q * log_joint).sum(1) + torch.special.entr(q).sum(1)
        torch.testing.assert_close(model.elbo(images), bound, **close)
        torch.testing.assert_close(model.elbo(images, 3), bound, **close)
        assert (bound < vae.log_prob_by_enumeration(model, images)).all()


@pytest.mark.equation("eq-vae-vq-gap")
def test_gap_is_minus_the_log_posterior_of_the_chosen_code(model, images):
    with torch.no_grad():
        codes = all_codes(L, K)
        posterior = Categorical(logits=model.decode(codes).log_prob(images.unsqueeze(1)) + model.prior.log_prob(codes))
        chosen = (model.encode(images).unsqueeze(1) == codes).all(-1).to(torch.long).argmax(1)
        gap = vae.log_prob_by_enumeration(model, images) - model.elbo(images)
        torch.testing.assert_close(gap, -posterior.log_prob(chosen), **close)
        one_hot = Categorical(probs=torch.nn.functional.one_hot(chosen, len(codes)).to(F64))
        by_torch = kl_divergence(one_hot, posterior)  # PyTorch clamps the zeros, hence the tolerance
        torch.testing.assert_close(gap, by_torch, rtol=0, atol=1e-6)
    assert gap.min() > 0.01


@pytest.mark.equation("eq-vae-vq-kl")
@pytest.mark.parametrize(("positions", "size"), [(1, 2), (3, 4), (2, 9)])
def test_divergence_from_the_uniform_prior_is_constant(positions, size):
    """PyTorch's divergence over all codes, at every one-hot q; and minus the log-mass under the prior as it starts."""
    n = size**positions
    expected = torch.full((n,), positions * math.log(size), dtype=F64)
    uniform = Categorical(probs=torch.full((n, n), 1 / n, dtype=F64))
    by_torch = kl_divergence(Categorical(probs=torch.eye(n, dtype=F64)), uniform)
    torch.testing.assert_close(by_torch, expected, rtol=0, atol=1e-6)
    prior = vae.CodePrior(positions, size, hidden=4).double()
    torch.testing.assert_close(-prior.log_prob(all_codes(positions, size)).detach(), expected, **close)


@pytest.mark.equation("eq-vae-vq-prior-cost")
def test_cost_of_the_codes_is_their_entropy_and_a_divergence(model, images):
    """The mean divergence of q from the prior, split by a table over all 64 codes."""
    x = torch.cat([images, images[:9]])
    codes = all_codes(L, K)
    q_bar = (model.encode(x).unsqueeze(1) == codes).all(-1).to(F64).mean(0)
    with torch.no_grad():
        p = Categorical(logits=model.prior.log_prob(codes))
        split = Categorical(probs=q_bar).entropy() + (torch.xlogy(q_bar, q_bar) - q_bar * p.logits).sum()
        loss, terms = vae.prior_loss(model, x)
    torch.testing.assert_close(loss, split, **close)
    assert terms["codes"] == loss


@pytest.mark.equation("eq-vae-vq-total-correlation")
def test_independent_positions_cost_the_total_correlation(model, images):
    """The best independent prior, found by descent, against the divergence of a table from its marginals' product."""
    codes = model.encode(images)
    table = torch.zeros([K] * L, dtype=F64)
    for c in codes:
        table[tuple(c)] += 1 / len(codes)
    marginals = [table.sum([j for j in range(L) if j != i]) for i in range(L)]
    product = marginals[0][:, None, None] * marginals[1][:, None] * marginals[2]
    on = table > 0
    correlation = (table[on] * (table[on] / product[on]).log()).sum()
    entropy = -(table[on] * table[on].log()).sum()
    model.prior = vae.CodePrior(L, K).double()
    parameters = model.prior.parameters()
    search = torch.optim.LBFGS(parameters, max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-12)

    def cost():
        search.zero_grad()
        loss, _ = vae.prior_loss(model, images)
        loss.backward()
        return loss

    search.step(cost)
    torch.testing.assert_close(cost().detach(), entropy + correlation, rtol=0, atol=1e-6)
    with torch.no_grad():
        model.prior.bias.copy_(torch.stack(marginals).clamp(min=1e-300).log())
        torch.testing.assert_close(vae.prior_loss(model, images)[0], entropy + correlation, **close)
    assert correlation > 0.1
