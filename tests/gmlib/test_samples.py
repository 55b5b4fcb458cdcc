"""Distances of two samples against loops, enumeration and scikit-learn; the law of a test where both laws are equal."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.neighbors import KNeighborsClassifier

from gmlib.data import grid, ring
from gmlib.metrics import classifier_two_sample_test, count_modes, mmd2

F64 = torch.float64
X = torch.tensor([[0.2, -0.5], [1.1, 0.4], [-0.7, 0.9]], dtype=F64)
Y = torch.tensor([[0.6, 0.1], [1.5, -0.3], [0.1, 1.2], [2.0, 0.8]], dtype=F64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def mmd2_by_loops(x, y, s):
    def k(a, b):
        return math.exp(-sum((i - j) ** 2 for i, j in zip(a, b, strict=True)) / (2 * s**2))

    x, y = x.tolist(), y.tolist()
    within = [np.mean([k(a, b) for a, b in itertools.permutations(z, 2)]) for z in (x, y)]
    return sum(within) - 2 * np.mean([k(a, b) for a in x for b in y])


@pytest.mark.equation("eq-gan-mmd")
@pytest.mark.parametrize("s", [0.8, 2.3])
def test_mmd2_by_loops(s):
    assert mmd2(X, Y, s).item() == pytest.approx(mmd2_by_loops(X, Y, s), abs=1e-12)
    assert mmd2(X[:, :1], Y[:, :1], s).item() == pytest.approx(mmd2_by_loops(X[:, :1], Y[:, :1], s), abs=1e-12)


def test_mmd2_known_number():
    assert mmd2(X, Y, 0.8).item() == pytest.approx(-0.272159, abs=1e-6)


def test_mmd2_of_a_batch(generator):
    x, y = torch.randn(2, 3, 6, 2, generator=generator), torch.randn(2, 3, 5, 2, generator=generator)
    found = mmd2(x, y, 1.1)
    for i, j in itertools.product(range(2), range(3)):
        assert found[i, j].item() == pytest.approx(mmd2_by_loops(x[i, j], y[i, j], 1.1), abs=1e-6)


@pytest.mark.equation("eq-gan-mmd", "eq-gan-mmd-bias", "eq-gan-mmd-blur", "eq-gan-overlap")
def test_mmd2_is_unbiased_on_every_sample():
    """Laws of three points on a line, every possible pair of samples with its probability."""
    points, s, n, m = torch.tensor([[-0.6], [0.5], [1.9]], dtype=F64), 0.7, 3, 2
    p, q = torch.tensor([[0.2, 0.5, 0.3], [0.55, 0.1, 0.35]], dtype=F64)
    K = torch.from_numpy(np.exp(-((points.numpy() - points.numpy().T) ** 2) / (2 * s**2)))
    exact = (p - q) @ K @ (p - q)
    mean = v_statistic = 0.0
    for i in itertools.product(range(3), repeat=n):
        for j in itertools.product(range(3), repeat=m):
            i_, j_ = list(i), list(j)
            probability = p[i_].prod() * q[j_].prod()
            mean += probability * mmd2(points[i_], points[j_], s)
            v_statistic += probability * (K[i_][:, i_].mean() + K[j_][:, j_].mean() - 2 * K[i_][:, j_].mean())
    torch.testing.assert_close(mean, exact, rtol=0, atol=1e-12)
    torch.testing.assert_close(v_statistic - exact, (1 - p @ K @ p) / n + (1 - q @ K @ q) / m, rtol=0, atol=1e-12)

    w = torch.linspace(-8, 9, 3401, dtype=F64)  # the blurred laws, and the overlap of two bumps
    bumps = (-((w[:, None] - points.T) ** 2) / s**2).exp()
    constant = math.sqrt(2 / (math.pi * s**2))
    torch.testing.assert_close(constant * torch.trapezoid((bumps @ (p - q)) ** 2, w), exact, rtol=0, atol=1e-9)
    torch.testing.assert_close(constant * torch.trapezoid(bumps[:, 0] * bumps[:, 2], w), K[0, 2], rtol=0, atol=1e-9)


@pytest.mark.equation("eq-gan-good")
@pytest.mark.parametrize("target, modes", [(ring(8, 2.0, 0.15, F64), 8), (ring(5, 3.0, 0.4, F64), 5), (grid(3, 2.0, 0.2, F64), 9)])
def test_good_points_of_a_perfect_sampler(generator, target, modes):
    """1 - exp(-4.5) in the plane, within 5.5 standard errors of 200,000 draws: 0.9973, the line's, is 35 away."""
    n, sigma = 200_000, target.L[0, 0, 0].item()
    found = count_modes(target.sample((n,), generator), target.mu, sigma)
    good = 1 - math.exp(-4.5)
    assert good == pytest.approx(torch.distributions.Chi2(2.0).cdf(torch.tensor(9.0)).item(), abs=1e-6)
    assert found.captured == modes and abs(found.good - good) < 5.5 * math.sqrt(good * (1 - good) / n)


