"""The equations of the notebook on EM, each against an answer from elsewhere: enumeration, autograd, quadrature, other libraries."""

import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from gmlib import data
from gmlib import mixtures as mx

F64 = torch.float64
PI = torch.tensor([0.45, 0.34, 0.21], dtype=F64)
MU = torch.tensor([[0.4, -0.9], [1.6, 0.7], [-1.2, 1.1]], dtype=F64)
A = torch.tensor([[[0.8, 0.3], [0.2, 0.6]], [[1.1, -0.4], [0.5, 0.7]], [[0.5, 0.2], [-0.7, 0.9]]], dtype=F64)
SIGMA = A @ A.mT
X = torch.tensor([[0.3, -1.4], [2.1, 0.2], [-0.8, 0.9], [1.2, 1.7], [-1.9, 0.4], [0.6, 0.1]], dtype=F64)
THETA = mx.Parameters(PI[None], MU[None], SIGMA[None])


def close(a, b, atol=1e-9):
    torch.testing.assert_close(torch.as_tensor(a, dtype=F64), torch.as_tensor(b, dtype=F64), rtol=0, atol=atol)


def densities():
    """pi_k N(x_n; mu_k, Sigma_k) by SciPy, shape (K, N)."""
    return torch.tensor(np.stack([
        p * stats.multivariate_normal.pdf(X.numpy(), m.numpy(), S.numpy()) for p, m, S in zip(PI.tolist(), MU, SIGMA, strict=True)
    ]))


def arbitrary():
    q = torch.rand(3, 6, dtype=F64, generator=torch.Generator().manual_seed(1)) + 0.1
    return q / q.sum(0)


@pytest.mark.equation("eq-mixtures-joint", "eq-mixtures-density", "eq-mixtures-responsibility")
def test_densities_and_responsibilities():
    joint = densities()
    close(mx.log_joint(X, THETA)[0].exp(), joint)
    close(THETA.mixture().log_prob(X).exp(), joint.sum(0))
    log_r, mean = mx.e_step(X, THETA)
    close(log_r[0].exp(), joint / joint.sum(0))
    close(mean[0], joint.sum(0).log().mean())
    line = mx.Parameters(PI[None], MU[None, :, :1], SIGMA[None, :, :1, :1]).mixture()
    close(line.log_prob(torch.linspace(-20, 20, 4001, dtype=F64)[:, None]).exp().sum() / 100, 1.0)


@pytest.mark.equation("eq-mixtures-stationary", "eq-mixtures-gradient")
def test_gradient_by_differences_is_the_step_in_other_units():
    """The gradient by central differences of SciPy's densities."""
    def ell(m):
        terms = [p * stats.multivariate_normal.pdf(X.numpy(), c, S.numpy())
                 for p, c, S in zip(PI.tolist(), m.reshape(3, 2), SIGMA, strict=True)]
        return np.log(sum(terms)).sum()

    at, h = MU.numpy().ravel(), 1e-5
    slope = torch.tensor([(ell(at + h * e) - ell(at - h * e)) / (2 * h) for e in np.eye(6)]).reshape(3, 2)
    r = densities() / densities().sum(0)
    formula = torch.stack([torch.linalg.solve(SIGMA[k], (r[k][:, None] * (X - MU[k])).sum(0)) for k in range(3)])
    close(formula, slope, atol=1e-7)
    step = mx.m_step(X, r[None]).mu[0] - MU
    close(step, torch.stack([SIGMA[k] @ slope[k] / r[k].sum() for k in range(3)]), atol=1e-7)


@pytest.mark.equation("eq-mixtures-bound", "eq-mixtures-gap")
def test_bound_by_enumeration_of_all_labels():
    """As one distribution over all 3^6 labellings; the KL of the posterior over them."""
    q, joint = arbitrary(), densities()
    elbo = gap = 0.0
    total = joint.sum(0).log().sum()
    n = torch.arange(6)
    for labels in itertools.product(range(3), repeat=6):
        k = torch.tensor(labels)
        of_q, of_p = q[k, n].prod(), joint[k, n].prod()
        elbo += of_q * (of_p / of_q).log()
        gap += of_q * (of_q.log() - of_p.log() + total)
    close(6 * mx.bound(X, q.log()[None], THETA)[0], elbo)
    close(elbo + gap, total)
    assert gap > 0.1


