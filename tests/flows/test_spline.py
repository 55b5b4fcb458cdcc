"""The rational-quadratic spline: monotone, smooth at the knots, the identity outside, stable where bins are extreme."""

import pytest
import torch

from gmlib import flows

F64 = torch.float64


def raw(n, bins, generator, scale=1.0, dtype=F64):
    return [scale * torch.randn(n, k, generator=generator, dtype=dtype) for k in (bins, bins, bins - 1)]


@pytest.mark.equation("eq-flows-spline", "eq-flows-spline-slope")
def test_slope_is_autograds_and_the_inverse_undoes(generator):
    x = torch.linspace(-4.4, 4.4, 401, dtype=F64).requires_grad_()
    one = [part.expand(401, -1) for part in raw(1, 6, generator, 1.5)]
    y, log_slope = flows.rational_quadratic(x, *one, bound=4.3)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope, slope.log(), rtol=0, atol=1e-9)
    assert (y.diff() > 0).all()
    back, log_back = flows.rational_quadratic(y.detach(), *one, bound=4.3, inverse=True)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_back, -log_slope, rtol=0, atol=1e-9)


@pytest.mark.equation("eq-flows-spline")
def test_passes_through_its_knots_with_its_slopes():
    """Three bins, knots and slopes computed by hand from the shares, less the least share that each bin keeps."""
    w, h, d = (torch.tensor([v], dtype=F64) for v in ([0.3, -0.2, 0.9], [-0.5, 0.4, 0.1], [0.7, -1.1]))
    knots = [-2.0 + 4.0 * (0.001 + 0.997 * r.softmax(-1)).cumsum(-1) for r in (w, h)]
    for i in range(2):
        x = knots[0][:, i].clone().requires_grad_()
        y, log_slope = flows.rational_quadratic(x, w, h, d, bound=2.0)
        torch.testing.assert_close(y, knots[1][:, i], rtol=0, atol=1e-9)
        expected = 0.001 + 0.999 * (1 + (d[:, i] + torch.tensor(torch.e - 1, dtype=F64).log()).exp()).log()
        torch.testing.assert_close(log_slope, expected.log(), rtol=0, atol=1e-9)


def test_tails_are_the_identity(generator):
    x = torch.tensor([5.0, -6.0, 4.0001, -1e6], dtype=F64)
    for inverse in (False, True):
        y, log_slope = flows.rational_quadratic(x, *raw(4, 5, generator), bound=4.0, inverse=inverse)
        assert torch.equal(y, x) and torch.equal(log_slope, torch.zeros(4, dtype=F64))


def test_inverse_keeps_to_its_bin_in_float32(generator):
    """Bins steep at one end and flat at the other: a root that cancels would be off by more than the spline is wide."""
    parts = raw(100_000, 8, generator, 10.0, torch.float32)
    y = 8 * torch.rand(100_000, generator=generator) - 4
    x, _ = flows.rational_quadratic(y, *parts, bound=4.0, inverse=True)
    again, _ = flows.rational_quadratic(x, *parts, bound=4.0)
    assert x.abs().max() <= 4 and (again - y).abs().max() < 2e-3  # a slope of a thousand, times a rounding of x


def test_tails_far_away_in_float32(generator):
    x = torch.tensor([1e6, -3e7, 5.0]).requires_grad_()
    parts = [p.requires_grad_() for p in raw(3, 5, generator, dtype=torch.float32)]
    for inverse in (False, True):
        y, log_slope = flows.rational_quadratic(x, *parts, bound=4.0, inverse=inverse)
        assert torch.equal(y, x) and torch.equal(log_slope, torch.zeros(3))
        gradients = torch.autograd.grad(y.sum() + log_slope.sum(), [x, *parts])
        assert torch.equal(gradients[0], torch.ones(3)) and all((g == 0).all() for g in gradients[1:])


@pytest.mark.parametrize("scale", [0.0, 30.0])
def test_identical_and_extreme_bins(generator, scale):
    """The root in its stable form: no NaN in values or gradients, in float32 either."""
    for dtype, atol in ((F64, 1e-9), (torch.float32, 1e-4)):
        parts = [p.requires_grad_() for p in raw(1000, 8, generator, scale, dtype)]
        x = 8 * torch.rand(1000, generator=generator, dtype=dtype) - 4
        y, log_slope = flows.rational_quadratic(x, *parts, bound=4.0)
        back, _ = flows.rational_quadratic(y, *parts, bound=4.0, inverse=True)
        assert y.isfinite().all() and log_slope.isfinite().all() and back.isfinite().all()
        again, _ = flows.rational_quadratic(back, *parts, bound=4.0)
        assert (again - y).abs().max() < atol and back.abs().max() <= 4
        gradients = torch.autograd.grad(y.sum() + log_slope.sum() + back.sum(), parts)
        assert all(g.isfinite().all() for g in gradients)


flat = torch.zeros(3, 4)
CASES = {
    "widths, heights and slopes must have shape": lambda: flows.rational_quadratic(torch.zeros(3), flat, flat, flat, 1.0),
    "there must be fewer than 1000 bins, got 1000": lambda: flows.rational_quadratic(
        torch.zeros(1), torch.zeros(1, 1000), torch.zeros(1, 1000), torch.zeros(1, 999), 1.0
    ),
    "bound must be positive and finite, got 0": lambda: flows.rational_quadratic(torch.zeros(3), flat, flat, flat[:, :3], 0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
