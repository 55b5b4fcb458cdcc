"""The equations of the notebook on Gaussians, each against an answer from elsewhere: SciPy, NumPy, quadrature, search, autograd."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, linalg, optimize, stats

from gmlib import mixtures as mx
from gmlib.targets import Gaussian

F64 = torch.float64
MU = np.array([0.6, -1.1, 0.9, 0.2])
ROOT = np.array([[0.9, 0.2, -0.4, 0.1], [0.3, 1.1, 0.2, -0.5], [-0.6, 0.4, 0.8, 0.3], [0.2, -0.3, 0.5, 0.7]])
SIGMA = ROOT @ ROOT.T
P = np.linalg.inv(SIGMA)
X = MU + np.random.RandomState(5).standard_normal((9, 4)) @ np.array(
    [[1.2, 0.1, 0.4, 0.3], [0.0, 0.8, -0.3, 0.2], [0.0, 0.0, 0.6, 0.5], [0.0, 0.0, 0.0, 0.9]])
A, B = [0, 2], [1, 3]  # what is open, what is known
BEND = np.array([[0.4, -0.2, 0.3, 0.1], [-0.2, -0.5, 0.2, 0.6], [0.3, 0.2, 0.7, -0.1], [0.1, 0.6, -0.1, -0.3]])


def close(a, b, atol=1e-9):
    torch.testing.assert_close(torch.as_tensor(a, dtype=F64), torch.as_tensor(b, dtype=F64), rtol=0, atol=atol)


def log_normal(x, mu, Sigma):
    return stats.multivariate_normal.logpdf(x, mu, Sigma)


def blocks(M):
    return M[np.ix_(A, A)], M[np.ix_(A, B)], M[np.ix_(B, A)], M[np.ix_(B, B)]


def scatter():
    d = X - X.mean(0)
    return d.T @ d


# One dimension.


@pytest.mark.equation("eq-mixtures-normal")
def test_density_on_the_line():
    def p(x):
        return math.exp(-((x + 0.7) ** 2) / (2 * 1.6**2)) / math.sqrt(2 * math.pi * 1.6**2)

    for power, expected in ((0, 1.0), (1, -0.7), (2, 0.7**2 + 1.6**2)):
        close(integrate.quad(lambda x: p(x) * x**power, -20, 19, epsabs=1e-12)[0], expected)
    close([p(x) for x in (0.3, -2.0)], stats.norm.pdf([0.3, -2.0], -0.7, 1.6))


@pytest.mark.equation("eq-mixtures-one-likelihood", "eq-mixtures-one-maximum")
def test_one_highest_point_on_the_line():
    x = X[:, 2]
    m, v = np.mean(x), np.var(x)
    highest = stats.norm.logpdf(x, *stats.norm.fit(x)).sum()
    for mu, sigma in ((0.4, 1.9), (-1.3, 0.6), (m, 0.8), (0.2, math.sqrt(v))):
        ell = stats.norm.logpdf(x, mu, sigma).sum()
        close(ell, -9 / 2 * (math.log(2 * math.pi * sigma**2) + (v + (m - mu) ** 2) / sigma**2))
        u = v / sigma**2
        below = 9 / 2 * (u - 1 - math.log(u) + (m - mu) ** 2 / sigma**2)
        close(highest - ell, below)
        assert below > 0


@pytest.mark.equation("eq-mixtures-bias")
@pytest.mark.parametrize("N", [2, 3, 5])
def test_expected_variance_of_the_fit_by_enumeration(N):
    value, p = np.array([-0.8, 0.1, 1.9]), np.array([0.25, 0.6, 0.15])
    mean = sum(p[list(k)].prod() * np.var(value[list(k)]) for k in itertools.product(range(3), repeat=N))
    close(mean, (N - 1) / N * (p @ value**2 - (p @ value) ** 2))


# Many dimensions.


@pytest.mark.equation("eq-mixtures-affine", "eq-mixtures-gaussian")
def test_affine_image_of_standard_noise():
    """Mean and covariance by Gauss-Hermite quadrature in the noise; the density by the change of variables, and SciPy's."""
    node, weight = np.polynomial.hermite_e.hermegauss(5)
    eps = np.array(list(itertools.product(node, repeat=4)))
    mass = np.prod(list(itertools.product(weight / math.sqrt(2 * math.pi), repeat=4)), 1)
    x = MU + eps @ ROOT.T
    close(mass @ x, MU)
    close((x - MU).T @ (mass[:, None] * (x - MU)), SIGMA)
    d = x - MU
    formula = np.exp(-0.5 * np.einsum("ni,ij,nj->n", d, P, d)) / ((2 * math.pi) ** 2 * math.sqrt(np.linalg.det(SIGMA)))
    close(formula, stats.norm.pdf(eps).prod(1) / abs(np.linalg.det(ROOT)))
    close(np.log(formula[:9]), log_normal(x[:9], MU, SIGMA))
    close(Gaussian(torch.from_numpy(MU), torch.from_numpy(SIGMA)).log_prob(torch.from_numpy(x[:9])).exp(), formula[:9])


