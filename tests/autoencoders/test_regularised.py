"""What the notebook on regularised autoencoders adds: penalties read as priors and how they are evaded, residuals, expansions, chains."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, linalg, optimize, stats
from torch import nn

from gmlib import autoencoders as ae
from gmlib import data
from gmlib.targets import GaussianMixture

F64 = torch.float64


def close(a, b, atol=1e-9):
    torch.testing.assert_close(torch.as_tensor(a, dtype=F64), torch.as_tensor(b, dtype=F64), rtol=0, atol=atol)


def drawn(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@pytest.fixture
def mixture():
    Sigma = torch.tensor([[[0.5, 0.2], [0.2, 0.3]], [[0.2, -0.1], [-0.1, 0.9]]], dtype=F64)
    return GaussianMixture(torch.tensor([0.3, 0.7], dtype=F64), torch.tensor([[-1.1, 0.4], [0.8, -0.5]], dtype=F64), Sigma)


def on_grid(p, half=7.0, n=201):
    """Points of a square and the mass of p in their cells."""
    line = torch.linspace(-half, half, n, dtype=F64)
    grid = torch.cartesian_prod(line, line)
    return grid, p.log_prob(grid).exp() * (line[1] - line[0]) ** 2


@pytest.mark.equation("eq-autoencoders-l1", "eq-autoencoders-laplace")
def test_penalised_loss_is_minus_the_log_of_a_joint_density():
    """By SciPy's densities, up to what depends on neither encoder nor decoder."""
    tau, b = 0.7, 1.3
    model = ae.Autoencoder(nn.Linear(3, 5), nn.Linear(5, 3)).double()
    x = drawn(7, 3)
    with torch.no_grad():
        z, r = model.encoder(x), model(x)
        loss, _ = ae.sparse_loss(model, x, weight=2 * tau**2 / b)
    log_joint = stats.laplace.logpdf(z, scale=b).sum(1) + stats.norm.logpdf(x, r, tau).sum(1)
    constants = 1.5 * math.log(2 * math.pi * tau**2) + 5 * math.log(2 * b)
    close(loss, 2 * tau**2 * (-log_joint.mean() - constants))


@pytest.mark.equation("eq-autoencoders-threshold")
def test_best_code_of_one_atom():
    """By a bounded search on each side of zero; a unit with ReLU finds the best that is not negative."""
    a, weight = np.array([0.8, -1.1, 0.5]), 1.7
    for row in drawn(8, 3, seed=1).numpy():
        def cost(z, row=row):
            return np.sum((row - z * a) ** 2) + weight * abs(z)
        sides = [optimize.minimize_scalar(cost, bounds=side, method="bounded", options={"xatol": 1e-12}).x for side in ((-4, 0), (0, 4))]
        u = a @ row
        close(min(*sides, 0.0, key=cost), np.sign(u) * max(abs(u) - weight / 2, 0) / (a @ a), atol=1e-6)
        unit = a / np.linalg.norm(a)
        positive = optimize.minimize_scalar(lambda z: np.sum((row - z * unit) ** 2) + weight * z, bounds=(0, 9), method="bounded",
                                            options={"xatol": 1e-12}).x
        close(positive, max(unit @ row - weight / 2, 0), atol=1e-5)


@pytest.mark.equation("eq-autoencoders-marginal")
def test_likelihood_has_a_best_scale_and_the_joint_density_none():
    """By adaptive quadrature: at each point the joint density at its best code rises with the scale, the likelihood turns round."""
    b, tau, x = 1.0, 0.5, 1.9

    def log_joint(z, a):
        return stats.laplace.logpdf(z, scale=b) + stats.norm.logpdf(x, a * z, tau)

    scales = (0.5, 1.0, 2.0, 4.0, 8.0)
    likelihood = [integrate.quad(lambda z, a=a: np.exp(log_joint(z, a)), -30, 30, points=[0, x / a], limit=300)[0] for a in scales]
    best = [max(log_joint(z, a) for z in ((a * x - tau**2 / b) / a**2, 0.0)) for a in scales]
    assert all(np.diff(best) > 0)
    assert 0 < np.argmax(likelihood) < 4


@pytest.mark.equation("eq-autoencoders-rescale")
def test_rescaling_evades_the_penalty_unless_the_atoms_keep_their_length():
    model = ae.Autoencoder(nn.Sequential(nn.Linear(3, 5), nn.ReLU()), nn.Linear(5, 3)).double()
    x = drawn(20, 3)
    _, before = ae.sparse_loss(model, x, weight=1.7)
    c = 0.03
    with torch.no_grad():
        for p in model.encoder.parameters():
            p.mul_(c)
        model.decoder.weight.div_(c)
        loss, after = ae.sparse_loss(model, x, weight=1.7)
        close(after["reconstruction"], before["reconstruction"].item())
        close(loss, (before["reconstruction"] + c * 1.7 * before["sparsity"]).item())
        coder = ae.SparseCoder(3, 5).double()
        r = coder(x)
        coder.A.mul_(37)
        close(coder(x), r)


