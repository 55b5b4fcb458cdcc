"""Both sides do the same rounds from the same starts, and a run that differs is not timed."""

import pytest
import torch

from gmlib.bench import mixtures as bench
from gmlib.mixtures import em


def test_all_contests_run(monkeypatch):
    monkeypatch.setattr(bench, "LARGE", (1500, 3, 4, 1))
    monkeypatch.setattr(bench, "SMALL", (300, 2, 3, 5))
    monkeypatch.setattr(bench, "MANY", 7)
    large, small = (contest.run(1) for contest in bench.contests())
    assert list(large["rows"]) == ["gmlib, 1,500 × 3, K = 4, 1 start", "scikit-learn, 1,500 × 3, K = 4, 1 start"]
    assert list(small["rows"]) == ["gmlib, 300 × 2, K = 3, 5 starts", "scikit-learn, 300 × 2, K = 3, 5 starts"]
    assert large["title"] == "5 rounds of EM, results within 1e-08" and small["title"].startswith("7 rounds")
    for row in (*large["rows"].values(), *small["rows"].values()):
        assert row["ms"]["median"] > 0 and row["× scikit-learn"]["median"] > 0


def test_the_job_has_the_size_it_says():
    x, theta, rounds = bench.job(101, 3, 4, 5, 6)
    assert x.shape == (101, 3) and theta.mu.shape == (5, 4, 3) and rounds == 6
    torch.testing.assert_close(theta.pi.sum(1), torch.ones(5, dtype=torch.float64))
    assert len(x.unique(dim=0)) == 101 and len(theta.mu.unique(dim=0)) == 5


def test_a_round_more_or_another_start_is_found(monkeypatch):
    contest = bench.Functions("EM", {"small": bench.job(200, 2, 3, 2, 4)}, {"a": bench.ours, "b": bench.theirs}, "b", 1e-8, bench.flat)
    contest.run(1)
    for wrong in (
        lambda x, theta, rounds: em(x, theta, rounds + 1),
        lambda x, theta, rounds: em(x, theta._replace(mu=theta.mu.flip(0)), rounds),
        lambda x, theta, rounds: em(x, theta, rounds, ridge=1e-6),
    ):
        monkeypatch.setattr(bench, "em", wrong)
        with pytest.raises(ValueError, match="EM, small: a disagrees with b"):
            contest.run(1)