@pytest.mark.equation("eq-mixtures-axes", "eq-mixtures-inside")
def test_ellipse_and_what_it_holds():
    """The level set of the density; the mass in it, integrated strip by strip."""
    S, c = SIGMA[:2, :2], 1.3
    variance, U = np.linalg.eigh(S)
    angle = np.linspace(0.1, 6, 7)
    y = c * np.stack([np.cos(angle), np.sin(angle)], 1) * np.sqrt(variance)
    close((y**2 / variance).sum(1), np.full(7, c**2))
    level = -0.5 * c**2 - math.log(2 * math.pi) - 0.5 * np.linalg.slogdet(S)[1]
    close(log_normal(y @ U.T, np.zeros(2), S), np.full(7, level))
    half, slope, s = c * math.sqrt(S[0, 0]), S[0, 1] / S[0, 0], math.sqrt(S[1, 1] - S[0, 1] ** 2 / S[0, 0])

    def strip(t):  # x_1 = half sin t; given it, x_2 is a Gaussian
        x = half * math.sin(t)
        width = s * c * math.cos(t)
        upper, lower = (stats.norm.cdf(slope * x + sign * width, slope * x, s) for sign in (1, -1))
        return (upper - lower) * stats.norm.pdf(x, 0, math.sqrt(S[0, 0])) * half * math.cos(t)

    close(integrate.quad(strip, -math.pi / 2, math.pi / 2, epsabs=1e-12)[0], 1 - math.exp(-(c**2) / 2))


# The fit.


@pytest.mark.equation("eq-mixtures-likelihood", "eq-mixtures-excess")
def test_likelihood_by_two_moments_and_how_far_below_the_top():
    S, m = scatter(), X.mean(0)
    fit = S / 9
    assert np.abs(fit - np.cov(X.T, bias=True)).max() < 1e-12
    highest = log_normal(X, m, fit).sum()
    for mu, Sigma in ((MU, SIGMA), (m, SIGMA), (MU, fit)):
        Q, off = np.linalg.inv(Sigma), m - mu
        ell = 0.5 * (9 * np.linalg.slogdet(Q)[1] - np.trace(Q @ S) - 9 * off @ Q @ off - 36 * math.log(2 * math.pi))
        close(ell, log_normal(X, mu, Sigma).sum())
        lam = linalg.eigvals(Q @ fit).real
        excess = 9 / 2 * ((lam - 1 - np.log(lam)).sum() + off @ Q @ off)
        close(highest - ell, excess)
        of = [torch.distributions.MultivariateNormal(torch.from_numpy(a), torch.from_numpy(b)) for a, b in ((m, fit), (mu, Sigma))]
        close(9 * torch.distributions.kl_divergence(*of), excess)


@pytest.mark.equation("eq-mixtures-log-det")
def test_derivative_of_log_det_by_differences():
    def log_det(t):
        return np.linalg.slogdet(P + t * BEND)[1]

    h = 1e-3
    slope = (8 * (log_det(h) - log_det(-h)) - (log_det(2 * h) - log_det(-2 * h))) / (12 * h)
    close(np.trace(SIGMA @ BEND), slope, atol=1e-8)


@pytest.mark.equation("eq-mixtures-mle")
def test_fit_by_a_numerical_optimiser():
    """From a generic start in the mean and the precision's root; and gmlib's."""
    rows, columns = np.tril_indices(4)

    def negative(v):
        v = torch.tensor(v, requires_grad=True)
        L = torch.zeros(4, 4, dtype=F64).index_put((torch.from_numpy(rows), torch.from_numpy(columns)), v[4:])
        value = -torch.distributions.MultivariateNormal(v[:4], precision_matrix=L @ L.T).log_prob(torch.from_numpy(X)).sum()
        return value.item(), torch.autograd.grad(value, v)[0].numpy()

    start = np.concatenate([MU, (np.eye(4) + 0.1)[rows, columns]])
    found = optimize.minimize(negative, start, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 2000}).x
    L = np.zeros((4, 4))
    L[rows, columns] = found[4:]
    close(found[:4], X.mean(0), atol=1e-6)
    close(np.linalg.inv(L @ L.T), scatter() / 9, atol=1e-6)
    fit = mx.fit_gaussian(torch.from_numpy(X))
    close(fit.mu, X.mean(0))
    close(fit.Sigma, scatter() / 9)


