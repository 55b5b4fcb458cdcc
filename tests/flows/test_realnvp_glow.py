"""What the notebook `realnvp_glow` derives, against NumPy, SciPy, scikit-learn, PyTorch's own layers and autograd."""

import math

import numpy as np
import pytest
import torch
from scipy import linalg, stats
from scipy.spatial.transform import Rotation
from sklearn.preprocessing import StandardScaler

from gmlib import flows
from gmlib.metrics import average
from gmlib.nn import mlp
from tests.flows.conftest import F64, PASSES

close = dict(rtol=0, atol=1e-9)


def by_autograd(f, x):
    """log|det J| of a map from one example to one of the same shape, for each example."""
    rows = []
    for v in x:
        J = torch.autograd.functional.jacobian(lambda v: f(v[None])[0].flatten(), v)
        rows.append(torch.linalg.slogdet(J.reshape(v.numel(), v.numel()))[1])
    return torch.stack(rows)


def shaken(layer, generator, size=0.4):
    """In float64, with weights that are far from where they start."""
    for p in layer.double().parameters():
        p.data.add_(size * torch.randn(p.shape, generator=generator, dtype=F64))
    return layer.requires_grad_(False)


class Says(torch.nn.Module):
    """A network that says the same numbers whatever it is given."""

    def __init__(self, numbers):
        super().__init__()
        self.numbers = numbers

    def forward(self, a):
        return self.numbers.expand(*a.shape[:-1], -1)


@pytest.mark.equation("eq-flows-affine", "eq-flows-clamp")
def test_affine_coupling_number_by_number(generator):
    """r and t stand beside each other for each dimension that is moved; Python's floats do the rest."""
    r, t, c = [0.9, -6.5, 2.2], [-1.3, 0.4, 3.1], 1.6
    layer = flows.AffineCoupling(PASSES, Says(torch.tensor([v for pair in zip(r, t) for v in pair], dtype=F64)), clamp=c)
    x = torch.randn(4, 5, generator=generator, dtype=F64)
    expected = x.tolist()
    s = [c * (math.exp(2 * v / c) - 1) / (math.exp(2 * v / c) + 1) for v in r]
    for row in expected:
        for i, (s_i, t_i) in zip((1, 2, 4), zip(s, t)):
            row[i] = row[i] * math.exp(s_i) + t_i
    z, log_det = layer(x)
    torch.testing.assert_close(z, torch.tensor(expected, dtype=F64), **close)
    torch.testing.assert_close(log_det, torch.full((4,), sum(s), dtype=F64), **close)
    torch.testing.assert_close(layer.inverse(z)[0], x, **close)
    assert all(abs(v) < c for v in s)


@pytest.mark.equation("eq-flows-clamp")
@pytest.mark.parametrize("kind", ["vector", "channels"])
def test_clamp_and_its_slope(kind):
    """The log-scale as a function of r: within c, and its slope by central differences is 1 - s^2 / c^2."""
    c, h = 2.3, 1e-5

    def log_scale(r):
        if kind == "vector":
            layer = flows.AffineCoupling(torch.tensor([True, False]), Says(torch.tensor([r, 0.7], dtype=F64)), clamp=c)
            return layer(torch.ones(1, 2, dtype=F64))[1].item()
        layer = flows.ChannelCoupling(2, 4, clamp=c).double().requires_grad_(False)
        layer.net[-1].bias.copy_(torch.tensor([r, 0.7], dtype=F64))
        return layer(torch.ones(1, 1, 1, 2, dtype=F64))[1].item()

    for r in (-14.0, -1.1, 0.02, 0.8, 3.7):
        s = log_scale(r)
        assert abs(s) < c + 1e-7 and s * r > 0
        assert (log_scale(r + h) - log_scale(r - h)) / (2 * h) == pytest.approx(1 - s**2 / c**2, abs=1e-6)


