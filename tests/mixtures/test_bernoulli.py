"""A mixture of Bernoulli vectors against all 2^D of them and plain loops; EM's steps, with and without a prior."""

import itertools
import math

import pytest
import torch

from gmlib import core
from gmlib.mixtures import BernoulliMixture, bernoulli_em
from tests.mixtures.conftest import EXACT, F64


def mixture(K, D, generator):
    pi, theta = torch.rand(K, generator=generator, dtype=F64) + 0.2, torch.rand(K, D, generator=generator, dtype=F64)
    return BernoulliMixture(pi / pi.sum(), theta)


def by_loops(m, x):
    """log pi_k + log p(x | k), for one vector."""
    return [
        math.log(p) + sum(math.log(t if v else 1 - t) for t, v in zip(theta, x, strict=True))
        for p, theta in zip(m.pi.tolist(), m.theta.tolist(), strict=True)
    ]


def binary(N, D, generator):
    """Rows of two kinds, so that there is something to find."""
    kind = torch.rand(2, D, generator=generator, dtype=F64)[torch.randint(2, (N,), generator=generator)]
    return (torch.rand(N, D, generator=generator, dtype=F64) < kind).to(F64)


@pytest.mark.equation("eq-mixtures-bernoulli")
def test_mass_by_loops_over_all_vectors(generator):
    m, X = mixture(3, 5, generator), torch.tensor(list(itertools.product((0.0, 1.0), repeat=5)), dtype=F64)
    torch.testing.assert_close(m.log_joint(X), torch.tensor([by_loops(m, x) for x in X.tolist()], dtype=F64), **EXACT)
    assert m.log_prob(X).exp().sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(m.log_prob(X).exp(), m.log_joint(X).exp().sum(-1), **EXACT)
    assert isinstance(m, core.HasLogProb) and isinstance(m, core.CanSample)


@pytest.mark.equation("eq-mixtures-bernoulli")
def test_probabilities_zero_and_one():
    """They are taken at their word: nothing is NaN, and what cannot be has a mass of zero."""
    m = BernoulliMixture(torch.tensor([0.4, 0.6, 0.0]), torch.tensor([[1.0, 0.3, 0.0], [0.0, 1.0, 0.2], [0.5, 0.5, 0.5]]))
    X = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3)))
    expected = [0, 0, 0.6 * 0.8, 0.6 * 0.2, 0.4 * 0.7, 0, 0.4 * 0.3, 0]
    torch.testing.assert_close(m.log_prob(X).exp(), torch.tensor(expected), rtol=0, atol=1e-6)
    assert not m.log_joint(X).softmax(-1).isnan().any()