@pytest.mark.equation("eq-mixtures-concave")
def test_concave_in_the_precision_and_not_in_the_covariance():
    m = X.mean(0)

    def ell(t):
        return log_normal(X, m, np.linalg.inv(P + t * BEND)).sum()

    for at in (0.0, 0.07):
        eta = linalg.eigh(BEND, P, eigvals_only=True)  # of L^-1 B L^-T
        h = 1e-3
        second = (-ell(at + 2 * h) + 16 * ell(at + h) - 30 * ell(at) + 16 * ell(at - h) - ell(at - 2 * h)) / (12 * h**2)
        formula = -9 / 2 * (eta**2 / (1 + at * eta) ** 2).sum()
        close(formula, second, atol=1e-5)
        assert formula < 0
    fit = scatter() / 9
    heights = [log_normal(X, m, v * fit).sum() for v in (2.5, 3.0, 3.5)]
    assert heights[0] + heights[2] > 2 * heights[1] + 1e-3


# Parts.


@pytest.mark.equation("eq-mixtures-square", "eq-mixtures-block", "eq-mixtures-inverse")
def test_squares_and_blocks():
    Saa, Sab, Sba, Sbb = blocks(SIGMA)
    Paa, Pab, Pba, Pbb = blocks(P)
    a, b = np.array([0.7, -1.2]), np.array([1.6, 0.4])
    d = np.empty(4)
    d[A], d[B] = a, b
    h = -np.linalg.solve(Paa, Pab @ b)
    close((a - h) @ Paa @ (a - h) + b @ (Pbb - Pba @ np.linalg.solve(Paa, Pab)) @ b, d @ linalg.solve(SIGMA, d))
    G = Sab @ np.linalg.inv(Sbb)
    schur = Saa - G @ Sba
    sorted_ = SIGMA[np.ix_(A + B, A + B)]
    T = np.block([[np.eye(2), -G], [np.zeros((2, 2)), np.eye(2)]])
    close(T @ sorted_ @ T.T, linalg.block_diag(schur, Sbb))
    C = np.linalg.inv(schur)
    formula = np.block([[C, -C @ G], [-G.T @ C, np.linalg.inv(Sbb) + G.T @ C @ G]])
    close(formula, np.linalg.inv(sorted_))
    close(formula, T.T @ linalg.block_diag(C, np.linalg.inv(Sbb)) @ T)


@pytest.mark.equation("eq-mixtures-precision", "eq-mixtures-condition", "eq-mixtures-factor")
def test_conditional_by_bayes_in_both_forms():
    Saa, Sab, Sba, Sbb = blocks(SIGMA)
    Paa, Pab, _, _ = blocks(P)
    G = Sab @ np.linalg.inv(Sbb)
    for x in X[:4]:
        ratio = log_normal(x, MU, SIGMA) - log_normal(x[B], MU[B], Sbb)
        off = x[B] - MU[B]
        close(log_normal(x[A], MU[A] + G @ off, Saa - G @ Sba), ratio)
        close(log_normal(x[A], MU[A] - np.linalg.solve(Paa, Pab @ off), np.linalg.inv(Paa)), ratio)
        given = mx.condition(Gaussian(torch.from_numpy(MU), torch.from_numpy(SIGMA)), B, torch.from_numpy(x[B]))
        close(given.log_prob(torch.from_numpy(x[A])), ratio)


@pytest.mark.equation("eq-mixtures-marginal")
def test_marginal_by_quadrature():
    """Two entries integrated out on a grid."""
    t = np.linspace(-12, 13, 501)
    open_ = np.array(list(itertools.product(t, t)))
    for x in X[:2]:
        full = np.empty((len(open_), 4))
        full[:, A], full[:, B] = open_, x[B]
        mass = (0.05**2 * np.exp(log_normal(full, MU, SIGMA))).sum()
        close(math.log(mass), log_normal(x[B], MU[B], blocks(SIGMA)[3]))
        ours = mx.marginal(Gaussian(torch.from_numpy(MU), torch.from_numpy(SIGMA)), B)
        close(ours.log_prob(torch.from_numpy(x[B])), math.log(mass))


