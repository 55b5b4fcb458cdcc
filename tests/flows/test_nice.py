"""What the notebook `nice` derives: counted, integrated by SciPy, or multiplied out in exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats
from torch.distributions import MultivariateNormal

from gmlib import data, flows
from gmlib.metrics import bits_per_dim
from gmlib.nn import mlp
from tests.laws import laws

F64 = torch.float64
close = dict(rtol=0, atol=1e-9)
LAWS = {"normal": (flows.StandardNormal, stats.norm), "logistic": (flows.StandardLogistic, stats.logistic)}
LOG_S = torch.tensor([0.45, -0.3], dtype=F64)


def shift(a):
    return 0.7 * torch.sin(1.3 * a + 0.4)


def plane(base):
    """A NICE of the plane whose first coordinate passes twice: its margin is known."""
    passes = torch.tensor([True, False])
    layers = [flows.AdditiveCoupling(passes, shift), flows.AdditiveCoupling(passes, torch.cos), flows.Scaling(LOG_S)]
    return flows.Flow(layers, base(2)).requires_grad_(False)


def linear_nice(generator, base, D=5):
    """Three linear couplings and the scales, and the same map as one matrix, multiplied out by NumPy."""
    W, layers = np.eye(D), []
    for passes in flows.alternating(D, 3):
        T = torch.randn(int((~passes).sum()), int(passes.sum()), generator=generator, dtype=F64)
        layers.append(flows.AdditiveCoupling(passes, lambda a, T=T: a @ T.mT))
        step = np.eye(D)
        step[np.ix_(~passes.numpy(), passes.numpy())] = T
        W = step @ W
    log_s = torch.randn(D, generator=generator, dtype=F64)
    return flows.Flow([*layers, flows.Scaling(log_s)], base(D)), np.diag(log_s.exp()) @ W, log_s


@pytest.mark.equation("eq-flows-coverage")
def test_product_of_three_couplings():
    """The blocks in exact fractions, for a part that passes of two and one that is moved of three variables."""
    rng = np.random.default_rng(0)

    def fractions(rows, columns):
        return np.array([[Fraction(int(v), 7) for v in row] for row in rng.integers(-9, 10, (rows, columns))])

    T1, T2, T3 = fractions(3, 2), fractions(2, 3), fractions(3, 2)
    A, B = np.eye(2, dtype=int), np.eye(3, dtype=int)

    def blocks(*rows):
        return np.concatenate([np.concatenate(row, 1) for row in rows])

    J1, J2, J3 = blocks((A, 0 * T2), (T1, B)), blocks((A, T2), (0 * T1, B)), blocks((A, 0 * T2), (T3, B))
    assert (J2 @ J1 == blocks((A + T2 @ T1, T2), (T1, B))).all()
    assert (J3 @ J2 @ J1 == blocks((A + T2 @ T1, T2), (T1 + T3 @ (A + T2 @ T1), B + T3 @ T2))).all()


@pytest.mark.equation("eq-flows-coverage", "eq-flows-coverage-count")
@pytest.mark.parametrize("passes", ["10", "100", "010", "1010", "10010", "11110000"])
def test_who_can_depend_on_whom(passes, generator):
    """Who has heard of whom, handed on layer by layer, against the zeros of the Jacobian and the formula."""
    passes = torch.tensor([c == "1" for c in passes])
    D, a = len(passes), int(passes.sum())
    heard, layers, x = [{i} for i in range(D)], [], torch.randn(D, generator=generator, dtype=F64)
    counts = [D + a * (D - a), D**2 - (D - a) * (D - a - 1), D**2]
    for p, count in zip(flows.alternating(D, 3, passes), counts, strict=True):
        told = set().union(*(heard[i] for i in range(D) if p[i]))
        heard = [known if p[i] else known | told for i, known in enumerate(heard)]
        layers.append(flows.AdditiveCoupling(p, mlp(int(p.sum()), 9, int((~p).sum())).double()))
        J = torch.autograd.functional.jacobian(lambda row: flows.Compose(layers)(row)[0], x)
        assert [set(row.nonzero().flatten().tolist()) for row in J] == heard
        assert sum(map(len, heard)) == count


@pytest.mark.equation("eq-flows-nice-likelihood", "eq-flows-scaling", "eq-flows-additive", "eq-flows-nice-normal", "eq-flows-logistic")
@pytest.mark.parametrize("law", LAWS)
def test_likelihood(law, generator):
    """Of linear couplings, against the density of a linear map; of bent ones, the margin by quadrature."""
    base, known = LAWS[law]
    flow, W, _ = linear_nice(generator, base)
    x = torch.randn(7, 5, generator=generator, dtype=F64)
    expected = known.logpdf(x.numpy() @ W.T).sum(-1) + math.log(abs(np.linalg.det(W)))
    torch.testing.assert_close(flow.log_prob(x), torch.from_numpy(expected), **close)
    flow, first, s = plane(base), 0.83, math.exp(0.45)
    density = lambda v: flow.log_prob(torch.tensor([first, v], dtype=F64)).exp().item()  # noqa: E731
    middle = -(shift(torch.tensor(first)) + math.cos(first)).item()
    mass = sum(integrate.quad(density, middle + a, middle + b, epsabs=1e-12)[0] for a, b in ((-60, -4), (-4, 4), (4, 60)))
    assert mass == pytest.approx(s * known.pdf(s * first), abs=1e-9)


@pytest.mark.equation("eq-flows-pull")
@pytest.mark.parametrize("law", LAWS)
def test_pull_on_the_scale(law, generator):
    """The slope by log s, and the balance where SciPy finds the greatest mean log-likelihood."""
    base, known = LAWS[law]
    slope = {"normal": lambda z: -z, "logistic": lambda z: -np.tanh(z / 2)}[law]
    h = (0.4 + torch.randn(60, generator=generator, dtype=F64)).numpy() * 1.7
    scaling = flows.Scaling(torch.tensor([-0.35], dtype=F64))
    flows.Flow([scaling], base(1)).log_prob(torch.from_numpy(h)[:, None]).mean().backward()
    z = math.exp(-0.35) * h
    assert scaling.log_s.grad.item() == pytest.approx(1 + (z * slope(z)).mean(), abs=1e-9)
    best = optimize.minimize_scalar(lambda r: -(known.logpdf(math.exp(r) * h).mean() + r), bounds=(-6, 6), method="bounded",
                                    options={"xatol": 1e-10}).x  # fmt: skip
    z = math.exp(best) * h
    assert -(z * slope(z)).mean() == pytest.approx(1, abs=1e-6)


@pytest.mark.equation("eq-flows-ceiling")
@pytest.mark.parametrize("law, difference", [("normal", 1.0), ("logistic", 4 - 2 * math.log(4))])
def test_mean_and_top_of_the_log_density(law, difference):
    """The mean by quadrature over the plane, the top by search, against SciPy's entropies."""
    base, known = LAWS[law]
    flow = plane(base)
    side = torch.linspace(-50, 50, 1251, dtype=F64) if law == "logistic" else torch.linspace(-14, 14, 701, dtype=F64)
    log_p = flow.log_prob(torch.cartesian_prod(side, side))
    mean = ((side[1] - side[0]) ** 2 * (log_p.exp() * log_p).sum()).item()
    assert mean == pytest.approx(-2 * known.entropy() + 0.45 - 0.3, abs=1e-8)
    found = optimize.minimize(lambda v: -flow.log_prob(torch.tensor(v, dtype=F64)).item(), [0.6, -0.9], tol=1e-12)
    assert -found.fun == pytest.approx(2 * known.logpdf(0) + 0.45 - 0.3, abs=1e-9)
    assert -found.fun - mean == pytest.approx(difference, abs=1e-8)


