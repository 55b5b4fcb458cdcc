"""The comparison of WGAN-GP with a plain loop: both do the same steps, and the score is the distance that it says."""

import itertools
from functools import partial

import pytest
import torch
from scipy.stats import wasserstein_distance_nd

from gmlib.bench import gan as bench
from gmlib.bench.report import table
from gmlib.data import moons
from gmlib.gan import Generator


@pytest.fixture(autouse=True)
def own_random_numbers():
    """The loops seed PyTorch's own generator, as the tutorials do."""
    with torch.random.fork_rng(devices=[]):
        yield


@pytest.mark.parametrize("fused", [True, None])
def test_both_loops_do_the_same_steps(fused):
    """From one seed they draw the same numbers: weights and the penalty's gradients agree to rounding, round by round."""
    x, _ = bench.data()
    for ours, plain in itertools.islice(zip(bench.ours(3, x, fused), bench.plain(3, x, fused)), 4):
        for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
    assert mine is not theirs


def test_a_penalty_left_out_would_be_seen(monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 3)
    functions, *_ = bench.contests()
    functions._compare("3 rounds", {name: prepare(3)() for name, prepare in functions.entrants.items()})
    monkeypatch.setattr(bench, "compute_gradient_penalty", lambda *_: torch.zeros(()))
    with pytest.raises(ValueError, match="gmlib, fused=True disagrees with plain loop, fused=None"):
        functions._compare("3 rounds", {name: prepare(3)() for name, prepare in functions.entrants.items()})


class Fixed(Generator):
    """A generator of points that are given, for the score."""

    def __init__(self, points):
        torch.nn.Module.__init__(self)
        self.points = points

    def sample(self, sample_shape, generator):
        assert sample_shape == (self.points.shape[-2],) and generator.initial_seed() == 1
        return self.points


def test_the_score_is_the_exact_distance():
    x, y = torch.randn(2, 12, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = [wasserstein_distance_nd(points, y) for points in (x, 2 * x)]
    assert bench.distance(y, Fixed(x)) == pytest.approx(exact[0], abs=1e-9)
    assert bench.distance(y, Fixed(x + 0)) == pytest.approx(bench.mean_distance(y, [Fixed(x)]))
    both = pytest.approx(sum(exact) / 2, abs=1e-9)
    assert bench.distance(y, Fixed(torch.stack([x, 2 * x]))) == both == bench.mean_distance(y, [Fixed(x), Fixed(2 * x)])
    assert bench.distance(x, Fixed(x[torch.randperm(12)])) == 0


def test_two_sets_of_data_are_as_far_apart_as_the_table_says():
    x, held_out = bench.data()
    assert x.shape == (bench.N, 2) and held_out.shape == (bench.HELD_OUT, 2)
    others = (moons(bench.HELD_OUT, generator=torch.Generator().manual_seed(seed)) for seed in range(1, 6))
    between = [bench.distance(held_out, Fixed(other)) for other in others]
    assert "0.08 or so" in bench.JOB["score"] and sum(between) / 5 == pytest.approx(0.08, abs=0.02)


def test_all_contests_run(monkeypatch, capsys):
    for name, small in {"N": 300, "HELD_OUT": 40, "ROUNDS": 2, "EVERY": 2, "COPIES": 3, "SECONDS": (0.05, 0.1)}.items():
        monkeypatch.setattr(bench, name, small)
    found = [contest.run(1) for contest in bench.contests()]
    loops = [f"{name}, fused={fused}" for name in ("gmlib", "plain loop") for fused in (True, None)]
    rounds, one, several = (list(contest["rows"]) for contest in found)
    assert rounds == [f"{name}, 2 rounds" for name in loops] and one == loops
    assert several == ["gmlib, at once", "plain loop, in turns"]
    for contest in found[1:]:
        for row in contest["rows"].values():
            assert 0.1 <= row["in all, s"]["mean"] and 0 < row["after 0.05 s"]["mean"] < 3
    assert "plain loop, fused=None" in table({"family": "gan", "job": bench.JOB, "machine": {}, "contests": found})


def test_several_generators_are_several():
    x, _ = bench.data()
    G = next(bench.at_once(x, 0))
    assert G.copies == bench.COPIES and G.sample((4,)).shape == (bench.COPIES, 4, 2)
    first, *others = next(bench.in_turns(x, 1))
    assert len(others) == bench.COPIES - 1
    same = partial(torch.equal, next(first.parameters()))
    assert not any(same(next(other.parameters())) for other in others)
    alone = list(itertools.islice(bench.plain(bench.COPIES, x, True), 2))[-1]
    assert same(next(alone.parameters()))
