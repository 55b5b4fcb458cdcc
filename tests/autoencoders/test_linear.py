"""The linear autoencoder: scikit-learn's PCA, plain loops, alternating least squares, SciPy's angles and its optimiser."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import torch
from sklearn.decomposition import PCA as ReferencePCA

from gmlib import data
from gmlib.autoencoders import PCA, decayed_singular_values, linear_loss, pca, subspace_angle

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-9}


def cloud(n=40, D=5, seed=0):
    """Correlated, with a mean far from 0."""
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(D, D, dtype=F64, generator=g)
    return torch.randn(n, D, dtype=F64, generator=g) @ mix + torch.tensor([3.0, -1.0, 0.5, 2.0, -4.0], dtype=F64)[:D]


def covariance(x):
    return torch.as_tensor(np.cov(x.numpy(), rowvar=False, bias=True))


@pytest.mark.equation("eq-autoencoders-pca")
@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_pca_is_that_of_scikit_learn(k):
    x, new = cloud(), cloud(9, seed=1)
    found, reference = pca(x, k), ReferencePCA(k, svd_solver="full").fit(x.numpy())
    np.testing.assert_allclose(found.mean, x.numpy().mean(0), atol=1e-12)
    np.testing.assert_allclose(found.variances[:k], reference.explained_variance_ * 39 / 40, atol=1e-9)
    np.testing.assert_allclose(abs(found.components.numpy() @ reference.components_.T), np.eye(k), atol=1e-9)  # up to the sign
    expected = reference.inverse_transform(reference.transform(new.numpy()))
    np.testing.assert_allclose(found.reconstruct(new), expected, atol=1e-9)
    np.testing.assert_allclose(found.reconstruct(new[0]), expected[0], atol=1e-9)
    assert found.variances.shape == (5,)


@pytest.mark.equation("eq-autoencoders-pca")
def test_the_error_is_the_sum_of_the_other_variances():
    """And no linear autoencoder found by chance is better."""
    x = cloud()
    C, eigenvalues = covariance(x), np.linalg.eigvalsh(np.cov(x.numpy(), rowvar=False, bias=True))
    for k in (1, 3, 5):
        error = (x - pca(x, k).reconstruct(x)).square().sum(1).mean()
        assert error.item() == pytest.approx(eigenvalues[: 5 - k].sum(), abs=1e-9)
        g = torch.Generator().manual_seed(k)
        for _ in range(20):
            V = torch.randn(5, k, dtype=F64, generator=g)
            assert linear_loss(torch.linalg.pinv(V), V, C) > error - 1e-9


def test_pca_of_fewer_examples_than_dimensions():
    found = pca(cloud(3), 4)
    assert (found.variances >= 0).all() and found.variances[2:].max() < 1e-12
    torch.testing.assert_close(found.reconstruct(cloud(3)), cloud(3), **EXACT)
    torch.testing.assert_close(found.components @ found.components.T, torch.eye(4, dtype=F64), **EXACT)


@pytest.mark.equation("eq-autoencoders-linear", "eq-autoencoders-decay")
@pytest.mark.parametrize("weight", [0.0, 0.37])
def test_linear_loss_by_loops(weight):
    x = cloud(11)
    g = torch.Generator().manual_seed(2)
    W, V = torch.randn(2, 5, dtype=F64, generator=g), torch.randn(5, 2, dtype=F64, generator=g)
    centred, total = x - x.mean(0), 0.0
    for row in centred:
        z = [sum(W[j, d] * row[d] for d in range(5)) for j in range(2)]
        total += sum((row[d] - sum(V[d, j] * z[j] for j in range(2))) ** 2 for d in range(5)).item() / 11
    total += weight * sum(v**2 for v in [*W.flatten().tolist(), *V.flatten().tolist()])
    assert linear_loss(W, V, covariance(x), weight).item() == pytest.approx(total, abs=1e-9)


@pytest.mark.equation("eq-autoencoders-linear")
def test_the_best_decoder_spans_the_principal_directions_and_need_not_hold_them():
    """Each factor in turn at its best, by least squares, leads to the subspace; any change of the code's coordinates keeps the loss."""
    x = cloud()
    C, found, g = covariance(x), pca(x, 2), torch.Generator().manual_seed(3)
    W = torch.randn(2, 5, dtype=F64, generator=g)
    for _ in range(400):
        V = C @ W.T @ torch.linalg.inv(W @ C @ W.T)
        W = torch.linalg.pinv(V)
    torch.testing.assert_close(linear_loss(W, V, C), found.variances[2:].sum(), **EXACT)
    assert subspace_angle(V, found.components.T) < 1e-9
    M = torch.tensor([[0.7, -1.9], [0.4, 1.3]], dtype=F64)
    torch.testing.assert_close(linear_loss(torch.linalg.inv(M) @ W, V @ M, C), linear_loss(W, V, C), **EXACT)
    assert subspace_angle(V @ M, found.components.T) < 1e-9
    cosines = torch.nn.functional.normalize(V @ M, dim=0).T @ found.components.T
    assert cosines.abs().max(1).values.min() < 0.9