@pytest.mark.equation("eq-flows-shears")
def test_every_matrix_of_determinant_one_is_three_shears():
    """In exact fractions: the product, and the slopes read off it again."""
    a, b, c = Fraction(3, 5), Fraction(-7, 4), Fraction(2, 9)

    def product(a, b, c):
        return np.array([[1, 0], [c, 1]]) @ np.array([[1, b], [0, 1]]) @ np.array([[1, 0], [a, 1]])

    M = product(a, b, c)
    assert M.tolist() == [[1 + a * b, b], [a + c * (1 + a * b), 1 + b * c]]
    M = np.array([[Fraction(4, 3), Fraction(-5, 2)], [Fraction(7, 5), Fraction(0)]])
    M[1, 1] = (1 + M[0, 1] * M[1, 0]) / M[0, 0]
    assert (product((M[0, 0] - 1) / M[0, 1], M[0, 1], (M[1, 1] - 1) / M[0, 1]) == M).all()


@pytest.mark.equation("eq-flows-unidentified", "eq-flows-shears")
@pytest.mark.parametrize("s_1, angle", [(0.31, 0.8), (0.77, -2.1), (2.6, 1.3)])
def test_many_scales_have_one_law(s_1, angle, generator):
    Sigma = torch.tensor([[1.9, -0.7], [-0.7, 0.8]], dtype=F64)
    variance = torch.tensor([1.9, 0.8 - 0.49 / 1.9], dtype=F64)
    W = torch.tensor([[1.0, 0.0], [0.7 / 1.9, 1.0]], dtype=F64) / variance.sqrt()[:, None]
    s = torch.tensor([s_1, Sigma.det().item() ** -0.5 / s_1], dtype=F64)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=F64)
    M = turn @ W / s[:, None]
    assert M.det().item() == pytest.approx(1, abs=1e-12)
    assert M[0, 1].item() == pytest.approx(-math.sin(angle) * W[1, 1].item() / s_1, abs=1e-12)
    slopes = (M[0, 0] - 1) / M[0, 1], M[0, 1], (M[1, 1] - 1) / M[0, 1]
    layers = [flows.AdditiveCoupling(p, lambda a, k=k: k * a) for p, k in zip(flows.alternating(2, 3), slopes, strict=True)]
    flow = flows.Flow([*layers, flows.Scaling(s.log())], flows.StandardNormal(2))
    x = 2 * torch.randn(20, 2, generator=generator, dtype=F64)
    torch.testing.assert_close(flow.log_prob(x), MultivariateNormal(torch.zeros(2, dtype=F64), Sigma).log_prob(x), **close)


