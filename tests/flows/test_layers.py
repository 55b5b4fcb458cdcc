"""Each layer against autograd: its determinant, its inverse, and the determinant of the inverse; and the models' laws."""

import math

import pytest
import torch
from scipy.stats import logistic
from torch.distributions import MultivariateNormal, Normal

from gmlib import core, data, flows
from gmlib.nn import MaskedMLP, mlp
from tests.flows.conftest import F64, LAYERS, PASSES, Field, made
from tests.laws import laws


def jacobian(f, x):
    return torch.stack([torch.autograd.functional.jacobian(lambda v: f(v.unsqueeze(0))[0].squeeze(0), row) for row in x])


@pytest.mark.equation(
    "eq-flows-triangular", "eq-flows-additive", "eq-flows-affine", "eq-flows-scaling", "eq-flows-compose", "eq-flows-lu",
    "eq-flows-actnorm", "eq-flows-maf", "eq-flows-maf-inverse", "eq-flows-instantaneous", "eq-flows-continuous",
    "eq-flows-spline", "eq-flows-spline-slope",
)
@pytest.mark.parametrize("name", LAYERS)
def test_determinant_and_inverse(name, generator):
    layer, x = made(name), torch.randn(7, 5, generator=generator, dtype=F64)
    atol = 1e-7 if name == "continuous" else 1e-9  # the solver's error, which falls as steps^-4
    z, log_det = layer(x)
    back, log_det_back = layer.inverse(z)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(jacobian(layer, x))[1], rtol=0, atol=atol)
    torch.testing.assert_close(back, x, rtol=0, atol=atol)
    torch.testing.assert_close(log_det_back, -log_det, rtol=0, atol=atol)
    torch.testing.assert_close(layer(x.reshape(7, 1, 5))[0].squeeze(1), z, rtol=0, atol=1e-12)
    assert layer(x.reshape(7, 1, 5))[1].shape == (7, 1)
    assert (z - x).abs().max() > 0.1


@pytest.mark.parametrize("name", ["additive", "affine", "spline"])
def test_what_passes_is_unchanged_and_decides_the_rest(name, generator):
    layer, x = made(name), torch.randn(3, 5, generator=generator, dtype=F64)
    assert torch.equal(layer(x)[0][:, PASSES], x[:, PASSES])
    J = jacobian(layer, x)
    assert torch.equal(J[:, PASSES][:, :, ~PASSES], torch.zeros(3, 2, 3, dtype=F64))  # who passes heeds nobody
    rest = J[:, ~PASSES][:, :, ~PASSES]
    assert torch.equal(rest, torch.diag_embed(rest.diagonal(dim1=-2, dim2=-1)))  # who is moved heeds no other


def test_steps_of_the_solver(generator):
    """Twice the steps, a sixteenth of the error: of x and of the log-determinant."""
    layer, x = made("continuous"), torch.randn(7, 5, generator=generator, dtype=F64)
    results = []
    for steps in (2, 4, 64):
        layer.steps = steps
        results.append(layer(x))
    for part in (0, 1):
        coarse, fine = ((r[part] - results[2][part]).norm() for r in results[:2])
        assert 11 < coarse / fine < 23


@pytest.mark.equation("eq-flows-change")
def test_flow_is_the_pushed_law(generator):
    """An affine map of a normal, and one of a logistic variable, against their own densities."""
    W, b = torch.tensor([[1.3, 0.0], [-0.7, 0.6]], dtype=F64), torch.zeros(2, dtype=F64)
    flow = flows.Flow([flows.LULinear(W)], flows.StandardNormal(2)).double()
    x = torch.randn(9, 2, generator=generator, dtype=F64)
    A = torch.linalg.inv(W)
    torch.testing.assert_close(flow.log_prob(x), MultivariateNormal(b, A @ A.mT).log_prob(x), rtol=0, atol=1e-9)
    pushed = torch.from_numpy(logistic.logpdf(x[:, 0].numpy(), loc=0.3, scale=0.8))
    scaled = flows.Flow([flows.ActNorm(1), flows.Scaling(torch.zeros(1))], flows.StandardLogistic(1)).double()
    with torch.no_grad():
        scaled.f.layers[0].shift.fill_(0.3), scaled.f.layers[0].log_s.fill_(-math.log(0.8)), scaled.f.layers[0].is_set.fill_(True)
    torch.testing.assert_close(scaled.log_prob(x[:, :1]), pushed, rtol=0, atol=1e-9)