def test_draws(generator):
    """How often each of the eight vectors comes, within 6 standard errors; any shape, also an empty one."""
    m, n = mixture(3, 3, generator), 40_000
    X = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3)), dtype=F64)
    seen = (m.sample((n // 4, 4), generator).reshape(n, 1, 3) == X).all(-1).sum(0)
    p = m.log_prob(X).exp()
    assert seen.sum() == n and ((seen - n * p).abs() <= 6 * (n * p * (1 - p)).sqrt()).all()
    assert m.sample((2, 0), generator).shape == (2, 0, 3) and m.sample((), generator).shape == (3,)


@pytest.mark.equation("eq-mixtures-bernoulli-em")
@pytest.mark.parametrize("a", [1.0, 1.7])
def test_steps_by_loops(a, generator):
    x, m = binary(12, 4, generator), mixture(3, 4, generator)
    for found in bernoulli_em(x, m, 3, a):
        r = [[math.exp(v) for v in by_loops(m, row)] for row in x.tolist()]
        r = [[v / sum(row) for v in row] for row in r]
        n = [sum(row[k] for row in r) for k in range(3)]
        theta = [
            [(sum(row[k] * v[d] for row, v in zip(r, x.tolist(), strict=True)) + a - 1) / (n[k] + 2 * a - 2) for d in range(4)]
            for k in range(3)
        ]
        m = BernoulliMixture(torch.tensor(n, dtype=F64) / 12, torch.tensor(theta, dtype=F64))
        torch.testing.assert_close(found.pi, m.pi, **EXACT)
        torch.testing.assert_close(found.theta, m.theta, **EXACT)


@pytest.mark.equation("eq-mixtures-bernoulli-em")
@pytest.mark.parametrize("a", [1.0, 1.5])
def test_what_never_falls(a, generator):
    """The log-likelihood; with a prior its sum with the log-density of Beta(a, a), whose gradient ends at zero."""
    x, m = binary(60, 6, generator), mixture(3, 6, generator)

    def objective(m):
        prior = (a - 1) * (m.theta.log() + (1 - m.theta).log()).sum() if a > 1 else 0
        return m.log_prob(x).sum() + prior

    steps = [m, *bernoulli_em(x, m, 400, a)]
    values = torch.stack([objective(s) for s in steps])
    assert (values.diff() > -1e-10).all() and values[-1] > values[0] + 5
    if a > 1:
        end = steps[-1]
        end.theta.requires_grad_()
        (gradient,) = torch.autograd.grad(objective(end), end.theta)
        assert gradient.abs().max() < 1e-3 and 0 < end.theta.min() and end.theta.max() < 1


def test_a_prior_keeps_new_images_possible():
    x = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    new = torch.tensor([1.0, 1.0, 1.0])
    begin = BernoulliMixture(torch.tensor([0.45, 0.55]), torch.tensor([[0.7, 0.6, 0.3], [0.4, 0.2, 0.6]]))
    (*_, plain), (*_, kept) = (bernoulli_em(x, begin, 5, a) for a in (1.0, 1.5))
    assert plain.log_prob(new).exp() == 0 and kept.log_prob(new) > -5


def test_a_component_that_nothing_comes_from():
    """Its weight stays 0, and nothing is NaN."""
    x = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    begin = BernoulliMixture(torch.tensor([0.3, 0.7, 0.0]), torch.tensor([[0.7, 0.6], [0.4, 0.2], [0.5, 0.5]]))
    *_, last = bernoulli_em(x, begin, 4)
    assert last.pi[2] == 0 and last.theta.isfinite().all() and last.log_prob(x).isfinite().all()


HALF = torch.full((2, 3), 0.5)
TWO = BernoulliMixture(torch.ones(2) / 2, HALF)
CASES = {
    "theta must have shape (K, D) and be in [0, 1], got shape (2,)": lambda: BernoulliMixture(torch.ones(2) / 2, HALF[:, 0]),
    "theta must have shape (K, D) and be in [0, 1]": lambda: BernoulliMixture(torch.ones(2) / 2, HALF * 3),
    "theta must have shape (K, D) and be in [0, 1] ": lambda: BernoulliMixture(torch.ones(2) / 2, -HALF),
    "theta holds 6 NaN": lambda: BernoulliMixture(torch.ones(2) / 2, HALF * math.nan),
    "pi must have shape (..., 2), got (3,)": lambda: BernoulliMixture(torch.ones(3) / 3, HALF),
    "pi must be non-negative and sum to one, got [1.0, 1.0]": lambda: BernoulliMixture(torch.ones(2), HALF),
    "pi must be non-negative and sum to one, got [1.5, -0.5]": lambda: BernoulliMixture(torch.tensor([1.5, -0.5]), HALF),
    "x must have shape (..., 3), got (2,)": lambda: TWO.log_prob(torch.zeros(2)),
    "x must hold zeros and ones": lambda: TWO.log_joint(torch.tensor([0.0, 0.5, 1.0])),
    "x must hold zeros and ones ": lambda: list(bernoulli_em(torch.tensor([[0.0, 2.0, 1.0]]), TWO, 3)),
    "a must be at least 1, got 0.5": lambda: list(bernoulli_em(torch.zeros(4, 3), TWO, 3, a=0.5)),
    "steps must be a whole number of at least 1, got 0": lambda: list(bernoulli_em(torch.zeros(4, 3), TWO, 0)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