@pytest.mark.equation("eq-flows-ldl")
def test_scale_is_the_conditional_variance_in_each_order():
    """The pivots of elimination, in fractions, against variances of the residuals of a regression."""
    Sigma = [[Fraction(23, 10), Fraction(9, 10), Fraction(-2, 5)], [Fraction(9, 10), Fraction(17, 10), Fraction(3, 5)],
             [Fraction(-2, 5), Fraction(3, 5), Fraction(11, 10)]]  # fmt: skip
    for order, expected in (((0, 1, 2), (2.3, 1.347826, 0.605806)), ((2, 1, 0), (1.1, 1.372727, 1.243709))):
        A = [[Sigma[i][j] for j in order] for i in order]
        S = np.array(A, dtype=float)
        for k in range(3):
            for i in range(k + 1, 3):
                A[i] = [x - A[i][k] / A[k][k] * y for x, y in zip(A[i], A[k], strict=True)]
            weights = np.linalg.lstsq(S[:k, :k], S[:k, k])[0]
            residual = np.append(-weights, 1)
            assert float(A[k][k]) == pytest.approx(residual @ S[: k + 1, : k + 1] @ residual, abs=1e-12)
            assert float(A[k][k]) == pytest.approx(expected[k], abs=5e-7)


@pytest.mark.equation("eq-flows-dequantised", "eq-flows-dequantised-gap")
@pytest.mark.parametrize("level", [0, 2, 6])
def test_mass_of_a_cell_its_bound_and_the_gap(level):
    K, law = 7, stats.logistic(0.41, 0.13)
    cell = lambda f: integrate.quad(f, 0, 1, epsabs=1e-13)[0]  # noqa: E731
    log_p = lambda u: law.logpdf((level + u) / K)  # noqa: E731
    log_mass = math.log(law.cdf((level + 1) / K) - law.cdf(level / K))
    assert math.log(cell(lambda u: math.exp(log_p(u)))) - math.log(K) == pytest.approx(log_mass, abs=1e-9)
    bound = cell(log_p) - math.log(K)
    assert bound < log_mass
    given = lambda u: math.exp(log_p(u)) / (K * math.exp(log_mass))  # noqa: E731
    assert cell(given) == pytest.approx(1, abs=1e-9)
    assert log_mass - bound == pytest.approx(cell(lambda u: -math.log(given(u))), abs=1e-9)


