"""The loop that trains every GAN: what it resumes, whom it moves, and what each copy sees."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from gmlib import checkpoint, gan
from gmlib.nn import mlp, stacked_mlp
from gmlib.train import Step, ema

DATA = torch.randn(50, 2, generator=torch.Generator().manual_seed(3)) * 0.4 + 1.5
NONSATURATING = {"d_loss": gan.discriminator_loss, "g_loss": gan.nonsaturating_loss}
CRITIC = {"d_loss": gan.critic_loss, "g_loss": gan.critic_generator_loss}


def build(seed=0, copies=None, adam=True):
    torch.manual_seed(seed)
    net = mlp if copies is None else partial(stacked_mlp, copies)
    G = gan.Generator(net(2, 8, 2, activation=nn.ReLU), 2, copies)
    D = gan.Discriminator(net(2, 8, 1, activation=nn.ReLU))
    make = partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.9)) if adam else partial(torch.optim.SGD, lr=1e-2)
    return {"G": G, "D": D, "d_optimizer": make(D.parameters()), "g_optimizer": make(G.parameters()),
            "generator": torch.Generator().manual_seed(seed)}  # fmt: skip


def rounds(parts, steps=12, data=DATA, **options):
    return gan.train_adversarially(data=data, steps=steps, **({"batch_size": 8} | NONSATURATING | parts | options))


def weights(player):
    return torch.cat([p.detach().flatten() for p in player.parameters()])


def penalty(D, real, fake, generator):
    return 0.3 * gan.gradient_penalty(D, real, fake, real.ndim - 1, generator)


def test_average_of_the_generators_weights(tmp_path):
    """Beside the loop, by the recursion written out; and it is resumed like any other part."""
    parts = build()
    average, by_hand = ema(parts["G"], decay=0.7), None
    for step in rounds(parts):
        average.update_parameters(parts["G"])
        now = weights(parts["G"])
        by_hand = now if by_hand is None else 0.7 * by_hand + 0.3 * now
        if step.step == 7:
            checkpoint.save(tmp_path / "run", step, average=average, **parts)
    torch.testing.assert_close(weights(average.module), by_hand)
    assert (weights(average.module) - weights(parts["G"])).abs().max() > 1e-3
    assert average.module.sample((5,)).shape == (5, 2)
    again = build(seed=4)
    other = ema(again["G"], decay=0.7)
    for _ in rounds(again, resume=checkpoint.load(tmp_path / "run", average=other, **again)):
        other.update_parameters(again["G"])
    assert torch.equal(weights(other.module), weights(average.module))


@pytest.mark.parametrize("copies", [None, 3])
@pytest.mark.parametrize("options", [{}, {"penalty": penalty, "d_steps": 2, "g_steps": 3} | CRITIC], ids=["plain", "critic"])
def test_resumed_equals_uninterrupted(tmp_path, copies, options):
    """Bit for bit, in the file too, from other weights and another seed."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    parts = build(copies=copies)
    *_, last = rounds(parts, **options)
    checkpoint.save(whole, last, **parts)

    parts = build(copies=copies)
    for step in rounds(parts, **options):
        if step.step == 5:
            checkpoint.save(broken, step, **parts)
            break
    parts = build(seed=9, copies=copies)
    *rest, last = rounds(parts, resume=checkpoint.load(broken, **parts), **options)
    assert [step.step for step in [*rest, last]] == list(range(6, 13))
    checkpoint.save(broken, last, **parts)
    assert broken.read_bytes() == whole.read_bytes()


def test_resuming_a_spectral_norm_brings_its_vectors_back(tmp_path):
    path, finals = tmp_path / "run", []
    for stop in (None, 5):
        parts = build()
        gan.spectral_normalise(parts["D"], 2.0)
        parts["d_optimizer"] = torch.optim.Adam(parts["D"].parameters(), lr=1e-2)
        for step in rounds(parts):
            if step.step == stop:
                checkpoint.save(path, step, **parts)
                break
        if stop:
            parts = build(seed=4)
            gan.spectral_normalise(parts["D"], 2.0)
            parts["d_optimizer"] = torch.optim.Adam(parts["D"].parameters(), lr=1e-2)
            for _ in rounds(parts, resume=checkpoint.load(path, **parts)):
                pass
        finals.append(weights(parts["D"]))
    assert torch.equal(*finals)


