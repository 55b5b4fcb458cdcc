"""What the notebook on undercomplete autoencoders adds: the PCA subspace, saddles, decay, the identity, and why the code has no law."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy import optimize
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from gmlib import autoencoders as ae
from gmlib.nn import mlp

F64 = torch.float64
SPECTRUM = np.array([2.7, 1.9, 1.1, 0.6, 0.25])
K = 2
rng = np.random.default_rng(7)
AXES = scipy.linalg.qr(rng.normal(size=(5, 5)))[0]
C = AXES @ np.diag(SPECTRUM) @ AXES.T
W, V = rng.normal(size=(K, 5)), rng.normal(size=(5, K))
M = np.array([[1.4, -0.3], [0.8, 0.5]])


def tensors(*arrays):
    return [torch.as_tensor(a, dtype=F64) for a in arrays]


def close(a, b, atol=1e-9):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=atol)


def loss(W, V, C=C, weight=0.0):
    """By its definition, column by column of a square root of C: the mean over examples that have this covariance."""
    root = scipy.linalg.cholesky(C, lower=True)
    error = sum(np.sum((x - V @ (W @ x)) ** 2) for x in root.T)
    return error + weight * (np.sum(W**2) + np.sum(V**2))


def projection(V):
    return V @ np.linalg.pinv(V)


def at(p, weight=0.0):
    return ae.linear_loss(p[:10].reshape(K, 5), p[10:].reshape(5, K), *tensors(C), weight)


def second_derivatives(W, V):
    p = torch.cat([t.flatten() for t in tensors(W, V)])
    slope = torch.autograd.functional.jacobian(at, p)
    return slope, torch.linalg.eigvalsh(torch.autograd.functional.hessian(at, p))


@pytest.mark.equation("eq-autoencoders-reconstruction", "eq-autoencoders-best-decoder")
def test_best_decoder_of_a_code_with_few_values():
    """k-means of scikit-learn: its decoder is the mean of each cell, and its inertia the error, summed over the examples."""
    x = rng.normal(size=(60, 3)) * [1.0, 2.0, 0.5]
    found = KMeans(4, n_init=3, random_state=0).fit(x)
    z, g = found.labels_, rng.normal(size=(4, 3))
    best = ae.squared_error(*tensors(x, found.cluster_centers_[z])).mean()
    close(best, found.inertia_ / 60, atol=1e-8)
    extra = sum((z == j).mean() * np.sum((g[j] - x[z == j].mean(0)) ** 2) for j in range(4))
    close(ae.squared_error(*tensors(x, g[z])).mean(), best + extra, atol=1e-8)


@pytest.mark.equation("eq-autoencoders-linear", "eq-autoencoders-pythagoras")
def test_loss_and_its_two_parts():
    A = np.eye(5) - V @ W
    close(np.trace(A @ C @ A.T), loss(W, V))
    close(ae.linear_loss(*tensors(W, V, C)), loss(W, V))
    P = projection(V)
    root = scipy.linalg.cholesky(C, lower=True)
    outside = sum(np.sum((x - P @ x) ** 2) for x in root.T)
    inside = sum(np.sum((P @ x - V @ W @ x) ** 2) for x in root.T)
    close(outside + inside, loss(W, V))
    Q = scipy.linalg.orth(V)
    close(outside, np.trace(C) - np.trace(Q.T @ C @ Q))
    assert loss(W, V) > outside and math.isclose(loss(Q.T, Q), outside, rel_tol=1e-12)


@pytest.mark.equation("eq-autoencoders-trace", "eq-autoencoders-gap")
def test_every_other_subspace_falls_short():
    """Over many subspaces; and with equality in the bound where one direction is turned into the next."""
    for _ in range(200):
        Q = scipy.linalg.orth(rng.normal(size=(5, K)))
        h = np.sum((AXES.T @ Q) ** 2, 1)
        right = (SPECTRUM[:K] - SPECTRUM[K - 1]) @ (1 - h[:K]) + (SPECTRUM[K - 1] - SPECTRUM[K:]) @ h[K:]
        short = SPECTRUM[:K].sum() - np.trace(Q.T @ C @ Q)
        close(right, short)
        sines = np.sin(scipy.linalg.subspace_angles(Q, AXES[:, :K])) ** 2
        close(sines.sum(), h[K:].sum())
        assert (SPECTRUM[K - 1] - SPECTRUM[K]) * sines.sum() <= short + 1e-12
    t = 0.4
    Q = np.stack([AXES[:, 0], math.cos(t) * AXES[:, 1] + math.sin(t) * AXES[:, 2]], 1)
    close(loss(Q.T, Q) - SPECTRUM[K:].sum(), (SPECTRUM[1] - SPECTRUM[2]) * math.sin(t) ** 2)


@pytest.mark.equation("eq-autoencoders-pca", "eq-autoencoders-angle", "eq-autoencoders-freedom")
def test_minimum_spans_the_principal_subspace_and_no_more():
    """A general minimiser of SciPy, from three starts: the loss and the span are those of scikit-learn's PCA; the columns are not."""
    x = rng.normal(size=(50, 5)) @ (AXES * np.sqrt(SPECTRUM)).T + 3
    S, found = np.cov(x.T, bias=True), PCA(K).fit(x)
    least = np.trace(S) - found.explained_variance_.sum() * 49 / 50  # scikit-learn divides by N - 1
    for _ in range(3):
        done = optimize.minimize(lambda p: loss(p[:10].reshape(K, 5), p[10:].reshape(5, K), S), rng.normal(size=20), tol=1e-12)
        B = done.x[10:].reshape(5, K)
        close(done.fun, least, atol=1e-8)
        theta = scipy.linalg.subspace_angles(B, found.components_.T)
        assert theta.max() < 1e-3
        close(ae.subspace_angle(*tensors(B, found.components_.T)), theta.max(), atol=1e-8)
        unit = B / np.linalg.norm(B, axis=0)
        assert np.abs(found.components_ @ unit).max(0).min() < 0.999
        close(loss(M @ done.x[:10].reshape(K, 5), B @ np.linalg.inv(M), S), done.fun)
    ours = ae.pca(*tensors(x), K)
    close(ours.reconstruct(*tensors(x)), found.inverse_transform(found.transform(x)))


