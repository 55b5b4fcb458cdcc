"""The family of f-divergences against sums in plain Python, conjugates against a search, and the bounds by duality."""

import math

import pytest
import torch
from scipy.optimize import minimize_scalar

from gmlib import divergences as dv

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
P, Q = [0.23, 0.07, 0.3, 0.4], [0.11, 0.36, 0.34, 0.19]
LOG = math.log


def js(p, q):
    return p * LOG(2 * p / (p + q)) / 2 + q * LOG(2 * q / (p + q)) / 2


SUMS = {  # what one point adds, of p and q
    "KL": lambda p, q: p * LOG(p / q),
    "REVERSE_KL": lambda p, q: q * LOG(q / p),
    "JS": js,
    "GAN": lambda p, q: p * LOG(p / (p + q)) + q * LOG(q / (p + q)),
    "HELLINGER": lambda p, q: (math.sqrt(p) - math.sqrt(q)) ** 2,
    "CHI2": lambda p, q: (p - q) ** 2 / q,
    "TV": lambda p, q: abs(p - q) / 2,
}
by_name = pytest.mark.parametrize("name", SUMS)


def laws():
    return torch.tensor(P, dtype=F64), torch.tensor(Q, dtype=F64)


@pytest.mark.equation("eq-divergences-f")
@by_name
def test_each_is_its_sum(name):
    expected = sum(map(SUMS[name], P, Q))
    assert dv.f_divergence(*laws(), getattr(dv, name)).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.equation("eq-divergences-f")
@by_name
def test_mass_beyond_the_support_costs_the_slope(name):
    """As the limit of ever smaller masses of q."""
    d = getattr(dv, name)
    p, q = torch.tensor([0.6, 0.4, 0.0], dtype=F64), torch.tensor([0.3, 0.0, 0.7], dtype=F64)
    found = dv.f_divergence(p, q, d).item()
    if name == "REVERSE_KL" or d.slope == math.inf:
        assert found == math.inf
        return
    tiny = 1e-13
    near = [SUMS[name](a, b) for a, b in ((0.6, 0.3), (0.4, tiny), (tiny, 0.7))]
    assert found == pytest.approx(sum(near), abs=2e-6)
    assert not math.isnan(found)


@pytest.mark.equation("eq-divergences-f")
@by_name
def test_laws_without_a_common_point_are_all_equally_far(name):
    """Whatever their probabilities, and wherever their points lie."""
    constant = {"KL": math.inf, "REVERSE_KL": math.inf, "JS": LOG(2), "GAN": 0.0, "HELLINGER": 2.0, "CHI2": math.inf, "TV": 1.0}
    d = getattr(dv, name)
    for p, q in (([0.23, 0.77, 0, 0], [0, 0, 0.36, 0.64]), ([0, 0.41, 0, 0.59], [0.18, 0, 0.82, 0]), ([1, 0], [0, 1])):
        found = dv.f_divergence(torch.tensor(p, dtype=F64), torch.tensor(q, dtype=F64), d).item()
        assert found == pytest.approx(constant[name], abs=1e-12)
    assert (d.f(torch.tensor(0.0, dtype=F64)) + d.slope).item() == pytest.approx(constant[name], abs=1e-12)


@by_name
def test_derivative_by_autograd(name):
    d, u = getattr(dv, name), torch.tensor([0.13, 0.8, 2.7], dtype=F64, requires_grad=True)
    torch.testing.assert_close(torch.autograd.grad(d.f(u).sum(), u)[0], d.derivative(u).detach(), **close)


@pytest.mark.equation("eq-divergences-conjugate")
@by_name
def test_conjugate_by_a_search_over_u(name):
    d = getattr(dv, name)
    end = min(d.slope, 1.3)
    for t in (end - 3.1, end - 1.2, end - 0.45, end - 0.13, -2.6):
        found = minimize_scalar(lambda u, t=t: (d.f(torch.tensor(u, dtype=F64)) - t * u).item(), bounds=(1e-12, 60),
                                method="bounded", options={"xatol": 1e-10})
        assert d.conjugate(torch.tensor(t, dtype=F64)).item() == pytest.approx(-found.fun, abs=1e-7), t


@by_name
def test_conjugate_is_infinite_above_the_slope_and_has_a_gradient_below(name):
    d = getattr(dv, name)
    if d.slope == math.inf:
        return
    t = torch.tensor([d.slope - 0.37, d.slope + 0.2], dtype=F64, requires_grad=True)
    values = d.conjugate(t)
    assert values[0].isfinite() and values[1] == math.inf
    values[0].backward()
    assert t.grad.isfinite().all()


def test_tv_is_bounded_above_only():
    t = torch.tensor([-7.0, -0.3, 0.5, 0.5001], dtype=F64)
    assert dv.TV.conjugate(t).tolist() == [-0.5, -0.3, 0.5, math.inf]


