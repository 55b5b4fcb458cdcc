"""The equations of the notebook `vae`, each against quadrature, autograd, closed form or another library."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from gmlib import vae
from gmlib.data import digits
from gmlib.nn import BernoulliNet, GaussianNet
from gmlib.vae import linear as lg
from gmlib.vae.gaussian import kl_terms

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
SIGMAS = 5.5  # for normal means a false alarm of 4e-8 each; about 150 comparisons here, together 6e-6


def assert_mean(draws, expected, dim=0):
    """The mean of independent draws is what it should be, within SIGMAS standard errors."""
    standard_error = draws.std(dim) / math.sqrt(draws.shape[dim])
    assert ((draws.mean(dim) - expected).abs() <= SIGMAS * standard_error + 1e-12).all()


def test_assert_mean_catches_a_small_bias(generator):
    draws = torch.randn(200_000, generator=generator, dtype=F64)
    assert_mean(draws, 0.0)
    with pytest.raises(AssertionError):
        assert_mean(draws + 0.02, 0.0)


@pytest.fixture
def small(generator):
    """A VAE on three binary pixels with one latent dimension, small enough for quadrature."""
    torch.manual_seed(0)
    return vae.VAE(GaussianNet(3, 5, 1), BernoulliNet(1, 5, 3)).double()


@pytest.fixture
def bits():
    return torch.tensor([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], dtype=F64)


Z = torch.linspace(-12, 12, 4001, dtype=F64)


def log_joint_on_line(model, x):
    """log p(x, z) at the points Z, by PyTorch's distributions; shape (B, 4001)."""
    logits = model.decoder.net(Z[:, None])
    return Bernoulli(logits=logits).log_prob(x[:, None]).sum(-1) + Normal(0.0, 1.0).log_prob(Z)


def on_line(values):
    return torch.trapezoid(values, Z)


def encoder_on_line(model, x):
    mu, log_sigma = model.encoder.net(x).chunk(2, -1)
    return Normal(mu, log_sigma.exp()).log_prob(Z)


def exact_elbo(model, x):
    log_q = encoder_on_line(model, x)
    return on_line(log_q.exp() * (log_joint_on_line(model, x) - log_q))


@pytest.mark.equation("eq-vae-joint")
def test_joint_integrates_and_sums_to_one(small, bits):
    mass = on_line(log_joint_on_line(small, bits).exp())
    torch.testing.assert_close(mass.sum(), torch.ones((), dtype=F64), **close)
    g = torch.Generator().manual_seed(2)
    q, z = small._encode(bits, g, 1)
    log_joint, _ = small._log_joint_and_q(bits, 1, torch.Generator().manual_seed(2))
    by_torch = Normal(0.0, 1.0).log_prob(z).sum(-1) + Bernoulli(logits=small.decoder.net(z)).log_prob(bits).sum(-1)
    torch.testing.assert_close(log_joint, by_torch, **close)


@pytest.mark.equation("eq-vae-objective")
def test_objective_is_below_the_evidence(small, bits, generator):
    exact, evidence = exact_elbo(small, bits), on_line(log_joint_on_line(small, bits).exp()).log()
    assert (exact < evidence).all()
    draws = torch.stack([small.elbo(bits, 1, generator) for _ in range(4000)]).detach()
    assert_mean(draws, exact.detach())
    mean_loss = torch.stack([vae.negative_elbo(small, bits, generator)[0] for _ in range(4000)]).detach()
    assert_mean(mean_loss, -exact.mean().detach())


@pytest.mark.equation("eq-vae-encoder")
def test_encoder_is_the_gaussian_of_its_two_outputs(small, bits):
    mu, log_sigma = small.encoder.net(bits).chunk(2, -1)
    z = torch.tensor([0.3], dtype=F64)
    density = -0.5 * ((z - mu) / log_sigma.exp()) ** 2 - log_sigma - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(small.encoder(bits).log_prob(z), density.sum(-1), **close)


@pytest.mark.equation("eq-vae-sgvb-a", "eq-vae-elbo")
@pytest.mark.parametrize("num_samples", [1, 3])
def test_estimator_a_is_unbiased(small, bits, generator, num_samples):
    draws = torch.stack([small.sampled_elbo(bits, num_samples, generator) for _ in range(3000)]).detach()
    assert_mean(draws, exact_elbo(small, bits).detach())


