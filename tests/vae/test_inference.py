"""The equations of the notebook `inference`, each against quadrature, autograd or another library."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from gmlib import vae
from gmlib.data import digits
from gmlib.vae import linear as lg

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64


@pytest.mark.equation("eq-vae-evidence", "eq-vae-lg-marginal")
def test_evidence_is_the_integral_over_z(linear, x, grid):
    integral = grid.integrate(grid.log_joint(x, *linear).exp()).log()
    torch.testing.assert_close(vae.LinearGaussian(*linear).log_prob(x), integral, **close)


@pytest.mark.equation("eq-vae-evidence")
def test_evidence_is_the_prior_expectation_of_the_likelihood(linear, x, grid):
    expectation = grid.integrate(grid.log_prior().exp() * grid.log_lik(x, *linear).exp())
    torch.testing.assert_close(vae.LinearGaussian(*linear).log_prob(x).exp(), expectation, rtol=1e-9, atol=0)


@pytest.mark.equation("eq-vae-lg-model", "eq-vae-lg-marginal")
def test_ancestral_samples_have_the_marginal_moments(linear, generator):
    """Each z-score is below 6: for normal means one false alarm in 5e8 for each of 4 + 10 numbers."""
    W, mu, sigma = linear
    n = 200_000
    x = vae.LinearGaussian(*linear).sample((n,), generator)
    C = W @ W.mT + sigma**2 * torch.eye(4, dtype=F64)
    assert ((x.mean(0) - mu).abs() < 6 * (C.diagonal() / n).sqrt()).all()
    spread = ((C.diagonal()[:, None] * C.diagonal() + C**2) / n).sqrt()
    assert ((x.T.cov() - C).abs() < 6 * spread).all()


@pytest.mark.equation("eq-vae-naive-mc")
def test_naive_estimate_is_unbiased(linear, x, grid, generator):
    z = torch.randn(400_000, 2, generator=generator, dtype=F64)
    W, mu, sigma = linear
    ratio = torch.distributions.Normal(z @ W.mT + mu, sigma).log_prob(x[:, None]).sum(-1).exp()
    ratio = ratio / vae.LinearGaussian(*linear).log_prob(x).exp()[:, None]
    assert ((ratio.mean(1) - 1).abs() < 5.5 * ratio.std(1) / math.sqrt(len(z))).all()


@pytest.mark.equation("eq-vae-naive-variance")
def test_naive_variance(linear, x, grid):
    p = grid.log_lik(x, *linear).exp()
    w = grid.log_prior().exp()
    mean, square = grid.integrate(w * p), grid.integrate(w * p**2)
    torch.testing.assert_close(lg.naive_relative_variance(x, *linear), square / mean**2 - 1, rtol=1e-9, atol=0)


@pytest.mark.equation("eq-vae-naive-product")
def test_naive_variance_of_orthogonal_columns(x, grid):
    """The product of the factors, against the second moment of the likelihood by quadrature."""
    W = torch.tensor([[1.0, 1.0], [1.0, -1.0], [0.5, 0.0], [0.0, 0.0]], dtype=F64)
    mu, sigma = torch.tensor([0.1, 0.2, -0.3, 0.0], dtype=F64), torch.tensor(0.9, dtype=F64)
    p, w = grid.log_lik(x, W, mu, sigma).exp(), grid.log_prior().exp()
    moments = grid.integrate(w * p**2) / grid.integrate(w * p) ** 2
    a = W.square().sum(0)
    u = (x - mu) @ W / a.sqrt()
    factors = (a + sigma**2) / (sigma * (2 * a + sigma**2).sqrt()) * (a * u**2 / ((a + sigma**2) * (2 * a + sigma**2))).exp()
    assert (factors > 1).all() and (W.T @ W)[0, 1] == 0
    torch.testing.assert_close(factors.prod(-1), moments, rtol=1e-9, atol=0)
    torch.testing.assert_close(lg.naive_relative_variance(x, W, mu, sigma), moments - 1, rtol=1e-9, atol=0)


@pytest.mark.equation("eq-vae-bayes", "eq-vae-lg-posterior")
def test_joint_over_posterior_is_the_evidence_at_every_z(linear, x, grid):
    log_posterior = grid.log_q(*lg.posterior(x, *linear))
    log_joint = grid.log_joint(x, *linear)
    near = log_joint > -60
    evidence = vae.LinearGaussian(*linear).log_prob(x)[:, None].expand_as(near)
    torch.testing.assert_close((log_joint - log_posterior)[near], evidence[near], **close)


@pytest.mark.equation("eq-vae-lg-posterior")
def test_posterior_moments_by_quadrature(linear, x, grid):
    log_joint = grid.log_joint(x, *linear)
    p = (log_joint - log_joint.logsumexp(-1, keepdim=True)).exp()
    mean = p @ grid.z
    cov = torch.einsum("ng,gi,gj->nij", p, grid.z, grid.z) - mean[:, :, None] * mean[:, None, :]
    m, S = lg.posterior(x, *linear)
    torch.testing.assert_close(m, mean, **close)
    torch.testing.assert_close(S.expand_as(cov), cov, **close)


@pytest.mark.equation("eq-vae-jensen")
def test_log_of_the_mean_and_mean_of_the_log(linear, x, q, grid):
    log_q = grid.log_q(*q)
    log_w = grid.log_joint(x, *linear) - log_q
    torch.testing.assert_close(grid.integrate(log_q.exp()), torch.ones(3, dtype=F64), **close)
    log_of_mean = (log_q + grid.cell.log() + log_w).logsumexp(-1)
    mean_of_log = grid.integrate(log_q.exp() * log_w)
    torch.testing.assert_close(log_of_mean, vae.LinearGaussian(*linear).log_prob(x), **close)
    torch.testing.assert_close(mean_of_log, lg.elbo(x, *q, *linear), **close)
    assert (mean_of_log < log_of_mean).all()


@pytest.mark.equation("eq-vae-elbo", "eq-vae-lg-elbo")
def test_elbo_by_quadrature(linear, x, q, grid):
    log_q = grid.log_q(*q)
    by_grid = grid.integrate(log_q.exp() * (grid.log_joint(x, *linear) - log_q))
    torch.testing.assert_close(lg.elbo(x, *q, *linear), by_grid, **close)


@pytest.mark.equation("eq-vae-elbo-gap")
def test_gap_is_the_divergence_from_the_posterior(linear, x, q):
    gap = kl_divergence(MultivariateNormal(*q), MultivariateNormal(*lg.posterior(x, *linear)))
    torch.testing.assert_close(lg.elbo(x, *q, *linear) + gap, vae.LinearGaussian(*linear).log_prob(x), **close)
    assert (gap > 0.1).all()


@pytest.mark.equation("eq-vae-elbo-gap")
def test_bound_is_tight_at_the_posterior(linear, x):
    at = lg.elbo(x, *lg.posterior(x, *linear), *linear)
    torch.testing.assert_close(at, vae.LinearGaussian(*linear).log_prob(x), **close)


@pytest.mark.equation("eq-vae-elbo-kl")
def test_reconstruction_minus_divergence_from_the_prior(linear, x, q, grid):
    reconstruction = grid.integrate(grid.log_q(*q).exp() * grid.log_lik(x, *linear))
    torch.testing.assert_close(lg.expected_log_lik(x, *q, *linear), reconstruction, **close)
    prior = MultivariateNormal(torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64))
    by_torch = reconstruction - kl_divergence(MultivariateNormal(*q), prior)
    torch.testing.assert_close(lg.elbo(x, *q, *linear), by_torch, **close)


@pytest.mark.equation("eq-vae-elbo-entropy")
def test_expected_joint_plus_entropy(linear, x, q, grid):
    energy = grid.integrate(grid.log_q(*q).exp() * grid.log_joint(x, *linear))
    torch.testing.assert_close(lg.elbo(x, *q, *linear), energy + MultivariateNormal(*q).entropy(), **close)


@pytest.mark.equation("eq-vae-kl-full")
@pytest.mark.parametrize("k", [1, 2, 5])
def test_divergence_of_full_gaussians(k, generator):
    def spd():
        A = torch.randn(3, k, k, generator=generator, dtype=F64)
        return A @ A.mT + 0.2 * torch.eye(k, dtype=F64)

    m, mu = torch.randn(2, 3, k, generator=generator, dtype=F64)
    S, Sigma = spd(), spd()
    by_torch = kl_divergence(MultivariateNormal(m, S), MultivariateNormal(mu, Sigma))
    torch.testing.assert_close(vae.kl_gaussians(m, S, mu, Sigma), by_torch, **close)
    assert not torch.allclose(vae.kl_gaussians(mu, Sigma, m, S), by_torch)  # the arguments matter


@pytest.mark.equation("eq-vae-meanfield")
def test_best_diagonal_gaussian(linear, x):
    """The formula, against a search over means and variances that starts elsewhere."""
    m, S = lg.posterior(x[0], *linear)
    P = torch.linalg.inv(S)
    formula = 0.5 * (P.diagonal().log().sum() - torch.logdet(P))
    free = torch.ones(2, 2, dtype=F64, requires_grad=True)  # mean, log-variance
    search = torch.optim.LBFGS([free], max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-12)

    def gap():
        search.zero_grad()
        value = vae.LinearGaussian(*linear).log_prob(x[0]) - lg.elbo(x[0], free[0], free[1].exp().diag(), *linear)
        value.backward()
        return value

    search.step(gap)
    torch.testing.assert_close(gap().detach(), formula, **close)
    torch.testing.assert_close(free.detach()[1].exp(), 1 / P.diagonal(), rtol=1e-4, atol=0)
    torch.testing.assert_close(free.detach()[0], m, rtol=0, atol=1e-4)
    assert formula > 0.01


def em_path(data, steps):
    mean = data.mean(0)
    W = 0.3 * torch.randn(data.shape[1], 2, generator=torch.Generator().manual_seed(3), dtype=F64)
    sigma = torch.tensor(1.0, dtype=F64)
    for _ in range(steps):
        yield W, mean, sigma
        W, sigma = lg.em_step(data, W, mean, sigma)


@pytest.fixture(scope="module")
def data():
    return digits(dtype=F64).train.x[:200, 18:30] / 16  # twelve pixels from the middle


@pytest.mark.equation("eq-vae-em-e", "eq-vae-em-chain")
def test_em_climbs_the_bound_and_the_likelihood(data):
    path = list(em_path(data, 30))
    for old, new in zip(path, path[1:], strict=False):
        q = lg.posterior(data, *old)
        likelihood = [vae.LinearGaussian(*p).log_prob(data).sum() for p in (old, new)]
        after_e, after_m = (lg.elbo(data, *q, *p).sum() for p in (old, new))
        torch.testing.assert_close(after_e, likelihood[0], rtol=0, atol=1e-8)
        assert after_e < after_m < likelihood[1]


@pytest.mark.equation("eq-vae-em-m", "eq-vae-lg-mstep")
def test_m_step_maximises_the_expected_joint(data):
    """The gradient of E_q[log p(x, z)], by autograd, is zero there, and steps away from it go down."""
    W, mean, sigma = next(em_path(data, 1))
    q = lg.posterior(data, W, mean, sigma)
    W, sigma = (p.clone().requires_grad_() for p in lg.em_step(data, W, mean, sigma))
    value = lg.expected_log_lik(data, *q, W, mean, sigma).sum()
    for g in torch.autograd.grad(value, (W, sigma)):
        torch.testing.assert_close(g, torch.zeros_like(g), rtol=0, atol=1e-8)
    for scale in (0.99, 1.01):
        assert lg.expected_log_lik(data, *q, W, mean, scale * sigma).sum() < value
        assert lg.expected_log_lik(data, *q, scale * W, mean, sigma).sum() < value


@pytest.mark.equation("eq-vae-ppca-ml")
def test_closed_form_maximum(data):
    """EM from a random start ends there, the gradient is zero there, and scikit-learn agrees."""
    from sklearn.decomposition import PCA

    best = vae.ppca(data, 2)
    value = vae.LinearGaussian(*best).log_prob(data).mean()
    *_, last = em_path(data, 2000)
    torch.testing.assert_close(vae.LinearGaussian(*last).log_prob(data).mean(), value, **close)
    W, mu, sigma = (p.clone().requires_grad_() for p in best)
    likelihood = torch.distributions.MultivariateNormal(mu, W @ W.mT + sigma**2 * torch.eye(12, dtype=F64))
    for g in torch.autograd.grad(likelihood.log_prob(data).mean(), (W, mu, sigma)):
        torch.testing.assert_close(g, torch.zeros_like(g), **close)
    n = len(data)  # scikit-learn divides by N - 1
    theirs = torch.as_tensor(PCA(2).fit(data.numpy()).get_covariance()) * (n - 1) / n
    torch.testing.assert_close(best[0] @ best[0].mT + best[2] ** 2 * torch.eye(12, dtype=F64), theirs, **close)


@pytest.mark.equation("eq-vae-map")
@pytest.mark.parametrize("delta", [2.0, 0.5, 1e-3])
def test_bound_of_a_narrow_gaussian(linear, x, delta):
    W, mu, sigma = linear
    z = torch.tensor([0.4, -0.7], dtype=F64)
    log_joint = MultivariateNormal(torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64)).log_prob(z)
    log_joint = log_joint + MultivariateNormal(W @ z + mu, sigma**2 * torch.eye(4, dtype=F64)).log_prob(x)
    _, S = lg.posterior(x, *linear)
    formula = log_joint - delta**2 / 2 * torch.linalg.inv(S).trace() + math.log(2 * math.pi * math.e * delta**2)
    bound = lg.elbo(x, z.expand(3, 2), delta**2 * torch.eye(2, dtype=F64), *linear)
    torch.testing.assert_close(bound, formula, **close)


@pytest.mark.equation("eq-vae-map")
def test_best_narrow_gaussian_sits_at_the_mode(linear, x):
    m, _ = lg.posterior(x, *linear)
    z = m.clone().requires_grad_()
    bound = lg.elbo(x, z, 1e-4 * torch.eye(2, dtype=F64), *linear).sum()
    (g,) = torch.autograd.grad(bound, z)
    torch.testing.assert_close(g, torch.zeros_like(g), **close)
