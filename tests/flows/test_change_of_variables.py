"""The change of variables and the price of topology against SciPy's laws, Qhull, high precision and a convex programme."""

import math
import operator

import mpmath
import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.spatial import ConvexHull
from scipy.stats import gumbel_r, johnsonsu, norm

from gmlib import flows
from tests.flows.conftest import F64, made


class Falling(torch.nn.Module):
    """z = -alpha - beta arsinh((x - m) / r): the law of x is Johnson's S_U."""

    def __init__(self, *values):
        super().__init__()
        self.values = torch.nn.Parameter(torch.tensor(values, dtype=F64))

    def forward(self, x):
        alpha, beta, m, r = self.values
        u = (x - m) / r
        return -alpha - beta * u.asinh(), (beta / r / (1 + u.square()).sqrt()).log().squeeze(-1)

    def inverse(self, z):
        alpha, beta, m, r = self.values
        x = m + r * ((-alpha - z) / beta).sinh()
        return x, -self(x)[1]


@pytest.mark.equation("eq-flows-line", "eq-flows-change")
def test_a_falling_map_has_a_positive_density(generator):
    flow = flows.Flow([Falling(0.7, 1.9, -0.3, 1.4)], flows.StandardNormal(1))
    x = 3 * torch.randn(40, 1, generator=generator, dtype=F64)
    law = johnsonsu(0.7, 1.9, loc=-0.3, scale=1.4)
    torch.testing.assert_close(flow.log_prob(x).detach(), torch.from_numpy(law.logpdf(x[:, 0])), rtol=0, atol=1e-9)
    draws = flow.sample((4000,), generator).squeeze(-1).sort().values
    steps = torch.arange(4001, dtype=F64) / 4000
    below = torch.from_numpy(law.cdf(draws.numpy()))
    distance = torch.maximum(below - steps[:-1], steps[1:] - below).max()  # of Kolmogorov and Smirnov
    assert distance < 2.8 / math.sqrt(4000)  # a false alarm in three million


@pytest.mark.equation("eq-flows-box")
def test_volume_of_the_image_of_a_box(generator):
    """Qhull measures the image of a cube: exact for a linear map, and nearer to |det J| the smaller the cube."""
    cube = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5], dtype=F64)] * 3)
    W = torch.randn(3, 3, generator=generator, dtype=F64)
    linear = flows.LULinear(W).double()
    solid = ConvexHull(linear.inverse(cube)[0].detach().numpy()).volume
    assert abs(solid - linear.inverse(cube)[1][0].exp().item()) < 1e-9
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = torch.nn.Sequential(torch.nn.Linear(1, 9), torch.nn.Tanh(), torch.nn.Linear(9, 4)).double()
    coupling = flows.AffineCoupling(torch.tensor([True, False, False]), net)
    bent = flows.Compose([coupling, linear])
    centre = torch.tensor([[0.4, -1.1, 0.8]], dtype=F64)
    errors = []
    for side in (0.2, 0.1):
        corners, _ = bent.inverse(centre + side * cube)
        volume = ConvexHull(corners.detach().numpy()).volume / side**3
        errors.append(abs(volume / bent.inverse(centre)[1].exp().item() - 1))
    assert errors[1] < 0.6 * errors[0] < 0.2


@pytest.mark.equation("eq-flows-inverse")
def test_jacobians_of_the_two_directions_are_inverse(generator):
    layer = made("composed")
    x = torch.randn(5, generator=generator, dtype=F64)
    z, log_det = layer(x)
    J_f = torch.func.jacrev(lambda v: layer(v)[0])(x)
    J_g = torch.func.jacrev(lambda v: layer.inverse(v)[0])(z)
    torch.testing.assert_close(J_f.detach(), torch.from_numpy(np.linalg.inv(J_g.detach().numpy())), rtol=0, atol=1e-9)
    assert abs(log_det.exp().item() * abs(np.linalg.det(J_g.detach().numpy())) - 1) < 1e-9
    assert abs(log_det.item()) > 0.1


class Counted:
    """A number that counts the multiplications and divisions done with its kind."""

    done = 0

    def __init__(self, value):
        self.value = value

    def _with(self, other, operation, costs):
        Counted.done += costs
        return Counted(operation(self.value, other.value))

    def __sub__(self, other):
        return self._with(other, operator.sub, 0)

    def __mul__(self, other):
        return self._with(other, operator.mul, 1)

    def __truediv__(self, other):
        return self._with(other, operator.truediv, 1)