@pytest.mark.equation("eq-autoencoders-kl-sparsity", "eq-autoencoders-kl-elements")
def test_penalty_of_the_mean_is_below_the_mean_of_the_penalties():
    """Against SciPy's relative entropies; equal where a unit says the same of each example, and 0 without sparseness."""
    a, rho = torch.from_numpy(np.random.default_rng(3).uniform(0.02, 0.9, (6, 4))), 0.15

    def kl(q):
        return stats.entropy([rho, 1 - rho], [q, 1 - q])

    of_mean = sum(kl(q) for q in a.mean(0).tolist())
    of_elements = sum(kl(q) for q in a.flatten().tolist()) / 6
    close(ae.kl_sparsity(a, rho), of_mean)
    assert of_mean < of_elements - 0.1
    close(ae.kl_sparsity(a[:1].expand(6, 4), rho), sum(kl(q) for q in a[0].tolist()))
    for same_mean in ([0.0, 0.3], [0.15, 0.15]):
        close(ae.kl_sparsity(torch.tensor(same_mean, dtype=F64)[:, None], rho), 0, atol=1e-12)


@pytest.mark.equation("eq-autoencoders-matched")
def test_atoms_are_matched_one_to_one():
    """By all injective maps."""
    truth, atoms = drawn(3, 4, seed=4), drawn(5, 4, seed=5)
    cosine = (truth / truth.norm(dim=1, keepdim=True)) @ (atoms / atoms.norm(dim=1, keepdim=True)).T
    best = max(itertools.permutations(range(5), 3), key=lambda way: sum(cosine[i, j].item() for i, j in enumerate(way)))
    close(ae.matched_cosines(atoms, truth), cosine[range(3), best])
    assert ae.matched_cosines(atoms, truth).sum() <= cosine.max(1).values.sum()


@pytest.mark.equation("eq-autoencoders-dead", "eq-autoencoders-dictionary")
def test_a_dead_unit_has_no_gradient():
    """By autograd and, for the live ones, by differences of the loss."""
    model = ae.SparseCoder(3, 5).double()
    with torch.no_grad():
        model.b[[1, 3]] = -50.0
    x = drawn(30, 3, seed=6)
    loss, _ = ae.sparse_loss(model, x, weight=0.7)
    loss.backward()
    dead = ae.dead_units(model, x)
    assert dead.tolist() == [False, True, False, True, False]
    for gradient in (model.W.grad, model.b.grad[:, None], model.A.grad):
        assert torch.equal((gradient == 0).all(1), dead)
    for name, place in (("W", (1, 2)), ("W", (2, 0)), ("b", (0,)), ("A", (4, 1)), ("A", (3, 1))):
        parameter, gradient = getattr(model, name), getattr(model, name).grad[place].item()
        values = []
        for step in (1e-6, -2e-6):
            with torch.no_grad():
                parameter[place] += step
                values.append(ae.sparse_loss(model, x, weight=0.7)[0])
        with torch.no_grad():
            parameter[place] += 1e-6
        close((values[0] - values[1]) / 2e-6, gradient, atol=1e-5)


@pytest.mark.equation("eq-autoencoders-whiten", "eq-autoencoders-kurtosis")
def test_whitened_patches_and_the_kurtosis_of_a_pattern():
    """NumPy's covariance is the identity; SciPy's kurtosis, of a Gaussian near 3, blind to size and offset."""
    w = data.patches(3000, side=4, generator=torch.Generator().manual_seed(0), dtype=F64)
    w = w - w.mean(1, keepdim=True)
    P = ae.pca(w, 9)
    y = (w - P.mean) @ P.components.T / P.variances[:9].sqrt()
    close(np.cov(y.numpy().T, bias=True), torch.eye(9))
    values, vectors = linalg.eigh(np.cov(w.numpy().T, bias=True))
    close(P.variances, np.maximum(values[::-1], 0), atol=1e-8)
    close((P.components @ torch.from_numpy(vectors[:, :-10:-1].copy())).abs(), torch.eye(9), atol=1e-7)

    def kurtosis(w):
        d = w - w.mean(1, keepdim=True)
        return (d**4).mean(1) / (d**2).mean(1) ** 2

    v = drawn(3, 64, seed=7)
    close(kurtosis(5 * v + 2), stats.kurtosis(v.numpy(), axis=1, fisher=False))
    close(kurtosis(drawn(1, 200_000, seed=8))[0], 3, atol=0.1)


