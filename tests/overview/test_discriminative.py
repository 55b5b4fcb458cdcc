"""The equations of the notebook `discriminative` that are about two models at once, or about more than naive Bayes."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize
from sklearn.linear_model import LogisticRegression
from torch.distributions import Bernoulli, MultivariateNormal

from gmlib.overview import BernoulliNaiveBayes, GaussianDiscriminant, brier, fit_bernoulli_naive_bayes, log_loss

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
ALL = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=F64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def data(generator):
    """Two hundred examples of four bits, two of them almost copies, in two classes that overlap."""
    y = torch.randint(2, (200,), generator=generator)
    x = (torch.rand(200, 4, generator=generator, dtype=F64) < 0.3 + 0.3 * y[:, None]).to(F64)
    x[:40, 1] = x[:40, 0]
    x[40:, 1] = x[40:, 0].where(torch.rand(160, generator=generator) < 0.9, x[40:, 1])
    return x, y


def own(values, y):
    return values.gather(-1, y.unsqueeze(-1)).squeeze(-1)


@pytest.mark.equation("eq-overview-objectives")
def test_each_kind_is_best_at_its_own_objective(data):
    """The sum splits; counting has the larger joint likelihood, logistic regression the larger conditional one."""
    x, y = data
    model = fit_bernoulli_naive_bayes(x, y, 2, alpha=0.0)
    joint = own(model.log_prior + Bernoulli(model.theta).log_prob(x.unsqueeze(1)).sum(-1), y).sum()
    conditional, marginal = own(model.log_posterior(x), y).sum(), model.log_prob(x).sum()
    torch.testing.assert_close(joint, conditional + marginal, **close)

    logistic = LogisticRegression(C=1e8, tol=1e-10, max_iter=10_000).fit(x.numpy(), y.numpy())
    discriminative = torch.tensor(logistic.predict_log_proba(x.numpy()))
    assert own(discriminative, y).sum() > conditional + 0.1
    # a naive Bayes model with just these log-odds: class 0 keeps its theta, class 1 takes the weights
    odds = model.theta[0].logit() + torch.tensor(logistic.coef_[0])
    theta = torch.stack([model.theta[0], odds.sigmoid()])
    offset = torch.tensor(logistic.intercept_) - (-theta).log1p().sum(1).diff()
    same = BernoulliNaiveBayes(torch.stack([-offset[0], offset[0]]).mul(0.5).log_softmax(0), theta)
    torch.testing.assert_close(same.log_posterior(x), discriminative, **close)
    assert own(same.log_joint(x), y).sum() < joint - 0.1


@pytest.mark.equation("eq-overview-nb-likelihood")
def test_likelihood_from_counts(data, generator):
    """For parameters that are nobody's estimate: from counts, and from PyTorch's log-mass of each example."""
    x, y = data
    pi = torch.rand(2, generator=generator, dtype=F64).softmax(0)
    theta = torch.rand(2, 4, generator=generator, dtype=F64)
    from_counts = 0.0
    for c in range(2):
        N_c = int((y == c).sum())
        from_counts += N_c * math.log(pi[c])
        for j in range(4):
            N_cj = int(x[y == c, j].sum())
            from_counts += N_cj * math.log(theta[c, j]) + (N_c - N_cj) * math.log(1 - theta[c, j])
    by_example = pi[y].log() + Bernoulli(theta[y]).log_prob(x).sum(-1)
    assert by_example.sum().item() == pytest.approx(from_counts, abs=1e-9)
    ours = own(BernoulliNaiveBayes(pi.log(), theta).log_joint(x), y)
    assert ours.sum().item() == pytest.approx(from_counts, abs=1e-9)


@pytest.mark.equation("eq-overview-pair")
def test_log_loss_in_the_limit(generator):
    """All 32 pairs (x, y) with random masses: the log loss splits; SciPy's best linear rule against counting."""
    p = torch.rand(16, 2, generator=generator, dtype=F64) ** 2
    p = p / p.sum()
    p_x, truth = p.sum(1), p / p.sum(1, keepdim=True)

    def expected(log_q):
        return -(p * log_q).sum()

    naive = BernoulliNaiveBayes(p.sum(0).log(), (p.mT @ ALL) / p.sum(0)[:, None]).log_posterior(ALL)
    kl = torch.distributions.kl_divergence(Bernoulli(truth[:, 1]), Bernoulli(naive[:, 1].exp()))
    torch.testing.assert_close(expected(naive), expected(truth.log()) + p_x @ kl, **close)
    assert p_x @ kl > 0.01

    def linear(w):
        odds = ALL @ torch.tensor(w[:4]) + w[4]
        return torch.stack([-odds, odds], 1).sigmoid().log()

    best = optimize.minimize(lambda w: expected(linear(w)).item(), np.zeros(5), method="BFGS")
    assert best.fun < expected(naive) - 1e-4
    assert best.fun > expected(truth.log())


