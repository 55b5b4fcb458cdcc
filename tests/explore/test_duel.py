"""The numbers behind the figure of D* and a generator: against quadrature of JS, KL and W_1, and against a step of a loss."""

import math

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.figure import Figure
from scipy.stats import norm

from gmlib.explore import Duel, best_play
from gmlib.explore.duel import _log_odds
from gmlib.explore.shift import checked_shift
from gmlib.gan import nonsaturating_loss, optimal_discriminator, saturating_loss
from tests.explore import duel_oracle as oracle

F64 = torch.float64
SHIFTS = [0.0, 0.05, 0.3, 1.5, 3.0, 5.0, 8.0]


def same(found, exact, atol=1e-10):
    np.testing.assert_allclose(torch.stack(tuple(found)), exact, rtol=1e-11, atol=atol)


@pytest.mark.parametrize("d", SHIFTS)
def test_numbers_agree_with_quadrature(d):
    play = best_play(d)
    assert play._fields == oracle.NAMES
    same(play, oracle.play(d))
    same(Duel(d=d).play(), oracle.play(d))


def test_slopes_are_those_of_the_losses_whose_discriminator_is_held():
    """A generator x = d + 0.5 z, z at many quantiles, and the losses of `gmlib.gan` with the discriminator at another d."""
    z = torch.from_numpy(norm.ppf((np.arange(200_000) + 0.5) / 200_000))
    for at in (0.3, 1.5, 3.0):
        d = torch.tensor(at, dtype=F64, requires_grad=True)
        o = _log_odds(d + 0.5 * z, d.detach())
        for loss, name in ((saturating_loss, "saturating"), (nonsaturating_loss, "nonsaturating")):
            (slope,) = torch.autograd.grad(loss(o), d, retain_graph=True)
            assert slope.item() == pytest.approx(getattr(best_play(at), name).item(), abs=2e-4)


def test_logit_is_that_of_the_best_discriminator():
    x, d = torch.linspace(-3, 10, 27, dtype=F64), torch.tensor(1.7, dtype=F64)
    p_data, p_theta = (torch.from_numpy(norm(*law).pdf(x.numpy())) for law in ((0, 0.9), (1.7, 0.5)))
    torch.testing.assert_close(torch.sigmoid(_log_odds(x, d)), optimal_discriminator(p_data, p_theta), rtol=0, atol=1e-12)


def test_what_the_figure_is_there_to_show():
    """Far away the saturating slope is gone, the non-saturating one grows like d / 0.81, W_1's is 1; near the data the
    non-saturating one is the least; all point to the data."""
    near, far = best_play(0.3), best_play(torch.tensor([5.0, 8.0], dtype=F64))
    assert near.nonsaturating < near.saturating < near.critic
    assert (far.saturating < 3e-3).all() and far.saturating[1] < 2e-7
    np.testing.assert_allclose(far.nonsaturating, [5 / 0.81, 8 / 0.81], atol=3e-3)
    np.testing.assert_allclose(far.critic, 1, atol=1e-12)
    away = best_play(torch.linspace(0.01, 8, 100))
    assert all((slope > 0).all() for slope in away[3:])


def test_any_shape_and_dtype_and_no_graph():
    d = torch.tensor([[0.25, 0.5, 2.0]], requires_grad=True)
    with torch.no_grad():
        found = best_play(d)
    assert {(v.shape, v.dtype, v.requires_grad) for v in found} == {((1, 3), F64, False)}
    assert [v[0, 2].item() for v in found] == pytest.approx([v.item() for v in best_play(2.0)])


BAD = {
    "d must be from 0 to 8, got -1 to 3": lambda: best_play(torch.tensor([-1.0, 3.0])),
    "d must be from 0 to 8, got 8.5 to 8.5": lambda: checked_shift(8.5),
    "d holds 1 NaN": lambda: best_play(math.nan),
    "d is empty": lambda: best_play(torch.zeros(0)),
    "d must be a floating-point tensor": lambda: best_play(torch.zeros(2, dtype=torch.int64)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert str(error.value).startswith(message)


# --- the figure -------------------------------------------------------------------------------------------------------


def drawn(d):
    figure = Figure()
    Duel(d=d).draw(figure)
    return figure.axes


@pytest.mark.parametrize("d", [0.0, 0.3, 3.0, 8.0])
def test_picture_has_the_arrows_and_bars_of_its_numbers(d):
    top, steps, low, far = drawn(d)
    *_, js, w1, saturating, nonsaturating, critic = oracle.play(d)
    tips = [arrow.get_xy()[:, 0].min() for arrow in steps.patches]
    np.testing.assert_allclose(tips, d - np.array([saturating, nonsaturating, critic]), atol=1e-9)
    assert all(abs(arrow.get_xy()[:, 0].max() - d) < 1e-12 for arrow in steps.patches)
    (js_bar,), (w1_bar,) = low.patches, far.patches
    assert (js_bar.get_width(), w1_bar.get_width()) == pytest.approx((js, w1))
    assert low.get_xlim()[1] == pytest.approx(math.log(2)) and far.get_xlim()[1] == 8
    assert top.get_xlim() == steps.get_xlim() == (-3, 10)
    for line, exact in zip(top.lines, (lambda x: norm(0, 0.9).pdf(x), lambda x: norm(d, 0.5).pdf(x))):
        np.testing.assert_allclose(line.get_ydata(), exact(line.get_xdata()), atol=1e-12)


def test_picture_says_its_numbers():
    words = [[text.get_text() for text in ax.texts] for ax in drawn(5.0)]
    assert words == [[], ["slope 0.003", "slope 6.170", "slope 1.000"], ["0.693, $V$ \N{MINUS SIGN}0.001"], ["5.000"]]
    words = str([[text.get_text() for text in ax.texts] for d in (0.0, 8.0) for ax in drawn(d)])
    assert "-" not in words and "\N{MINUS SIGN}0.000" not in words


@pytest.mark.parametrize("wrong", [{"d": -0.1}, {"d": 8.1}, {"d": "far"}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(traitlets.TraitError, match="d"):
        Duel(**wrong)
    with pytest.raises(traitlets.TraitError):
        Duel().set_trait("d", wrong["d"])