def count_by_loops(x, mu, sigma, share):
    near = [[math.dist(a, m) <= 3 * sigma for m in mu.tolist()] for a in x.tolist()]
    captured = sum(sum(column) >= share * len(near) / len(mu) for column in zip(*near, strict=True))
    return captured, sum(map(any, near)) / len(near)


@pytest.mark.parametrize("share", [0.1, 0.25, 1.0])
def test_count_modes_by_loops(generator, share):
    target = ring(5, 1.5, 0.2, F64)
    x = 0.7 * target.sample((3, 60), generator) + 0.4
    found = count_modes(x, target.mu, 0.2, share)
    for i in range(3):
        captured, good = count_by_loops(x[i], target.mu, 0.2, share)
        assert found.captured[i] == captured and found.good[i].item() == pytest.approx(good, abs=1e-12)


def test_a_mode_at_its_threshold():
    """Of 80 points and 8 modes a fair part is 10; a quarter of it is 2.5, so 3 points are enough and 2 are not."""
    target = ring(8, 2.0, 0.1, F64)
    far = torch.full((80, 2), 9.0, dtype=F64)
    for points, captured in ((2, 0), (3, 1)):
        x = far.clone()
        x[:points] = target.mu[3] + 0.05
        assert count_modes(x, target.mu, 0.1) == (captured, points / 80)


def test_a_point_at_three_sigma_is_good():
    mu = torch.tensor([[1.0, -2.0]], dtype=F64)
    inside, outside = (mu + torch.tensor([[r * 0.25, 0.0]], dtype=F64) for r in (2.999, 3.001))
    assert count_modes(inside, mu, 0.25).good == 1 and count_modes(outside, mu, 0.25).good == 0