@pytest.mark.equation("eq-autoencoders-smoothed", "eq-autoencoders-residual", "eq-autoencoders-energy")
def test_residual_is_the_score_of_the_smoothed_density(mixture):
    """The posterior mean by quadrature over x, the score by autograd of a quadrature; neither knows a formula of mixtures."""
    grid, mass = on_grid(mixture)
    for sigma in (0.5, 1.3):
        s = sigma**2
        y = torch.tensor([[0.7, -0.4], [-1.6, 1.2], [2.3, 0.2]], dtype=F64, requires_grad=True)
        kernel = (-(y[:, None] - grid).square().sum(-1) / (2 * s)).exp() / (2 * math.pi * s)
        density = kernel @ mass
        score = torch.autograd.grad(density.log().sum(), y)[0]
        with torch.no_grad():
            mean = (kernel * mass) @ grid / density[:, None]
            r = ae.best_denoiser(mixture, s)(y)
            close(r, mean)
            close(ae.smoothed(mixture, s).log_prob(y).exp(), density)
            close(mean - y, s * score)
            close(ae.residual_score(y.detach(), mean, sigma), score)
            close(ae.squared_error(y, r), sigma**4 * score.square().sum(1))
            assert (score - mixture.score(y)).abs().min() > 0.01


@pytest.mark.equation("eq-autoencoders-denoising", "eq-autoencoders-least")
def test_least_loss(mixture):
    """For a Gaussian the trace of the posterior's covariance; for a mixture the variance of the posterior, by quadrature."""
    s = 0.45
    Sigma = mixture.Sigma[:1]
    one = GaussianMixture(torch.ones(1, dtype=F64), torch.tensor([[0.3, -0.8]], dtype=F64), Sigma)
    posterior = torch.linalg.inv(torch.linalg.inv(Sigma[0]) + torch.eye(2, dtype=F64) / s)
    for p, exact in ((one, posterior.trace()), (mixture, None)):
        p_s = ae.smoothed(p, s)
        grid, mass_s = on_grid(p_s, 9.0, 73)
        least = 2 * s - s**2 * (mass_s @ p_s.score(grid).square().sum(1))
        if exact is None:
            points, mass = on_grid(p, 8.0, 81)
            kernel = (-torch.cdist(grid, points).square() / (2 * s)).exp() * mass
            total = kernel.sum(1, keepdim=True)
            mean = kernel @ points / total
            spread = (kernel @ points.square().sum(1)) / total[:, 0] - mean.square().sum(1)
            exact = mass_s @ spread
        close(least, exact)
    x = mixture.sample((100_000,), generator=torch.Generator().manual_seed(0))
    model = ae.best_denoiser(mixture, s)
    loss, _ = ae.denoising_loss(model, x, torch.Generator().manual_seed(1), sigma=s**0.5)
    assert abs(loss - least) < 5 * 0.7 / len(x) ** 0.5


def network():
    own = torch.Generator().manual_seed(5)
    W, b, V, c = (scale * torch.randn(shape, generator=own, dtype=F64)
                  for scale, shape in ((0.9, (4, 3)), (0.4, (4,)), (0.7, (3, 4)), (0.3, (3,))))
    return W, b, V, (lambda x: (x @ W.T + b).sigmoid() @ V.T + c)


def gauss_hermite(n=20):
    nodes, weights = (torch.from_numpy(t) for t in np.polynomial.hermite_e.hermegauss(n))
    weights = weights / math.sqrt(2 * math.pi)
    return torch.cartesian_prod(nodes, nodes, nodes), torch.cartesian_prod(weights, weights, weights).prod(1)


@pytest.mark.equation("eq-autoencoders-expansion", "eq-autoencoders-contraction")
def test_denoising_penalises_the_jacobian_of_the_reconstruction_and_its_curvature():
    """Derivatives by differences of the function; the mean by Gauss-Hermite quadrature, extrapolated to sigma = 0."""
    W, b, V, r = network()
    x, h = torch.tensor([0.7, -0.4, 1.1], dtype=F64), 1e-4
    E = h * torch.eye(3, dtype=F64)
    jacobian = (r(x + E) - r(x - E)) / (2 * h)
    laplacian = (r(x + E) + r(x - E) - 2 * r(x)).sum(0) / h**2
    eps, w = gauss_hermite()
    measured = [(w @ ae.squared_error(x.expand_as(eps), r(x + t * eps)) - ae.squared_error(x, r(x))) / t**2 for t in (0.02, 0.01)]
    limit = measured[1] + (measured[1] - measured[0]) / 3
    close(limit, jacobian.square().sum() + (r(x) - x) @ laplacian, atol=1e-6)
    encoder = ae.sigmoid_contraction(W, b, x)
    assert (limit - encoder).abs() > 0.03 and (limit - jacobian.square().sum()).abs() > 0.03
    Q = torch.linalg.qr(drawn(7, 4)).Q  # a decoder with orthonormal columns leaves the encoder's penalty as it is
    close(ae.jacobian_penalty(lambda x: (x @ W.T + b).sigmoid() @ Q.T, x[None]), encoder[None])


