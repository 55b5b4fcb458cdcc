"""What the notebook on modern flows adds: measured distances, passes, knots, fields, estimates of the trace, and masses."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, linalg, optimize, stats

from gmlib import data, flows, ode
from gmlib.metrics import average
from gmlib.nn import MaskedMLP
from tests.flows.conftest import F64, made

A = torch.tensor([[0.9, -1.3, 0.4], [0.5, -0.6, 1.7], [2.1, 0.3, 1.4]], dtype=F64)
S = (A + A.mT) / 2


def close(a, b, atol=1e-9):
    torch.testing.assert_close(torch.as_tensor(a, dtype=F64), torch.as_tensor(b, dtype=F64), rtol=0, atol=atol)


@pytest.mark.equation("eq-flows-toys")
def test_densities_of_the_toys():
    """The moons by adaptive quadrature of SciPy, an arc at a time; the board by counting its squares."""
    for x in ((0.3, 0.62), (-1.44, -0.2), (0.55, -0.7), (0.0, 0.1)):
        total = 0.0
        for centre in (lambda t: (math.cos(t) - 0.5, math.sin(t) - 0.25), lambda t: (math.cos(t) + 0.5, 0.25 - math.sin(t))):
            def density(t, centre=centre):
                return stats.multivariate_normal.pdf(x, centre(t), 0.01)
            total += integrate.quad(density, 0, math.pi, epsabs=1e-13, epsrel=1e-12, limit=400)[0]
        close(data.moons_log_prob(torch.tensor(x, dtype=F64)), math.log(total / (2 * math.pi)))
    centres = torch.cartesian_prod(*[torch.arange(-2.5, 3.0, dtype=F64)] * 2)
    log_p = data.checkerboard_log_prob(centres)
    assert log_p.isfinite().sum() == 8
    close(-torch.xlogy(log_p.exp(), log_p.exp()).sum(), math.log(8), atol=1e-8)


@pytest.mark.equation("eq-flows-measured", "eq-flows-moments")
def test_distance_to_the_gaussian_with_the_same_moments():
    """On a grid; by draws; and by the formula, for the moons, whose moments are integrals of sines."""
    step = 1 / 32
    t = torch.arange(-2.5 + step / 2, 2.5, step, dtype=F64)
    grid = torch.cartesian_prod(t, t)
    log_p = data.moons_log_prob(grid)
    mass = log_p.exp() * step**2
    c = 1 / 8 - 1 / math.pi
    Sigma = torch.tensor([[0.76, c], [c, 9 / 16 - 1 / math.pi + 0.01]], dtype=F64)
    log_q = torch.from_numpy(stats.multivariate_normal.logpdf(grid.numpy(), [0, 0], Sigma.numpy()))
    close((mass[:, None] * grid).mT @ grid, Sigma)
    exact = (mass * (log_p - log_q)).sum()
    close(exact, torch.logdet(2 * math.pi * math.e * Sigma) / 2 - 1.00758483, atol=1e-8)
    x = data.moons(5000, generator=torch.Generator().manual_seed(3)).double()
    gap = data.moons_log_prob(x) - torch.from_numpy(stats.multivariate_normal.logpdf(x.numpy(), [0, 0], Sigma.numpy()))
    measured = average(gap, "unbiased")
    assert abs(measured.value - exact) < 5 * measured.standard_error < 0.1


@pytest.mark.equation("eq-flows-passes")
def test_each_pass_sets_one_more_variable_right(generator):
    order = torch.tensor([2, 0, 1, 4, 3])
    layer, z = made("masked"), torch.randn(4, 5, generator=generator, dtype=F64)
    x, _ = layer.inverse(z)
    guess = 3 * torch.randn(4, 5, generator=generator, dtype=F64)
    for k in range(6):
        close(guess[:, order < k], x[:, order < k])
        assert k == 5 or ((guess - x)[:, order >= k].abs() > 1e-9).any()
        m, a = layer.net(guess).unbind(-1)
        guess = z * torch.exp(1.4 * torch.tanh(a / 1.4)) + m


@pytest.mark.equation("eq-flows-iaf")
def test_inverse_autoregressive_flow(generator):
    """Variable by variable in NumPy, with the two functions asked one at a time; the determinant by autograd."""
    torch.manual_seed(5)
    net = MaskedMLP(3, 12, per=2).double()
    layer = flows.MaskedAffine(net, clamp=2.1)
    z = torch.randn(3, generator=generator, dtype=F64)
    x, log_det = layer(z)
    expected, logs = [], []
    for i in range(3):
        seen = torch.where(torch.arange(3) < i, z, 0.0)
        m, a = (v.item() for v in net(seen)[i])
        logs.append(2.1 * math.tanh(a / 2.1))
        expected.append((z[i].item() - m) / math.exp(logs[-1]))
    close(x, expected)
    close(log_det, -sum(logs))
    close(log_det, torch.linalg.slogdet(torch.autograd.functional.jacobian(lambda v: layer(v)[0], z))[1])


@pytest.mark.equation("eq-flows-spline-quotient")
def test_wronskian_of_the_quotient():
    """n' q - n q' as polynomials, by NumPy's own algebra."""
    for s, d0, d1 in ((1.7, 0.3, 2.9), (0.4, 3.3, 0.8)):
        t = np.polynomial.Polynomial([0, 1])
        n, q = s * t**2 + d0 * t * (1 - t), s + (d0 + d1 - 2 * s) * t * (1 - t)
        left = n.deriv() * q - n * q.deriv()
        right = s * (d1 * t**2 + 2 * s * t * (1 - t) + d0 * (1 - t) ** 2)
        grid = np.linspace(0, 1, 11)
        close(left(grid), right(grid))
        beta = d0 + d1 - 2 * s
        close(left(grid), (2 * s**2 * t + s * d0 * (1 - 2 * t) + s * beta * t**2)(grid))