@pytest.mark.equation("eq-divergences-fenchel", "eq-divergences-f-optimal")
@by_name
def test_bound_is_tight_at_the_derivative_and_below_elsewhere(name, generator):
    p, q = laws()
    d = getattr(dv, name)
    T, exact = d.derivative(p / q), dv.f_divergence(p, q, d)
    torch.testing.assert_close(dv.fenchel_bound(T, T, d, p, q), exact, **close)
    other = torch.minimum(T + 0.1 * torch.randn(50, 4, generator=generator, dtype=F64), torch.tensor(d.slope - 1e-3))
    assert (dv.fenchel_bound(other, other, d, p, q) <= exact + 1e-12).all()
    assert dv.fenchel_bound(other, other, d, p, q).min() < exact - 1e-4


@pytest.mark.equation("eq-divergences-fenchel", "eq-divergences-donsker")
def test_values_at_one_function():
    """By hand: E_p[T] - E_q[exp(T - 1)], and the tighter bound of Donsker and Varadhan."""
    p, q, T = (torch.tensor(v, dtype=F64) for v in ([0.2, 0.5, 0.3], [0.45, 0.15, 0.4], [0.7, 1.4, -0.2]))
    first = 0.2 * 0.7 + 0.5 * 1.4 - 0.3 * 0.2
    second = [0.45 * math.exp(0.7 - s) + 0.15 * math.exp(1.4 - s) + 0.4 * math.exp(-0.2 - s) for s in (1, 0)]
    assert dv.fenchel_bound(T, T, dv.KL, p, q).item() == pytest.approx(first - second[0], abs=1e-12)
    assert dv.donsker_varadhan(T, T, p, q).item() == pytest.approx(first - LOG(second[1]), abs=1e-12)


@pytest.mark.equation("eq-divergences-fenchel")
@by_name
def test_no_function_above_the_slope_gives_a_bound(name):
    """Where q has no mass its mean does not ask for f*, and yet T may not exceed the slope; at the slope it is tight."""
    d = getattr(dv, name)
    p, q = torch.tensor([0.3, 0.45, 0.25], dtype=F64), torch.tensor([0.35, 0.65, 0.0], dtype=F64)
    exact = dv.f_divergence(p, q, d)
    if d.slope == math.inf:
        assert exact == math.inf
        return
    T = torch.cat([d.derivative(p[:2] / q[:2]), torch.tensor([d.slope], dtype=F64)])
    torch.testing.assert_close(dv.fenchel_bound(T, T, d, p, q), exact, **close)
    for excess in (1e-6, 5.0, 99.5):
        above = T + torch.tensor([0.0, 0.0, excess], dtype=F64)
        assert dv.fenchel_bound(above, above, d, p, q) == -math.inf
        assert dv.fenchel_bound(above, T[:2], d) == -math.inf  # draws: T at those of p only
        assert dv.fenchel_bound(T[:2], above, d) == -math.inf


@pytest.mark.equation("eq-divergences-f-optimal")
@by_name
def test_bound_is_tight_where_p_has_no_mass(name):
    """There the slope of f at 0 may be minus infinity."""
    d, p, q = getattr(dv, name), torch.tensor([0.62, 0.38, 0.0], dtype=F64), torch.tensor([0.15, 0.55, 0.3], dtype=F64)
    T, exact = d.derivative(p / q), dv.f_divergence(p, q, d)
    at_zero = {"KL": 0.0, "REVERSE_KL": math.inf, "JS": LOG(2) / 2, "GAN": 0.0, "HELLINGER": 1.0, "CHI2": 1.0, "TV": 0.5}
    expected = sum(SUMS[name](a, b) for a, b in ((0.62, 0.15), (0.38, 0.55))) + 0.3 * at_zero[name]  # q times f(0)
    assert exact.item() == pytest.approx(expected, abs=1e-12)
    torch.testing.assert_close(dv.fenchel_bound(T, T, d, p, q), exact, **close)


def test_draws_count_the_same():
    """Points repeated as often as their probabilities say give the weighted mean."""
    p, q = torch.tensor([0.25, 0.75], dtype=F64), torch.tensor([0.6, 0.4], dtype=F64)
    T = torch.tensor([0.8, -0.4], dtype=F64)
    T_p, T_q = T[[0, 1, 1, 1]], T[[0, 0, 0, 1, 1]]
    torch.testing.assert_close(dv.fenchel_bound(T_p, T_q, dv.CHI2), dv.fenchel_bound(T, T, dv.CHI2, p, q), **close)
    torch.testing.assert_close(dv.donsker_varadhan(T_p, T_q), dv.donsker_varadhan(T, T, p, q), **close)


half, T2 = torch.tensor([0.5, 0.5]), torch.tensor([0.3, -0.2])
CASES = {
    "q must be non-negative and sum to one, got a sum of 0": lambda: dv.f_divergence(half, 0 * half, dv.TV),
    "p must have shape (..., 2), got (3,)": lambda: dv.fenchel_bound(T2, T2, dv.KL, torch.ones(3) / 3),
    "T_q holds 1 NaN": lambda: dv.fenchel_bound(T2, T2 * torch.tensor([1.0, torch.nan]), dv.KL),
    "q must have shape (..., 2), got (1,)": lambda: dv.donsker_varadhan(T2, T2, half, torch.ones(1)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