@pytest.mark.equation("eq-flows-elimination")
@pytest.mark.parametrize("D", [2, 5, 9])
def test_operations_of_an_elimination(D):
    matrix = np.random.default_rng(D).normal(size=(D, D))
    A = np.array([[Counted(v) for v in row] for row in matrix], dtype=object)
    Counted.done = 0
    for k in range(D - 1):
        factors = A[k + 1 :, k] / A[k, k]
        A[k + 1 :, k + 1 :] = A[k + 1 :, k + 1 :] - np.multiply.outer(factors, A[k, k + 1 :])
    assert Counted.done == (D**3 - D) / 3 == sum(n * n + n for n in range(1, D))
    assert abs(math.prod(A[k, k].value for k in range(D)) - np.linalg.det(matrix)) < 1e-9 * max(1, abs(np.linalg.det(matrix)))


def mixture(x, a, s):
    return (norm.pdf(x, -a, s) + norm.pdf(x, a, s)) / 2


def bent(L, generator):
    layer = flows.SlopeLimited(L).double()
    with torch.no_grad():
        layer.y.copy_(0.3 * torch.rand(96, generator=generator, dtype=F64)), layer.b.fill_(-2.0)
    return layer


def at(layer, x):
    """f(x) and f'(x) as numbers, f' by a difference of higher order."""
    h = 1e-3
    places = torch.tensor([[x - 2 * h], [x - h], [x], [x + h], [x + 2 * h]], dtype=F64)
    f = layer(places)[0].detach().squeeze(-1).tolist()
    return f[2], (f[0] - 8 * f[1] + 8 * f[3] - f[4]) / (12 * h)


@pytest.mark.equation("eq-flows-likelihood")
def test_the_loss_is_the_divergence_and_the_entropy(generator):
    layer = bent(7.0, generator)
    flow = flows.Flow([layer], flows.StandardNormal(1))

    def loss(x):
        z, log_det = layer(torch.tensor([x], dtype=F64))
        return -norm.logpdf(z.item()) - log_det.item()

    def log_ratio(x):
        return gumbel_r.logpdf(x) - flow.log_prob(torch.tensor([x], dtype=F64)).item()

    mean, kl = (quad(lambda x: gumbel_r.pdf(x) * h(x), -4, 40, limit=400, epsabs=1e-10)[0] for h in (loss, log_ratio))
    assert abs(mean - kl - gumbel_r.entropy()) < 1e-8 and kl > 0.1


@pytest.mark.equation("eq-flows-monotone")
@pytest.mark.parametrize("a, s", [(2.0, 0.5), (1.7, 0.45)])
def test_slope_of_the_monotone_map(a, s):
    """In forty digits, as the root of F(x) = Phi(z)."""
    with mpmath.workdps(40):
        def F(x):
            return (mpmath.ncdf((x + a) / s) + mpmath.ncdf((x - a) / s)) / 2

        def g(z):
            return mpmath.findroot(lambda x: F(x) - mpmath.ncdf(z), 1000 * z)

        h = mpmath.mpf("1e-12")
        slope = float((g(h) - g(-h)) / (2 * h))
    assert abs(slope / (s * math.exp(a**2 / (2 * s**2))) - 1) < 1e-9


