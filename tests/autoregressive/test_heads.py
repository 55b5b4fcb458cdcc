"""Heads against SciPy's logistic law, sums over all values, and draws in such numbers that their law shows."""

import itertools
import math

import mpmath
import pytest
import torch
from scipy.stats import logistic

from gmlib.autoregressive import Categorical, LogisticMixture, binned_logistic, logistic_mixture
from tests.autoregressive.conftest import EXACT, F64, all_images, assert_law


def t(*values):
    return torch.tensor(values, dtype=F64)


PI, MU, S = t(0.3, 0.7), t(-0.9, 0.55), t(0.25, 0.4)


def bin_mass(x, mu, s, levels):
    """A difference of two values of SciPy's distribution function, with the edges at infinity."""
    half = 1 / (levels - 1)
    centre = -1 + 2 * half * x
    upper = math.inf if x == levels - 1 else centre + half
    lower = -math.inf if x == 0 else centre - half
    return logistic.cdf(upper, mu, s) - logistic.cdf(lower, mu, s)


@pytest.mark.equation("eq-autoregressive-logistic")
@pytest.mark.parametrize("levels", [2, 3, 17, 256])
@pytest.mark.parametrize(("mu", "s"), [(0.37, 0.21), (-0.83, 0.6), (1.4, 0.3)])
def test_bins_by_scipy(levels, mu, s):
    x = torch.arange(levels, dtype=F64)
    found = binned_logistic(x, t(mu), t(math.log(s)), levels).exp()
    torch.testing.assert_close(found, t(*[bin_mass(k, mu, s, levels) for k in range(levels)]), rtol=0, atol=1e-12)
    assert found.sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.equation("eq-autoregressive-logistic")
@pytest.mark.parametrize(("x", "mu", "log_s"), [(16, -0.9, -5.0), (3, 0.95, -4.3), (0, 0.99, -5.0), (8, 0.013, -7.0), (5, 0.2, 9.0)])
def test_bins_far_in_the_tail_and_very_wide(x, mu, log_s):
    """With 60 digits, where differences of rounded numbers are zero; and the derivatives are finite."""
    with mpmath.workdps(200):
        s, half = mpmath.exp(mpmath.mpf(log_s)), mpmath.mpf(1) / 16
        def cdf(v):
            return 1 / (1 + mpmath.exp(-(v - mpmath.mpf(mu)) / s))
        centre = 2 * mpmath.mpf(x) / 16 - 1
        upper = 1 if x == 16 else cdf(centre + half)
        expected = float(mpmath.log(upper - (0 if x == 0 else cdf(centre - half))))
    m, log = (t(v).squeeze().requires_grad_() for v in (mu, log_s))
    found = binned_logistic(t(x).squeeze(), m, log, 17)
    assert found.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert all(g.isfinite() for g in torch.autograd.grad(found, (m, log)))
    inputs = t(0.3).requires_grad_(), t(-1.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: binned_logistic(t(0, 5, 16), a, b, 17), inputs)


@pytest.mark.equation("eq-autoregressive-mixture")
def test_mixture_by_scipy():
    x = t(0, 5, 16)
    expected = [math.log(sum(p * bin_mass(k, m, s, 17) for p, m, s in zip(PI, MU, S, strict=True))) for k in (0, 5, 16)]
    found = logistic_mixture(x, PI, MU, S, 17)
    torch.testing.assert_close(found, t(*expected), **EXACT)
    torch.testing.assert_close(found, t(-1.862051, -3.423092, -1.646188), rtol=0, atol=1e-6)
    assert logistic_mixture(torch.arange(17, dtype=F64), PI, MU, S, 17).exp().sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(logistic_mixture(x.reshape(3, 1), PI, MU, S, 17), found.reshape(3, 1), **EXACT)


def parts_by_hand(out, K, C):
    """The outputs of one place, cut by their order in the docstring."""
    logits, rest = out[:K], out[K:]
    mu = [[rest[k * C + c] for c in range(C)] for k in range(K)]
    log_s = [[rest[K * C + k * C + c] for c in range(C)] for k in range(K)]
    pairs = C * (C - 1) // 2
    a = [[math.tanh(rest[2 * K * C + k * pairs + j]) for j in range(pairs)] for k in range(K)]
    return logits, mu, log_s, a


