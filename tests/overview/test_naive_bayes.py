"""Bernoulli naive Bayes, against enumeration, PyTorch's own distributions, quadrature, autograd and scikit-learn."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.naive_bayes import BernoulliNB
from torch.distributions import Bernoulli, Beta

from gmlib.overview import BernoulliNaiveBayes, fit_bernoulli_naive_bayes
from gmlib.overview.naive_bayes import check_binary

close = dict(rtol=0, atol=1e-9)
exactly = dict(rtol=0, atol=1e-12)
F64 = torch.float64
ALL = torch.tensor(list(itertools.product([0.0, 1.0], repeat=5)), dtype=F64)  # all 32 images of five pixels


def t(*values):
    return torch.tensor(values, dtype=F64)


def coins():
    theta = t([0.9, 0.2, 0.5, 0.7, 0.05], [0.1, 0.6, 0.5, 0.3, 0.4], [0.35, 0.8, 0.15, 0.95, 0.5])
    return BernoulliNaiveBayes(t(0.5, 0.3, 0.2).log(), theta)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def data(generator):
    """Sixty images of five pixels that depend on one another, in three classes."""
    y = torch.randint(3, (60,), generator=generator)
    x = (torch.rand(60, 5, generator=generator, dtype=F64) < 0.2 + 0.25 * y[:, None]).to(F64)
    x[:, 1] = x[:, 0]
    return x, y


@pytest.mark.equation("eq-overview-nb-joint")
def test_joint_mass():
    """Entry by entry as PyTorch's Bernoulli says it; the masses of all pairs add up to one."""
    model = coins()
    joint = model.log_joint(ALL)
    for c in range(3):
        by_torch = model.log_prior[c] + Bernoulli(model.theta[c]).log_prob(ALL).sum(-1)
        torch.testing.assert_close(joint[:, c], by_torch, **close)
    torch.testing.assert_close(joint.exp().sum(), t(1.0)[0], **exactly)
    torch.testing.assert_close(model.log_prob(ALL), joint.exp().sum(1).log(), **close)
    torch.testing.assert_close(model.log_posterior(ALL) + model.log_prob(ALL)[:, None], joint, **close)


def test_any_batch_shape():
    model, x = coins(), ALL.reshape(4, 2, 4, 5)
    assert model.log_joint(x).shape == (4, 2, 4, 3) and model.log_prob(ALL[0]).shape == ()
    torch.testing.assert_close(model.log_joint(x).reshape(-1, 3), model.log_joint(ALL), **exactly)


def test_certain_pixels():
    """A theta of 0 or 1 forbids a value, and spoils nothing where the value is the allowed one."""
    model = BernoulliNaiveBayes(t(0.5, 0.5).log(), t([1.0, 0.0], [0.5, 0.5]))
    torch.testing.assert_close(model.log_posterior(t(1.0, 0.0)).exp(), t(0.8, 0.2), **close)
    torch.testing.assert_close(model.log_posterior(t(0.0, 0.0)).exp(), t(0.0, 1.0), **close)


@pytest.mark.equation("eq-overview-nb-mle")
def test_maximum_likelihood(data):
    """The gradient of the log-likelihood vanishes there, and the estimates are scikit-learn's."""
    x, y = data
    model = fit_bernoulli_naive_bayes(x, y, 3, alpha=0.0)
    assert ((model.theta > 0) & (model.theta < 1)).all()
    logits = [model.log_prior.clone().requires_grad_(), model.theta.logit().requires_grad_()]
    log_p = logits[0].log_softmax(0)[y] + Bernoulli(logits=logits[1][y]).log_prob(x).sum(-1)
    for gradient in torch.autograd.grad(log_p.sum(), logits):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), **close)
    assert log_p.sum() > coins().log_joint(x)[torch.arange(60), y].sum()


@pytest.mark.equation("eq-overview-nb-mle", "eq-overview-nb-laplace", "eq-overview-nb-joint")
@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_against_scikit_learn(data, alpha):
    x, y = data
    ours = fit_bernoulli_naive_bayes(x, y, 3, alpha)
    theirs = BernoulliNB(alpha=alpha).fit(x.numpy(), y.numpy())
    torch.testing.assert_close(ours.theta.log(), torch.tensor(theirs.feature_log_prob_), **close)
    torch.testing.assert_close(ours.log_prior, torch.tensor(theirs.class_log_prior_), **close)
    torch.testing.assert_close(ours.log_posterior(ALL), torch.tensor(theirs.predict_log_proba(ALL.numpy())), **close)


@pytest.mark.equation("eq-overview-nb-laplace")
def test_smoothing_is_a_posterior_mean(data):
    """By quadrature over theta: the mean under prior times likelihood, and the predictive mass of a whole new image."""
    x, y = data
    u = torch.linspace(0, 1, 4001, dtype=F64)[1:-1]
    alpha, model = 2.5, fit_bernoulli_naive_bayes(x, y, 3, alpha=2.5)
    mean = torch.empty(3, 5, dtype=F64)
    for c, j in itertools.product(range(3), range(5)):
        ones, n = x[y == c, j].sum(), (y == c).sum()
        posterior = (Beta(t(alpha), t(alpha)).log_prob(u) + ones * u.log() + (n - ones) * (-u).log1p()).softmax(0)
        mean[c, j] = posterior @ u
    torch.testing.assert_close(model.theta, mean, **close)


