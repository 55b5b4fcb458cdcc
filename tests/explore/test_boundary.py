"""The numbers behind the figure of two classes, against SciPy's densities, lines of quadrature and closed forms."""

import math

import pytest
import torch
import traitlets

from gmlib.explore import Boundary, lowest, reading, share_below
from tests.explore import boundary_oracle as oracle

F64 = torch.float64
close = dict(rtol=0, atol=1e-9)
ROUND, APART = oracle.ROUND, oracle.APART
POINTS = [(4.0, -5.0), (0.0, 0.0), (-1.5, -0.5), (6.5, 5.5)]


def classes(setting):
    pi1, mu, sigma = setting
    return tuple(torch.tensor(value, dtype=F64) for value in ((pi1, 1 - pi1), mu, sigma))


def at(*x):
    return torch.tensor(x, dtype=F64)


@pytest.mark.parametrize("setting", [*ROUND, *APART])
def test_posterior_and_density_of_a_point(setting):
    for x in POINTS:
        found = reading(at(*x), *classes(setting))
        torch.testing.assert_close(torch.cat([found.posterior, found.log_prob.view(1)]), at(*oracle.point(x, setting)),
                                   rtol=1e-12, atol=1e-12)  # fmt: skip


# level and error: rays that touch the level set cost digits, most where it is about to fall in two
LEVELS = [*((s, level, 2e-9) for s in ROUND for level in (-7.0, -12.0)), *((s, -3.5, 1.2e-4) for s in ROUND),
          *((s, level, 1.5e-5) for s in APART for level in (-5.0, -6.5, -9.0))]  # fmt: skip


@pytest.mark.parametrize("setting, level, error", LEVELS)
def test_share_below_agrees_with_lines_of_quadrature(setting, level, error):
    found = share_below(at(level)[0], *classes(setting)).item()
    assert found == pytest.approx(oracle.share_below(level, setting), rel=0, abs=error)


@pytest.mark.parametrize("setting, error", [*((s, 2e-9) for s in ROUND), *((s, 1e-5) for s in APART)])
def test_99_of_100_draws_lie_above_the_lowest(setting, error):
    found = lowest(*classes(setting)).item()
    assert oracle.share_below(found, setting) == pytest.approx(0.01, rel=0, abs=error)


def test_closed_forms_of_one_gaussian_and_of_two_that_do_not_meet():
    """Of one Gaussian on the plane the share below a level is p / max p; far in its tail too, and of three alike."""
    top = -math.log(2 * math.pi * 0.6)
    same = torch.full((3,), 1 / 3, dtype=F64), at([1.0, 2.0]).expand(3, 2), at([0.5, 1.2]).expand(3, 2)
    for level in (top - 0.1, top - 5, top - 80):
        found = share_below(at(level)[0], *same).log().item()
        assert found == pytest.approx(level - top, rel=1e-11)
    assert lowest(*same).item() == pytest.approx(top + math.log(0.01), abs=1e-11)
    assert share_below(at(top + 0.1)[0], *same) == 1
    apart = at(0.5, 0.5), at([-20.0, 0.0], [20.0, 0.0]), at([0.5, 1.2], [1.2, 0.5])
    assert lowest(*apart).item() == pytest.approx(top + math.log(0.5) + math.log(0.01), abs=1e-9)


def test_far_out_the_classifier_is_sure_and_the_density_vanishes():
    """What the figure is there to show, with equal spreads and with unequal ones."""
    equal, wide = classes(ROUND[0]), (at(0.5, 0.5), at([-1.5, 0.0], [1.5, 0.0]), at([1.0, 1.0], [2.0, 2.0]))
    for distance in (6.0, 10.0, 20.0):
        left, right = (reading(at(side * distance, 0.0), *equal) for side in (-1, 1))
        assert max(left.posterior[1], right.posterior[0]) < math.exp(-2.5 * distance)
        assert max(left.log_prob, right.log_prob) < right.lowest - 1 and right.share < 1e-3
    for direction in range(12):
        x = 20 * at(math.cos(direction), math.sin(direction))
        assert reading(x, *wide).posterior[1] > 1 - 1e-9  # behind class 1 too