@pytest.mark.equation("eq-mixtures-chain")
def test_chain_and_any_step_that_does_not_lower_the_bound():
    log_r, ell = mx.e_step(X, THETA)
    close(mx.bound(X, log_r, THETA), ell)
    new = mx.m_step(X, log_r.exp())
    for part in ({"mu": new.mu}, {"pi": new.pi}, {"mu": new.mu, "Sigma": new.Sigma}, new._asdict()):
        theta = THETA._replace(**part)  # a partial M-step: generalised EM
        assert ell < mx.bound(X, log_r, theta) <= mx.e_step(X, theta)[1]


@pytest.mark.equation("eq-mixtures-expected", "eq-mixtures-m-step")
def test_m_step_by_a_numerical_optimiser():
    q = arbitrary()

    def negative(v):
        v = torch.tensor(v, requires_grad=True)
        L = torch.zeros(3, 2, 2, dtype=F64)
        L[:, 0, 0], L[:, 1, 1], L[:, 1, 0] = v[9:12].exp(), v[12:15].exp(), v[15:18]
        log_p = torch.distributions.MultivariateNormal(v[3:9].reshape(3, 2), scale_tril=L).log_prob(X[:, None]).T
        value = -(q * (v[:3].log_softmax(0)[:, None] + log_p)).sum()
        return value.item(), torch.autograd.grad(value, v)[0].numpy()

    found = optimize.minimize(negative, np.zeros(18), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 2000}).x
    new = mx.m_step(X, q[None])
    close(new.pi[0], torch.tensor(found[:3]).softmax(0), atol=1e-6)
    close(new.mu[0].flatten(), found[3:9], atol=1e-6)
    L = torch.linalg.cholesky(new.Sigma[0])
    close(L[:, 0, 0], np.exp(found[9:12]), atol=1e-6)
    close(L[:, 1, 0], found[15:18], atol=1e-6)

    n = q.sum(1)
    d = X - new.mu[0][:, None]
    scatter = torch.einsum("kn,kni,knj->kij", q, d, d)
    kept = torch.einsum("kij,kji->", torch.linalg.inv(new.Sigma[0]), scatter)
    formula = (n * new.pi[0].log()).sum() - 0.5 * ((n * new.Sigma[0].logdet()).sum() + kept)
    close(-negative(found)[0], formula - 6 * math.log(2 * math.pi), atol=1e-8)


@pytest.mark.equation("eq-mixtures-map")
def test_prior_is_scipys_inverse_wishart_and_its_mode_is_a_maximum():
    prior = mx.Prior(1.7, 4.5)
    ours = [mx.log_prior(THETA._replace(Sigma=S), prior)[0] for S in (SIGMA[None], 1.3 * SIGMA[None].flip(1) + 0.2)]
    theirs = [sum(stats.invwishart.logpdf(C.numpy(), 4.5, 1.7 * np.eye(2)) for C in S)
              for S in (SIGMA, 1.3 * SIGMA.flip(0) + 0.2)]
    close(ours[0] - ours[1], theirs[0] - theirs[1])
    q = arbitrary()
    new = mx.m_step(X, q[None], prior=prior)

    def objective(theta):
        return 6 * mx.bound(X, q.log()[None], theta)[0] + mx.log_prior(theta, prior)[0]

    S = new.Sigma.clone().requires_grad_()
    (slope,) = torch.autograd.grad(objective(new._replace(Sigma=S)), S)
    close(slope, torch.zeros_like(slope))


@pytest.mark.equation("eq-mixtures-singular")
def test_likelihood_without_a_maximum():
    ells = []
    for s in (1e-2, 1e-4, 1e-6):
        theta = mx.Parameters(torch.tensor([[0.25, 0.75]], dtype=F64), torch.stack([X[2], X.mean(0)])[None],
                              torch.stack([s**2 * torch.eye(2, dtype=F64), torch.cov(X.T)])[None])
        rest = stats.multivariate_normal.logpdf(X[[0, 1, 3, 4, 5]].numpy(), X.mean(0).numpy(), torch.cov(X.T).numpy())
        floor = math.log(0.25) - math.log(2 * math.pi * s**2) + (rest + math.log(0.75)).sum()
        ells.append(6 * mx.e_step(X, theta)[1].item())
        assert floor <= ells[-1] < floor + 1e-2
    close(ells[2] - ells[1], 2 * math.log(100), atol=1e-5)