@pytest.mark.equation("eq-autoencoders-encoder")
def test_encoder_keeps_what_the_data_do_not_show():
    """With a null space of the covariance: any part of the encoder in it leaves the loss, and the angle of its rows is not small."""
    flat = SPECTRUM * [1, 1, 1, 0, 0]
    S = AXES @ np.diag(flat) @ AXES.T
    B = AXES[:, :K] @ M
    E = rng.normal(size=(K, 2)) @ AXES[:, 3:].T
    encoder = np.linalg.pinv(B) + E
    A = np.eye(5) - B @ encoder
    close(np.trace(A @ S @ A.T), flat[K:].sum())
    close(encoder @ S, np.linalg.pinv(B) @ S)
    assert scipy.linalg.subspace_angles(encoder.T, AXES[:, :K]).max() > 0.3
    A = np.eye(5) - B @ (np.linalg.pinv(B) + rng.normal(size=(K, 5)))
    assert np.trace(A @ S @ A.T) > flat[K:].sum() + 1e-3


@pytest.mark.equation("eq-autoencoders-bias", "eq-autoencoders-second-moment")
def test_bias_and_centring():
    x = rng.normal(size=(30, 5)) + [1.5, -0.4, 2.2, 0.3, -1.1]
    mu, c, S = x.mean(0), rng.normal(size=5), np.cov(x.T, bias=True)
    A = np.eye(5) - V @ W
    with_bias = np.mean([np.sum((row - V @ W @ row - c) ** 2) for row in x])
    close(with_bias, loss(W, V, S) + np.sum((A @ mu - c) ** 2))
    without = np.mean([np.sum((row - V @ W @ row) ** 2) for row in x])
    close(without, loss(W, V, S + np.outer(mu, mu)))
    close(ae.linear_loss(*tensors(W, V, S + np.outer(mu, mu))), without)
    top = scipy.linalg.eigh(S + np.outer(mu, mu))[1][:, -K:]
    assert scipy.linalg.subspace_angles(top, scipy.linalg.eigh(S)[1][:, -K:]).max() > 0.2