@pytest.mark.parametrize("neighbours", [1, 7, 15])
def test_accuracy_as_scikit_learn_finds_it(generator, neighbours):
    x, y = torch.randn(90, 3, generator=generator, dtype=F64), torch.randn(90, 3, generator=generator, dtype=F64) + 0.6
    found = classifier_two_sample_test(x, y, neighbours, torch.Generator().manual_seed(4))
    order = torch.randperm(90, generator=torch.Generator().manual_seed(4))
    x, y = x[order].numpy(), y[order].numpy()
    labels = np.repeat([0, 1], 45)
    model = KNeighborsClassifier(neighbours).fit(np.concatenate([x[:45], y[:45]]), labels)
    accuracy = model.score(np.concatenate([x[45:], y[45:]]), labels)
    assert found.accuracy.item() == pytest.approx(accuracy, abs=1e-12)
    assert found.p_value.item() == pytest.approx(norm.sf((accuracy - 0.5) / math.sqrt(0.25 / 90)), rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_a_small_p_value_does_not_become_zero(generator, dtype):
    """A tail of 1e-10 cannot be had as one less what float32 holds."""
    x = torch.randn(400, 2, generator=generator, dtype=dtype)
    found = classifier_two_sample_test(x, torch.randn(400, 2, generator=generator, dtype=dtype) + 0.9, generator=generator)
    z = (found.accuracy.item() - 0.5) * 2 * math.sqrt(400)
    assert z > 5.6 and found.p_value.item() == pytest.approx(norm.sf(z), rel=1e-4) and found.p_value.dtype == dtype


def test_where_the_laws_are_equal(generator):
    """300 tests on 2 x 100 held-out points: mean 1/2, a spread of at most 1 / (2 sqrt(n)), p-values nearly uniform."""
    runs = [classifier_two_sample_test(*torch.randn(2, 100, 2, generator=generator), 5, generator) for _ in range(300)]
    accuracy, p = (torch.stack(column) for column in zip(*runs, strict=True))
    sd = 1 / (2 * math.sqrt(100))
    assert abs(accuracy.mean() - 0.5) < 5 * sd / math.sqrt(300)
    assert 0.75 * sd < accuracy.std() < 1.2 * sd
    assert abs((p < 0.5).float().mean() - 0.5) < 0.17  # accuracies on a lattice of 100: ties near 1/2
    assert 0.005 < (p < 0.1).float().mean() < 0.2


@pytest.mark.equation("eq-gan-accuracy")
def test_no_classifier_beats_half_of_one_and_the_total_variation(generator):
    p, q = (torch.rand(6, generator=generator, dtype=F64) for _ in range(2))
    p, q = p / p.sum(), q / q.sum()
    answers = torch.tensor(list(itertools.product((0.0, 1.0), repeat=6)), dtype=F64)
    best = ((answers @ p + (1 - answers) @ q) / 2).max()
    torch.testing.assert_close(best, (1 + (p - q).abs().sum() / 2) / 2, rtol=0, atol=1e-12)
    x, y = (law.multinomial(4000, replacement=True, generator=generator)[:, None].double() for law in (p, q))
    x, y = (z + 1e-3 * torch.rand(z.shape, generator=generator, dtype=F64) for z in (x, y))  # no ties of distances
    found = classifier_two_sample_test(x, y, 101, generator).accuracy
    assert abs(found - best) < 5.5 * math.sqrt(0.25 / 4000)


line = torch.zeros(3)
CASES = {
    "x must have shape (..., n, d) with n at least 2, got (3,)": lambda: mmd2(line, X, 1.0),
    "x must have shape (..., n, d) with n at least 2, got (1, 2)": lambda: mmd2(X[:1], Y, 1.0),
    "y must have shape (..., m, d) with m at least 2, got (1, 2)": lambda: mmd2(X, Y[:1], 1.0),
    "y must have shape (..., 4, 2), got (4, 1)": lambda: mmd2(X, Y[:, :1], 1.0),
    "x holds 1 NaN": lambda: mmd2(torch.tensor([[0.0], [math.nan]]), torch.zeros(2, 1), 1.0),
    "bandwidth must be positive and finite, got 0.0": lambda: mmd2(X, Y, 0.0),
    "mu must have shape (K, d), got (3,)": lambda: count_modes(X, line, 1.0),
    "x must have shape (..., 2), got (3,)": lambda: count_modes(line, X, 1.0),
    "x must have shape (..., n, d), got (2,)": lambda: count_modes(line[:2], X, 1.0),
    "sigma must be positive and finite, got -0.1": lambda: count_modes(X, X, -0.1),
    "share must be in (0, 1], got 0": lambda: count_modes(X, X, 1.0, share=0),
    "share must be in (0, 1], got 1.5": lambda: count_modes(X, X, 1.0, share=1.5),
    "x must have shape (n, d), got (3,)": lambda: classifier_two_sample_test(line, line),
    "y must have shape (..., 3, 2), got (4, 2)": lambda: classifier_two_sample_test(X, Y, 1),
    "neighbours must be odd and at most half of the 4 draws, got 2": lambda: classifier_two_sample_test(Y, Y, 2),
    "neighbours must be odd and at most half of the 4 draws, got 3": lambda: classifier_two_sample_test(Y, Y, 3),
    "neighbours must be a whole number of at least 1, got 0": lambda: classifier_two_sample_test(Y, Y, 0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
