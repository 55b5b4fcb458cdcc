"""Our side of the comparison runs without the peer; the error of v is what it should be where it is known; the peer has our size."""

import math

import pytest
import torch
from torch import nn

from gmlib.bench import diffusion as bench
from gmlib.diffusion import VELOCITY, Diffusion, cosine


def small(monkeypatch):
    changes = dict(WIDTHS=(8,), CONDITION={8: 8, 32: 8}, BATCHES={8: 2, 32: 1}, BATCH=16, EPOCHS=2, SAMPLES=3, STEPS=2, SECONDS=(0.01, 0.02))
    for name, value in changes.items():
        monkeypatch.setattr(bench, name, value)


def test_our_side_runs_alone(monkeypatch):
    small(monkeypatch)
    monkeypatch.setattr(bench, "peer", lambda *_: False)
    tables = [contest.run(1) for contest in bench.contests()]
    assert [table["title"].split(",")[0] for table in tables] == ["2 training steps", "1 training steps", "3 images", "error of v"]
    assert all(list(table["rows"]) == ["gmlib", "gmlib, bfloat16"] for table in tables[:2])
    assert all(row[f"× {bench.SIDE}"] is None for table in tables[:3] for row in table["rows"].values())
    assert len(tables[2]["rows"]) == 4 and math.isfinite(tables[3]["rows"]["gmlib"]["after 0.02 s"]["mean"])


def test_who_takes_part(monkeypatch):
    small(monkeypatch)
    monkeypatch.setattr(bench, "peer", lambda *_: True)
    first, second, sampling, equal = bench.contests()
    both = ["gmlib", bench.SIDE, "gmlib, bfloat16", f"{bench.SIDE}, bfloat16"]
    assert [list(each.entrants) for each in (first, second, sampling)] == 3 * [both] and list(equal.entrants) == both[:2]


def test_images_are_held_out_and_enlarged_by_squares():
    x, held_out = bench.images(8)
    large, _ = bench.images(32)
    assert x.shape == (1297, 64) and held_out.shape == (250, 64) and large.shape == (1297, 1024)
    assert x.min() == -1 and x.max() == 1
    torch.testing.assert_close(large.reshape(-1, 32, 32)[:, 1::4, 2::4].flatten(1), x, rtol=0, atol=0)
    torch.testing.assert_close(large.reshape(-1, 8, 4, 8, 4).var((2, 4)), torch.zeros(1297, 8, 8), rtol=0, atol=1e-12)


class Known(nn.Module):
    """Predicts v = c x_t."""

    def forward(self, x, t, y):
        return 0.5 * x


def test_error_is_that_of_v():
    """Of v_hat = x_t / 2 on images that are 0.3 everywhere: v - x_t / 2 has mean -(sigma + alpha / 2) 0.3 and spread alpha - sigma / 2.

    The means over t of both are sums; 640,000 draws leave 0.003."""
    model = Diffusion(Known(), cosine(bench.T), (64,), VELOCITY)
    a = cosine(bench.T).alpha_bar[1:]
    alpha, sigma = a.sqrt(), (1 - a).sqrt()
    exact = (0.09 * (sigma + alpha / 2) ** 2 + (alpha - sigma / 2) ** 2).mean().item()
    x0 = torch.full((1000, 64), 0.3)
    assert bench.error(x0, model) == pytest.approx(exact, abs=0.01) == bench.error(x0, model)


def test_training_lowers_the_error_and_the_same_seed_gives_the_same(monkeypatch):
    small(monkeypatch)
    monkeypatch.setattr(bench, "BATCH", 64)
    x, held_out = bench.images(8)
    x = x[:640]
    runs = [[bench.error(held_out, model) for model in bench.by_epoch(bench.ours, bench.simple_loss, x, half, seed)]
            for half, seed in ((False, 4), (False, 4), (False, 5), (True, 4))]  # fmt: skip
    assert runs[0] == runs[1] != runs[2] and len(runs[0]) == 2
    torch.manual_seed(4)
    start = bench.error(held_out, bench.ours(8))
    assert all(run[-1] < start - 0.02 for run in runs) and runs[3] == pytest.approx(runs[0], abs=0.02)
    again = bench.endless(bench.ours, bench.simple_loss, x, 4)
    first = next(again)
    assert [next(again) is first for _ in range(2)] == [True, True]


def test_a_number_out_of_range_or_lost_is_counted():
    assert bench.numbers(torch.tensor([[0.3, -1.0], [1.0, 0.0]])) == 4
    assert bench.numbers(torch.tensor([[0.3, -1.1]])) == 1 and bench.numbers(torch.tensor([[0.3, math.nan]])) == -1


@pytest.mark.parametrize("side", [8, 32])
def test_the_peer_has_our_size_and_learns_the_same(side):
    pytest.importorskip("denoising_diffusion_pytorch")
    models = bench.ours(side), bench.theirs(side)
    sizes = [sum(p.numel() for p in model.parameters()) for model in models]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.002)
    torch.testing.assert_close(models[0].schedule.alpha_bar[1:].float(), models[1].alphas_cumprod, rtol=1e-5, atol=1e-9)
    x = bench.images(side)[1][:2]
    for model in models:
        assert bench.velocity(model, x, torch.tensor([1, 200])).shape == x.shape
        assert 0.3 < bench.error(x, model) < 3
    assert (models[1].loss_weight == 1).all() and bench.their_loss(models[1], x, None)[0].shape == ()