@pytest.mark.equation("eq-flows-affine")
def test_coupling_of_channels(generator):
    """Against autograd, and the half that passes decides the other half only."""
    layer = shaken(flows.ChannelCoupling(4, 5), generator)
    x = torch.randn(3, 2, 3, 4, generator=generator, dtype=F64)
    z, log_det = layer(x)
    torch.testing.assert_close(log_det, by_autograd(layer, x), **close)
    back, minus = layer.inverse(z)
    torch.testing.assert_close(back, x, **close)
    torch.testing.assert_close(minus, -log_det, **close)
    assert torch.equal(z[..., :2], x[..., :2]) and (z[..., 2:] - x[..., 2:]).abs().max() > 0.1
    moved = x.clone()
    moved[..., 3] += 1.7
    change = layer(moved)[0] - z
    assert change[..., :3].abs().max() == 0 and change[..., 3].abs().min() > 1e-3


def test_channels_are_convolved_as_images(generator):
    """Height and width are not exchanged on the way through the convolutions: a shift in x is a shift in z."""
    layer, x = shaken(flows.ChannelCoupling(2, 4), generator), torch.zeros(1, 7, 9, 2, dtype=F64)
    x[0, 3, 3:5, 0] = torch.tensor([1.3, -0.6])
    z, shifted = layer(x)[0], layer(x.roll(2, 2))[0]
    torch.testing.assert_close(shifted[:, 1:-1, 3:-1], z[:, 1:-1, 1:-3], **close)


@pytest.mark.equation("eq-flows-actnorm")
def test_normalisation_against_scikit_learn(generator):
    x = torch.tensor([2.0, -1.0, 0.3]) + torch.tensor([0.2, 3.0, 1.7]) * torch.randn(20, 3, 4, 3, generator=generator, dtype=F64)
    layer, scaler = flows.ActNorm(3, event_dims=3).double(), StandardScaler()
    rows = scaler.fit_transform(x.reshape(-1, 3).numpy())
    z, log_det = layer(x)
    torch.testing.assert_close(z.reshape(-1, 3), torch.from_numpy(rows), **close)
    expected = -12 * float(np.log(scaler.scale_).sum())
    torch.testing.assert_close(log_det, torch.full((20,), expected, dtype=F64), **close)
    torch.testing.assert_close(by_autograd(layer, x[:2]), log_det[:2], **close)
    torch.testing.assert_close(layer.inverse(z)[1], -log_det, **close)


@pytest.mark.equation("eq-flows-convolution", "eq-flows-lu")
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_convolution_is_one_large_matrix(order):
    """H W copies of M along a diagonal: NumPy's determinant of the whole; exchanged rows change only its sign."""
    M = torch.tensor([[0.8, 0.3, -0.2], [-0.4, 1.1, 0.5], [0.6, -0.7, 0.9]], dtype=F64)[list(order)]
    layer = flows.LULinear(M, event_dims=3).double()
    x = torch.arange(60.0, dtype=F64).reshape(1, 4, 5, 3).sin()
    whole = np.kron(np.eye(20), M.numpy())
    z, log_det = layer(x)
    torch.testing.assert_close(z.flatten(), torch.from_numpy(whole @ x.flatten().numpy()), **close)
    assert log_det.item() == pytest.approx(np.linalg.slogdet(whole)[1], abs=1e-9)
    assert log_det.item() == pytest.approx(5.942745, abs=1e-6)
    assert torch.logdet(M).isnan() == (order == (1, 0, 2))
    P, L, U = linalg.lu(M.numpy())
    assert log_det.item() == pytest.approx(20 * np.log(np.abs(np.diag(U))).sum(), abs=1e-9)