@pytest.mark.equation("eq-autoencoders-small-noise")
def test_curvature_drops_out_where_the_residual_is_small():
    """With a residual of sigma^2 times a vector, what the Jacobian leaves falls as sigma^4."""
    W, b, V, r = network()
    x = torch.tensor([0.7, -0.4, 1.1], dtype=F64)
    penalty = ae.jacobian_penalty(r, x[None])[0]
    eps, w = gauss_hermite()
    v, left = torch.tensor([0.9, -1.6, 0.4], dtype=F64), []
    for t in (0.1, 0.05):
        outputs = r(x + t * eps) - r(x) + x + t**2 * v
        left.append(w @ (outputs - x).square().sum(1) - t**4 * (v @ v) - t**2 * penalty)
    assert abs(left[0] / left[1] - 16) < 0.5


@pytest.mark.equation("eq-autoencoders-contractive")
def test_rescaling_evades_the_contractive_penalty_too():
    model = ae.Autoencoder(nn.Linear(3, 5), nn.Linear(5, 3)).double()
    x = drawn(9, 3)
    _, before = ae.contractive_loss(model, x, weight=0.6)
    close(before["contraction"], np.linalg.norm(model.encoder.weight.detach().numpy()) ** 2)
    with torch.no_grad():
        model.encoder.weight /= 5
        model.encoder.bias /= 5
        model.decoder.weight *= 5
    loss, after = ae.contractive_loss(model, x, weight=0.6)
    close(after["reconstruction"].detach(), before["reconstruction"].item())
    close(loss.detach(), (before["reconstruction"] + 0.6 * before["contraction"] / 25).item())


@pytest.mark.equation("eq-autoencoders-stochastic")
def test_squared_error_is_minus_a_log_likelihood():
    """By SciPy's density; the best variance, found by a search, is the error for each dimension."""
    x, r, tau = drawn(6, 3), drawn(6, 3, seed=1), 0.7
    error = ae.squared_error(x, r)
    for i in range(6):
        close(error[i] / (2 * tau**2) + 1.5 * math.log(2 * math.pi * tau**2),
              -stats.multivariate_normal.logpdf(x[i], r[i], tau**2 * np.eye(3)))
    found = optimize.minimize_scalar(lambda t: -stats.norm.logpdf(x, r, math.sqrt(t)).sum(), bounds=(0.01, 9), method="bounded",
                                     options={"xatol": 1e-9})
    close(found.x, error.mean() / 3, atol=1e-6)


@pytest.mark.equation("eq-autoencoders-stationary", "eq-autoencoders-posterior", "eq-autoencoders-chain")
def test_drawing_from_the_posterior_keeps_the_law(mixture):
    """The posterior's formula against Bayes' rule; the kernel on a grid keeps p; and draws keep its moments from any start."""
    s, y = 0.45, torch.tensor([0.2, 0.7], dtype=F64)
    gain = mixture.Sigma @ torch.linalg.inv(mixture.Sigma + s * torch.eye(2, dtype=F64))
    w = torch.tensor([pi * stats.multivariate_normal.pdf(y, mu, S + s * np.eye(2))
                      for pi, mu, S in zip(mixture.pi, mixture.mu.numpy(), mixture.Sigma.numpy(), strict=True)])
    m = mixture.mu + (gain @ (y - mixture.mu)[:, :, None])[..., 0]
    posterior = GaussianMixture(w / w.sum(), m, s * (gain + gain.mT) / 2)
    x = drawn(8, 2)
    joint = mixture.log_prob(x) + torch.from_numpy(stats.norm.logpdf(x, y, s**0.5).sum(1))
    close(posterior.log_prob(x), joint - math.log(w.sum()))

    hills = GaussianMixture(torch.tensor([0.35, 0.65], dtype=F64), torch.tensor([[-1.3], [1.6]], dtype=F64),
                            torch.tensor([0.16, 0.81], dtype=F64)[:, None, None])
    line = torch.linspace(-7, 10, 341, dtype=F64)
    h, p = line[1] - line[0], hills.log_prob(line[:, None]).exp()
    kernel = torch.from_numpy(stats.norm.pdf(line[:, None], line, s**0.5))
    close(p @ kernel @ (kernel * p / (kernel @ p)[:, None]) * h, p)

    g = torch.Generator().manual_seed(2)
    start = torch.full((20_000, 2), 2.5, dtype=F64)
    ends = ae.corrupt_and_decode(start, ae.posterior_draw(mixture, s, g), s**0.5, 30, g)
    grid, mass = on_grid(mixture)
    mean = mass @ grid
    covariance = (mass[:, None] * (grid - mean)).T @ (grid - mean)
    assert ((ends.mean(0) - mean).abs() < 5 * covariance.diagonal().sqrt() / 20_000**0.5).all()
    assert (torch.cov(ends.T) - covariance).abs().max() < 0.06


