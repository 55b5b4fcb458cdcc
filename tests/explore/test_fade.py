"""The numbers behind the figure of data that fade: root search, quadrature, an ODE solver, and the laws of the paths."""

import math

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.figure import Figure
from scipy.stats import kstest, norm

from gmlib.explore import Fade, faded, faded_paths
from gmlib.explore.fade import _told, _uniform
from tests.explore import fade_oracle as oracle

F64 = torch.float64


@pytest.mark.parametrize("t", oracle.STATES)
def test_numbers_agree_with_search_and_quadrature(t):
    found, exact = faded(t), oracle.faded(t)
    assert found._fields == oracle.NAMES and {v.dtype for v in found} == {F64}
    for name, ours in found._asdict().items():
        assert ours.item() == pytest.approx(exact.get(name, math.nan), rel=1e-9, abs=1e-11, nan_ok=True), name


def test_two_modes_become_one_at_0_421():
    x, t = oracle.merging()
    assert round(t, 3) == 0.421
    before, after = faded(t - 1e-4), faded(t + 1e-4)
    assert before.low < x < before.dip < 0 < before.high and before.dip - before.low < 0.05
    assert after.low.isnan() and after.dip.isnan() and after.high == pytest.approx(before.high.item(), abs=1e-3)


def test_what_the_figure_is_there_to_show():
    """Near the dip the score pushes away, at the modes it pulls; and the law comes ever nearer to N(0, 1), but not there."""
    _, _, _, low, dip, high = (v.item() for v in faded(0.3))
    for at, sign in ((low, -1), (dip, 1), (high, -1)):
        assert sign * oracle.score(at + 0.05, 0.3) > 0 > sign * oracle.score(at - 0.05, 0.3)
    kl = faded(torch.linspace(0.01, 0.99, 99)).kl
    assert (kl.diff() < 0).all() and kl[0] > 0.2 and 1e-6 < kl[-1] < 1e-5


def test_any_shape_and_dtype():
    found = faded(torch.tensor([[0.25, 0.5, 0.99]], requires_grad=True).detach())
    assert {(v.shape, v.dtype) for v in found} == {((1, 3), F64)}
    np.testing.assert_allclose([v[0, 1].item() for v in found], [v.item() for v in faded(0.5)], rtol=1e-12)


# --- paths ------------------------------------------------------------------------------------------------------------


def test_noise_is_that_of_integers_that_do_not_overflow():
    for seed in (0, 1, 17, 999):
        n = np.array([0, 1, 5, 2351, 10**6])
        np.testing.assert_array_equal(_uniform(seed, n), [oracle.uniform(seed, int(v)) for v in n])


@pytest.mark.parametrize("kind, seed", [("forward", 0), ("forward", 7), ("flow", 0), ("reverse", 0), ("reverse", 998)])
def test_paths_are_those_of_a_loop(kind, seed):
    found = faded_paths(kind, seed)
    assert found.shape == (8, 99) and found.dtype == F64
    for i in (0, 3, 7):
        np.testing.assert_allclose(found[i], oracle.path(kind, seed, i), rtol=0, atol=1e-9)


def test_flow_solves_its_equation():
    found = faded_paths("flow", count=5)
    times = oracle.TIMES[:96]
    np.testing.assert_allclose(found[:, :96], oracle.flow(found[:, 0].numpy(), 0.01, times), atol=1e-7)


def test_flow_paths_do_not_cross_and_do_not_depend_on_the_seed():
    paths = faded_paths("flow", 3, 200)
    assert (paths.diff(dim=0) > 0).all() and torch.equal(paths, faded_paths("flow", 5, 200))


@pytest.mark.parametrize("kind", ["forward", "reverse"])
def test_noisy_paths_begin_where_the_flow_does_and_keep_the_law_of_each_time(kind):
    """Kolmogorov and Smirnov at 5 times for 3 seeds: all 15 pass 1e-4 but once in 700. The starts are equally spaced in mass, which
    only makes the agreement better."""
    flow = faded_paths("flow", count=1500)
    for seed in (1, 2, 3):
        paths = faded_paths(kind, seed, 1500)
        torch.testing.assert_close(paths[:, 98 if kind == "reverse" else 0], flow[:, 98 if kind == "reverse" else 0])
        for j in (10, 29, 42, 60, 85):
            assert kstest(paths[:, j], lambda x: oracle.cdf(x, oracle.TIMES[j])).pvalue > 1e-4


