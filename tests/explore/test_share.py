"""Two components over twelve points: the numbers, the steps and the picture, against scipy and against gmlib.mixtures."""

import math

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.figure import Figure
from scipy.optimize import minimize
from scipy.special import expit

from gmlib.explore import Share, odds_of, refitted, shared
from gmlib.explore.share import _told
from gmlib.mixtures import Parameters, bound, em, log_joint
from tests.explore import share_oracle as oracle

F64 = torch.float64
SPREAD = [1.3, -0.4, 2.2, 0.7, -1.1, 0.2, -2.5, 0.9, 3.1, -0.8, 1.7, -0.3]
STATES = [
    oracle.START,
    dict(one=(-1.35, 0.62), two=(1.9, 1.48), weight=0.37, odds=SPREAD),
    dict(one=(2.4, 2.7), two=(-3.65, 0.3), weight=0.83, odds=[-3 * o for o in SPREAD]),
    dict(one=(-4.0, 0.02), two=(4.0, 0.02), weight=0.01, odds=[90.0, -90.0] * 6),
    oracle.after(oracle.START, "emem"),
    oracle.after(oracle.START, "ememe"),
]


def mixture(state):
    means, sds, weights = map(torch.from_numpy, oracle.theta(state))
    return Parameters(weights[None], means[None, :, None], sds.square()[None, :, None, None])


X = torch.from_numpy(oracle.POINTS)[:, None]


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
def test_numbers_agree_with_scipy_and_with_the_library(state):
    found = shared(**state)
    np.testing.assert_allclose(torch.stack(tuple(found)), oracle.numbers(state), rtol=1e-11, atol=1e-10)
    theta, log_r = mixture(state), torch.from_numpy(np.log(oracle.shares(state)))
    np.testing.assert_allclose(found.log_p, log_joint(X, theta).logsumexp(1).sum(), rtol=1e-12)
    np.testing.assert_allclose(found.bound, 12 * bound(X, log_r[None], theta)[0], rtol=1e-12)
    assert found.log_p - found.bound == pytest.approx(found.kl.item(), rel=1e-9, abs=1e-10) and found.kl >= -1e-12
    assert {(number.shape, number.dtype) for number in found} == {((), F64)}


