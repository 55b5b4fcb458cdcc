"""The weighted objective of the notebook `beta_vae` beside the bound, by quadrature and by search."""

import math

import pytest
import torch

from gmlib import vae
from gmlib.vae import linear as lg
from tests.vae.beta_models import F64, close


@pytest.mark.equation("eq-vae-beta-bound", "eq-vae-elbo-kl")
def test_the_weighted_objective_is_below_the_bound(linear, x, q, grid):
    """By quadrature, for a q that is nobody's posterior; below beta = 1 it can be above log p(x)."""
    log_q = grid.log_q(*q)
    reconstruction = -grid.integrate(log_q.exp() * grid.log_lik(x, *linear))
    kl = grid.integrate(log_q.exp() * (log_q - grid.log_prior()))
    elbo, evidence = lg.elbo(x, *q, *linear), vae.LinearGaussian(*linear).log_prob(x)
    for beta in (1.0, 1.5, 4.0):
        torch.testing.assert_close(-(reconstruction + beta * kl), elbo - (beta - 1) * kl, **close)
        assert (elbo - (beta - 1) * kl <= elbo + 1e-12).all() and (elbo <= evidence).all()
    m, S = lg.posterior(x, *linear)
    half = 0.5 * vae.kl_gaussians(m, S, torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64))
    loss = -lg.expected_log_lik(x, m, S, *linear) + half
    assert (-loss > evidence).all()


@pytest.mark.equation("eq-vae-beta-optimum")
@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
def test_best_posterior_of_the_weighted_objective(linear, x, grid, beta):
    """The least loss by quadrature, against a search over Gaussians, which hold the tempered posterior here."""
    W, mu, sigma = linear
    log_z = (grid.log_prior() + grid.log_lik(x, *linear) / beta).logsumexp(-1) + grid.cell.log()
    least = -beta * log_z
    m, S = lg.posterior(x, W, mu, sigma * math.sqrt(beta))

    def loss(m, S):
        prior = torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64)
        return -lg.expected_log_lik(x, m, S, *linear) + beta * vae.kl_gaussians(m, S, *prior)

    torch.testing.assert_close(loss(m, S), least, **close)
    free, L = (m + 0.3).requires_grad_(), (1.4 * torch.linalg.cholesky(S)).contiguous().requires_grad_()
    search = torch.optim.LBFGS([free, L], max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-12)

    def total():
        search.zero_grad()
        value = loss(free, L @ L.mT).sum()
        value.backward()
        return value

    search.step(total)
    torch.testing.assert_close(loss(free, L @ L.mT).detach(), least, **close)
    torch.testing.assert_close(free.detach(), m, rtol=0, atol=1e-4)
    log_q = grid.log_q(m, S)
    tempered = grid.log_prior() + grid.log_lik(x, *linear) / beta - log_z[:, None]
    near = log_q > -60
    torch.testing.assert_close(log_q[near], tempered[near], **close)
    gap = vae.LinearGaussian(*linear).log_prob(x) + least  # log p(x) minus the greatest value of the objective
    assert (gap.sign() == (beta > 1) - (beta < 1)).all() if beta != 1 else (gap.abs() < 1e-9).all()