@pytest.mark.equation("eq-mixtures-shapes")
@pytest.mark.parametrize("shape", [mx.full, mx.tied, mx.diagonal, mx.spherical], ids=lambda shape: shape.__name__)
def test_shapes_equal_scikit_learn(shape):
    """With a constant after the M-step too, as scikit-learn's reg_covar; its name for diagonal is diag."""
    from sklearn.mixture import GaussianMixture as Theirs

    g = torch.Generator().manual_seed(4)
    x = torch.randn(200, 2, dtype=F64, generator=g) @ A[1] + 2 * torch.randn(3, 2, dtype=F64, generator=g).repeat(67, 1)[:200]
    theta = mx.m_step(x, mx.e_step(x, mx.start(x, 3, 1, g))[0].exp(), shape)
    P = torch.linalg.inv(theta.Sigma[0])
    start = {"full": P, "tied": P[0], "diagonal": P.diagonal(dim1=1, dim2=2), "spherical": P[:, 0, 0]}[shape.__name__]
    kind = "diag" if shape is mx.diagonal else shape.__name__
    for ridge in (0.0, 0.03):
        *_, last = mx.em(x, theta, 12, shape, ridge=ridge)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = Theirs(3, covariance_type=kind, reg_covar=ridge, tol=0, max_iter=12, weights_init=theta.pi[0].numpy(),
                            means_init=theta.mu[0].numpy(), precisions_init=start.numpy()).fit(x.numpy())
        close(last.theta.mu[0], theirs.means_, atol=1e-8)
        close(last.theta.pi[0], theirs.weights_, atol=1e-8)
    assert Theirs().reg_covar == 1e-6  # as the text says


@pytest.mark.equation("eq-mixtures-bic")
def test_bic_equals_scikit_learn():
    from sklearn.mixture import GaussianMixture as Theirs

    theirs = Theirs(3, reg_covar=0.1, random_state=0).fit(X.numpy())
    mixture = mx.Parameters(*(torch.from_numpy(part)[None] for part in
                              (theirs.weights_, theirs.means_, theirs.covariances_))).mixture()
    close(mx.bic(mixture.log_prob(X).mean(), mx.free_parameters(3, 2), 6), theirs.bic(X.numpy()), atol=1e-8)


@pytest.mark.equation("eq-mixtures-plus-plus")
def test_plus_plus_by_enumeration():
    """The ordered triples of five points, each with its exact probability."""
    x = X[:5]
    square = torch.cdist(x, x).square()
    exact = torch.zeros(5, 5, 5, dtype=F64)
    for a, b in itertools.permutations(range(5), 2):
        near = torch.minimum(square[a], square[b])
        exact[a, b] = square[a, b] / square[a].sum() / 5 * near / near.sum()
    close(exact.sum(), 1.0)
    drawn = mx.kmeans_plus_plus(x, 3, 40_000, torch.Generator().manual_seed(0))
    at = torch.cdist(drawn.flatten(0, 1), x).argmin(1).reshape(-1, 3)
    seen = torch.zeros_like(exact).index_put_(tuple(at.T), torch.tensor(1 / 40_000, dtype=F64), accumulate=True)
    sd = (exact * (1 - exact) / 40_000).sqrt()
    assert ((seen - exact).abs() <= 5 * sd + 1e-12).all()