@pytest.mark.equation("eq-flows-knots")
def test_knots_of_raw_numbers():
    """The spline passes through the knots with their slopes, computed in plain Python."""
    widths, heights, slopes, B, least = (0.4, -1.1, 0.7, 0.2), (-0.6, 0.5, 0.1, 0.9), (0.8, -0.3, -1.4), 1.7, 1e-3

    def knots(raw):
        shares = [least + (1 - 4 * least) * math.exp(r) / sum(map(math.exp, raw)) for r in raw]
        return [-B + 2 * B * sum(shares[:k]) for k in range(1, 4)]

    x = torch.tensor(knots(widths), dtype=F64)
    raw = [torch.tensor(r, dtype=F64).expand(3, -1) for r in (widths, heights, slopes)]
    y, log_slope = flows.rational_quadratic(x, *raw, bound=B)
    close(y, knots(heights))
    close(log_slope.exp(), [least + (1 - least) * math.log(1 + (math.e - 1) * math.exp(r)) for r in slopes])
    nothing = [0 * r for r in raw]
    close(flows.rational_quadratic(x, *nothing, bound=B)[0], x)
    with pytest.raises(ValueError, match="fewer than 1000 bins"):  # K lambda < 1
        flows.rational_quadratic(x[0], *(torch.zeros(n, dtype=F64) for n in (1000, 1000, 999)), bound=B)