@pytest.mark.equation("eq-autoencoders-decay")
@pytest.mark.parametrize("weight", [0.3, 1.1, 2.6])
def test_decayed_optimum_by_an_optimiser(weight):
    """Variances 4.1, 1.7 and 0.6, directions turned, a code of 2: the second is lost where the decay is larger than its variance."""
    variances = torch.tensor([4.1, 1.7, 0.6], dtype=F64)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=F64, generator=torch.Generator().manual_seed(6))).Q
    C, expected = turn @ torch.diag(variances) @ turn.T, decayed_singular_values(variances[:2], weight)

    def objective(flat):
        both = torch.tensor(flat, requires_grad=True)
        loss = linear_loss(both[:6].reshape(2, 3), both[6:].reshape(3, 2), C, weight)
        loss.backward()
        return loss.item(), both.grad.numpy()

    start = np.random.default_rng(1).normal(size=12)
    best = scipy.optimize.minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 2000})
    W, V = (torch.tensor(half) for half in (best.x[:6].reshape(2, 3), best.x[6:].reshape(3, 2)))
    left, values, _ = torch.linalg.svd(V, full_matrices=False)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(W, V.T, rtol=0, atol=1e-6)
    kept = int((expected > 0).sum())
    assert kept == (1 if weight > 1.7 else 2)
    torch.testing.assert_close((left[:, :kept].T @ turn[:, :kept]).abs(), torch.eye(kept, dtype=F64), rtol=0, atol=1e-6)

    made = turn[:, :2] * expected  # what the formula says has no slope, and that value
    value, slope = objective(np.concatenate([made.T.numpy().ravel(), made.numpy().ravel()]))
    assert abs(slope).max() < 1e-12 and value == pytest.approx(best.fun, abs=1e-9)


def test_decayed_singular_values_by_hand():
    """A variance of 0, or below it by rounding, as of pixels that are always 0."""
    found = decayed_singular_values(torch.tensor([0.8, 0.05, 0.02, 0.0, -1e-17], dtype=F64), 0.05)
    assert found.tolist() == pytest.approx([math.sqrt(1 - 0.05 / 0.8), 0, 0, 0, 0], abs=1e-12)
    x = data.digits(F64).train.x / 16
    assert decayed_singular_values(torch.linalg.eigvalsh(covariance(x)), 0.05).max() < 1


@pytest.mark.equation("eq-autoencoders-angle")
@pytest.mark.parametrize("k", [1, 2, 3])
def test_angle_is_that_of_scipy(k):
    g = torch.Generator().manual_seed(k)
    A, B = torch.randn(2, 5, k, dtype=F64, generator=g)
    expected = scipy.linalg.subspace_angles(A.numpy(), B.numpy()).max()
    assert 0.3 < expected < 1.5
    assert subspace_angle(A, B).item() == pytest.approx(expected, abs=1e-9)
    assert subspace_angle(B, A).item() == pytest.approx(expected, abs=1e-9)
    M = torch.eye(k, dtype=F64) + 0.6 * torch.randn(k, k, dtype=F64, generator=g)
    assert subspace_angle(A @ M, B).item() == pytest.approx(expected, abs=1e-9)  # of spans, not of columns
    assert subspace_angle(A @ M, A) < 1e-12


@pytest.mark.equation("eq-autoencoders-angle")
def test_small_and_right_angles():
    e, known = torch.eye(4, dtype=F64), torch.tensor([1e-9, 3e-5], dtype=F64)
    turned = e[:, :2] * known.cos() + e[:, 2:] * known.sin()
    assert subspace_angle(e[:, :2], turned).item() == pytest.approx(3e-5, rel=1e-9)
    assert subspace_angle(e[:, :1], turned[:, :1]).item() == pytest.approx(1e-9, rel=1e-6)
    assert subspace_angle(e[:, :2], e[:, [0, 3]]).item() == pytest.approx(math.pi / 2, abs=1e-7)


one, three, eye = torch.ones(1, 3), torch.ones(3, 1), torch.eye(3)
found = PCA(torch.zeros(3), torch.eye(3)[:1], torch.ones(3))

CASES = {
    "x must have shape (N, D) with N at least 2, got (3,)": lambda: pca(torch.ones(3), 1),
    "x must have shape (N, D) with N at least 2, got (1, 3)": lambda: pca(one, 1),
    "x holds 1 NaN": lambda: pca(torch.tensor([[0.0, math.nan], [1.0, 2.0]]), 1),
    "k must be at most D = 3, got 4": lambda: pca(eye, 4),
    "k must be a whole number of at least 1, got 0": lambda: pca(eye, 0),
    "x must have shape (..., 3), got (5, 1)": lambda: found.reconstruct(torch.ones(5, 1)),
    "V must have shape (..., 3, 1), got (1, 3)": lambda: linear_loss(one, one, eye),
    "C must have shape (..., 3, 3), got (3, 1)": lambda: linear_loss(one, three, three),
    "weight must be positive and finite, got 0.0": lambda: decayed_singular_values(torch.ones(2), 0.0),
    "variances holds 1 NaN": lambda: decayed_singular_values(torch.tensor([math.nan]), 0.1),
    "A holds 1 NaN": lambda: subspace_angle(torch.tensor([[math.nan]]), torch.ones(1, 1)),
    "B must have shape (..., 3, 1), got (1, 3)": lambda: subspace_angle(three, one),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