@pytest.mark.equation("eq-flows-lu")
@pytest.mark.parametrize("degrees, within", [(110, True), (-130, False), (200, False)])
def test_within_reach_from_the_identity(degrees, within):
    """About (1, 1, 1): u_cc is the ratio of two leading minors; L is solved for by NumPy."""
    M = Rotation.from_rotvec(np.radians(degrees) * np.ones(3) / math.sqrt(3)).as_matrix()
    minors = np.array([np.linalg.det(M[:k, :k]) for k in range(4)])
    assert (minors > 0).all() == within
    if not within:
        return
    L = np.eye(3)
    L[1, 0] = M[1, 0] / M[0, 0]
    L[2, :2] = np.linalg.solve(M[:2, :2].T, M[2, :2]) @ L[:2, :2]
    U = np.linalg.inv(L) @ M
    np.testing.assert_allclose(np.diag(U), minors[1:] / minors[:-1], rtol=0, atol=1e-12)
    layer = flows.LULinear(torch.eye(3, dtype=F64)).requires_grad_(False)
    layer.L.copy_(torch.from_numpy(L)), layer.U.copy_(torch.from_numpy(U)), layer.log_u.copy_(layer.U.diagonal().log())
    x = torch.eye(3, dtype=F64)
    torch.testing.assert_close(layer(x)[0].mT, torch.from_numpy(M), **close)
    torch.testing.assert_close(layer(x)[1], torch.zeros(3, dtype=F64), **close)


@pytest.mark.equation("eq-flows-squeeze")
def test_squeeze_against_pixel_unshuffle(generator):
    """PyTorch's own has the channel of x before the place in the block; the two are exchanged."""
    x = torch.randn(2, 3, 6, 4, 3, generator=generator)
    z, log_det = flows.Squeeze()(x)
    theirs = torch.nn.functional.pixel_unshuffle(x.flatten(0, 1).movedim(-1, 1), 2)
    theirs = theirs.unflatten(1, (3, 4)).transpose(1, 2).flatten(1, 2).movedim(1, -1).unflatten(0, (2, 3))
    assert torch.equal(z, theirs) and log_det.shape == (2, 3) and not log_det.any()
    back, log_det = flows.Squeeze().inverse(z)
    assert torch.equal(back, x) and log_det.shape == (2, 3) and not log_det.any()


@pytest.mark.equation("eq-flows-multiscale")
def test_levels_add_and_what_is_put_aside_is_finished(generator):
    """Three levels; log p by autograd; z_1 does not heed what comes after it; a change of z_3 alone changes all of x."""
    torch.manual_seed(1)
    layer = flows.Glow(side=8, levels=3, steps=1, hidden=4)
    x = torch.randn(2, 64, generator=generator, dtype=F64)
    layer.double()(x)
    shaken(layer, generator, 0.2)
    flow = flows.Flow([layer], flows.StandardLogistic(64))
    z, log_det = layer(x)
    torch.testing.assert_close(log_det, by_autograd(layer, x), **close)
    by_part = [stats.logistic.logpdf(part.numpy()).sum(-1) for part in z.split([32, 16, 16], -1)]
    torch.testing.assert_close(flow.log_prob(x), torch.from_numpy(sum(by_part)) + log_det, **close)
    torch.testing.assert_close(layer.inverse(z)[0], x, **close)
    torch.testing.assert_close(layer.inverse(z)[1], -log_det, **close)
    shaken(layer.levels[1], generator)
    after = layer(x)[0]
    assert torch.equal(after[:, :32], z[:, :32]) and (after[:, 32:] - z[:, 32:]).abs().min() > 1e-6
    moved = z.clone()
    moved[:, 48:] += 0.5
    assert ((layer.inverse(moved)[0] - layer.inverse(z)[0]).abs() > 1e-9).float().mean() > 0.5


def test_glow_starts_at_a_rotation(generator):
    """Each convolution starts at a matrix of determinant 1 or -1, from the generator; the couplings at the identity."""
    layers = [flows.Glow(4, 2, 2, 6, generator=torch.Generator().manual_seed(s)) for s in (5, 5, 6)]
    x = torch.randn(9, 16, generator=generator)
    a, b, c = (layer(x)[0] for layer in layers)
    assert torch.equal(a, b) and (a - c).abs().max() > 0.1
    for level, C in zip(layers[0].levels, (4, 8), strict=True):
        for convolution in level[1::3]:
            lower, upper = convolution.factors()
            M = convolution.P @ lower @ upper
            torch.testing.assert_close(M @ M.mT, torch.eye(C), rtol=0, atol=1e-5)
        for coupling in level[2::3]:
            h = torch.randn(2, 2, 2, C, generator=generator)
            assert torch.equal(coupling(h)[0], h)