@pytest.mark.equation("eq-flows-logistic")
def test_logistic_law(generator):
    z = 5 * torch.randn(6, 3, generator=generator, dtype=F64)
    expected = torch.from_numpy(logistic.logpdf(z.numpy()).sum(-1))
    torch.testing.assert_close(flows.StandardLogistic(3).log_prob(z), expected, rtol=0, atol=1e-9)
    draws = flows.StandardLogistic(2).draw(200_000, z, generator)
    laws.assert_same_mean(draws.square(), expected=math.pi**2 / 3)
    assert draws.isfinite().all()


MODELS = {
    "affine": lambda: flows.Flow([flows.AffineCoupling(p, mlp(1, 8, 2)) for p in flows.alternating(2, 2)], flows.StandardNormal(2)),
    "spline": lambda: flows.Flow(
        [flows.SplineCoupling(p, mlp(1, 8, 14), bins=5, bound=2.0) for p in flows.alternating(2, 2)], flows.StandardNormal(2)),
    "masked": lambda: flows.Flow([flows.MaskedAffine(MaskedMLP(2, 8, per=2), clamp=1.0)], flows.StandardNormal(2)),
    "logistic": lambda: flows.Flow(
        [flows.AdditiveCoupling(PASSES[:2], mlp(1, 8, 1)), flows.Scaling(torch.tensor([0.6, 0.9]))], flows.StandardLogistic(2)),
    "continuous": lambda: flows.Flow([flows.Continuous(Field(2), steps=6)], flows.StandardNormal(2)),
}


@pytest.mark.parametrize("name", MODELS)
def test_flows_keep_the_laws(name, generator):
    torch.manual_seed(1)
    model = MODELS[name]().double().requires_grad_(False)
    assert isinstance(model, core.HasLogProb) and isinstance(model, core.CanSample)
    if name != "continuous":
        mass_is_one(model)
    laws.log_prob_ignores_batch_shape(model, torch.randn(6, 2, generator=generator, dtype=F64))
    laws.sample_agrees_with_log_prob(model, generator, n=4_000 if name == "continuous" else 20_000)
    laws.sample_is_reproducible(model)


def mass_is_one(model):
    """On a grid, which kinks of networks and splines cost some digits."""
    t = torch.linspace(-14, 14, 701, dtype=F64)
    mass = model.log_prob(torch.cartesian_prod(t, t)).exp().sum() * (t[1] - t[0]) ** 2
    assert abs(mass - 1) < 1e-4


@pytest.mark.equation("eq-flows-lu")
def test_convolution_counts_each_position(generator):
    """A 1 x 1 convolution of an image of 3 x 2 pixels: 6 times log|det W|; a singular-looking pivot does no harm."""
    W = torch.tensor([[0.0, 2.0, 0.3], [1.5, 0.1, -0.4], [0.2, -0.9, 0.7]], dtype=F64)
    layer, x = flows.LULinear(W, event_dims=3).double(), torch.randn(4, 3, 2, 3, generator=generator, dtype=F64)
    z, log_det = layer(x)
    torch.testing.assert_close(z, torch.einsum("oc,nhwc->nhwo", W, x), rtol=0, atol=1e-12)
    torch.testing.assert_close(log_det, 6 * torch.linalg.slogdet(W)[1].expand(4), rtol=0, atol=1e-9)
    torch.testing.assert_close(layer.inverse(z)[0], x, rtol=0, atol=1e-12)


@pytest.mark.equation("eq-flows-actnorm")
def test_first_batch_sets_the_normalisation(generator):
    layer = flows.ActNorm(3, event_dims=3).double()
    x = 4 + 2.5 * torch.randn(50, 2, 2, 3, generator=generator, dtype=F64)
    z = layer(x)[0].reshape(-1, 3)
    torch.testing.assert_close(z.mean(0), torch.zeros(3, dtype=F64), rtol=0, atol=1e-9)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3, dtype=F64), rtol=0, atol=1e-9)
    shift = layer.shift.clone()
    layer(x - 7)
    assert torch.equal(layer.shift, shift)