# Where there is no fit.


@pytest.mark.equation("eq-mixtures-rank", "eq-mixtures-unbounded")
@pytest.mark.parametrize("x, rank", [(X[:4], 3), (X[:3], 2), (X * [1, 1, 0, 1] + [0, 0, 0.4, 0], 3)], ids=["N = D", "N = 3", "constant"])
def test_likelihood_without_a_maximum(x, rank):
    d = x - x.mean(0)
    assert np.linalg.matrix_rank(d) == rank <= min(4, len(x) - 1)
    Q = linalg.null_space(d)
    assert Q.shape == (4, 4 - rank)
    fit = np.cov(x.T, bias=True)
    ells = [log_normal(x, x.mean(0), fit + s**2 * Q @ Q.T).sum() for s in (0.1, 0.01, 0.001)]
    close(np.diff(ells), np.full(2, len(x) * (4 - rank) * math.log(10)), atol=1e-6)
    with pytest.raises(ValueError, match=f"spans {rank} of its 4"):
        mx.fit_gaussian(torch.from_numpy(x))


@pytest.mark.equation("eq-mixtures-noise")
def test_noise_raises_all_variances_alike():
    fit = np.cov(X[:3].T, bias=True)
    variance, U = np.linalg.eigh(fit)
    raised = U @ np.diag(variance + 0.3**2) @ U.T
    node = 0.3 * np.array(list(itertools.product([-1, 1], repeat=4)))  # independent noise of sd 0.3
    cloud = (X[:3, None] + node).reshape(-1, 4)
    close(raised, np.cov(cloud.T, bias=True))


# Holes.

NAN = math.nan
HOLES = np.array([[0.4, -1.3, NAN, 0.6], [1.5, NAN, 0.3, NAN], [NAN, -0.2, 1.1, 0.9], [-0.5, -2.1, 0.7, -0.3], [NAN, NAN, 2.0, 1.2]])
OTHER = (np.array([0.1, -0.4, 1.3, 0.5]), SIGMA + np.diag([0.5, 0.2, 0.9, 0.4]))


def observed(mu, Sigma):
    total = 0.0
    for row in HOLES:
        o = ~np.isnan(row)
        total += log_normal(row[o], mu[o], Sigma[np.ix_(o, o)])
    return total


def moments(row, mu, Sigma):
    """Mean and second moment around zero of a row, given what is seen: from the precision, on a Gauss-Hermite grid."""
    m = np.isnan(row)
    if not m.any():
        return row[None], np.ones(1)
    Q = np.linalg.inv(Sigma)
    mean = mu[m] - np.linalg.solve(Q[np.ix_(m, m)], Q[np.ix_(m, ~m)] @ (row[~m] - mu[~m]))
    L = np.linalg.cholesky(np.linalg.inv(Q[np.ix_(m, m)]))
    node, weight = np.polynomial.hermite_e.hermegauss(4)
    points = np.tile(row, (4 ** m.sum(), 1))
    points[:, m] = mean + np.array(list(itertools.product(node, repeat=m.sum()))) @ L.T
    return points, np.prod(list(itertools.product(weight / math.sqrt(2 * math.pi), repeat=m.sum())), 1)


def step(mu, Sigma):
    """The formula, with conditional means and covariances by Bayes' rule."""
    mean, C = HOLES.copy(), np.zeros((5, 4, 4))
    for n, row in enumerate(HOLES):
        m, o = np.flatnonzero(np.isnan(row)), np.flatnonzero(~np.isnan(row))
        if len(m):
            G = Sigma[np.ix_(m, o)] @ np.linalg.inv(Sigma[np.ix_(o, o)])
            mean[n, m] = mu[m] + G @ (row[o] - mu[o])
            C[n][np.ix_(m, m)] = Sigma[np.ix_(m, m)] - G @ Sigma[np.ix_(o, m)]
    d = mean - mean.mean(0)
    return mean, C, mean.mean(0), (d.T @ d + C.sum(0)) / 5