@pytest.mark.equation("eq-flows-spline-inverse")
def test_root_of_the_quadratic(generator):
    """Against a bracketing search on the forward map, in bins of every kind."""
    signs = set()
    for w, h, d0, d1 in ((0.7, 1.9, 0.3, 2.2), (1.6, 0.4, 3.1, 0.05), (0.8, 0.8, 1.0, 1.0), (0.9, 0.5, 6.0, 4.0)):
        s = h / w
        beta = d0 + d1 - 2 * s
        for r in (0.13 * h, 0.5 * h, 0.94 * h):
            t = optimize.brentq(lambda t: h * (s * t * t + d0 * t * (1 - t)) / (s + beta * t * (1 - t)) - r, 0, 1, xtol=1e-14)  # noqa: B023
            a, b, c = h * (s - d0) + r * beta, h * d0 - r * beta, -s * r
            root = math.sqrt(b * b - 4 * a * c)
            close(2 * c / (-b - root) if b >= 0 else (-b + root) / (2 * a), t)
            signs.add(b >= 0)
    assert len(signs) == 2  # both forms were needed
    raw = [torch.randn(k, generator=generator, dtype=F64) for k in (4, 4, 3)]
    for y in (-1.9, -0.3, 1.2):
        def gap(x, y=y):
            return flows.rational_quadratic(torch.tensor([x], dtype=F64), *(r[None] for r in raw), bound=2.0)[0].item() - y
        back, _ = flows.rational_quadratic(torch.tensor([y], dtype=F64), *(r[None] for r in raw), bound=2.0, inverse=True)
        close(back.item(), optimize.brentq(gap, -2, 2, xtol=1e-14))


@pytest.mark.equation("eq-flows-small-step")
def test_determinant_of_a_small_step():
    """det(I + hA) is a polynomial in h, whose coefficients are those of the characteristic polynomial."""
    coefficients = np.poly(A.numpy())  # of det(xI - A)
    for h in (0.3, -0.02):
        close(torch.linalg.det(torch.eye(3, dtype=F64) + h * A), sum(c * (-h) ** k for k, c in enumerate(coefficients)))
    close(-coefficients[1], A.trace())


@pytest.mark.equation("eq-flows-exponential", "eq-flows-fixed-point", "eq-flows-instantaneous")
def test_linear_field_against_scipy():
    """The law of x(t) along the path, and its derivative at a point that stands still, by differences."""
    Sigma = np.array([[2.3, 0.9, -0.4], [0.9, 1.7, 0.6], [-0.4, 0.6, 1.1]])
    x0, t, h, a = np.array([0.4, -1.2, 0.7]), 0.35, 1e-5, A.numpy()

    def log_p(x, t):
        E = linalg.expm(t * a)
        return stats.multivariate_normal.logpdf(x, np.zeros(3), E @ Sigma @ E.T)

    x = linalg.expm(t * a) @ x0
    got, log_det = ode.integrate(lambda x, t: x @ A.mT, torch.from_numpy(x0), 0.0, t, 300, ode.exact_divergence)
    close(got, x)
    close(log_det, np.log(np.linalg.det(linalg.expm(t * a))))
    close(log_p(x0, 0.0) - log_det.item(), log_p(x, t))
    E = linalg.expm(t * a)
    score = -np.linalg.solve(E @ Sigma @ E.T, x)
    still = (log_p(x, t + h) - log_p(x, t - h)) / (2 * h)
    close(still, -np.trace(a) - (a @ x) @ score, atol=1e-7)


@pytest.mark.equation("eq-flows-runge-kutta", "eq-flows-reported-linear")
def test_steps_on_a_linear_field_are_the_taylor_polynomial(generator):
    """Four slopes make four terms of the exponential, exactly; so the reported mass is known."""
    x, n = torch.randn(2, 3, generator=generator, dtype=F64), 3
    B = A / n
    R = sum(torch.linalg.matrix_power(B, k) / math.factorial(k) for k in range(5))
    got, log_det = ode.integrate(lambda x, t: x @ A.mT, x, 0.0, 1.0, n, ode.exact_divergence)
    close(got, x @ torch.linalg.matrix_power(R, n).mT)
    close(log_det, [A.trace().item()] * 2)
    for c, n in ((2.7, 1), (-1.9, 2)):
        flow = flows.Flow([flows.Continuous(lambda x, t, c=c: c * x, n)], flows.StandardNormal(1))
        t = torch.linspace(-40, 40, 8001, dtype=F64)
        with torch.no_grad():
            mass = torch.trapezoid(flow.log_prob(t[:, None]).exp(), t)
        u = c / n
        close(mass, math.exp(c) / (1 + u + u**2 / 2 + u**3 / 6 + u**4 / 24) ** n)