def test_steps_agree_with_em():
    """Each round from the start is that of the library; the log-likelihoods are those that the chapter quotes."""
    figure = Share()
    for step in em(X, mixture(oracle.START), 12):
        one, two, weight = figure.one, figure.two, figure.weight
        assert [weight, 1 - weight] == pytest.approx(step.theta.pi[0].tolist(), abs=1e-12)
        assert [one[0], two[0]] == pytest.approx(step.theta.mu.flatten().tolist(), abs=1e-12)
        assert [one[1], two[1]] == pytest.approx(step.theta.Sigma.flatten().sqrt().tolist(), abs=1e-12)
        assert figure.shared().log_p.item() == pytest.approx(12 * step.log_prob.item(), abs=1e-11)
        figure.e_step()
        assert figure.shared().kl.item() == pytest.approx(0, abs=1e-12)
        figure.m_step()
    found = [12 * step.log_prob.item() for step in em(X, mixture(oracle.START), 9)]
    assert [round(found[i], 3) for i in (0, 1, 2, 5, 9)] == [-31.885, -24.747, -24.490, -22.949, -22.815]


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
def test_steps_agree_with_scipy(state):
    np.testing.assert_allclose(odds_of(state["one"], state["two"], state["weight"]), oracle.e_step(state)["odds"], rtol=1e-12, atol=1e-10)
    one, two, weight = refitted(state["odds"])
    best = oracle.m_step(state)
    np.testing.assert_allclose([*one, *two, weight], [*best["one"], *best["two"], best["weight"]], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("odds", [SPREAD, [-40.0] * 11 + [40.0], [4 * o - 3 for o in SPREAD]])
def test_no_components_within_the_ranges_have_a_larger_bound(odds):
    """At the end of a range too: a component with one point would have no spread."""
    one, two, weight = refitted(odds)
    best = shared(one, two, weight, odds).bound.item()
    limits = [(-4, 4), (0.02, 3)] * 2 + [(0.01, 0.99)]

    def loss(v):
        return -oracle.numbers(dict(one=v[:2], two=v[2:4], weight=v[4], odds=odds))[1]

    for start in ([0, 1, 0.5, 1, 0.5], [*one, *two, weight]):
        found = minimize(loss, start, bounds=limits, method="L-BFGS-B")
        assert -found.fun <= best + 1e-7


def test_empty_component_lies_over_all_points():
    """Where no point is left to it, any place is as good; it takes that of all points, and the least weight."""
    one, two, weight = refitted([-1000.0] * 12)
    assert one == pytest.approx((oracle.POINTS.mean(), oracle.POINTS.std())) and two == pytest.approx(one) and weight == 0.01


def test_the_bound_and_the_likelihood_never_fall():
    """From a hundred places: components of the least spread among them, which sit on a point for good."""
    rng, lone = np.random.default_rng(0), 0
    for _ in range(100):
        ends = rng.uniform([-4, 0.02], [4, rng.choice([0.05, 3])], (2, 2)).tolist()
        figure = Share(one=ends[0], two=ends[1], weight=rng.uniform(0.01, 0.99))
        before = figure.shared()
        for step in (figure.e_step, figure.m_step) * 10:
            step()
            now = figure.shared()
            if step == figure.e_step:
                assert now.bound.item() == pytest.approx(before.log_p.item(), rel=1e-11)
            assert now.bound >= before.bound - 1e-9 * before.bound.abs() and now.log_p >= before.log_p - 1e-9 * before.log_p.abs()
            before = now
        lone += 0.02 in (figure.one[1], figure.two[1])
    assert 5 < lone < 95


def test_what_the_figure_is_there_to_show():
    """On one point, with the least spread, a worse mixture has a larger likelihood; and equal components stay equal."""
    end, spike = oracle.after(oracle.START, 100 * "em"), oracle.after({**oracle.START, "two": (3.2, 0.02)}, 50 * "em")
    assert spike["two"] == pytest.approx((3.2, 0.02)) and spike["weight"] > 0.9
    assert shared(**spike).log_p > shared(**end).log_p + 0.4
    same = oracle.after(oracle.START, "m" + 30 * "em")
    assert same["one"] == pytest.approx(same["two"]) and shared(**same).log_p < shared(**end).log_p - 2


FINE = dict(one=(0.0, 1.0), two=(1.0, 1.0), weight=0.5)
BAD = {
    "one must have a mean from -4 to 4 and an sd from 0.02 to 3, got (4.1, 1.0)": lambda: shared(**FINE | {"one": (4.1, 1.0)}, odds=[0.0] * 12),
    "one must have a mean from -4 to 4 and an sd from 0.02 to 3, got (-4.1, 1.0)": lambda: odds_of((-4.1, 1.0), (1.0, 1.0), 0.5),
    "two must have a mean from -4 to 4 and an sd from 0.02 to 3, got (1.0, 0.01)": lambda: odds_of((0.0, 1.0), (1.0, 0.01), 0.5),
    "two must have a mean from -4 to 4 and an sd from 0.02 to 3, got (nan, 1.0)": lambda: odds_of((0.0, 1.0), (math.nan, 1.0), 0.5),
    "one must have a mean from -4 to 4 and an sd from 0.02 to 3, got (0.0, 3.01)": lambda: odds_of((0.0, 3.01), (0.0, 1.0), 0.5),
    "weight must be from 0.01 to 0.99, got 1.0": lambda: shared(**FINE | {"weight": 1.0}, odds=[0.0] * 12),
    "weight must be from 0.01 to 0.99, got 0.0": lambda: odds_of((0.0, 1.0), (1.0, 1.0), 0.0),
    "odds must be 12 numbers from -100000 to 100000, got [0.0, 1.0]": lambda: refitted([0.0, 1.0]),
    "odds must be 12 numbers from -100000 to 100000, got [nan": lambda: shared(**FINE, odds=[math.nan] * 12),
    "odds must be 12 numbers from -100000 to 100000, got [200000.0": lambda: refitted([2e5] * 12),
    "odds must be 12 numbers from -100000 to 100000, got [-200000.0": lambda: refitted([-2e5] * 12),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert str(error.value).startswith(message)


# --- the figure -------------------------------------------------------------------------------------------------------


def drawn(state):
    figure = Figure()
    Share(**state).draw(figure)
    return figure.axes


@pytest.mark.parametrize("state", [STATES[1], STATES[4]], ids=["any", "em"])
def test_picture_has_places_hills_shares_and_bars(state):
    plane, top, strip, bars = drawn(state)
    means, sds, _ = oracle.theta(state)
    np.testing.assert_allclose([line.get_xdata()[0] for line in plane.lines if line.get_marker() == "o"], means)
    np.testing.assert_allclose([line.get_ydata()[0] for line in plane.lines if line.get_marker() == "o"], sds)
    whiskers = [line.get_xdata() for line in plane.lines if line.get_marker() != "o"]
    np.testing.assert_allclose(whiskers, np.stack([means - sds, means + sds], 1))
    x = top.lines[0].get_xdata()
    joint = np.exp(oracle.log_joint(state, x))
    np.testing.assert_allclose([line.get_ydata() for line in top.lines], [*joint, joint.sum(0)], atol=1e-12)
    np.testing.assert_allclose(strip.lines[0].get_ydata(), joint[0] / joint.sum(0), atol=1e-12)
    (dots,) = (part for part in top.collections if len(part.get_offsets()) == 12)
    np.testing.assert_allclose(dots.get_offsets()[:, 0], oracle.POINTS)
    r = expit(state["odds"])
    np.testing.assert_allclose(dots.get_facecolors()[:, 0], (1 - r) * 230 / 255, atol=1e-6)  # red: none in blue
    columns = [(bar.get_x() + bar.get_width() / 2, bar.get_y(), bar.get_height()) for bar in strip.patches]
    np.testing.assert_allclose(columns, np.transpose([[*oracle.POINTS] * 2, [*np.zeros(12), *r], [*r, *(1 - r)]]), atol=1e-12)
    log_p, below, kl = oracle.numbers(state)
    ends = [(bar.get_x(), bar.get_width()) for bar in bars.patches]
    np.testing.assert_allclose(ends, [(-40, max(0, log_p + 40)), (-40, max(0, below + 40)), (max(below, -40), log_p - max(below, -40))])
    written = [f"{log_p:.3f}", f"{below:.3f}, KL {kl + 0.0:.3f}"]
    assert [text.get_text() for text in bars.texts] == [words.replace("-", "\N{MINUS SIGN}") for words in written]


def test_picture_of_a_bound_below_the_axis():
    *_, bars = drawn(STATES[3])
    assert [bar.get_width() for bar in bars.patches[:2]] == [0, 0]
    assert _told(-0.0004) == "0.000" and _told(-40.1238) == "\N{MINUS SIGN}40.124"


def test_what_is_moved_in_the_browser_is_read_in_python():
    figure, seen = Share(), []
    figure.observe(lambda change: seen.append(change.new), "one")
    figure.set_state({"one": [-1.5, 0.5], "weight": 0.25, "odds": SPREAD})
    assert seen == [(-1.5, 0.5)] and set(figure.state()) <= set(figure.keys)
    state = dict(one=(-1.5, 0.5), two=(0.5, 1.0), weight=0.25, odds=SPREAD)
    np.testing.assert_allclose(torch.stack(tuple(figure.shared())), oracle.numbers(state), rtol=1e-12)
    assert repr(figure) == "Share(one=(-1.5, 0.5), two=(0.5, 1.0), weight=0.25)"


@pytest.mark.parametrize("wrong", [{"one": [4.05, 1.0]}, {"two": [0.0, 0.01]}, {"two": [0.0, 3.1]}, {"one": [0.0]}, {"weight": 0.0},
                                   {"weight": 1.0}, {"odds": [0.0] * 11}, {"odds": [2e5] * 12}, {"odds": ["half"] * 12}])  # fmt: skip
def test_values_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(traitlets.TraitError):
        Share(**wrong)
    with pytest.raises(traitlets.TraitError):
        Share().set_trait(name, wrong[name])
