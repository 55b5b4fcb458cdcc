"""Exact transport against SciPy's distance, assignment by another algorithm, and its own dual."""

import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from gmlib import divergences as dv

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64


def weights(n, generator):
    w = torch.rand(n, generator=generator, dtype=F64) + 0.05
    return w / w.sum()


@pytest.fixture
def line(generator):
    x, y = torch.randn(7, generator=generator, dtype=F64), 1.5 * torch.randn(9, generator=generator, dtype=F64) + 0.8
    return x, y, weights(7, generator), weights(9, generator)


@pytest.mark.equation("eq-divergences-cdf")
def test_area_equals_scipys(line):
    x, y, a, b = line
    assert dv.wasserstein_1d(x, y, a, b).item() == pytest.approx(wasserstein_distance(x, y, a, b), abs=1e-12)
    assert dv.wasserstein_1d(x, y).item() == pytest.approx(wasserstein_distance(x, y), abs=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_half_precision_is_sorted_along_the_same_axis(p):
    x, y = torch.tensor([[3.0, -1.5, 0.5], [2.0, 7.0, -4.0]]), torch.tensor([[0.25, 5.0, 1.0], [1.5, 0.5, -2.0]])
    found = dv.wasserstein_1d(x.bfloat16(), y.bfloat16(), p=p)
    torch.testing.assert_close(found.float(), dv.wasserstein_1d(x, y, p=p), rtol=2**-6, atol=0)


@pytest.mark.equation("eq-divergences-quantile", "eq-divergences-cdf")
@pytest.mark.parametrize("p", [1.0, 1.7, 2.0, 3.0])
def test_line_equals_the_linear_programme(line, p):
    x, y, a, b = line
    C = dv.cost_matrix(x[:, None], y[:, None], p)
    torch.testing.assert_close(dv.wasserstein_1d(x, y, a, b, p), dv.exact_transport(C, a, b).value, **close)


def test_zero_weights_and_ties_count_for_nothing(line):
    x, y, a, b = line
    x0, a0 = torch.cat([x, torch.tensor([40.0, -40.0])]), torch.cat([a, torch.zeros(2)])
    for p in (1.0, 2.0):
        torch.testing.assert_close(dv.wasserstein_1d(x0, y, a0, b, p), dv.wasserstein_1d(x, y, a, b, p), **close)
    assert dv.wasserstein_1d(x, x, a, a, 2.0) == 0 and dv.wasserstein_1d(x, x.flip(0), a, a.flip(0)) < 1e-15


def test_rows_of_a_batch_are_by_themselves(generator):
    x, y = torch.randn(3, 5, generator=generator, dtype=F64), torch.randn(3, 4, generator=generator, dtype=F64)
    for p in (1.0, 2.5):
        rows = torch.stack([dv.wasserstein_1d(x[i], y[i], p=p) for i in range(3)])
        torch.testing.assert_close(dv.wasserstein_1d(x, y, p=p), rows, **close)


def test_gradient_by_the_points(line):
    x, y, a, b = line
    x = x.clone().requires_grad_()
    for p in (1.0, 2.0):
        torch.autograd.gradcheck(lambda x, p=p: dv.wasserstein_1d(x, y, a, b, p), x)


def test_float32_stays_accurate_for_many_points(generator):
    x = torch.rand(200_000, generator=generator)
    exact = dv.wasserstein_1d(x.double(), x.double() + 0.25)
    assert dv.wasserstein_1d(x, x + 0.25).item() == pytest.approx(exact.item(), abs=2e-7)
    assert dv.wasserstein_1d(x, x + 0.25).dtype == torch.float32


@pytest.mark.equation("eq-divergences-coupling", "eq-divergences-dual")
def test_linear_programme_and_its_dual_agree(generator):
    x, y = torch.randn(12, 2, generator=generator, dtype=F64), torch.randn(15, 2, generator=generator, dtype=F64)
    C, a, b = dv.cost_matrix(x, y, 1.0), weights(12, generator), weights(15, generator)
    value, plan, u, v = dv.exact_transport(C, a, b)
    assert (plan >= 0).all() and (u[:, None] + v <= C + 1e-12).all()
    torch.testing.assert_close(plan.sum(1), a, **close)
    torch.testing.assert_close(plan.sum(0), b, **close)
    torch.testing.assert_close((plan * C).sum(), value, **close)
    torch.testing.assert_close(a @ u + b @ v, value, **close)


@pytest.mark.equation("eq-divergences-primal")
def test_equal_weights_equal_an_assignment(generator):
    C = torch.rand(8, 8, generator=generator, dtype=F64)
    rows, columns = linear_sum_assignment(C)
    half = torch.full((8,), 1 / 8, dtype=F64)
    assert dv.exact_transport(C, half, half).value.item() == pytest.approx(C[rows, columns].mean().item(), abs=1e-12)


def test_costs_are_powers_of_the_euclidean_distance():
    x, y = torch.tensor([[0.3, -0.4], [1.0, 2.0]], dtype=F64), torch.tensor([[1.2, 0.5]], dtype=F64)
    expected = [[math.hypot(0.9, 0.9) ** 3], [math.hypot(0.2, 1.5) ** 3]]
    torch.testing.assert_close(dv.cost_matrix(x, y, 3.0), torch.tensor(expected, dtype=F64), **close)


@pytest.mark.equation("eq-divergences-sliced")
def test_sliced_distance_of_a_shift():
    """In the plane, evenly spread directions give the mean of |cos| and of cos^2: 2/pi |v| and |v|^2 / 2."""
    angle = torch.arange(4000, dtype=F64) * (math.pi / 4000)
    directions = torch.stack([angle.cos(), angle.sin()], -1)
    x, v = torch.tensor([[0.1, 0.2], [-1.0, 0.7], [0.4, -0.9]], dtype=F64), torch.tensor([1.4, -0.9], dtype=F64)
    assert dv.sliced_wasserstein(x, x + v, directions, p=1.0).item() == pytest.approx(2 / math.pi * v.norm().item(), abs=1e-6)
    assert dv.sliced_wasserstein(x, x + v, directions).item() == pytest.approx(v.square().sum().item() / 2, abs=1e-9)


@pytest.mark.equation("eq-divergences-sliced")
def test_sliced_distance_takes_weights(generator):
    x, y = torch.randn(4, 2, generator=generator, dtype=F64), torch.randn(6, 2, generator=generator, dtype=F64)
    a, b = weights(4, generator), weights(6, generator)
    one = torch.tensor([[0.6, 0.8]], dtype=F64)
    expected = wasserstein_distance(x @ one[0], y @ one[0], a, b)
    assert dv.sliced_wasserstein(x, y, one, a, b, 1.0).item() == pytest.approx(expected, abs=1e-12)


half, z = torch.tensor([0.5, 0.5]), torch.zeros(3, 2)
CASES = {
    "p must be at least 1, got 0.5": lambda: dv.wasserstein_1d(half, half, p=0.5),
    "a must have shape (..., 2), got (3,)": lambda: dv.wasserstein_1d(half, half, torch.ones(3) / 3),
    "x and y must have the same batch, got (3, 2) and (2,)": lambda: dv.wasserstein_1d(z, z[0]),
    "y must have shape (..., n), got ()": lambda: dv.wasserstein_1d(half, torch.tensor(1.0)),
    "x must have shape (n, d), got (2,)": lambda: dv.sliced_wasserstein(half, z, torch.eye(2)),
    "directions must be unit vectors": lambda: dv.sliced_wasserstein(z, z, 2 * torch.eye(2)),
    "y must have shape (..., 3, 2), got (3, 3)": lambda: dv.sliced_wasserstein(z, torch.zeros(3, 3), torch.eye(2)),
    "C must be a finite matrix, got shape (2,)": lambda: dv.exact_transport(half, half, half),
    "C must be a finite matrix": lambda: dv.exact_transport(torch.full((2, 2), torch.inf), half, half),
    "b must have shape (..., 2), got (3,)": lambda: dv.exact_transport(torch.eye(2), half, torch.ones(3) / 3),
    "x must have shape (..., n, d), got (2,)": lambda: dv.cost_matrix(half, z),
    "p must be positive and finite, got 0": lambda: dv.cost_matrix(z, z, 0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
