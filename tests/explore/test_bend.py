"""The numbers behind the figure of a bent map: another form of the quotient, autograd, quadrature, and the bounds that hold."""

import math

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.figure import Figure
from scipy.stats import norm

from gmlib.explore import Bend, bent, bent_map
from gmlib.explore.bend import SAMPLES
from gmlib.flows import bridge_mass
from tests.explore import bend_oracle as oracle

F64 = torch.float64


def tensor(handles):
    return torch.tensor(handles, dtype=F64)


@pytest.mark.parametrize("handles", oracle.STATES)
def test_map_and_slope_are_those_of_the_quotient(handles):
    z = torch.cat([torch.linspace(-4.3, 4.3, 173, dtype=F64), tensor(oracle.knots(handles))[:, 0]]).requires_grad_()
    x, slope = bent_map(z, tensor(handles))
    np.testing.assert_allclose(x.detach(), [oracle.g(v, handles) for v in z.tolist()], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(slope.detach(), [oracle.slope(v, handles) for v in z.tolist()], rtol=1e-9)
    (by_autograd,) = torch.autograd.grad(x.sum(), z)
    torch.testing.assert_close(by_autograd[:173], slope[:173].detach(), rtol=1e-9, atol=1e-9)
    assert (slope > 0).all()


@pytest.mark.parametrize("handles", oracle.STATES)
def test_map_goes_through_its_handles_with_a_continuous_slope(handles):
    at = tensor(oracle.knots(handles))
    x, slope = bent_map(at[:, 0], tensor(handles))
    torch.testing.assert_close(x, at[:, 1])
    for side in (-1e-10, 1e-10):
        torch.testing.assert_close(bent_map(at[:, 0] + side, tensor(handles))[1], slope, rtol=1e-4, atol=0)


@pytest.mark.parametrize("handles", oracle.STATES)
def test_numbers_agree_with_search_and_quadrature(handles):
    found, exact = bent(tensor(handles)), oracle.bent(handles)
    assert found._fields == oracle.NAMES and {v.dtype for v in found} == {F64}
    np.testing.assert_allclose(torch.stack(found), exact, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("handles", oracle.STATES)
def test_no_bend_gets_below_the_bounds(handles):
    """KL is at least the least, and the bridge is at least what the largest slope leaves."""
    slope, middle, kl, least = (v.item() for v in bent(tensor(handles)))
    assert kl > least > 0
    at_most = norm.cdf(oracle.f(-1.0, handles))
    assert middle >= bridge_mass(at_most, 1.0, slope)


def test_what_the_figure_is_there_to_show():
    """The steeper the middle, the less mass lies there, and the lower the KL; a straight map leaves one hump."""
    start, steep, straight = (bent(tensor(handles)) for handles in oracle.STATES[:3])
    assert straight.slope < start.slope < steep.slope and straight.middle > start.middle > steep.middle > 0.04
    assert straight.kl > start.kl > steep.kl > steep.least > 0.02
    x, slope = bent_map(torch.linspace(-3, 3, 2001, dtype=F64), tensor(oracle.START))
    density = torch.from_numpy(norm.pdf(np.linspace(-3, 3, 2001))) / slope
    assert density[x.abs() < 0.1].max() < 0.4 * density.max()


def test_any_shape_and_dtype():
    z = torch.tensor([[0.25, 0.5, 2.0]])
    x, slope = bent_map(z, torch.tensor(oracle.START))
    assert x.shape == slope.shape == (1, 3) and x.dtype == slope.dtype == F64
    assert {v.shape for v in bent(torch.tensor(oracle.START))} == {()}


START = torch.tensor(oracle.START)
BAD = {
    "handles must have shape (3, 2), got (2, 2)": lambda: bent(START[:2]),
    "handles holds 1 NaN": lambda: bent(START + torch.tensor([[math.nan, 0], [0, 0], [0, 0]])),
    "handles must rise by at least 0.05 in z and x, within 2.5 and 3.0 of 0": lambda: bent(START.flip(0)),
    "handles must rise by at least 0.05": lambda: bent_map(torch.zeros(1), START * torch.tensor([1, 0.0])),
    "handles must rise by at least 0.05 in": lambda: bent_map(torch.zeros(1), START * torch.tensor([0.05, 1])),
    "handles must rise": lambda: bent(START * 2),
    "handles must": lambda: bent_map(torch.zeros(1), START * torch.tensor([6, 1])),
    "z holds 1 NaN": lambda: bent_map(torch.tensor(math.nan), START),
    "z is empty": lambda: bent_map(torch.zeros(0), START),
    "z must be a floating-point tensor": lambda: bent_map(torch.zeros(2, dtype=torch.int64), START),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert str(error.value).startswith(message)


# --- the figure -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handles", oracle.STATES[:4])
def test_figure_shows_the_numbers_of_its_handles(handles):
    figure = Bend(**dict(zip(("left", "middle", "right"), handles)))
    assert figure.bent() == bent(tensor(handles)) and figure.handles().tolist() == [list(each) for each in handles]


def drawn(**handles):
    figure = Figure()
    Bend(**handles).draw(figure)
    return {ax.get_label(): ax for ax in figure.axes}


def test_picture_has_the_curve_the_densities_and_the_samples():
    axes = drawn(right=(0.5, 2.0))
    handles = (*oracle.START[:2], (0.5, 2.0))
    curves = {line.get_linestyle() + line.get_marker(): line for line in axes["g"].lines if len(line.get_xdata()) > 100}
    z, x = curves["-None"].get_data()
    np.testing.assert_allclose(x[::50], [oracle.g(v, handles) for v in z[::50]], atol=1e-12)
    np.testing.assert_allclose(axes["slope"].lines[0].get_ydata()[::50], [oracle.slope(v, handles) for v in z[::50]], rtol=1e-9)
    density, at = axes["x"].lines[0].get_data()
    assert np.trapezoid(density, at) == pytest.approx(1, abs=0.003)
    target, at = axes["x"].lines[1].get_data()
    np.testing.assert_allclose(target, (norm.pdf(at, -2, 0.5) + norm.pdf(at, 2, 0.5)) / 2, atol=1e-12)
    np.testing.assert_allclose(axes["z"].lines[0].get_ydata(), norm.pdf(z), atol=1e-12)
    threads = [line.get_data() for line in axes["g"].lines if len(line.get_xdata()) == 3 and line.get_marker() == "None"]
    np.testing.assert_allclose([at[0] for at, _ in threads], norm.ppf((np.arange(20) + 0.5) / 20), atol=1e-12)
    np.testing.assert_allclose([to[2] for _, to in threads], [oracle.g(v, handles) for v in SAMPLES.tolist()], atol=1e-12)


def test_picture_says_its_numbers():
    (words,) = (text.get_text() for text in drawn()["told"].texts)
    assert [line for line in words.split("\n") if line[:1].isdigit()] == ["4.81", "0.176", "0.193", "0.125"]


@pytest.mark.parametrize("wrong", [{"left": (-2.6, 0.0)}, {"middle": (0.0, 3.1)}, {"right": "far"}, {"left": (0.0, -1.0)},
                                   {"left": (-1.0, 0.0)}, {"middle": (0.46, 0.0)}, {"right": (0.5, 0.04)}])  # fmt: skip
def test_values_out_of_range_or_order_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(traitlets.TraitError, match=name):
        Bend(**wrong)
    figure = Bend()
    with pytest.raises(traitlets.TraitError):
        figure.set_trait(name, wrong[name])
    assert figure.handles().tolist() == [list(each) for each in oracle.START]


def test_handles_move_together_past_where_one_was():
    figure = Bend()
    with figure.hold_trait_notifications():
        figure.left, figure.middle, figure.right = (0.7, 1.9), (0.8, 2.0), (0.9, 2.1)
    assert figure.handles()[0].tolist() == [0.7, 1.9]