@pytest.mark.equation("eq-autoencoders-gauss-chain", "eq-autoencoders-chain-variance")
def test_variances_of_both_chains():
    """By the eigenvector of a transition matrix, and by draws."""
    m, v0, s = 0.8, 1.7, 0.6
    a = v0 / (v0 + s)
    line = np.linspace(-9, 11, 301)
    for variance, expected in ((a * s, v0), (0.0, v0**2 / (2 * v0 + s))):
        step = stats.norm.pdf(line, m + a * (line[:, None] - m), math.sqrt(variance + a**2 * s))  # x to x' by noise, then decoding
        A = (step / step.sum(1, keepdims=True)).T - np.eye(len(line))
        A[-1] = 1
        law = np.linalg.solve(A, np.eye(len(line))[-1])
        mean = law @ line
        close(mean, m, atol=1e-8)
        close(law @ (line - mean) ** 2, expected, atol=1e-8)
        v = 5.1
        for _ in range(200):
            v = a**2 * (v + s) + variance
        close(v, expected)
    close(ae.mean_chain_variance(v0, s), v0**2 / (2 * v0 + s))
    normal = GaussianMixture(torch.ones(1, dtype=F64), torch.tensor([[m]], dtype=F64), torch.tensor([[[v0]]], dtype=F64))
    g = torch.Generator().manual_seed(3)
    for decode, v in ((ae.posterior_draw(normal, s, g), v0), (ae.best_denoiser(normal, s), v0**2 / (2 * v0 + s))):
        ends = ae.corrupt_and_decode(torch.full((20_000, 1), 3.0, dtype=F64), decode, s**0.5, 30, g)
        assert abs(ends.var() / v - 1) < 5 * (2 / len(ends)) ** 0.5


@pytest.mark.equation("eq-autoencoders-square")
def test_mean_chain_tends_to_the_square_of_the_density():
    """Stationary laws from transition matrices: one step is a Langevin step for the squared, smoothed density; moments tend to its."""
    p = GaussianMixture(torch.tensor([0.35, 0.65], dtype=F64), torch.tensor([[-1.3], [1.6]], dtype=F64),
                        torch.tensor([0.16, 0.81], dtype=F64)[:, None, None])
    line = torch.linspace(-6, 8, 351, dtype=F64)
    h, density = (line[1] - line[0]).item(), p.log_prob(line[:, None]).exp()
    square = density**2 / (density**2).sum() / h
    to_square, to_p, variance = [], [], []
    for s in (0.5, 0.2, 0.05, 0.02):
        points = line[:, None].clone().requires_grad_()
        r = ae.best_denoiser(p, s)(points)
        squared = torch.autograd.grad((2 * ae.smoothed(p, s).log_prob(points)).sum(), points)[0]
        close((r - points).detach(), s / 2 * squared)  # the drift of Langevin with h = s / 2, whose noise is sqrt(2 h) = sqrt(s)
        r = r.detach()[:, 0].numpy()
        step = stats.norm.pdf(line.numpy(), r[:, None], s**0.5)
        A = (step / step.sum(1, keepdims=True)).T - np.eye(len(line))
        A[-1] = 1
        law = np.linalg.solve(A, np.eye(len(line))[-1])
        to_square.append(np.abs(law / h - square.numpy()).sum() * h / 2)
        to_p.append(np.abs(law / h - density.numpy()).sum() * h / 2)
        variance.append(law @ r**2 - (law @ r) ** 2)
    np.testing.assert_allclose(variance, [1.747638, 1.987107, 2.191074, 2.245455], atol=2e-6)
    np.testing.assert_allclose(to_square, [0.2888, 0.1724, 0.0663, 0.0295], atol=5e-4)
    assert to_p[3] > 0.13