@pytest.mark.equation("eq-autoencoders-critical", "eq-autoencoders-gradients")
def test_critical_points():
    """Every set of directions: gradient zero, the loss of the others; and second derivatives of both signs but at one."""
    def numeric(p):
        return loss(p[:10].reshape(K, 5), p[10:].reshape(5, K))
    slope = optimize.approx_fprime(np.concatenate([W.ravel(), V.ravel()]), numeric, 1e-7)
    rest = (np.eye(5) - V @ W) @ C
    close(slope, np.concatenate([(-2 * V.T @ rest).ravel(), (-2 * rest @ W.T).ravel()]), atol=1e-4)
    for J in itertools.combinations(range(5), K):
        U = AXES[:, J]
        slope, values = second_derivatives(np.linalg.inv(M) @ U.T, U @ M)
        close(slope, np.zeros(20))
        close(loss(np.linalg.inv(M) @ U.T, U @ M), SPECTRUM.sum() - SPECTRUM[list(J)].sum())
        down = sum(SPECTRUM[i] > SPECTRUM[j] for j in J for i in set(range(5)) - set(J))
        assert (values < -1e-8).sum() == down and (values.abs() < 1e-8).sum() == K**2
        assert (values > 1e-8).any()


@pytest.mark.equation("eq-autoencoders-descent", "eq-autoencoders-lower")
def test_ways_down_from_a_saddle():
    for t in (0.3, -1.1):
        U = np.stack([AXES[:, 1], math.cos(t) * AXES[:, 3] + math.sin(t) * AXES[:, 0]], 1)
        start = SPECTRUM[[0, 2, 4]].sum()
        close(loss(np.linalg.inv(M) @ U.T, U @ M), start - (SPECTRUM[0] - SPECTRUM[3]) * math.sin(t) ** 2)
    c, across, n = np.array([0.8, -0.6]), np.array([0.6, 0.8]), 1.2 * AXES[:, 2]
    B = 0.7 * np.outer(AXES[:, 2], across)
    A = np.outer(across, AXES[:, 2]) / 0.7 + np.outer(c, n)
    slope, values = second_derivatives(A, B)
    close(slope, np.zeros(20))
    assert values.min() < -1e-3 < 1e-3 < values.max()
    for i, t, s in ((0, 0.2, 0.9), (4, -0.3, 1.6)):
        moved = loss(A + s * np.outer(c, AXES[:, i]), B + t * np.outer(AXES[:, i], c))
        close(moved, loss(A, B) - 2 * t * s * SPECTRUM[i] + t**2 * (n @ C @ n + s**2 * SPECTRUM[i]))
    assert loss(A + 0.5 * np.outer(c, AXES[:, 4]), B + 0.01 * np.outer(AXES[:, 4], c)) < loss(A, B)


@pytest.mark.equation("eq-autoencoders-decayed-loss", "eq-autoencoders-decay", "eq-autoencoders-decay-least")
def test_minimum_under_decay():
    """A general minimiser of SciPy; the weight is below two eigenvalues, and once above the second."""
    close(ae.linear_loss(*tensors(W, V, C), 0.37), loss(W, V, weight=0.37))
    for weight in (0.37, 1.3):
        def objective(p, weight=weight):
            p = torch.as_tensor(p, dtype=F64).requires_grad_()
            value = at(p, weight)
            return value.item(), torch.autograd.grad(value, p)[0].numpy()
        done = optimize.minimize(objective, rng.normal(size=20), jac=True, tol=1e-13, options={"gtol": 1e-10})
        A, B = done.x[:10].reshape(K, 5), done.x[10:].reshape(5, K)
        close(done.fun, SPECTRUM.sum() - np.sum((SPECTRUM[:K] - weight) ** 2 / SPECTRUM[:K]))
        close(A, B.T, atol=1e-6)
        U, values, _ = np.linalg.svd(B, full_matrices=False)
        close(values, np.sqrt(1 - weight / SPECTRUM[:K]), atol=1e-6)
        close(ae.decayed_singular_values(*tensors(SPECTRUM[:K]), weight), np.sqrt(1 - weight / SPECTRUM[:K]))
        close(np.abs(U.T @ AXES[:, :K]), np.eye(K), atol=1e-5)