@pytest.mark.equation("eq-vae-sgvb-b", "eq-vae-elbo-kl")
@pytest.mark.parametrize("num_samples", [1, 3])
def test_estimator_b_is_unbiased(small, bits, generator, num_samples):
    draws = torch.stack([small.elbo(bits, num_samples, generator) for _ in range(3000)]).detach()
    assert_mean(draws, exact_elbo(small, bits).detach())


@pytest.mark.equation("eq-vae-sgvb-a", "eq-vae-elbo-gap")
def test_estimator_a_has_no_noise_at_the_posterior(linear, x, generator):
    W, mu, sigma = linear
    m, S = lg.posterior(x, *linear)
    q = torch.distributions.MultivariateNormal(m, S)
    z = m + torch.randn(50, 3, 2, generator=generator, dtype=F64) @ torch.linalg.cholesky(S).mT
    log_joint = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ W.mT + mu, sigma).log_prob(x).sum(-1)
    evidence = vae.LinearGaussian(*linear).log_prob(x)
    for one in zip(log_joint, q.log_prob(z), strict=True):
        torch.testing.assert_close(vae.sgvb_a(*(v[None] for v in one)), evidence, **close)


@pytest.mark.equation("eq-vae-kl")
def test_divergence_from_the_prior(generator):
    mu = torch.randn(6, 3, generator=generator, dtype=F64)
    sigma = 0.1 + 2 * torch.rand(6, 3, generator=generator, dtype=F64)
    q, p = Independent(Normal(mu, sigma), 1), Independent(Normal(torch.zeros_like(mu), 1.0), 1)
    torch.testing.assert_close(vae.kl_to_standard_normal(mu, sigma), kl_divergence(q, p), **close)
    torch.testing.assert_close(kl_terms(mu, sigma).sum(-1), kl_divergence(q, p), **close)


@pytest.mark.equation("eq-vae-kl")
def test_divergence_from_the_prior_by_quadrature():
    mu, sigma = torch.tensor([0.7], dtype=F64), torch.tensor([0.4], dtype=F64)
    q, p = Normal(mu, sigma).log_prob(Z), Normal(0.0, 1.0).log_prob(Z)
    torch.testing.assert_close(on_line(q.exp() * (q - p)), vae.kl_to_standard_normal(mu, sigma), **close)


@pytest.mark.equation("eq-vae-reparam")
def test_reparameterised_draws_have_the_density(generator):
    """Kolmogorov-Smirnov against the normal distribution; p below 1e-7 is one false alarm in ten million."""
    from scipy import stats

    mu, sigma = torch.tensor([1.5, -2.0], dtype=F64), torch.tensor([0.3, 2.0], dtype=F64)
    z = vae.reparameterise(mu, sigma, torch.randn(20_000, 2, generator=generator, dtype=F64))
    for i in range(2):
        assert stats.kstest(z[:, i], stats.norm(mu[i], sigma[i]).cdf).pvalue > 1e-7
        assert stats.kstest(z[:, i], stats.norm(mu[i], sigma[i] ** 2).cdf).pvalue < 1e-7  # variance for sigma


def quartic(z):
    return torch.sin(z) - 0.1 * z**4


def exact_gradient(f, mu, sigma):
    """The gradient of E[f] by autograd through a Gauss-Hermite sum that knows neither estimator."""
    import numpy as np

    nodes, weights = (torch.as_tensor(v) for v in np.polynomial.hermite_e.hermegauss(60))
    mu, sigma = mu.clone().requires_grad_(), sigma.clone().requires_grad_()
    value = (weights * f(mu + sigma * nodes)).sum() / math.sqrt(2 * math.pi)
    return torch.autograd.grad(value, (mu, sigma))


@pytest.mark.parametrize("f", [torch.sin, torch.square, quartic])
@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        pytest.param(vae.reparameterisation_gradient, {}, id="reparameterised"),
        pytest.param(vae.score_function_gradient, {}, id="score"),
        pytest.param(vae.score_function_gradient, {"baseline": -3.0}, id="baseline"),
    ],
)
@pytest.mark.equation("eq-vae-grad-reparam", "eq-vae-grad-score", "eq-vae-grad-baseline")
def test_gradient_estimators_are_unbiased(estimator, options, f, generator):
    mu, sigma = torch.tensor(0.8, dtype=F64), torch.tensor(0.6, dtype=F64)
    eps = torch.randn(400_000, generator=generator, dtype=F64)
    for draws, exact in zip(estimator(f, mu, sigma, eps, **options), exact_gradient(f, mu, sigma), strict=True):
        assert_mean(draws, exact)


