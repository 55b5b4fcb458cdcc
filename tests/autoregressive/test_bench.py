"""The two ways to draw give the same images; every network trains; the score is the bits per dimension of the test digits."""

import math

import pytest
import torch

from gmlib.bench import autoregressive as bench
from gmlib.data import digits


def small(monkeypatch):
    part = digits().train
    few = digits()._replace(train=part._replace(x=part.x[:60], y=part.y[:60]))
    for name, value in dict(SIDES=(3,), IMAGES=4, EPOCHS=2, BATCH=40, digits=lambda: few).items():
        monkeypatch.setattr(bench, name, value)


def test_all_contests_run(monkeypatch):
    small(monkeypatch)
    sampling, training = (contest.run(1) for contest in bench.contests())
    assert list(sampling["rows"]) == ["cached, 3 × 3", "naive, 3 × 3"]
    assert list(training["rows"]) == list(bench.models()) and training["parameters"]["gated"] == 25_889
    assert all(1 < row["bits/dim"]["mean"] < 6 for row in training["rows"].values())


@pytest.mark.parametrize("name", ["plain", "gated, class"])
def test_the_score_is_the_mean_over_the_test_digits(monkeypatch, name):
    small(monkeypatch)
    told = "class" in name
    runs = [[bench.score(m)["bits/dim"] for m in bench.by_epoch(bench.models()[name], told, seed)] for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2] and len(runs[0]) == 2
    *_, model = bench.by_epoch(bench.models()[name], told, 3)
    part = digits().test
    with torch.no_grad():
        out = model.net(model.inputs(part.x.reshape(-1, 1, 8, 8)), part.y if told else None)
    nats = torch.nn.functional.cross_entropy(out, part.x.long().reshape(-1, 8, 8))
    assert runs[0][-1] == pytest.approx(nats.item() / math.log(2), rel=1e-5)