@pytest.mark.equation("eq-autoregressive-mixture", "eq-autoregressive-rgb")
@pytest.mark.parametrize(("K", "C", "levels"), [(1, 1, 17), (3, 1, 17), (2, 2, 5), (2, 3, 5), (1, 4, 4)])
def test_all_channels_of_a_pixel_by_loops(K, C, levels, generator):
    """Each component multiplies its channels; the mean of a channel moves with those before it, in the order (1,0), (2,0), (2,1)."""
    head = LogisticMixture(levels, K, C)
    out = 0.7 * torch.randn(head.outputs, generator=generator, dtype=F64)
    out[K + K * C] = -9.0  # a scale that is held at exp(-7)
    logits, mu, log_s, a = parts_by_hand(out.tolist(), K, C)
    total = sum(map(math.exp, logits))
    every = all_images(levels, C)
    expected = []
    for x in every.tolist():
        z, mass = [2 * v / (levels - 1) - 1 for v in x], 0.0
        for k in range(K):
            product, pair = math.exp(logits[k]) / total, 0
            for c in range(C):
                mean = mu[k][c]
                for d in range(c):
                    mean, pair = mean + a[k][pair] * z[d], pair + 1
                product *= bin_mass(x[c], mean, math.exp(max(log_s[k][c], -7)), levels)
            mass += product
        expected.append(mass)
    found = head.log_prob(out[None, :, None].expand(-1, -1, len(every)), every.T[None])[0].exp()
    assert sum(expected) == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(found, t(*expected), rtol=0, atol=1e-12)
    if C == 1:
        torch.testing.assert_close(head.probs(out[None])[0], t(*expected), rtol=0, atol=1e-12)


def test_numbers_of_outputs():
    for K, C in itertools.product((1, 2, 10), (1, 2, 3, 4)):
        assert LogisticMixture(5, K, C).outputs == K * (1 + C + C + len(list(itertools.combinations(range(C), 2))))
    assert LogisticMixture(256, 10, 3).outputs == 100 and Categorical(17, 3).outputs == 51


def test_categorical_by_loops(generator):
    """Channel after channel in the outputs; the levels of the channels are independent."""
    head = Categorical(4, 3)
    out = torch.randn(2, 12, 5, generator=generator, dtype=F64)
    x = torch.randint(4, (2, 3, 5), generator=generator).to(F64)
    for n, i in itertools.product(range(2), range(5)):
        expected = 0.0
        for c in range(3):
            own = out[n, 4 * c : 4 * c + 4, i].tolist()
            expected += own[int(x[n, c, i])] - math.log(sum(map(math.exp, own)))
        assert head.log_prob(out, x)[n, i].item() == pytest.approx(expected, abs=1e-12)
    one = Categorical(12).probs(out[..., 0])
    assert torch.allclose(one.log(), out[..., 0] - out[..., 0].exp().sum(1, keepdim=True).log(), atol=1e-12)


@pytest.mark.equation("eq-autoregressive-rgb")
@pytest.mark.parametrize("head", [Categorical(3, 2), LogisticMixture(3, 2, 3), LogisticMixture(6, 3), LogisticMixture(2, 1, 2)],
                         ids=["categorical", "colour", "grey", "two levels"])  # fmt: skip
def test_draws_have_the_law(head, generator):
    """50,000 draws for each of two outputs, against the probabilities of all values, in turn: no row takes another's law."""
    out = 0.9 * torch.randn(2, head.outputs, generator=generator, dtype=F64)
    every = all_images(head.levels, head.channels)
    log_p = head.log_prob(out[:, :, None].expand(-1, -1, len(every)), every.T.expand(2, -1, -1))
    drawn = head.sample(out.repeat(50_000, 1), generator).reshape(50_000, 2, head.channels)
    assert drawn.dtype == F64
    for n in range(2):
        assert_law(drawn[:, n], every, log_p[n].exp())
    assert (log_p[0].exp() - log_p[1].exp()).abs().max() > 0.1


def test_draws_at_the_ends_of_the_uniform_numbers(monkeypatch):
    """u = 0 gives minus infinity, which is the lowest level; a large u stays within the levels."""
    head = LogisticMixture(17, 1)
    out = t(0.0, 0.2, 1.0)[None]
    for u, level in ((0.0, 0), (1 - 1e-16, 16), (0.5, round((0.2 + 1) * 8))):
        monkeypatch.setattr(torch, "rand", lambda *shape, u=u, **options: torch.full(shape, u, dtype=F64))
        assert head.sample(out).tolist() == [[level]]


CASES = {
    "levels must be at least 2, got 1": lambda: Categorical(1),
    "levels must be a whole number of at least 1, got 2.5": lambda: Categorical(2.5),
    "channels must be a whole number of at least 1, got 0": lambda: Categorical(2, 0),
    "levels must be at least 2, got 1 ": lambda: LogisticMixture(1, 2),
    "components must be a whole number of at least 1, got 0": lambda: LogisticMixture(3, 0),
    "channels must be a whole number of at least 1, got -1": lambda: LogisticMixture(3, 1, -1),
    "s must be positive and finite": lambda: logistic_mixture(t(0), PI, MU, -S, 17),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
