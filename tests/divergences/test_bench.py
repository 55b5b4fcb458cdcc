"""Our side of the comparison runs without a peer, on inputs of the size that it says, and SciPy agrees."""

import torch

from gmlib.bench import divergences as bench


def test_our_side_runs_alone(monkeypatch):
    monkeypatch.setattr(bench, "peer", lambda *_: False)
    monkeypatch.setattr(bench, "POINTS", (80,))
    monkeypatch.setattr(bench, "LINE", (30,))
    sinkhorn, line = [contest.run(1) for contest in bench.contests()]
    assert list(sinkhorn["rows"]) == ["gmlib, 80 × 80"] and sinkhorn["rows"]["gmlib, 80 × 80"]["× POT"] is None
    assert list(line["rows"]) == ["gmlib, 30 points each", "SciPy, 30 points each"]
    assert line["rows"]["SciPy, 30 points each"]["× SciPy"]["median"] == 1


def test_inputs_are_laws():
    C, a = bench.plane(7)
    x, y, p, q = bench.line(50)
    assert C.shape == (7, 7) and x.shape == y.shape == (50,)
    for law in (a, p, q):
        torch.testing.assert_close(law.sum(), torch.ones((), dtype=torch.float64))