@pytest.mark.equation("eq-flows-dequantised")
def test_noise_fills_exactly_the_cell(generator):
    """Over the draws of `dequantise` the mean density is K^D times the mass of the cell, and the mean logarithm is below."""
    edges, K = torch.tensor([[1.0, 3.0], [0.0, 2.0]], dtype=F64), 5
    flow = flows.Flow([flows.Scaling(torch.tensor([1.1, 0.4], dtype=F64))], flows.StandardLogistic(2)).requires_grad_(False)
    for x in edges:
        s = [math.exp(1.1), math.exp(0.4)]
        law = [stats.logistic.cdf(k * (x.numpy() + 1) / K) - stats.logistic.cdf(k * x.numpy() / K) for k in s]
        mass = law[0][0] * law[1][1]
        y = data.dequantise(x.expand(40_000, 2), generator, levels=K)
        laws.assert_same_mean(flow.log_prob(y).exp() / K**2, expected=mass)
        assert flow.log_prob(y).mean() - 2 * math.log(K) < math.log(mass)


@pytest.mark.equation("eq-flows-bits", "eq-flows-pixel-cdf")
def test_bits_of_a_table_of_frequencies(generator):
    """Where the density is constant on cells the bits are those of the frequencies, counted by hand."""
    counts = torch.tensor([[3.0, 1.0, 4.0], [2.0, 7.0, 1.5]], dtype=F64)
    flow = flows.Flow([flows.PixelCDF(counts), flows.Scaling(torch.zeros(2, dtype=F64))], flows.StandardLogistic(2))
    x = torch.tensor([[0.0, 2.0], [2.0, 1.0]], dtype=F64)
    found = bits_per_dim(flow.log_prob(data.dequantise(x, generator, levels=3)), dims=2, levels=3)
    expected = [-(math.log2(3 / 8) + math.log2(1.5 / 10.5)) / 2, -(math.log2(4 / 8) + math.log2(7 / 10.5)) / 2]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=F64), **close)
    log_p = flow.log_prob(data.dequantise(x, generator, levels=3))
    torch.testing.assert_close(math.log2(3) - log_p / math.log(2) / 2, found, **close)


@pytest.mark.equation("eq-flows-noise-cost")
def test_uniform_noise_has_a_price():
    """The least cost over place and scale, by search on quadrature."""

    def cost(law):
        def of(v):
            return integrate.quad(lambda u: -law.logpdf(u, v[0], math.exp(v[1])), 0, 1)[0]

        return optimize.minimize(of, [0.4, -1.0], tol=1e-10, method="Nelder-Mead").fun

    assert cost(stats.norm) == pytest.approx(0.5 * math.log(math.pi * math.e / 6), abs=1e-9)
    assert cost(stats.norm) / math.log(2) == pytest.approx(0.254614, abs=5e-7)
    assert cost(stats.logistic) / math.log(2) == pytest.approx(0.319821, abs=1e-6)


@pytest.mark.equation("eq-flows-nice-gradient")
@pytest.mark.parametrize("law", LAWS)
def test_gradient_needs_no_determinant(law, generator):
    flow, W, _ = linear_nice(generator, LAWS[law][0])
    x = torch.randn(4, 5, generator=generator, dtype=F64, requires_grad=True)
    (gradient,) = torch.autograd.grad(flow.log_prob(x).sum(), x)
    z = x.detach().numpy() @ W.T
    slope = -z if law == "normal" else -np.tanh(z / 2)
    torch.testing.assert_close(gradient, torch.from_numpy(slope @ W), **close)