@pytest.mark.equation("eq-vae-grad-score", "eq-vae-grad-reparam")
def test_gradient_estimators_draw_by_draw(generator):
    """Not only the mean: each draw is autograd's own, of f(z) log q(z) with z held, and of f(mu + sigma eps)."""
    mu, sigma = torch.tensor(0.8, dtype=F64), torch.tensor(0.6, dtype=F64)
    eps = torch.randn(7, generator=generator, dtype=F64)
    m, s = mu.expand(7).clone().requires_grad_(), sigma.expand(7).clone().requires_grad_()
    z = (m + s * eps).detach()
    score = torch.autograd.grad((quartic(z) * Normal(m, s).log_prob(z)).sum(), (m, s))
    path = torch.autograd.grad(quartic(m + s * eps).sum(), (m, s))
    torch.testing.assert_close(vae.score_function_gradient(quartic, mu, sigma, eps), score, **close)
    torch.testing.assert_close(vae.reparameterisation_gradient(quartic, mu, sigma, eps), path, **close)


@pytest.mark.equation("eq-vae-grad-baseline")
def test_score_has_mean_zero():
    """By quadrature: the integral of grad log q(z) times q(z), for both parameters."""
    mu, sigma = torch.tensor(0.8, dtype=F64), torch.tensor(0.6, dtype=F64)
    q = Normal(mu, sigma).log_prob(Z).exp()
    for score in vae.score_function_gradient(torch.ones_like, mu, sigma, (Z - mu) / sigma):
        torch.testing.assert_close(on_line(q * score), torch.zeros((), dtype=F64), **close)


@pytest.mark.equation("eq-vae-grad-variances")
@pytest.mark.parametrize("d", [0.0, 1.5])
@pytest.mark.parametrize("sigma", [0.2, 1.3])
def test_gradient_variances(d, sigma):
    """Exactly, by Gauss-Hermite quadrature of the draws and of their squares."""
    import numpy as np

    eps, w = (torch.as_tensor(v) for v in np.polynomial.hermite_e.hermegauss(40))
    w = w / w.sum()
    mu, s = torch.tensor(d + 1.0, dtype=F64), torch.tensor(sigma, dtype=F64)

    def variance(estimator, **options):
        draws, _ = estimator(lambda z: -0.5 * (z - 1.0) ** 2, mu, s, eps, **options)
        return ((w * draws**2).sum() - (w * draws).sum() ** 2).item()

    assert variance(vae.reparameterisation_gradient) == pytest.approx(sigma**2, abs=1e-9)
    score = d**4 / (4 * sigma**2) + 7 * d**2 / 2 + 15 * sigma**2 / 4
    assert variance(vae.score_function_gradient) == pytest.approx(score, abs=1e-9)
    mean = -(d**2 + sigma**2) / 2
    assert variance(vae.score_function_gradient, baseline=mean) == pytest.approx(2 * d**2 + 2.5 * sigma**2, abs=1e-9)