@pytest.mark.equation("eq-flows-pixel-cdf")
def test_pixel_layer_is_the_histogram(generator):
    """Before a standard logistic law it is exactly the density of the histograms; its determinant is autograd's."""
    counts = torch.rand(5, 17, generator=generator, dtype=F64) + 0.1
    flow, x = flows.Flow([flows.PixelCDF(counts)], flows.StandardLogistic(5)), torch.rand(200, 5, generator=generator, dtype=F64)
    mass = (counts / counts.sum(-1, keepdim=True))[torch.arange(5), (17 * x).long()]
    torch.testing.assert_close(flow.log_prob(x), (17 * mass).log().sum(-1), rtol=0, atol=1e-9)
    layer = flow.f.layers[0]
    z, log_det = layer(x)
    back, log_back = layer.inverse(z)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_back, -log_det, rtol=0, atol=1e-9)
    draws = flow.sample((20_000,), generator)  # a flow without parameters
    assert draws.dtype == F64
    shares = torch.stack([(17 * draws[:, 2]).long() == k for k in range(17)]).double().mean(1)
    torch.testing.assert_close(shares, counts[2] / counts[2].sum(), rtol=0, atol=5 * (0.25 / 20_000) ** 0.5)
    outside = torch.tensor([[-0.2], [1.0], [40.0]], dtype=F64) * torch.tensor([0.0, 0, 1, 0, 0], dtype=F64) + 0.3
    assert flow.log_prob(outside).tolist() == [flow.log_prob(outside[0]).item(), -torch.inf, -torch.inf]
    assert flow.log_prob(outside[0] - 0.31).item() == -torch.inf
    torch.testing.assert_close(layer(x[:4])[1], torch.linalg.slogdet(jacobian(layer, x[:4]))[1], rtol=0, atol=1e-9)


def test_no_pixel_is_rounded_up_to_one_in_float32():
    """There the density is 0, also for what the flow itself has drawn: the last cell ends just below."""
    layer, z = flows.PixelCDF(torch.tensor([16 * [0.1] + [50.0]])), torch.tensor([[30.0], [17.0], [-90.0], [0.4]])
    x, log_back = layer.inverse(z)
    assert (x < 1).all() and layer(x)[1].isfinite().all() and log_back.isfinite().all()


@pytest.mark.equation("eq-flows-multiscale")
def test_glow_is_invertible_and_its_determinant_right(generator):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = flows.Glow(side=4, levels=2, steps=2, hidden=6, channels=2).double()
    x = torch.randn(3, 32, generator=generator, dtype=F64)
    layer(x)  # sets the normalisation
    for p in layer.parameters():
        p.data.add_(0.2 * torch.randn(p.shape, generator=generator, dtype=F64))
    z, log_det = layer(x)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(jacobian(layer, x))[1], rtol=0, atol=1e-9)
    torch.testing.assert_close(layer.inverse(z)[0], x, rtol=0, atol=1e-9)
    torch.testing.assert_close(layer.inverse(z)[1], -log_det, rtol=0, atol=1e-9)
    for f, at in ((layer, x), (layer.inverse, z)):
        for value, alone in zip(f(at.reshape(3, 1, 32)), f(at), strict=True):
            torch.testing.assert_close(value.squeeze(1), alone, rtol=0, atol=1e-12)


def test_squeeze_permutes_blocks():
    x = torch.arange(32.0).reshape(1, 4, 4, 2)
    z, log_det = flows.Squeeze()(x)
    assert z.shape == (1, 2, 2, 8) and log_det.tolist() == [0.0]
    assert z[0, 0, 1].tolist() == x[0, :2, 2:].flatten().tolist()
    assert torch.equal(flows.Squeeze().inverse(z)[0], x)


@pytest.mark.equation("eq-flows-ldl")
def test_triangular_and_scaling_fit_any_gaussian():
    """s_i^-2 is the variance of x_i given the x before it: with L and s from the covariance, log_prob is the Gaussian's."""
    Sigma = torch.tensor([[2.3, 0.9, -0.4], [0.9, 1.7, 0.6], [-0.4, 0.6, 1.1]], dtype=F64)
    lower, diagonal = torch.linalg.cholesky(Sigma), torch.linalg.cholesky(Sigma).diagonal()
    flow = flows.Flow([flows.UnitTriangular(3), flows.Scaling(-diagonal.log())], flows.StandardNormal(3)).double()
    with torch.no_grad():
        flow.f.layers[0].lower.copy_(torch.linalg.inv(lower / diagonal))
    x = torch.tensor([[0.4, -1.2, 0.9], [2.0, 0.3, -0.6]], dtype=F64)
    torch.testing.assert_close(flow.log_prob(x), MultivariateNormal(torch.zeros(3, dtype=F64), Sigma).log_prob(x), rtol=0, atol=1e-9)
    given = Sigma[2, 2] - Sigma[2, :2] @ torch.linalg.solve(Sigma[:2, :2], Sigma[:2, 2])
    torch.testing.assert_close(diagonal[2] ** 2, given, rtol=0, atol=1e-9)