@pytest.mark.equation("eq-flows-isoperimetric")
def test_unions_of_intervals_grow_at_least_as_much():
    """On the line the neighbourhood of a union of intervals is known; a half line grows the least."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        ends = np.sort(rng.normal(size=2 * rng.integers(1, 5))).reshape(-1, 2)
        r = rng.uniform(0, 1)
        P = np.diff(norm.cdf(ends)).sum()
        grown, reached = 0.0, -math.inf
        for low, high in ends + [-r, r]:
            grown += max(norm.cdf(high) - norm.cdf(max(low, reached)), 0.0)
            reached = max(high, reached)
        assert grown > norm.cdf(norm.ppf(P) + r) - 1e-12
    c, r = -0.6, 0.8
    assert abs(norm.cdf(c + r) - norm.cdf(norm.ppf(norm.cdf(c)) + r)) < 1e-12


@pytest.mark.equation("eq-flows-functional")
def test_divergence_as_a_functional_of_the_map(generator):
    a, s = 1.3, 0.6
    layer = bent(5.0, generator)

    def over_p(h):
        return quad(lambda x: mixture(x, a, s) * h(x), -a - 9 * s, a + 9 * s, limit=400, epsabs=1e-11)[0]

    def log_ratio(x):
        f, slope = at(layer, x)
        return math.log(mixture(x, a, s) / (norm.pdf(f) * slope))

    def integrand(x):
        f, slope = at(layer, x)
        return f**2 / 2 - math.log(slope)

    log_p = over_p(lambda x: math.log(mixture(x, a, s)))
    assert abs(over_p(log_ratio) - (log_p + math.log(2 * math.pi) / 2 + over_p(integrand))) < 1e-9


@pytest.mark.equation("eq-flows-optimality", "eq-flows-best-law", "eq-flows-price")
@pytest.mark.parametrize("a, s, L", [(2.0, 0.5, 10.0), (1.6, 0.5, 4.0)])
def test_a_convex_programme_finds_the_stated_law(a, s, L):
    """Slopes of 300 cells, each at least 1/L, free to take any value: the solver knows nothing of the solution."""
    edges = np.linspace(0, a + 5 * s, 301)
    x, h = (edges[1:] + edges[:-1]) / 2, edges[1]
    p = np.diff(norm.cdf(edges, -a, s) + norm.cdf(edges, a, s))  # by symmetry of both sides
    unit = 1 / np.sqrt(p + 1e-5)  # of the slopes: the solver goes faster

    def objective(u):
        slope = unit * u
        f = h * (slope.cumsum() - slope / 2)
        after = np.cumsum((p * f)[::-1])[::-1] - p * f / 2
        return (p * (f**2 / 2 - np.log(slope))).sum(), unit * (h * after - p / slope)

    found = minimize(objective, 2 / unit, jac=True, method="L-BFGS-B", bounds=[(1 / L / v, None) for v in unit],
                     options={"maxiter": 20_000, "maxfun": 40_000, "maxcor": 30, "ftol": 1e-14, "gtol": 1e-9})  # fmt: skip
    best, slope = flows.least_kl(a, s, L), unit * found.x
    f = h * (slope.cumsum() - slope / 2)
    log_p = 2 * quad(lambda v: mixture(v, a, s) * math.log(mixture(v, a, s)), 0, a + 9 * s)[0]
    assert abs(log_p + math.log(2 * math.pi) / 2 + found.fun - best.kl) < 3e-4
    limit = slope < 1.001 / L
    assert limit[x < best.delta - 2 * h].all() and not limit[(x > best.delta + 2 * h) & (x < a)].any()
    beyond = (x > best.delta + 2 * h) & (x < a + 3 * s)
    q = norm.pdf(f) * slope
    assert np.abs(mixture(x, a, s) / q / best.C - 1)[beyond].max() < 0.01
    M = np.cumsum((p * f)[::-1])[::-1] / 2 - p * f / 4  # of one side
    price = p / h / 2 / slope
    assert np.abs(M / price - 1)[beyond].max() < 0.02 and (M > price * 0.98)[x < best.delta].all()


@pytest.mark.equation("eq-flows-two-signs")
@pytest.mark.parametrize("a, s, L", [(1.4, 0.65, 2.3), (2.1, 0.7, 18.0), (1.6, 0.9, 1.1)])
def test_signs_inside_and_outside(a, s, L):
    """M by quadrature and every slope as a difference: M - L p has the stated slope, and its sign turns at delta*."""
    best = flows.least_kl(a, s, L)

    def f(x):
        return x / L if x < best.delta else norm.isf((norm.sf(x, -a, s) + norm.sf(x, a, s)) / 2 / best.C)

    def gap(x):
        pieces = sorted(max(x, v) for v in (best.delta, a, a + 10 * s, x))
        M = sum(quad(lambda v: mixture(v, a, s) * f(v), *pair, epsabs=1e-13)[0] for pair in zip(pieces, pieces[1:]))
        return M - L * mixture(x, a, s)

    def slope(h, x, step=1e-4):
        return (h(x + step) - h(x - step)) / (2 * step)

    for x in (0.3 * best.delta, 0.9 * best.delta, best.delta + 0.2, best.delta + 0.6):
        kappa = slope(lambda v: math.log(mixture(v, a, s)), x) + f(x) / L
        eta = slope(lambda v: norm.logpdf(v / L) - math.log(mixture(v, a, s)), x)
        assert abs(slope(gap, x) + L * mixture(x, a, s) * kappa) < 1e-6
        assert abs(eta - (x * (1 / s**2 - 1 / L**2) - a / s**2 * math.tanh(a * x / s**2))) < 1e-6
        if x < best.delta:
            assert abs(kappa + eta) < 1e-9 and eta < 0 < gap(x)
        else:
            assert gap(x) < 0


@pytest.mark.equation("eq-flows-rearranged")
def test_rearranged_map_has_the_same_limit():
    """h(z) = L log cosh(w z) / w, even and so far from invertible, of slope L |tanh|: its law is known."""
    L, w = 4.0, 1.7

    def f_hat(t):
        return norm.ppf(2 * norm.cdf(np.arccosh(np.exp(w * t / L)) / w) - 1)

    t = np.linspace(0.05, 8, 200)
    for r in (0.2, 0.9):
        assert (f_hat(t + L * r) - f_hat(t) >= r).all()
    z = np.random.default_rng(0).normal(size=50_000)
    drawn = (L * np.log(np.cosh(w * z)) / w <= 2.5).mean()
    assert abs(drawn - norm.cdf(f_hat(2.5))) < 5.5 * 0.5 / math.sqrt(50_000)