@pytest.mark.parametrize("kind", ["forward", "reverse"])
def test_both_ways_have_one_joint_law(kind):
    """E[x_s x_t] = (alpha_t / alpha_s) E[x_s^2] for s < t, run either way; 4000 products have a standard error below 0.03."""
    paths = faded_paths(kind, 4, 4000)
    for s, t in ((0.1, 0.35), (0.3, 0.6), (0.5, 0.8)):
        second = sum(pi * (mean**2 + sd**2) for pi, mean, sd in oracle.laws(s))
        exact = oracle.scales(t)[0] / oracle.scales(s)[0] * second
        found = (paths[:, round(100 * s) - 1] * paths[:, round(100 * t) - 1]).mean().item()
        assert found == pytest.approx(exact, abs=0.1)


def test_seeds_give_other_noise():
    first, second = (faded_paths("reverse", seed)[:, 0] for seed in (0, 1))
    assert (first - second).abs().min() > 1e-3
    assert faded_paths("forward", 0).diff(dim=1).var() > 10 * faded_paths("flow").diff(dim=1).var()


BAD = {
    "t must be from 0.01 to 0.99, got 0.3 to 1": lambda: faded(torch.tensor([0.3, 1.0])),
    "t must be from 0.01 to 0.99, got 0 to 0": lambda: faded(0.0),
    "t holds 1 NaN": lambda: faded(math.nan),
    "t is empty": lambda: faded(torch.zeros(0)),
    "t must be a floating-point tensor": lambda: faded(torch.ones(2, dtype=torch.int64)),
    "kind must be one of forward, flow, reverse, got 'backward'": lambda: faded_paths("backward"),
    "seed must be from 0 to 999, got 1000": lambda: faded_paths("flow", 1000),
    "seed must be from 0 to 999, got -1": lambda: faded_paths("forward", -1),
    "count must be": lambda: faded_paths("flow", count=0),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert str(error.value).startswith(message)


# --- the figure -------------------------------------------------------------------------------------------------------


def drawn(**state):
    figure = Figure()
    Fade(**state).draw(figure)
    return figure


@pytest.mark.parametrize("kind, t", [("reverse", 0.3), ("forward", 0.615), ("flow", 0.05)])
def test_picture_has_the_paths_the_density_and_the_score(kind, t):
    plane, beside, push = drawn(paths=kind, t=t, seed=5).axes
    drawn_paths = [line.get_ydata() for line in plane.lines if len(line.get_xdata()) == 99]
    np.testing.assert_array_equal(drawn_paths[:8], faded_paths("flow"))
    np.testing.assert_array_equal(drawn_paths[-8:], faded_paths(kind, 5))
    (dots,) = (line for line in plane.lines if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_ydata(), [np.interp(t, oracle.TIMES, path) for path in faded_paths(kind, 5)])
    assert plane.get_ylim() == beside.get_ylim() == (-4, 4)
    density, normal = beside.lines
    x = density.get_ydata()
    np.testing.assert_allclose(density.get_xdata(), oracle.pdf(x, t), atol=1e-12)
    np.testing.assert_allclose(normal.get_xdata(), norm.pdf(normal.get_ydata()), atol=1e-12)
    (score,) = (line for line in push.lines if len(line.get_xdata()) == len(x))
    np.testing.assert_allclose(score.get_xdata(), oracle.score(x, t), atol=1e-9)
    marks = [line.get_ydata()[0] for line in push.lines if line.get_marker() == "o"]
    np.testing.assert_allclose([mark for mark in marks if not np.isnan(mark)], oracle.zeros(t), atol=1e-9)


def test_picture_says_its_numbers():
    for t, words in ((0.3, "0.891, $\\sigma$ = 0.454, KL($q_t$ || N(0, 1)) = 0.118; $s$ = 0 at $x$ = \N{MINUS SIGN}1.145,"
                      " \N{MINUS SIGN}0.331, 0.800"), (0.6, "= 0.007; $s$ = 0 at $x$ = 0.228")):  # fmt: skip
        assert drawn(t=t).get_supxlabel().endswith(words)
    assert _told(torch.tensor(-0.0004)) == "0.000"


def test_figure_shows_the_numbers_of_its_time():
    assert all(torch.equal(a, b) for a, b in zip(Fade(t=0.37).faded(), faded(0.37)))


@pytest.mark.parametrize("wrong", [{"t": 0.0}, {"t": 1.0}, {"paths": "both"}, {"seed": 1000}, {"seed": -1}, {"t": "late"}])
def test_values_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(traitlets.TraitError, match=name):
        Fade(**wrong)
    with pytest.raises(traitlets.TraitError):
        Fade().set_trait(name, wrong[name])