@pytest.mark.equation("eq-overview-brier", "eq-overview-scores")
def test_expected_brier_score(generator):
    """Over all classes that can occur, with the frequencies of the truth; the truth itself does best."""
    for _ in range(20):
        p, q = torch.rand(2, 5, generator=generator, dtype=F64).softmax(1)
        classes = torch.arange(5)
        expected = p @ brier(q.log().expand(5, 5), classes)
        pairs = zip(q.tolist(), p.tolist(), strict=True)
        formula = sum((a - b) ** 2 + b * (1 - b) for a, b in pairs)
        assert expected.item() == pytest.approx(formula, abs=1e-12)
        assert expected > p @ brier(p.log().expand(5, 5), classes)
        assert p @ log_loss(q.log().expand(5, 5), classes) > p @ log_loss(p.log().expand(5, 5), classes)


@pytest.mark.equation("eq-overview-mode")
@pytest.mark.parametrize("D", [1, 3, 30])
def test_how_far_below_the_mean_draws_lie(D, generator):
    """By the entropy that PyTorch knows: the mean of log p is minus the entropy."""
    A = torch.randn(D, D, generator=generator, dtype=F64)
    mu, Sigma = torch.randn(D, generator=generator, dtype=F64), A @ A.mT + torch.eye(D, dtype=F64)
    model = GaussianDiscriminant(torch.zeros(1, dtype=F64), mu[None], Sigma[None])
    deficit = model.log_prob(mu) + MultivariateNormal(mu, Sigma).entropy()
    assert deficit.item() == pytest.approx(D / 2, abs=1e-9)
    assert (model.log_prob(model.sample((1000,), generator)) < model.log_prob(mu)).all()


@pytest.mark.equation("eq-overview-gauss-marginal")
def test_marginal_of_a_gaussian_class_by_quadrature():
    """SciPy's integral over the second of three coordinates, and over the first two."""
    mu = torch.tensor([0.4, -1.0, 0.7], dtype=F64)
    A = torch.tensor([[1.0, 0.2, 0.0], [0.6, 0.9, 0.1], [-0.5, 0.3, 0.8]], dtype=F64)
    Sigma, x = A @ A.mT, torch.tensor([0.9, 0.1, -0.3], dtype=F64)

    def density(*at):
        return MultivariateNormal(mu, Sigma).log_prob(torch.tensor(at, dtype=F64)).exp().item()

    def part(o):
        model = GaussianDiscriminant(torch.zeros(1, dtype=F64), mu[None, o], Sigma[o][None, :, o])
        return model.log_prob(x[o]).exp().item()

    one = integrate.quad(lambda u: density(x[0], u, x[2]), -12, 10, epsabs=1e-11)[0]
    assert part([0, 2]) == pytest.approx(one, abs=1e-9)
    t = torch.linspace(-12, 12, 241, dtype=F64)
    plane = torch.cat([torch.cartesian_prod(t, t), x[2].expand(241**2, 1)], 1)
    two = MultivariateNormal(mu, Sigma).log_prob(plane).exp().sum().item() * 0.1**2
    assert part([2]) == pytest.approx(two, abs=1e-9)