@pytest.mark.equation("eq-vae-minibatch", "eq-vae-bernoulli")
def test_loss_by_hand(small, bits):
    loss, terms = vae.negative_elbo(small, bits, torch.Generator().manual_seed(4))
    eps = torch.randn(1, 8, 1, generator=torch.Generator().manual_seed(4), dtype=F64)[0]
    mu, log_sigma = small.encoder.net(bits).chunk(2, -1)
    rho = small.decoder.net(mu + log_sigma.exp() * eps).sigmoid()
    log_lik = (bits * rho.log() + (1 - bits) * (1 - rho).log()).sum(-1)
    kl = 0.5 * (mu**2 + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(-1)
    torch.testing.assert_close(loss, -(log_lik - kl).mean(), **close)
    torch.testing.assert_close(terms["reconstruction"] + terms["kl"], loss, **close)


@pytest.mark.equation("eq-vae-minibatch")
def test_loss_gradient_is_unbiased(small, bits, generator):
    """The mean of the loss's gradient is autograd's gradient of the exact ELBO, taken by quadrature."""
    parameters = list(small.parameters())
    exact = torch.autograd.grad(-exact_elbo(small, bits).mean(), parameters)
    draws = [torch.autograd.grad(vae.negative_elbo(small, bits, generator)[0], parameters) for _ in range(3000)]
    for i, g in enumerate(exact):
        assert_mean(torch.stack([d[i] for d in draws]), g)


@pytest.mark.equation("eq-vae-weight")
def test_importance_weights_are_unbiased(small, bits, generator):
    evidence = on_line(log_joint_on_line(small, bits).exp())
    weights = small.log_weights(bits, 100_000, generator).exp().detach()
    assert_mean(weights, evidence.detach())
    again = small._log_joint_and_q(bits, 5, torch.Generator().manual_seed(1))
    torch.testing.assert_close(small.log_weights(bits, 5, torch.Generator().manual_seed(1)), again[0] - again[1])


@pytest.mark.equation("eq-vae-iwae")
def test_importance_weighted_bound_of_given_weights():
    log_w = torch.tensor([[0.0, 1.0], [2.0, -3.0], [0.5, 0.5]], dtype=F64)
    torch.testing.assert_close(vae.iwae(log_w), log_w.exp().mean(0).log(), **close)
    torch.testing.assert_close(vae.iwae(log_w - 2000), log_w.exp().mean(0).log() - 2000, **close)  # no underflow


@pytest.mark.equation("eq-vae-iwae", "eq-vae-iwae-order")
def test_more_weights_tighten_the_bound(small, bits, generator):
    """L_1 and L_2 exactly, by quadrature over one and two draws; L_4 and L_16 by independent draws."""
    torch.nn.init.normal_(small.encoder.net[-1].weight, std=0.7)  # an encoder that is off
    with torch.no_grad():
        log_joint, log_q = log_joint_on_line(small, bits), encoder_on_line(small, bits)
        evidence = on_line(log_joint.exp()).log()
        log_w, q = (log_joint - log_q)[:, ::10], (log_q.exp() * (Z[1] - Z[0]) * 10)[:, ::10]
        pairs = torch.logaddexp(log_w[:, :, None], log_w[:, None, :]) - math.log(2)
        exact = {1: exact_elbo(small, bits), 2: torch.einsum("ni,nj,nij->n", q, q, pairs)}
        draws = {K: vae.iwae(small.log_weights(bits, K * 4000, generator).reshape(K, -1, 8)) for K in (1, 2, 4, 16)}
    for K in exact:
        assert_mean(draws[K], exact[K])
    assert (exact[1] < exact[2] - 1e-6).all() and (exact[2] < evidence - 1e-6).all()
    assert_rises(exact[2].expand_as(draws[4]), draws[4])
    assert_rises(draws[4], draws[16])
    assert_rises(draws[16], evidence.expand_as(draws[4]))
    with pytest.raises(AssertionError):
        assert_rises(draws[16], draws[1])


def assert_rises(low, high):
    """The mean of the second is not below that of the first, within SIGMAS standard errors of the difference."""
    error = (low.var(0) / len(low) + high.var(0) / len(high)).sqrt()
    assert (high.mean(0) - low.mean(0) > -SIGMAS * error - 1e-12).all()
    assert (high.mean(0) - low.mean(0)).sum() > 0


@pytest.mark.equation("eq-vae-iwae")
def test_estimate_converges_and_knows_its_error(small, bits, generator):
    evidence = on_line(log_joint_on_line(small, bits).exp()).log().detach()
    with torch.no_grad():
        estimate = small.estimate_log_prob(bits, 200_000, generator, chunk=50_000)
        repeated = torch.stack([small.estimate_log_prob(bits, 400, generator).value for _ in range(600)])
        claimed = torch.stack([small.estimate_log_prob(bits, 400, generator).standard_error for _ in range(50)])
    assert estimate.kind == "lower"
    assert ((estimate.value - evidence).abs() < SIGMAS * estimate.standard_error).all()
    torch.testing.assert_close(repeated.std(0), claimed.mean(0), rtol=0.25, atol=0)


@pytest.mark.equation("eq-vae-iwae")
def test_estimate_is_of_as_many_draws_as_asked(small, bits):
    with torch.no_grad():
        estimate = small.estimate_log_prob(bits, 7, torch.Generator().manual_seed(3), chunk=3)
        generator = torch.Generator().manual_seed(3)
        w = torch.cat([small.log_weights(bits, size, generator) for size in (3, 3, 1)]).exp()
    torch.testing.assert_close(estimate.value, (w.sum(0) / 7).log(), rtol=0, atol=1e-12)
    torch.testing.assert_close(estimate.standard_error, w.std(0) / w.mean(0) / math.sqrt(7), rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def grey():
    return digits(dtype=F64).train.x / 16


@pytest.mark.equation("eq-vae-linear-optimum")
def test_diagonal_encoder_is_enough_for_ppca(grey):
    W, mu, sigma = vae.ppca(grey, 4)
    lam = torch.linalg.eigvalsh(torch.cov(grey.T, correction=0)).flip(0)[:4]
    m, S = (grey - mu) @ W / lam, torch.diag(sigma**2 / lam)
    torch.testing.assert_close((m, S), lg.posterior(grey, W, mu, sigma), **close)
    torch.testing.assert_close(lg.elbo(grey, m, S, W, mu, sigma), vae.LinearGaussian(W, mu, sigma).log_prob(grey), **close)


@pytest.mark.equation("eq-vae-collapse")
def test_collapse_in_the_linear_model(grey):
    """Gradient descent on the likelihood with the noise held finds the squared lengths and divergences."""
    sigma, k = 0.5, 6
    mu = grey.mean(0)
    C = torch.cov(grey.T, correction=0)
    lam = torch.linalg.eigvalsh(C).flip(0)[:k]
    W = (0.1 * torch.randn(64, k, generator=torch.Generator().manual_seed(0), dtype=F64)).requires_grad_()
    search = torch.optim.LBFGS([W], max_iter=2000, line_search_fn="strong_wolfe", tolerance_grad=1e-11, tolerance_change=0)

    def loss():  # minus the mean log-likelihood, up to a constant
        search.zero_grad()
        model = W @ W.mT + sigma**2 * torch.eye(64, dtype=F64)
        value = 0.5 * (torch.logdet(model) + torch.linalg.solve(model, C).trace())
        value.backward()
        return value

    search.step(loss)
    _, lengths, R = torch.linalg.svd(W.detach())
    formula = (lam - sigma**2).clamp(min=0)
    assert 0 < (formula > 0).sum() < k
    torch.testing.assert_close(lengths**2, formula, rtol=0, atol=1e-6)
    m, S = lg.posterior(grey, W.detach() @ R.mT, mu, torch.tensor(sigma, dtype=F64))
    kl = kl_terms(m, S.diagonal().sqrt().expand_as(m)).mean(0)
    torch.testing.assert_close(kl, 0.5 * (lam / sigma**2).log().clamp(min=0), rtol=0, atol=1e-5)


@pytest.mark.equation("eq-vae-collapse")
def test_the_diagonal_encoder_makes_the_columns_orthogonal(grey):
    """Gradient descent on the exact ELBO, over W and a linear encoder with a diagonal covariance."""
    sigma, k = torch.tensor(0.4, dtype=F64), 4
    C = torch.cov(grey.T, correction=0)[:20, :20]
    x = torch.linalg.cholesky(C * 20 + 1e-9 * torch.eye(20, dtype=F64)).mT  # 20 points with covariance C
    lam = torch.linalg.eigvalsh(x.mT @ x / 20).flip(0)[:k]
    g = torch.Generator().manual_seed(0)
    W, A = 0.3 * torch.randn(2, 20, k, generator=g, dtype=F64)
    W, A, log_s = (p.clone().requires_grad_() for p in (W, A, torch.zeros(k, dtype=F64)))
    options = dict(max_iter=4000, history_size=50, line_search_fn="strong_wolfe", tolerance_grad=1e-10, tolerance_change=0)
    search = torch.optim.LBFGS([W, A, log_s], **options)

    def loss():
        search.zero_grad()
        value = -lg.elbo(x, x @ A, (2 * log_s).exp().diag(), W, torch.zeros(20, dtype=F64), sigma).mean()
        value.backward()
        return value

    search.step(loss)
    assert 0 < (lam > sigma**2).sum() < k
    gram = (W.mT @ W).detach()
    lengths = gram.diagonal().sort(descending=True).values
    assert (gram - gram.diagonal().diag()).abs().max() < 1e-4
    torch.testing.assert_close(lengths, (lam - sigma**2).clamp(min=0), rtol=0, atol=1e-4)