@pytest.mark.equation("eq-flows-reported")
def test_reported_divergence_is_bounded_by_the_mass():
    """Gaussians, with a density that was multiplied by M: everything is an integral on the line."""
    x = np.linspace(-15, 15, 6001)
    p, q, M = stats.norm.logpdf(x, 0.3, 0.8), stats.norm.logpdf(x, -0.2, 1.3), 1.9
    reported = integrate.simpson(np.exp(p) * (p - (q + math.log(M))), x=x)
    kl = math.log(1.3 / 0.8) + (0.8**2 + 0.5**2) / (2 * 1.3**2) - 0.5
    close(reported, kl - math.log(M))
    close(integrate.simpson(np.exp(q) * M, x=x), M)
    assert -math.log(M) < reported < 0


@pytest.mark.equation("eq-flows-hutchinson-variance")
def test_variance_of_hutchinson():
    """All signs; and for normal numbers the fourth moments E[e_i e_j e_k e_l], summed by Wick's rule."""
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)), dtype=F64)
    x = torch.zeros(1, 3, dtype=F64)
    values = torch.cat([ode.hutchinson(e[None])(lambda x, t: x @ A.mT, x, torch.tensor(0.0))[1] for e in signs])
    close(values.var(correction=0), 2 * (S.square().sum() - S.diagonal().square().sum()))
    eye, fourth = torch.eye(3, dtype=F64), torch.zeros(3, 3, 3, 3, dtype=F64)
    for first, second in (("ij", "kl"), ("ik", "jl"), ("il", "jk")):
        fourth += torch.einsum(f"{first},{second}->ijkl", eye, eye)
    second = torch.einsum("ijkl,ij,kl->", fourth, A, A)
    close(second - A.trace() ** 2, 2 * S.square().sum())


@pytest.mark.equation("eq-flows-jensen")
def test_estimated_density_is_too_high():
    """Signs in the plane along a bent path; normal numbers for a linear field, by SciPy's quadrature in polar form."""
    field = lambda x, t: torch.sin(x @ A[:2, :2].mT + 0.7 * t) * x.flip(-1)  # noqa: E731
    x = torch.tensor([[0.8, -0.5], [-1.1, 0.3]], dtype=F64)
    flow = flows.Flow([flows.Continuous(field, 20)], flows.StandardNormal(2))

    def off_diagonal(field, x, t):
        rows = [torch.autograd.functional.jacobian(lambda v: field(v, t), row) for row in x]
        return field(x, t), torch.stack([J[0, 1] + J[1, 0] for J in rows])

    log_p = flow.log_prob(x).detach()
    _, tau = ode.integrate(field, x, 0.0, 1.0, 20, off_diagonal)
    densities = []
    for eps in itertools.product((-1.0, 1.0), repeat=2):
        flow.f.layers[0].divergence = ode.hutchinson(torch.tensor(eps, dtype=F64).expand(2, 2))
        densities.append(flow.log_prob(x).detach().exp())
    close(torch.stack(densities).mean(0), log_p.exp() * torch.cosh(tau))
    assert tau.abs().min() > 0.05
    G = np.array([[0.21, -0.33], [0.58, -0.47]])
    eigenvalues = np.linalg.eigvalsh((G + G.T) / 2)

    def over_radius(angle):  # the integral of r exp(-r^2 (1/2 - u'Gu)) / 2 pi
        u = np.array([math.cos(angle), math.sin(angle)])
        return 1 / (2 * math.pi * (1 - 2 * u @ G @ u))

    mean = integrate.quad(over_radius, 0, 2 * math.pi, epsabs=1e-12)[0] * math.exp(-np.trace(G))
    close(mean, math.exp(-eigenvalues.sum()) / math.sqrt(np.prod(1 - 2 * eigenvalues)))