def test_every_number_keeps_dtype_and_device():
    setting = [value.float() for value in classes(ROUND[1])]
    found = reading(torch.zeros(2), *setting)
    exact = reading(at(0.0, 0.0), *classes(ROUND[1]))
    assert {value.dtype for value in found} == {torch.float32}
    torch.testing.assert_close(torch.hstack(found).double(), torch.hstack(exact), rtol=1e-4, atol=1e-4)


GOOD = dict(zip(("pi", "mu", "sigma"), classes(ROUND[0]), strict=True))
BAD = {
    "x must have shape (2,), got (3,)": lambda: reading(torch.zeros(3), **GOOD),
    "x holds 1 NaN": lambda: reading(at(0.0, math.nan), **GOOD),
    "x must be a floating-point tensor": lambda: reading(torch.zeros(2, dtype=torch.int64), **GOOD),
    "mu must have shape (2, 2), got (2, 3)": lambda: reading(torch.zeros(2), **GOOD | {"mu": torch.zeros(2, 3)}),
    "mu holds 4 NaN": lambda: lowest(**GOOD | {"mu": torch.full((2, 2), math.nan)}),
    "sigma must be positive and finite": lambda: lowest(**GOOD | {"sigma": torch.zeros(2, 2)}),
    "sigma must have shape (2, 2), got (3, 2)": lambda: lowest(**GOOD | {"sigma": torch.ones(3, 2)}),
    "pi must be positive and finite": lambda: lowest(**GOOD | {"pi": at(0.0, 1.0)}),
    "pi must have shape (2,), got (1, 2)": lambda: lowest(**GOOD | {"pi": at([0.5, 0.5])}),
    "pi is empty": lambda: lowest(**GOOD | {"pi": torch.zeros(0)}),
    "pi must sum to 1, got 1.5": lambda: share_below(at(-5.0)[0], **GOOD | {"pi": at(0.5, 1.0)}),
    "log_p must have no axes, got shape (1,)": lambda: share_below(at(-5.0), **GOOD),
    "log_p holds 1 NaN": lambda: share_below(at(math.nan)[0], **GOOD),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert str(error.value).startswith(message)


# --- the figure -------------------------------------------------------------------------------------------------------


def test_figure_shows_the_reading_of_its_values():
    pi1, mu, sigma = ROUND[2]
    figure = Boundary(pi1=pi1, mu1=mu[0], mu2=mu[1], sigma1=sigma[0], sigma2=sigma[1], x=(2, -3))
    assert figure.x == (2.0, -3.0) and figure.state()["mu2"] == mu[1]
    for found, exact in zip(figure.reading(), reading(at(2, -3), *classes(ROUND[2])), strict=True):
        assert torch.equal(found, exact)


def test_what_is_dragged_in_the_browser_is_read_in_python():
    figure, seen = Boundary(), []
    figure.observe(lambda change: seen.append(change.new), "x")
    figure.set_state({"x": [-3, 2.5], "pi1": 0.25})
    assert figure.x == (-3.0, 2.5) == seen[0] and figure.classes()[0].tolist() == [0.25, 0.75]
    assert set(figure.state()) <= set(figure.keys)


@pytest.mark.parametrize("wrong", [
    {"x": (6.6, 0.0)}, {"x": (0.0, -5.6)}, {"x": (1.0,)}, {"x": 1.0}, {"mu1": (5.1, 0.0)}, {"mu2": (0.0, 4.1)},
    {"sigma1": (0.2, 1.0)}, {"sigma2": (1.0, 2.6)}, {"pi1": 1.0}])  # fmt: skip
def test_values_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(traitlets.TraitError, match=name if name == "pi1" else None):
        Boundary(**wrong)
    with pytest.raises(traitlets.TraitError):
        Boundary().set_trait(name, wrong[name])


@pytest.mark.parametrize("same", [True, False])
def test_picture_with_and_without_a_boundary(same):
    """A picture is drawn without a warning where no point favours the other class, and far below the axis."""
    values = dict(mu1=(0, 0), mu2=(0, 0), pi1=0.9) if same else dict(sigma1=(0.3, 2.5), sigma2=(2.5, 0.3), x=(6.5, 5.5))
    assert Boundary(**values).still() != Boundary().still()