@pytest.mark.equation("eq-mixtures-k-means")
def test_k_means_equals_scikit_learn():
    from sklearn.cluster import KMeans

    x = data.grid(3, 1.0, 0.3, dtype=F64).sample((150,), generator=torch.Generator().manual_seed(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = KMeans(4, init=x[:4].numpy(), n_init=1, max_iter=7, tol=0, algorithm="lloyd").fit(x.numpy())
    centres, cost = mx.lloyd(x, x[None, :4], theirs.n_iter_)
    close(centres[0], theirs.cluster_centers_, atol=1e-8)
    close(150 * cost[0], theirs.inertia_, atol=1e-8)


@pytest.mark.equation("eq-mixtures-small-variance")
def test_small_variance():
    centres, s2 = MU, 1e-5
    theta = mx.Parameters(PI[None], centres[None], (s2 * torch.eye(2, dtype=F64)).expand(1, 3, 2, 2))
    log_r = mx.e_step(X, theta)[0][0]
    square = torch.tensor([[((a - c) ** 2).sum().item() for a in X] for c in centres])
    close(log_r.exp(), torch.nn.functional.one_hot(square.argmin(0), 3).T)
    log_p = mx.log_joint(X, theta)[0].logsumexp(0)
    close(-2 * s2 * (log_p + math.log(2 * math.pi * s2)), square.min(0)[0], atol=1e-4)
    soft = mx.e_step(X, theta._replace(Sigma=theta.Sigma / s2))[0].exp()
    assert ((soft > 0.02) & (soft < 0.98)).any()  # at s = 1 it is not k-means


def law(mu, s, w):
    return lambda x: w * stats.norm.pdf(x, mu, s) + (1 - w) * stats.norm.pdf(x, -mu, s)


CASES = [(0.5, 1.0, 0.5), (2.0, 1.0, 0.5), (0.7, 1.3, 0.35), (1.1, 0.8, 0.62)]


@pytest.mark.equation("eq-mixtures-em-map")
@pytest.mark.parametrize("mu, s, w", CASES)
def test_map_is_an_em_step_by_adaptive_quadrature(mu, s, w):
    """The responsibility from densities; the M-step as the minimum of the expected square, which a search finds."""
    p = law(mu, s, w)
    m = 0.83 * mu + 0.1

    def responsibility(x):
        one, other = w * stats.norm.pdf(x, m, s), (1 - w) * stats.norm.pdf(x, -m, s)
        return one / (one + other)

    def cost(new):
        def of(x):
            r = responsibility(x)
            return p(x) * (r * (x - new) ** 2 + (1 - r) * (x + new) ** 2)
        return integrate.quad(of, -14, 14, epsabs=1e-12, limit=300)[0]

    a, b, c = cost(-1.0), cost(0.0), cost(1.0)  # a parabola
    close(mx.em_map(m, mu, s, w), (a - c) / (2 * (a - 2 * b + c)))
    close(mx.em_map(mu, mu, s, w), mu)


@pytest.mark.equation("eq-mixtures-rate", "eq-mixtures-information")
@pytest.mark.parametrize("mu, s, w", CASES)
def test_rate_is_the_slope_of_the_map_and_the_share_of_missing_information(mu, s, w):
    h = 1e-4
    slope = (8 * (mx.em_map(mu + h, mu, s, w) - mx.em_map(mu - h, mu, s, w))
             - (mx.em_map(mu + 2 * h, mu, s, w) - mx.em_map(mu - 2 * h, mu, s, w))) / (12 * h)
    close(mx.em_rate(mu, s, w), slope)

    def square(x):  # of the score
        one, other = w * stats.norm.pdf(x, mu, s), (1 - w) * stats.norm.pdf(x, -mu, s)
        return (one * (x - mu) - other * (x + mu)) ** 2 / (one + other) / s**4

    information = integrate.quad(square, -14, 14, epsabs=1e-12, limit=300, points=(-mu, mu))[0]
    close(mx.em_rate(mu, s, w), 1 - s**2 * information)


@pytest.mark.equation("eq-mixtures-zero")
def test_sublinear_where_nothing_can_be_told_apart():
    m = 1.0
    for _ in range(1000):
        m = float(mx.em_map(m, 0.0))
    assert abs(m * math.sqrt(2000) - 1.00059) < 1e-5
    close(mx.em_rate(0.0), 1.0)
    x = np.array([0.3, -1.1, 0.8, -0.2, 1.4])
    assert (x**2).mean() < 1  # then nothing is above the value at 0
    grid = np.linspace(-3, 3, 601)[:, None]
    ell = np.log(np.cosh(grid * x)).mean(1) - grid[:, 0] ** 2 / 2
    assert abs(grid[ell.argmax(), 0]) < 1e-9


@pytest.mark.equation("eq-mixtures-bernoulli", "eq-mixtures-bernoulli-em")
def test_bernoulli_step_by_counting():
    """The joint by SciPy; with a = 3 the prior is two imagined ones and two zeros, written into the data."""
    theta = torch.tensor([[0.2, 0.7, 0.45], [0.85, 0.3, 0.6]], dtype=F64)
    mixture = mx.BernoulliMixture(torch.tensor([0.35, 0.65], dtype=F64), theta)
    x = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=F64)
    joint = torch.tensor([[p * stats.bernoulli.pmf(row, t).prod() for p, t in zip((0.35, 0.65), theta.numpy(), strict=True)]
                          for row in x.numpy()])
    close(mixture.log_joint(x).exp(), joint)
    close(joint.sum(), 1.0)
    rows = x[[0, 3, 3, 6, 5]]
    r = joint[[0, 3, 3, 6, 5]]
    r = r / r.sum(1, keepdim=True)
    imagined = torch.cat([rows, torch.ones(2, 3, dtype=F64), torch.zeros(2, 3, dtype=F64)])
    weight = torch.cat([r, torch.ones(4, 2, dtype=F64)])
    expected = [np.average(imagined.numpy(), axis=0, weights=weight[:, k].numpy()) for k in range(2)]
    (new,) = mx.bernoulli_em(rows, mixture, 1, a=3.0)
    close(new.theta, np.stack(expected))
    close(new.pi, r.mean(0))
