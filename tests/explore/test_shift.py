"""The numbers behind the figure of two shifted laws, against quadrature with SciPy's laws."""

import math

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.figure import Figure

from gmlib.explore import Shift, shifted_normals, shifted_uniforms
from tests.explore import shift_oracle as oracle

F64 = torch.float64
LAWS = {"normals": shifted_normals, "uniforms": shifted_uniforms}
SHIFTS = {"normals": [0.0, 0.05, 0.3, 1.5, 3.0, 5.0, 8.0], "uniforms": [0.0, 0.25, 0.95, 1.0, 2.5, 8.0]}
EACH = [(laws, d) for laws, shifts in SHIFTS.items() for d in shifts]


def same(found, exact, atol=1e-10):
    np.testing.assert_allclose(torch.stack(tuple(found)), exact, rtol=1e-11, atol=atol)


@pytest.mark.parametrize("laws, d", EACH)
def test_values_and_slopes_agree_with_quadrature(laws, d):
    values, slopes = LAWS[laws](d)
    assert values._fields == oracle.NAMES
    same(values, oracle.values(laws, d))
    same(slopes, oracle.slopes(laws, d))


@pytest.mark.equation("eq-divergences-shift")
@pytest.mark.parametrize("d", SHIFTS["uniforms"])
def test_uniform_laws_have_these_distances(d):
    (_, _, *rest), _ = shifted_uniforms(d)
    same(rest, oracle.values("uniforms", d)[2:])
    same(rest, [min(d, 1) * math.log(2), min(d, 1), d])


def test_what_the_figure_is_there_to_show():
    """Far apart JS and TV have no slope that could be felt, W_1 has slope one, and KL grows without end."""
    values, slopes = shifted_normals(torch.tensor([5.0, 8.0], dtype=F64))
    assert (slopes.js < 2e-3).all() and slopes.js[1] < 1e-7 and slopes.tv[1] < 1e-7
    assert (values.js < math.log(2)).all() and (values.tv < 1).all()
    same((slopes.w1 - 1, slopes.kl - torch.tensor([20.0, 32.0])), 0)
    _, slopes = shifted_uniforms(torch.tensor([1.0, 8.0]))
    assert torch.stack(slopes[2:]).tolist() == [[0, 0], [0, 0], [1, 1]]


@pytest.mark.parametrize("laws", LAWS)
def test_any_shape_and_dtype_and_no_graph(laws):
    d = torch.tensor([[0.25, 0.5, 2.0]], requires_grad=True)
    with torch.no_grad():
        found = LAWS[laws](d)
    for each in found:
        assert {(v.shape, v.dtype, v.requires_grad) for v in each} == {((1, 3), F64, False)}
    one = LAWS[laws](2.0)
    assert [v[0, 2].item() for v in found[0]] == pytest.approx([v.item() for v in one[0]])


BAD = {
    "d must be from 0 to 8, got -1 to 3": lambda: shifted_normals(torch.tensor([-1.0, 3.0])),
    "d must be from 0 to 8, got 8.5 to 8.5": lambda: shifted_uniforms(8.5),
    "d holds 1 NaN": lambda: shifted_normals(math.nan),
    "d holds 2 NaN": lambda: shifted_uniforms(torch.full((2,), math.nan)),
    "d is empty": lambda: shifted_normals(torch.zeros(0)),
    "d must be a floating-point tensor": lambda: shifted_uniforms(torch.zeros(2, dtype=torch.int64)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert str(error.value).startswith(message)


# --- the figure -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("laws, d", EACH)
def test_figure_shows_the_numbers_of_its_laws(laws, d):
    values, slopes = Shift(laws=laws, d=d).distances()
    same(values, oracle.values(laws, d))
    same(slopes, oracle.slopes(laws, d))


def written(laws, d):
    """The words of the picture: beside each bar, and where an arrow says that it goes on."""
    figure = Figure()
    Shift(laws=laws, d=d).draw(figure)
    axes = figure.axes[1:]
    arrows = sum(line.get_marker() == ">" for ax in axes for line in ax.lines)
    return [text.get_text() for ax in axes for text in ax.texts], arrows, [bar.get_width() for ax in axes for bar in ax.patches]


def test_picture_says_values_and_slopes_and_caps_what_is_beyond():
    texts, arrows, widths = written("normals", 5.0)
    assert texts == ["50.532, slope 20.000", "15.674, slope 6.173", "5.000, slope 1.000", "0.693, slope 0.001",
                     "1.000, slope 0.001"]  # fmt: skip
    assert arrows == 2 and widths == pytest.approx([8, 8, 5, 0.6926, 0.99966], abs=1e-4)
    assert written("uniforms", 2.0)[:2] == (2 * ["∞, slope none"] + ["2.000, slope 1.000"] + ["0.693, slope 0.000",
                                            "1.000, slope 0.000"], 2)  # fmt: skip
    assert written("uniforms", 0.0)[0][0] == "0.000, slope ∞"
    assert "-" not in "".join(written("normals", 0.0)[0])


@pytest.mark.parametrize("wrong", [{"d": -0.1}, {"d": 8.1}, {"d": "far"}, {"laws": "cauchy"}])
def test_values_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(traitlets.TraitError, match=name):
        Shift(**wrong)
    with pytest.raises(traitlets.TraitError):
        Shift().set_trait(name, wrong[name])
