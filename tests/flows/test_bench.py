"""Our side of the comparison runs without the peer; its score is the KL that quadrature gives, and the peer's has our size."""

import math

import pytest
import torch
from torch import nn

from gmlib import data
from gmlib.bench import flows as bench
from gmlib.flows import Flow, Scaling, StandardNormal
from tests.laws import laws

KINDS = ["spline couplings", "affine couplings"]


def small(monkeypatch):
    monkeypatch.setattr(torch.compiler, "reset", lambda: None)
    for name, value in dict(N=300, TEST=200, BATCH=100, EPOCHS=2, HIDDEN=(8,), LAYERS=2, SECONDS=(0.01, 0.02)).items():
        monkeypatch.setattr(bench, name, value)


def test_our_side_runs_alone(monkeypatch):
    small(monkeypatch)
    monkeypatch.setattr(bench, "peer", lambda *_: False)
    monkeypatch.setattr(bench, "can_compile", lambda: False)
    tables = [contest.run(1) for contest in bench.contests()]
    assert [table["title"] for table in tables] == [
        *(f"{kind}, {target}" for target in ("checkerboard", "two moons") for kind in KINDS), "KL, checkerboard", "KL, two moons",
    ]  # fmt: skip
    for table in tables[:4]:
        (row,) = table["rows"].values()
        assert list(table["rows"]) == ["gmlib"] and row["× zuko"] is None and math.isfinite(row["KL"]["mean"])
    assert all(list(table["rows"]) == [f"gmlib, {kind}" for kind in KINDS] for table in tables[4:])


def test_who_takes_part(monkeypatch):
    small(monkeypatch)
    monkeypatch.setattr(bench, "peer", lambda *_: True)
    monkeypatch.setattr(bench, "can_compile", lambda: True)
    monkeypatch.setattr(torch, "compile", lambda loss: loss)
    contests = list(bench.contests())
    assert all(list(each.entrants) == ["gmlib, compiled", "gmlib", "zuko, compiled", "zuko"] for each in contests[:4])
    assert all(list(each.entrants) == [f"{side}, {kind}" for kind in KINDS for side in ("gmlib", "zuko")] for each in contests[4:])


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_kl_and_the_same_seed_gives_the_same(monkeypatch, kind):
    small(monkeypatch)
    monkeypatch.setattr(bench, "N", 5000)
    x, score = bench.points("two moons")
    runs = [[score(model) for model in bench.by_epoch(bench.OURS[kind], bench.minus_log_prob, x, 3, seed)] for seed in (4, 4, 5)]
    assert runs[0] == runs[1] != runs[2] and len(runs[0]) == 3
    torch.manual_seed(4)
    assert runs[0][-1] < score(bench.OURS[kind]()) - 0.2
    again = bench.endless(bench.OURS[kind], x, 4)
    first = next(again)
    assert [next(again) is first for _ in range(3)] == [True, True, True]


def test_score_is_the_kl():
    """Of a Gaussian from the moons, by quadrature; within what draws allow."""
    model = Flow([Scaling(torch.tensor([0.3, -0.6], dtype=torch.float64))], StandardNormal(2))
    t = torch.linspace(-3, 3, 201, dtype=torch.float64)  # a third of the noise: right to rounding
    grid = torch.cartesian_prod(t, t)
    log_p = data.moons_log_prob(grid)
    with torch.no_grad():
        exact = (log_p.exp() * (log_p - model.log_prob(grid))).sum().item() * 0.03**2
    x = data.moons(20_000, generator=torch.Generator().manual_seed(2)).double()
    log_p = data.moons_log_prob(x)
    with torch.no_grad():
        laws.assert_same_mean(log_p - model.log_prob(x), expected=exact)
    assert bench.kl(x, log_p, model) == pytest.approx(exact, abs=0.03)


def test_points_are_held_out(monkeypatch):
    monkeypatch.setattr(bench, "N", 50)
    monkeypatch.setattr(bench, "TEST", 30)
    x, score = bench.points("checkerboard")
    held_out, log_p = score.args
    assert x.shape == (50, 2) and held_out.shape == (30, 2) and (log_p == -math.log(8)).all()
    assert not set(map(tuple, x.tolist())) & set(map(tuple, held_out.tolist()))


@pytest.mark.parametrize("kind", KINDS)
def test_the_peers_flow_has_our_size(kind):
    pytest.importorskip("zuko")
    x = torch.randn(7, 2)
    sizes = [sum(p.numel() for p in build().parameters()) for build in (bench.OURS[kind], bench.ZUKO[kind])]
    assert sizes[0] == sizes[1] and bench.ZUKO[kind]().log_prob(x).shape == (7,)
    assert isinstance(bench.ZUKO[kind](), nn.Module)
