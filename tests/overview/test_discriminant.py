"""Gaussian classes, against SciPy, scikit-learn, autograd and quadrature."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.covariance import shrunk_covariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from gmlib.data import digits
from gmlib.overview.discriminant import GaussianDiscriminant, check_labels, fit_gaussian_discriminant, linear_logits

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
SIGMAS = 6.0  # for normal means a false alarm of 2e-9 for each comparison; about 60 here


def t(*values):
    return torch.tensor(values, dtype=F64)


PI, MU = t(0.2, 0.5, 0.3), t([0.0, 0.0], [2.0, -1.0], [-2.0, 1.0])
SIGMA = torch.stack([0.3 * torch.eye(2, dtype=F64), t([1.0, 0.8], [0.8, 1.0]), t([0.5, 0.0], [0.0, 2.0])])


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def model():
    return GaussianDiscriminant(PI.log(), MU, SIGMA)


@pytest.fixture
def data(model, generator):
    return model.sample_joint((60,), generator)


def by_scipy(x):
    """p(x, y) as a NumPy array, one column a class."""
    densities = [stats.multivariate_normal(m, S).pdf(x.numpy()) for m, S in zip(MU.numpy(), SIGMA.numpy(), strict=True)]
    return np.stack([p * d for p, d in zip(PI.numpy(), densities, strict=True)], -1)


def integral(f, reach=14.0, n=1401):
    s = torch.linspace(-reach, reach, n, dtype=F64)
    return f(torch.cartesian_prod(s, s)).sum(0) * (s[1] - s[0]) ** 2


@pytest.mark.equation("eq-overview-classes", "eq-overview-product")
def test_joint_density(model, data):
    x, _ = data
    torch.testing.assert_close(model.log_joint(x).exp(), torch.tensor(by_scipy(x)), **close)
    torch.testing.assert_close(model.log_lik(x).exp() * PI, torch.tensor(by_scipy(x)), **close)
    torch.testing.assert_close(model.log_joint(x), model.log_posterior(x) + model.log_prob(x)[:, None], **close)


@pytest.mark.equation("eq-overview-sum")
def test_both_marginals(model, data):
    x, _ = data
    torch.testing.assert_close(model.log_prob(x).exp(), torch.tensor(by_scipy(x).sum(-1)), **close)
    torch.testing.assert_close(integral(lambda x: model.log_joint(x).exp()), PI, **close)


@pytest.mark.equation("eq-overview-bayes", "eq-overview-mass")
def test_posterior(model, data):
    """It sums to one at every x, however far; each class density integrates to one, and so does p(x)."""
    x, _ = data
    joint = by_scipy(x)
    joint /= joint.sum(-1, keepdims=True)
    torch.testing.assert_close(model.log_posterior(x).exp(), torch.tensor(joint), **close)
    far = torch.cat([x, 1e4 * x])
    torch.testing.assert_close(model.log_posterior(far).exp().sum(-1), torch.ones(120, dtype=F64), **close)
    torch.testing.assert_close(integral(lambda x: model.log_lik(x).exp()), torch.ones(3, dtype=F64), **close)
    torch.testing.assert_close(integral(lambda x: model.log_prob(x).exp()), t(1.0).squeeze(), **close)


def test_a_class_without_mass(data):
    model = GaussianDiscriminant(t(0.0, 0.4, 0.6).log(), MU, SIGMA)
    two = GaussianDiscriminant(t(0.4, 0.6).log(), MU[1:], SIGMA[1:])
    torch.testing.assert_close(model.log_prob(data[0]), two.log_prob(data[0]), **close)
    assert (model.log_posterior(data[0])[:, 0].exp() == 0).all()


def assert_mean(draws, expected):
    error = (draws.mean(0) - expected).abs()
    assert (error <= SIGMAS * draws.std(0) / math.sqrt(len(draws)) + 1e-12).all()


def test_draws(model, generator):
    """Moments of each class, and how often it comes; a scale of Sigma in place of its root is caught."""
    n = 100_000
    x, y = model.sample_joint((n,), generator)
    assert x.shape == (n, 2) and y.shape == (n,)
    assert_mean(torch.nn.functional.one_hot(y, 3).double(), PI)
    again = model.sample_given(torch.arange(3).expand(n, 3), generator)
    for c in range(3):
        for draws in (x[y == c], again[:, c]):
            d = draws - MU[c]
            assert_mean(d, 0.0)
            assert_mean((d[:, :, None] * d[:, None]).flatten(1), SIGMA[c].flatten())
    with pytest.raises(AssertionError):
        assert_mean((d @ SIGMA[c]).square(), SIGMA[c].diagonal())
    assert_mean(model.sample((n,), generator), PI @ MU)
    assert model.sample().shape == (2,) and model.sample((0,)).shape == (0, 2)


@pytest.mark.equation("eq-overview-fit")
@pytest.mark.parametrize("shared", [False, True])
def test_fit_is_the_maximum(data, shared):
    """The gradient of the joint log-likelihood is zero there (SciPy knows the estimates too, class by class)."""
    x, y = data
    fit = fit_gaussian_discriminant(x, y, 3, shared=shared)
    logits, mu = fit.log_prior.clone().requires_grad_(), fit.mu.clone().requires_grad_()
    Sigma = (fit.Sigma[:1] if shared else fit.Sigma).clone().requires_grad_()
    p = torch.distributions.MultivariateNormal(mu[y], Sigma[y if not shared else torch.zeros_like(y)])
    value = (logits.log_softmax(0)[y] + p.log_prob(x)).sum()
    for gradient in torch.autograd.grad(value, (logits, mu, Sigma)):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), **close)
    if not shared:
        for c in range(3):
            m, S = stats.multivariate_normal.fit(x[y == c].numpy())
            torch.testing.assert_close(fit.mu[c], torch.tensor(m), **close)
            torch.testing.assert_close(fit.Sigma[c], torch.tensor(S), **close)


@pytest.mark.equation("eq-overview-fit")
def test_fit_equals_scikit_learn(data):
    """Shrinkage and one covariance: scikit-learn's posterior on digits, whose covariance alone is singular."""
    train, _, test = digits(dtype=F64)
    fit = fit_gaussian_discriminant(train.x, train.y, 10, shared=True, shrinkage=0.2)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2).fit(train.x.numpy(), train.y.numpy())
    posterior = torch.tensor(lda.predict_proba(test.x.numpy()))
    torch.testing.assert_close(fit.log_posterior(test.x).exp(), posterior, **close)
    own = fit_gaussian_discriminant(train.x, train.y, 10, shrinkage=0.2)
    for c in range(10):
        S = np.cov(train.x[train.y == c].numpy().T, bias=True)
        torch.testing.assert_close(own.Sigma[c], torch.tensor(shrunk_covariance(S, 0.2)), **close)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_fit_does_not_depend_on_the_unit(data, unit):
    x, y = data
    fit, other = (fit_gaussian_discriminant(u * x, y, 3) for u in (1.0, unit))
    torch.testing.assert_close(other.Sigma / unit**2, fit.Sigma, **close)
    with pytest.raises(ValueError, match="too few directions"):
        fit_gaussian_discriminant(unit * x[:, :1] * t(1.0, 3.0), y, 3)