@pytest.mark.equation("eq-overview-nb-odds")
def test_log_odds_are_linear(data):
    x, y = data
    model = fit_bernoulli_naive_bayes(x, y, 3)
    W, b = model.log_odds()
    torch.testing.assert_close((ALL @ W.mT + b).log_softmax(-1), model.log_posterior(ALL), **close)
    joint = model.log_joint(ALL)  # a difference of two classes changes by the weights of the pixels that are turned on
    odds = joint[:, 0] - joint[:, 2]
    torch.testing.assert_close(odds - odds[0], ALL @ (W[0] - W[2]), **close)


@pytest.mark.equation("eq-overview-nb-marginal")
@pytest.mark.parametrize("seen", [[0], [1, 3], [4, 2, 0]])
def test_marginal_is_the_sum_over_what_is_missing(seen):
    model, seen = coins(), torch.tensor(seen)
    part = model.marginal(seen)
    for x in itertools.product([0.0, 1.0], repeat=len(seen)):
        agree = (ALL[:, seen] == t(*x)).all(1)
        torch.testing.assert_close(part.log_joint(t(*x)).exp(), model.log_joint(ALL[agree]).exp().sum(0), **exactly)
    mask = torch.zeros(5, dtype=torch.bool)
    mask[seen] = True
    torch.testing.assert_close(model.marginal(mask).theta, model.theta[:, seen.sort().values], **exactly)


def test_draws(generator):
    """Pairs have the joint masses, x given y the conditional ones: false alarm 2e-9 for each of the 192 comparisons."""
    model, n = coins(), 200_000
    x, y = model.sample_joint((n,), generator)
    index = (x @ 2.0 ** torch.arange(4, -1, -1, dtype=F64)).long()
    seen = torch.bincount(index * 3 + y, minlength=96).to(F64) / n
    p = model.log_joint(ALL).exp().flatten()
    assert ((seen - p).abs() < 6 * (p * (1 - p) / n).sqrt() + 1e-12).all()
    p = (model.log_joint(ALL) - model.log_prior).exp()
    for c in range(3):
        x = model.sample_given(torch.full((n,), c), generator)
        seen = torch.bincount((x @ 2.0 ** torch.arange(4, -1, -1, dtype=F64)).long(), minlength=32).to(F64) / n
        assert ((seen - p[:, c]).abs() < 6 * (p[:, c] * (1 - p[:, c]) / n).sqrt() + 1e-12).all()
    assert model.sample((2, 3), generator).shape == (2, 3, 5) and model.sample((0,), generator).shape == (0, 5)


def test_an_absent_class_is_never_chosen():
    model = fit_bernoulli_naive_bayes(ALL, torch.zeros(32, dtype=torch.long), 2)
    assert model.log_posterior(ALL).exp()[:, 0].eq(1).all()


ones, zero = torch.ones(2, 3), torch.zeros(2, dtype=torch.long)
BAD = {
    "theta must hold probabilities, shape (C, D), got shape (1,)": lambda: BernoulliNaiveBayes(t(0.0), t(0.5)),
    "theta must hold probabilities": lambda: BernoulliNaiveBayes(t(0.0), t([1.5])),
    "theta holds 1 NaN": lambda: BernoulliNaiveBayes(t(0.0), t([math.nan])),
    "log_prior must have shape (..., 2), got (1,)": lambda: BernoulliNaiveBayes(t(0.0), t([0.5], [0.5])),
    "exponentials that sum to one": lambda: BernoulliNaiveBayes(t(0.5, 0.5), t([0.5], [0.5])),
    "x must have shape (..., 5), got (2, 3)": lambda: coins().log_joint(ones.double()),
    "x must hold 0 and 1 only, got 0.0 to 0.5": lambda: coins().log_prob(t(0.0, 0.5, 0.0, 0.0, 0.0)),
    "x holds 1 NaN": lambda: coins().log_posterior(t(0.0, math.nan, 0.0, 0.0, 0.0)),
    "seen must be a tensor of indices or a mask": lambda: coins().marginal(t(0.0)),
    "seen is empty": lambda: coins().marginal(torch.zeros(5, dtype=torch.bool)),
    "y must hold classes 0 to 2, got 3 to 3": lambda: coins().sample_given(torch.tensor([3])),
    "x must have shape (N, D), got (3,)": lambda: fit_bernoulli_naive_bayes(ones[0], zero, 1),
    "x is empty": lambda: fit_bernoulli_naive_bayes(ones[:0], zero[:0], 1),
    "y must have shape (2,), got (1,)": lambda: fit_bernoulli_naive_bayes(ones, zero[:1], 1),
    "y must be a tensor of whole numbers": lambda: fit_bernoulli_naive_bayes(ones, ones[:, 0], 1),
    "num_classes must be a whole number": lambda: fit_bernoulli_naive_bayes(ones, zero, 0),
    "alpha must be finite and not negative, got -1": lambda: fit_bernoulli_naive_bayes(ones, zero, 1, alpha=-1),
    "alpha must be positive where a class has no example": lambda: fit_bernoulli_naive_bayes(ones, zero, 2, alpha=0),
    "v must hold 0 and 1 only": lambda: check_binary(2 * ones, "v"),
}


@pytest.mark.parametrize(("message", "call"), BAD.items(), ids=BAD.keys())
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)


def test_digits_against_scikit_learn():
    """On real data, with the errors that it makes there."""
    from gmlib.data import binarise, digits

    data = digits(F64)
    ours = fit_bernoulli_naive_bayes(binarise(data.train.x), data.train.y, 10)
    theirs = BernoulliNB().fit(binarise(data.train.x).numpy(), data.train.y.numpy())
    x = binarise(data.test.x)
    np.testing.assert_allclose(ours.log_posterior(x), theirs.predict_log_proba(x.numpy()), rtol=0, atol=1e-9)