def test_toys_have_their_densities(generator):
    """Mass 1 and the stated entropies; draws agree with the density."""
    t = torch.linspace(-2.5, 2.5, 301, dtype=F64)
    log_p = data.moons_log_prob(torch.cartesian_prod(t, t))
    cell = (t[1] - t[0]) ** 2
    assert abs(log_p.exp().sum() * cell - 1) < 1e-9
    assert abs(-(log_p.exp() * log_p).sum() * cell - 1.00758483) < 1e-8
    laws.assert_same_mean(data.moons_log_prob(data.moons(20_000, generator=generator).double()), expected=-1.00758483)
    x = data.checkerboard(10_000, generator=generator)
    assert (data.checkerboard_log_prob(x) == -math.log(8)).all()
    outside = torch.tensor([[-1.5, -0.5], [0.5, 1.5], [2.5, 0.5], [-2.5, -1.5]])
    assert (data.checkerboard_log_prob(outside) == -math.inf).all()


def test_normal_base_against_torch(generator):
    z = torch.randn(4, 3, generator=generator, dtype=F64)
    expected = Normal(torch.zeros(3, dtype=F64), 1).log_prob(z).sum(-1)
    torch.testing.assert_close(flows.StandardNormal(3).log_prob(z), expected, rtol=0, atol=1e-9)


two, bits = torch.zeros(3, 2), torch.tensor([True, False])
CASES = {
    "D must be a whole number of at least 1, got 0": lambda: flows.StandardNormal(0),
    "D must be a whole number of at least 1, got -2": lambda: flows.StandardLogistic(-2),
    "x must have shape (..., 5), got (3, 2)": lambda: flows.Flow([flows.Scaling(torch.zeros(5))], flows.StandardNormal(5)).log_prob(two),
    "x holds 1 NaN": lambda: flows.Flow([], flows.StandardNormal(2)).log_prob(torch.tensor([[0.0, math.nan]])),
    "passes must be boolean, of shape (D,), neither all nor none": lambda: flows.AdditiveCoupling(torch.tensor([True, True]), mlp(2, 1)),
    "passes must be boolean": lambda: flows.AffineCoupling(torch.tensor([1, 0]), mlp(1, 2)),
    "clamp must be positive and finite, got 0": lambda: flows.AffineCoupling(bits, mlp(1, 2), clamp=0),
    "bins must be at least 2, got 1": lambda: flows.SplineCoupling(bits, mlp(1, 2), bins=1),
    "bound must be positive and finite, got -1": lambda: flows.SplineCoupling(bits, mlp(1, 2), bound=-1),
    "D must be at least 2, got 1": lambda: flows.alternating(1, 3),
    "W must have shape (D, D), got (3, 2)": lambda: flows.LULinear(two),
    "W must not be singular": lambda: flows.LULinear(torch.ones(2, 2)),
    "the first batch must have two examples or more": lambda: flows.ActNorm(2)(torch.zeros(1, 2)),
    "counts must be positive": lambda: flows.PixelCDF(torch.zeros(2, 3)),
    "x must have even height and width, got 3 and 4": lambda: flows.Squeeze()(torch.zeros(1, 3, 4, 1)),
    "C must be even, got 3": lambda: flows.ChannelCoupling(3, 4),
    "side must be divisible by 4, got 6": lambda: flows.Glow(6, 2, 1, 4),
    "clamp must be positive and finite, got -3": lambda: flows.MaskedAffine(MaskedMLP(2, 4, per=2), clamp=-3),
    "steps must be a whole number of at least 1, got 0": lambda: flows.Continuous(Field(2), steps=0),
    "D must be a whole number of at least 1, got 0.5": lambda: flows.UnitTriangular(0.5),
    "noise must be positive and finite, got 0": lambda: data.moons_log_prob(two, noise=0),
    "x must have shape (..., 2), got (3,)": lambda: data.checkerboard_log_prob(torch.zeros(3)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