@pytest.mark.equation("eq-autoencoders-decay-split", "eq-autoencoders-decay-mean")
def test_best_encoder_under_decay():
    """The best W for a given V is ridge regression, by least squares with the penalty as further rows."""
    weight = 0.37
    Q, s, R = np.linalg.svd(V, full_matrices=False)
    w = R @ W
    split = np.trace(C) - np.trace(Q.T @ C @ Q)
    for j in range(K):
        gap = Q[:, j] - s[j] * w[j]
        split += gap @ C @ gap + weight * w[j] @ w[j] + weight * s[j] ** 2
    close(split, loss(W, V, weight=weight))
    root = scipy.linalg.cholesky(C)  # C = root^T root
    rows = np.vstack([np.kron(V, root), math.sqrt(weight) * np.eye(10)])
    goal = np.concatenate([root.T.ravel(), np.zeros(10)])
    best = np.linalg.lstsq(rows, goal, rcond=None)[0].reshape(K, 5)
    q = AXES.T @ Q
    u = s**2
    phi = weight * u - u * SPECTRUM[:, None] ** 2 / (weight + u * SPECTRUM[:, None])
    close(loss(best, V, weight=weight), SPECTRUM.sum() + np.sum(q**2 * phi))
    for lam in (2.7, 0.25):
        value = optimize.minimize_scalar(lambda u, lam=lam: weight * u - u * lam**2 / (weight + u * lam), bounds=(0, 4)).fun
        close(value, -(max(lam - weight, 0) ** 2) / lam, atol=1e-5)


@pytest.mark.equation("eq-autoencoders-nested")
def test_elu_network_contains_a_linear_one():
    h = torch.linspace(-2, 9, 23, dtype=F64)
    close(torch.nn.functional.elu(h + 2) - 2, h)
    close(torch.nn.functional.elu(h + 1.5)[0] - 1.5, math.exp(-0.5) - 1 - 1.5)
    x = torch.rand(20, 6, dtype=F64)
    net = mlp(6, 6, 3, activation=torch.nn.ELU).to(F64)
    weight = torch.randn(3, 6, dtype=F64)
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(6)), net[0].bias.fill_(0.4)
        net[2].weight.copy_(weight), net[2].bias.copy_(-0.4 * weight.sum(1))
        close(net(x), x @ weight.T)


@pytest.mark.equation("eq-autoencoders-identity", "eq-autoencoders-deviation")
def test_identity_is_best_for_every_law():
    B = rng.normal(size=(5, 7))
    A = np.linalg.pinv(B)
    for S in (C, np.diag([9.0, 0.1, 3.0, 7.0, 0.2])):
        close(ae.linear_loss(*tensors(A, B, S)), 0)
    U = scipy.linalg.orth(rng.normal(size=(9, 6)))
    P = U[:, :2] @ U[:, :2].T
    close(np.linalg.norm(U.T @ P @ U - np.eye(6)) / math.sqrt(6), math.sqrt(1 - 2 / 6))


@pytest.mark.equation("eq-autoencoders-lookup")
def test_one_number_holds_every_example():
    x, y = tensors(rng.normal(size=(40, 3)), rng.normal(size=(15, 3)))
    def model(v):
        return x[torch.cdist(v, x).argmin(1)]
    close(ae.reconstruction_loss(model, x)[0], 0)
    nearest = [min(float(((v - w) ** 2).sum()) for w in x) for v in y]
    close(ae.reconstruction_loss(model, y)[0], np.mean(nearest))


@pytest.mark.equation("eq-autoencoders-recoding", "eq-autoencoders-flat")
def test_loss_does_not_see_the_law_of_the_code():
    """Codes bent by sinh: the same reconstructions, other decoded draws. And the error of PCA is zero on a whole plane."""
    torch.manual_seed(5)
    model = ae.Autoencoder(mlp(6, 8, 2), mlp(2, 8, 6)).to(F64)
    x, z = torch.randn(30, 6, dtype=F64), torch.randn(50, 2, dtype=F64)
    with torch.no_grad():
        other = ae.Autoencoder(lambda x: torch.sinh(model.encoder(x)), lambda z: model.decoder(torch.asinh(z)))
        close(other(x), model(x))
        assert (other.decoder(z) - model.decoder(z)).norm(dim=1).mean() > 1e-3
    assert not hasattr(model, "sample") and not hasattr(model, "log_prob")
    found = PCA(2).fit(x)
    far = torch.as_tensor(found.inverse_transform(50 * z))
    close(ae.squared_error(far, ae.pca(x, 2).reconstruct(far)), np.zeros(50), atol=1e-18)
    assert torch.cdist(far, x).min(1).values.median() > 10