@pytest.mark.equation("eq-mixtures-observed", "eq-mixtures-never-lower")
def test_change_of_the_observed_likelihood():
    """log p'/p of what is seen = its mean over what is missing, by quadrature, and a KL, by quadrature too."""
    for row in HOLES:
        o = ~np.isnan(row)
        points, mass = moments(row, MU, SIGMA)
        left = log_normal(row[o], OTHER[0][o], OTHER[1][np.ix_(o, o)]) - log_normal(row[o], MU[o], SIGMA[np.ix_(o, o)])
        mean = mass @ (np.atleast_1d(log_normal(points, *OTHER)) - np.atleast_1d(log_normal(points, MU, SIGMA)))
        if o.all():
            close(left, mean)
            continue
        given = [mx.condition(Gaussian(torch.from_numpy(a), torch.from_numpy(b)), np.flatnonzero(o).tolist(), torch.from_numpy(row[o]))
                 for a, b in ((MU, SIGMA), OTHER)]
        missing = torch.from_numpy(points[:, ~o])
        kl = torch.from_numpy(mass) @ (given[0].log_prob(missing) - given[1].log_prob(missing))
        close(left, mean + kl)
        assert kl > 0.01
    trail = list(mx.em_missing(torch.from_numpy(HOLES), 6))
    for first, second in itertools.pairwise(trail):
        close(5 * second.log_prob, observed(first.mu.numpy(), first.Sigma.numpy()))
        assert second.log_prob > first.log_prob


@pytest.mark.equation("eq-mixtures-second", "eq-mixtures-missing")
def test_step_is_the_fit_to_a_cloud_that_fills_the_holes():
    """Each row as the weighted points of a quadrature of its conditional law: NumPy's weighted moments of all of them."""
    mean, C, mu, Sigma = step(MU, SIGMA)
    clouds = [moments(row, MU, SIGMA) for row in HOLES]
    points, mass = (np.concatenate(part) for part in zip(*clouds, strict=True))
    close(mu, np.average(points, axis=0, weights=mass))
    close(Sigma, np.cov(points.T, aweights=mass, bias=True))
    for (cloud, weight), row, extra in zip(clouds, mean, C, strict=True):
        d, e = cloud - OTHER[0], row - OTHER[0]
        close(d.T @ (weight[:, None] * d), np.outer(e, e) + extra)
    first, second = itertools.islice(mx.em_missing(torch.from_numpy(HOLES), 2), 2)
    _, _, mu, Sigma = step(first.mu.numpy(), first.Sigma.numpy())
    close(second.mu, mu)
    close(second.Sigma, Sigma)


@pytest.mark.equation("eq-mixtures-at-random")
def test_pattern_comes_out_of_the_integral():
    def integral(mu, Sigma, chance):
        def of(z):
            return math.exp(log_normal([0.4, z], mu[:2], Sigma[:2, :2])) * chance(0.4, z)
        return integrate.quad(of, -14, 13, epsabs=1e-13, limit=200)[0] / stats.norm.pdf(0.4, mu[0], math.sqrt(Sigma[0, 0]))

    by_seen, by_missing = (lambda x, z: 1 / (1 + math.exp(1 - 1.7 * x))), (lambda x, z: 1 / (1 + math.exp(1 - 1.7 * z)))
    close([integral(*law, by_seen) for law in ((MU, SIGMA), OTHER)], [by_seen(0.4, 0)] * 2)
    assert abs(integral(MU, SIGMA, by_missing) - integral(*OTHER, by_missing)) > 0.03


def test_two_summits():
    """Murray's twelve pairs: a grid of zero-mean Gaussians has its highest points at the correlations 1/2 and -1/2."""
    x = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]] + 2 * [[2, NAN], [-2, NAN], [NAN, 2], [NAN, -2]], dtype=float)

    def ell(v, correlation):
        both = log_normal(x[:4], np.zeros(2), v * np.array([[1, correlation], [correlation, 1]])).sum()
        return both + stats.norm.logpdf([2.0, -2.0] * 4, 0, math.sqrt(v)).sum()

    grid = [(v, c) for v in np.linspace(2, 3.2, 37) for c in np.linspace(-0.9, 0.9, 37)]
    best = sorted(grid, key=lambda at: -ell(*at))[:2]
    close(sorted(c for _, c in best), [-0.5, 0.5])
    close([v for v, _ in best], [8 / 3] * 2)
    *_, last = mx.em_missing(torch.from_numpy(x), 100)
    close(last.Sigma, 2.5 * np.eye(2))


# In the computer.


@pytest.mark.equation("eq-mixtures-cholesky")
def test_log_det_where_the_determinant_is_zero():
    wide = np.kron(SIGMA, np.diag(np.linspace(1e-9, 3e-8, 30)))
    assert np.linalg.det(wide) == 0
    close(2 * np.log(np.diag(np.linalg.cholesky(wide))).sum(), np.linalg.slogdet(wide)[1], atol=1e-8)