def by_hand(parts, d_steps, g_steps, steps, data, batch, lr):
    """The same rounds written out with ``autograd.grad`` and plain gradient descent."""
    G, D, g = parts["G"], parts["D"], parts["generator"]

    def descend(player, loss):
        for p, slope in zip(player.parameters(), torch.autograd.grad(loss, list(player.parameters())), strict=True):
            p.data -= lr * slope

    for _ in range(steps):
        for _ in range(d_steps):
            real = data[torch.randint(len(data), (batch,), generator=g)]
            fake = G(torch.randn(batch, 2, generator=g)).detach()
            d = -(D(real).sigmoid().log().mean() + (1 - D(fake).sigmoid()).log().mean())
            descend(D, d)
        for _ in range(g_steps):
            of_g = -D(G(torch.randn(batch, 2, generator=g))).sigmoid().log().mean()
            descend(G, of_g)
    return d.item(), of_g.item()


@pytest.mark.parametrize("d_steps, g_steps", [(1, 1), (3, 1), (1, 2), (2, 3)])
def test_rounds_written_out(d_steps, g_steps):
    ours, theirs = build(adam=False), build(adam=False)
    *_, last = rounds(ours, steps=6, d_steps=d_steps, g_steps=g_steps)
    d, of_g = by_hand(theirs, d_steps, g_steps, 6, DATA, 8, 1e-2)
    assert (last.loss.item(), last.terms["generator"].item()) == pytest.approx((d, of_g), abs=1e-6)
    for player in ("G", "D"):
        torch.testing.assert_close(weights(ours[player]), weights(theirs[player]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.RMSprop])
def test_copies_train_as_each_would_alone(optimizer):
    """In float64, one copy at a time: fed with the data and the noise that it sees among the others."""
    copies, parts = 3, build(copies=3)
    parts["G"].double(), parts["D"].double()
    first = {name: [p.detach().clone() for p in parts[name].parameters()] for name in ("G", "D")}
    parts |= {"d_optimizer": optimizer(parts["D"].parameters(), lr=1e-2), "g_optimizer": optimizer(parts["G"].parameters(), lr=1e-2)}
    data, lam = DATA.double(), 0.7
    r1 = lambda D, real, fake, generator: lam / 2 * gan.r1_penalty(D, real)  # noqa: E731
    *_, last = rounds(parts, data=data, steps=5, penalty=r1)
    assert last.loss.shape == last.terms["generator"].shape == last.terms["penalty"].shape == (copies,)

    for c in range(copies):
        alone, g = build(), torch.Generator().manual_seed(0)
        for name in ("G", "D"):
            alone[name].double()
            for p, stacked in zip(alone[name].parameters(), first[name], strict=True):
                p.data = (stacked[c].T if p.ndim == 2 else stacked[c, 0]).clone()
        G, D = alone["G"], alone["D"]
        d_adam, g_adam = (optimizer(player.parameters(), lr=1e-2) for player in (D, G))
        for _ in range(5):
            real = data[torch.randint(len(data), (copies, 8), generator=g)][c]
            fake = G(torch.randn(copies, 8, 2, generator=g, dtype=torch.float64)[c]).detach()
            loss = gan.discriminator_loss(D(real), D(fake))
            extra = lam / 2 * gan.r1_penalty(D, real)
            d_adam.zero_grad()
            (loss + extra).backward()
            d_adam.step()
            of_fake = gan.nonsaturating_loss(D(G(torch.randn(copies, 8, 2, generator=g, dtype=torch.float64)[c])))
            g_adam.zero_grad()
            of_fake.backward()
            g_adam.step()
        found = torch.stack([last.loss[c], last.terms["penalty"][c], last.terms["generator"][c]])
        torch.testing.assert_close(found, torch.stack([loss, extra, of_fake]).detach(), rtol=0, atol=1e-9)


def test_no_player_gets_the_gradients_of_the_other():
    parts, seen = build(), {}

    def grads(player):
        return [None if p.grad is None else p.grad.clone() for p in parts[player].parameters()]

    def d_loss(real, fake):
        seen["G", "before D moves"] = grads("G")
        return gan.discriminator_loss(real, fake)

    def g_loss(fake):
        seen["G", "after"], seen["D", "before G moves"] = grads("G"), grads("D")
        return gan.nonsaturating_loss(fake)

    steps = rounds(parts, d_loss=d_loss, g_loss=g_loss)
    for i in range(3):
        next(steps)
        assert all(torch.equal(a, b) for a, b in zip(seen["D", "before G moves"], grads("D"), strict=True))
        pairs = zip(seen["G", "before D moves"], seen["G", "after"], strict=True)
        assert all(a is b is None if i == 0 else torch.equal(a, b) for a, b in pairs)