@pytest.mark.equation("eq-flows-paired")
def test_paired_error_is_that_of_the_paired_t_test(generator):
    a = 2 + 0.2 * torch.randn(250, generator=generator, dtype=F64)
    b = a - 0.02 + 0.07 * torch.randn(250, generator=generator, dtype=F64)
    cov = np.cov(a.numpy(), b.numpy())
    error = math.sqrt((cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]) / 250)
    assert (a - b).mean().item() / error == pytest.approx(stats.ttest_rel(a.numpy(), b.numpy()).statistic, abs=1e-9)
    assert average(a - b, "exact").standard_error.item() == pytest.approx(error, abs=1e-9)


@pytest.mark.equation("eq-flows-interpolation")
def test_path_that_turns_is_a_rotation(generator):
    """The direction by the exponential of a rotation's generator in the plane of both, the angle by its arc tangent."""
    z0, z1 = torch.randn(2, 6, generator=generator, dtype=F64).numpy()
    r0, r1 = np.linalg.norm(z0), np.linalg.norm(z1)
    u = z0 / r0
    w = z1 - (z1 @ u) * u
    w = w / np.linalg.norm(w)
    omega = math.atan2(z1 @ w, z1 @ u)
    turn = np.outer(w, u) - np.outer(u, w)
    for tau in (0.0, 0.3, 0.8, 1.0):
        rotated = linalg.expm(tau * omega * turn) @ u
        rho = (1 - tau) * r0 + tau * r1
        formula = rho * (math.sin((1 - tau) * omega) * z0 / r0 + math.sin(tau * omega) * z1 / r1) / math.sin(omega)
        np.testing.assert_allclose(formula, rho * rotated, rtol=0, atol=1e-9)


@pytest.mark.equation("eq-flows-temperature")
@pytest.mark.parametrize("T", [0.7, 1.6])
def test_temperature(generator, T):
    """log p_T from the other direction, g and its Jacobian by autograd at T z; the powers of p by the formula."""
    D, power = 3, 1 / T**2
    torch.manual_seed(2)
    passes = flows.alternating(D, 3)
    layers = [flows.AffineCoupling(p, mlp(int(p.sum()), 8, 2 * int((~p).sum()))) for p in passes]
    flow = shaken(flows.Flow([*layers, flows.Scaling(torch.zeros(D))], flows.StandardNormal(D)), generator)
    z = torch.randn(5, D, generator=generator, dtype=F64)
    x = flow.f.inverse(T * z)[0]
    log_p_T = torch.from_numpy(stats.norm.logpdf(z.numpy()).sum(-1)) - by_autograd(lambda v: flow.f.inverse(T * v), z)
    C_T = (power - 1) * D / 2 * math.log(2 * math.pi) - D * math.log(T)
    formula = power * flow.log_prob(x) + (1 - power) * by_autograd(flow.f, x) + C_T
    torch.testing.assert_close(log_p_T, formula, **close)
    assert (log_p_T - power * flow.log_prob(x)).std() > 0.1  # no power of p


CASES = {
    "levels must be a whole number of at least 1, got 0": lambda: flows.Glow(4, 0, 1, 4),
    "steps must be a whole number of at least 1, got 0": lambda: flows.Glow(4, 1, 0, 4),
    "side must be divisible by 2, got 5": lambda: flows.Glow(5, 1, 1, 4),
    "side must be a whole number of at least 1, got 0": lambda: flows.Glow(0, 1, 1, 4),
    "hidden must be a whole number of at least 1, got 0": lambda: flows.ChannelCoupling(2, 0),
    "clamp must be positive and finite, got inf": lambda: flows.ChannelCoupling(2, 4, clamp=math.inf),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
