"""The numbers behind the figure of the best denoiser: quadrature, differences, and what the picture shows."""

import math

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.figure import Figure
from scipy.stats import chi2

from gmlib.explore import Denoise, denoised
from gmlib.explore.denoise import cloud
from tests.explore import denoise_oracle as oracle

F64 = torch.float64


def by_name(found):
    return dict(zip(oracle.NAMES, torch.cat(list(found), -1).tolist(), strict=True))


@pytest.mark.parametrize("x, sigma", oracle.STATES)
def test_numbers_agree_with_quadrature_and_differences(x, sigma):
    found = denoised(torch.tensor(x, dtype=F64), sigma)
    assert {value.dtype for value in found} == {F64}
    assert by_name(found) == pytest.approx(oracle.denoised(x, sigma), rel=1e-8, abs=1e-9)


def test_what_the_figure_is_there_to_show():
    """With little noise the arrow goes to the nearest group, with much to the mean of all; and the point (1, 0.2) turns round."""
    x = torch.tensor([2.5, -0.2], dtype=F64)
    near, far = denoised(x, 0.3), denoised(x, 10.0)
    way = np.array([1.2, 1.0]) - x.numpy()
    np.testing.assert_allclose((near.r - x).numpy() / way, 0.09 / 0.34, atol=0.01)
    np.testing.assert_allclose(far.r, oracle.MEAN, atol=0.04)
    there, turned = (denoised(torch.tensor([1.0, 0.2], dtype=F64), sigma).smooth for sigma in (0.3, 1.0))
    assert (there > 0).all() and (turned < 0).all()


def test_no_group_is_sure_of_a_point_that_noise_hides():
    w = denoised(torch.tensor([2.5, -0.2], dtype=F64), 10.0).w
    np.testing.assert_allclose(w, (0.5, 0.2, 0.3), atol=0.02)


def test_any_shape_and_dtype():
    points = torch.tensor([[[0.7, -1.1], [2.2, 0.4]]])
    found = denoised(points, 0.45)
    assert [value.shape for value in found] == [(1, 2, 2), (1, 2, 3), (1, 2, 2), (1, 2, 2)]
    for i in (0, 1):
        one = by_name(part[0, i] for part in found)
        assert one == pytest.approx(oracle.denoised(points[0, i].double().numpy(), 0.45), rel=1e-8, abs=1e-9)


def test_cloud_is_the_spiral_and_fits_its_groups():
    np.testing.assert_allclose(cloud(), oracle.cloud(), atol=1e-12)
    for points, (_, mu, sd) in zip(np.split(oracle.cloud(), [30, 42]), oracle.GROUPS):
        below = np.sort(chi2.cdf((((points - mu) / sd) ** 2).sum(1), 2))
        np.testing.assert_allclose(below, (np.arange(len(points)) + 0.5) / len(points), atol=1e-9)
        assert np.abs(points.mean(0) - mu).max() < 0.2 * sd


BAD = {
    "sigma must be from 0.1 to 10, got 0.09": lambda: denoised(torch.zeros(2), 0.09),
    "sigma must be from 0.1 to 10, got 10.1": lambda: denoised(torch.zeros(2), 10.1),
    "sigma must be from 0.1 to 10, got nan": lambda: denoised(torch.zeros(2), math.nan),
    "x must have shape (..., 2), got (4, 3)": lambda: denoised(torch.zeros(4, 3), 0.5),
    "x holds 1 NaN": lambda: denoised(torch.tensor([0.3, math.nan]), 0.5),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert str(error.value).startswith(message)


# --- the figure -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x, sigma", [((2.5, -0.2), 0.3), ((-0.45, 1.35), 1.23)])
def test_picture_has_the_data_the_arrows_the_way_and_the_shares(x, sigma):
    figure = Figure()
    Denoise(x=x, sigma=sigma).draw(figure)
    plane, share, words = figure.axes
    dots, way, marked = plane.lines
    np.testing.assert_allclose(np.transpose(dots.get_data()), oracle.cloud(), atol=1e-12)
    assert np.transpose(marked.get_data()).tolist() == [list(x)]
    for number, at in ((0, 0.1), (37, 10**-0.26), (100, 10.0)):
        exact = oracle.denoised(x, at)
        assert np.transpose(way.get_data())[number].tolist() == pytest.approx([exact["r1"], exact["r2"]], abs=1e-8)
    field, own = plane.collections
    assert len(field.X) == 100 and field.scale == own.scale == 1 and field.angles == own.angles == field.scale_units == "xy"
    for place, u, v in list(zip(field.XY, field.U, field.V))[::9] + [(own.XY[0], own.U[0], own.V[0])]:
        exact = oracle.denoised(place, sigma)
        assert (place[0] + u, place[1] + v) == pytest.approx((exact["r1"], exact["r2"]), abs=1e-8)
    assert own.XY.tolist() == [list(x)] and np.unique(field.X).tolist() == pytest.approx(np.arange(-27, 28, 6) / 10)
    (noise,) = plane.patches
    assert (noise.center, noise.radius) == (x, sigma)
    exact = oracle.denoised(x, sigma)
    heights = [bar.get_height() for bar in share.patches]
    assert heights == pytest.approx([exact[f"w{k}"] for k in (1, 2, 3)], abs=1e-8)
    assert [text.get_text() for text in share.texts] == [f"{height:.3f}" for height in heights]
    assert {text.get_text(): text.get_position() for text in plane.texts} == {
        str(k): mu for k, (_, mu, _) in enumerate(oracle.GROUPS, 1)}  # fmt: skip
    told = [line for line in words.texts[0].get_text().split("\n") if line.startswith("=")]
    for line, name in zip(told, ("r", "smooth", "plain"), strict=True):
        values = line.strip("= ()").replace("\N{MINUS SIGN}", "-").split(", ")
        assert values == [f"{exact[f'{name}{d}']:.2f}" for d in (1, 2)]
    assert plane.get_title() == f"$\\sigma$ = {sigma:g}" and plane.get_xlim() == plane.get_ylim() == (-3, 3)


def test_picture_writes_no_minus_before_zero():
    figure = Figure()
    Denoise(x=(-0.4, -0.05), sigma=10.0).draw(figure)
    assert "\N{MINUS SIGN}0.00" not in figure.axes[2].texts[0].get_text()


def test_figure_shows_the_numbers_of_its_point():
    figure = Denoise(x=(0.35, 1.7), sigma=0.8)
    assert by_name(figure.denoised()) == pytest.approx(oracle.denoised((0.35, 1.7), 0.8), rel=1e-8, abs=1e-9)
    assert figure.state() == {"sigma": 0.8, "x": (0.35, 1.7)}
    figure.set_state({"x": [0.1, -0.2], "sigma": 2})
    assert (figure.x, figure.sigma) == ((0.1, -0.2), 2.0)


@pytest.mark.parametrize("wrong", [{"sigma": 0.05}, {"sigma": 11.0}, {"x": (2.55, 0.0)}, {"x": (0.0, -2.55)}, {"x": (1.0,)},
                                   {"sigma": "much"}])  # fmt: skip
def test_values_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(traitlets.TraitError):
        Denoise(**wrong)
    with pytest.raises(traitlets.TraitError):
        Denoise().set_trait(name, wrong[name])