@pytest.mark.equation("eq-overview-logistic")
def test_linear_logits(data):
    x, _ = data
    w, b = linear_logits(PI.log(), MU, SIGMA[1])
    posterior = GaussianDiscriminant(PI.log(), MU, SIGMA[1].expand(3, 2, 2)).log_posterior(x)
    torch.testing.assert_close((x @ w.mT + b).log_softmax(-1), posterior, **close)
    first, third = (stats.multivariate_normal(MU[c].numpy(), SIGMA[1].numpy()).logpdf(x.numpy()) for c in (0, 2))
    odds = torch.tensor(first - third) + math.log(0.2 / 0.3)
    torch.testing.assert_close(x @ (w[0] - w[2]) + b[0] - b[2], odds, **close)


x, y = torch.zeros(4, 2), torch.tensor([0, 1, 0, 1])
log_half, eyes = torch.full((2,), 0.5).log(), torch.eye(2).expand(2, 2, 2)
square = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def two():
    return GaussianDiscriminant(log_half, torch.eye(2), eyes)


CASES = {
    "mu must have shape (C, D), got (2,)": lambda: GaussianDiscriminant(log_half, torch.zeros(2), eyes),
    "mu holds 1 NaN": lambda: GaussianDiscriminant(log_half, torch.tensor([[0.0, math.nan], [0.0, 0.0]]), eyes),
    "log_prior must have shape (..., 2), got (3,)": lambda: GaussianDiscriminant(torch.zeros(3), torch.eye(2), eyes),
    "log_prior must have shape (2,), got (1, 2)": lambda: GaussianDiscriminant(log_half[None], torch.eye(2), eyes),
    "log_prior must hold the logarithms of a distribution": lambda: (
        GaussianDiscriminant(log_half.exp(), torch.eye(2), eyes)
    ),
    "Sigma must have shape (..., 2, 2, 2), got (2, 2)": lambda: GaussianDiscriminant(log_half, torch.eye(2), eyes[0]),
    "Sigma must have shape (2, 2, 2), got (1, 2, 2, 2)": lambda: (
        GaussianDiscriminant(log_half, torch.eye(2), eyes[None])
    ),
    "Sigma must be symmetric and positive definite": lambda: GaussianDiscriminant(log_half, torch.eye(2), -eyes),
    "x must have shape (..., 2), got (4, 3)": lambda: two().log_lik(torch.zeros(4, 3)),
    "x must have shape (..., 2), got (3,)": lambda: two().log_joint(torch.zeros(3)),
    "x is empty": lambda: two().log_prob(torch.zeros(0, 2)),
    "x holds 4 NaN": lambda: two().log_posterior(torch.full((2, 2), math.nan)),
    "y must hold classes 0 to 1, got 0 to 2": lambda: two().sample_given(torch.tensor([0, 2])),
    "x must have shape (N, D), got (2,)": lambda: fit_gaussian_discriminant(torch.zeros(2), y, 2),
    "y must have shape (4,), got (3,)": lambda: fit_gaussian_discriminant(x, y[:3], 2),
    "num_classes must be a whole number": lambda: fit_gaussian_discriminant(x, y, 0),
    "shrinkage must be in [0, 1], got 1.5": lambda: fit_gaussian_discriminant(x, y, 2, shrinkage=1.5),
    "shrinkage must be in [0, 1], got nan": lambda: fit_gaussian_discriminant(x, y, 2, shrinkage=math.nan),
    "y must hold every class, got none of [2]": lambda: fit_gaussian_discriminant(x, y, 3),
    "a class varies in too few directions": lambda: fit_gaussian_discriminant(square, y, 2),
    "a class varies in too few directions for": lambda: fit_gaussian_discriminant(x, y, 2, shrinkage=0.5),
    "Sigma must have shape (D, D), got (2, 2, 2)": lambda: linear_logits(log_half, torch.eye(2), eyes),
    "y must be a tensor of whole numbers (int64), got [0]": lambda: check_labels([0], "y", 2),
    "y must be a tensor of whole numbers (int64)": lambda: check_labels(torch.zeros(2), "y", 2),
    "y is empty": lambda: check_labels(y[:0], "y", 2),
    "y must hold classes 0 to 1, got -1 to 0": lambda: check_labels(y - 1, "y", 2),
}


@pytest.mark.parametrize(("message", "call"), CASES.items(), ids=[" ".join(m.split()[:7]) for m in CASES])
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)