def test_a_player_whose_rate_is_zero_stays():
    for still, moves in (("G", "D"), ("D", "G")):
        parts = build()
        parts[f"{still.lower()}_optimizer"] = torch.optim.SGD(parts[still].parameters(), lr=0.0)
        before = {name: weights(parts[name]) for name in ("G", "D")}
        for _ in rounds(parts, steps=3):
            pass
        assert torch.equal(weights(parts[still]), before[still]) and not torch.equal(weights(parts[moves]), before[moves])


def test_constrain_is_called_after_each_step_of_d():
    parts, calls = build(), []

    def constrain(D):
        calls.append(weights(D).abs().max().item())
        gan.clip_weights(D, 0.03)

    steps = rounds(parts, d_steps=4, constrain=constrain, steps=3, **CRITIC)
    for i, _ in enumerate(steps, 1):
        assert len(calls) == 4 * i
        assert weights(parts["D"]).abs().max() <= 0.03
    assert all(0.03 < c < 0.05 for c in calls[4:])  # Adam moves by about 0.01, then it is cut
    assert len(calls) == 12


def test_penalty_is_reported_apart_and_sees_no_graph_of_g():
    def constant(D, real, fake, generator):
        assert not fake.requires_grad and real.shape == fake.shape == (8, 2)
        return torch.tensor(5.0)

    with_it, without = rounds(build(), penalty=constant), rounds(build())
    for a, b in zip(with_it, without, strict=True):
        assert torch.equal(a.loss, b.loss) and a.terms["penalty"] == 5 and b.terms["penalty"] == 0
        assert not a.loss.requires_grad and not a.terms["generator"].requires_grad


def test_players_are_put_into_training_mode():
    parts = build()
    parts["G"].eval(), parts["D"].eval()
    next(rounds(parts))
    assert parts["G"].training and parts["D"].training


def test_batches_are_drawn_with_replacement_from_all_the_data():
    seen = []

    def penalty(D, real, fake, generator):
        seen.append(real)
        return torch.tensor(0.0)

    data = torch.arange(6.0)[:, None].expand(6, 2).contiguous()
    for _ in rounds(build(), steps=40, data=data, batch_size=50, penalty=penalty):
        pass
    counts = torch.stack(seen)[..., 0].flatten().long().bincount(minlength=6)
    expected = 40 * 50 / 6
    assert (counts - expected).abs().max() < 5.5 * math.sqrt(expected * 5 / 6)
    assert not torch.equal(seen[0], seen[1])


def test_a_loss_that_is_not_finite_stops_the_run():
    for name, loss in (("d_loss", lambda real, fake: (real.mean() + fake.mean()) * math.inf),
                       ("g_loss", lambda fake: fake.mean() * math.nan)):  # fmt: skip
        with pytest.raises(FloatingPointError, match="not finite in round 3"):
            list(rounds(build(), steps=3, **{name: loss}))
    with pytest.raises(FloatingPointError, match="not finite in round 2"):
        list(rounds(build(), steps=2, penalty=lambda *_: torch.tensor(math.inf)))
    with pytest.raises(FloatingPointError, match="not finite in round 100:"):
        list(rounds(build(), steps=130, g_loss=lambda fake: fake.mean() * math.nan))


def test_resume_of_a_finished_run_does_nothing():
    assert list(rounds(build(), steps=7, resume=Step(7, torch.tensor(0.0), {}))) == []


def call(**options):
    parts = build()
    return lambda: list(rounds(parts, **options))


CASES = {
    "data holds 1 NaN": call(data=torch.tensor([[0.0, math.nan]])),
    "data is empty": call(data=torch.zeros(0, 2)),
    "steps must be a whole number of at least 1, got 0": call(steps=0),
    "batch_size must be a whole number of at least 1, got 2.5": call(batch_size=2.5),
    "d_steps must be a whole number of at least 1, got 0": call(d_steps=0),
    "resume must be a step that train_adversarially yielded, got 3": call(resume=3),
    "g_steps must be a whole number of at least 1, got -1": call(g_steps=-1),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
