"""The model with networks: what a capability promises, times and classes, training, and the likelihood of its flow."""

import pytest
import torch
from torch import nn

from gmlib import core, diffusion
from gmlib.diffusion import DATA, NOISE, VELOCITY, Diffusion, TimeMLP, UNet, class_loss, labelled, noised, simple_loss, time_features
from gmlib.train import train
from tests.diffusion.conftest import F64


def network(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = TimeMLP(2, hidden=16, layers=2, **options).to(F64)
        for p in net.parameters():
            p.data.add_(0.2 * torch.randn_like(p))
    return net


def test_capabilities(schedule):
    model = Diffusion(network(), schedule, (2,))
    assert isinstance(model, core.HasElbo | core.CanSample | core.CanEstimateLogProb)
    assert not hasattr(model, "log_prob")  # only a bound is known


class Exact(nn.Module):
    """A network that knows the mixture, and says what each parameterisation asks of it."""

    def __init__(self, mixture, schedule, kind):
        super().__init__()
        self.mixture, self.schedule, self.kind = mixture, schedule, kind
        self.w = nn.Parameter(torch.zeros(1, dtype=F64))

    def forward(self, x, t, y=None):
        log_rho = torch.as_tensor(self.schedule.log_rho)
        steps = (t * self.schedule.T).clamp(1, self.schedule.T)
        low = steps.floor().long().clamp(max=self.schedule.T - 1)
        at = torch.lerp(log_rho[low], log_rho[low + 1], steps - low)
        a = 1 / (1 + (2 * at).exp())
        x0 = self.mixture.denoise(x, a)
        return self.kind.target(x0, diffusion.noise_from_x0(x0, x, a), a)


@pytest.mark.equation("eq-diffusion-score-noise", "eq-diffusion-tweedie")
@pytest.mark.parametrize("kind", [NOISE, DATA, VELOCITY])
def test_score_and_denoiser_of_an_exact_network(plane, kind):
    schedule = diffusion.cosine(50)
    model = Diffusion(Exact(plane, schedule, kind), schedule, (2,), kind)
    x, t = torch.randn(3, 2, dtype=F64, generator=torch.Generator().manual_seed(1)), torch.tensor([3, 20, 41])
    a = schedule.alpha_bar[t]
    torch.testing.assert_close(model.denoise(x, t).detach(), plane.denoise(x, a), rtol=0, atol=1e-9)
    torch.testing.assert_close(model.score(x, t).detach(), plane.score(x, a), rtol=0, atol=1e-9)


def test_clip_keeps_x0_in_its_range_on_both_sides(plane, schedule):
    x, t = 9 * torch.randn(40, 2, dtype=F64, generator=torch.Generator().manual_seed(1)), 2
    free, bound = (Diffusion(Exact(plane, schedule, VELOCITY), schedule, (2,), clip=c).denoise(x, t).detach() for c in (None, 0.7))
    assert free.max() > 0.7 and free.min() < -0.7
    torch.testing.assert_close(bound, free.clamp(-0.7, 0.7), rtol=0, atol=1e-12)


@pytest.mark.equation("eq-diffusion-flow-likelihood")
def test_likelihood_of_an_exact_network(plane):
    """Between whole times too: the schedule's own clock is passed on to the network."""
    schedule = diffusion.cosine(100)
    model = Diffusion(Exact(plane, schedule, VELOCITY), schedule, (2,))
    x = torch.randn(4, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    estimate = model.estimate_log_prob(x, steps=60)
    assert estimate.kind == "exact" and not estimate.value.requires_grad
    torch.testing.assert_close(estimate.value, plane.log_prob(x, schedule.alpha_bar[1].item()), rtol=0, atol=2e-3)


@pytest.mark.equation("eq-diffusion-simple")
@pytest.mark.parametrize("kind", [NOISE, DATA, VELOCITY])
def test_simple_loss_is_the_mean_over_times(kind, schedule, generator):
    """Against the average over all t of the squared error, each with noise of its own."""
    model, x0 = Diffusion(network(), schedule, (2,), kind), torch.tensor([[0.7, -1.2]], dtype=F64)
    many = x0.expand(20_000, 2)
    losses = model.loss(many, generator=generator).detach()
    expected = 0.0
    for t in range(1, 8):
        eps = torch.randn(20_000, 2, generator=generator, dtype=F64)
        a = schedule.alpha_bar[t]
        said = model.net(noised(many, eps, a), torch.full((20_000,), t / 7, dtype=F64)).detach()
        expected += (said - kind.target(many, eps, a)).square().mean(1).mean() / 7
    assert losses.shape == (20_000,)
    assert losses.mean().item() == pytest.approx(expected.item(), abs=6 * losses.std().item() / 20_000**0.5)


class Flattened(nn.Module):
    """A network for vectors, on examples of another shape."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, t, y=None):
        return self.net(x.flatten(1), t, y).reshape(x.shape)


@pytest.mark.parametrize("levels", [None, 5])
def test_the_shape_of_an_example_changes_no_number(schedule, levels):
    net = TimeMLP(6, hidden=8, layers=1).to(F64)
    flat = Diffusion(net, schedule, (6,), levels=levels)
    shaped = Diffusion(Flattened(net), schedule, (2, 3), levels=levels)
    x = torch.randint(5, (4, 6), generator=torch.Generator().manual_seed(1)).to(F64) / 2 - 1
    calls = {
        "loss": lambda model, x, g: model.loss(x, generator=g),
        "elbo": lambda model, x, g: model.elbo(x, 2, g),
        "elbo_terms": lambda model, x, g: model.elbo_terms(x, g),
        "mse": lambda model, x, g: model.mse(x, g),
        "score": lambda model, x, g: model.score(x, torch.tensor([1, 3, 4, 7])).flatten(1),
        "sample": lambda model, x, g: model.sample((2, 2), g, steps=3).flatten(2),
    }
    for name, call in calls.items():
        one = call(flat, x, torch.Generator().manual_seed(2))
        other = call(shaped, x.reshape(4, 2, 3), torch.Generator().manual_seed(2))
        torch.testing.assert_close(other, one, rtol=0, atol=1e-12, msg=lambda m, name=name: f"{name}: {m}")


def test_times_are_spread_over_the_batch(schedule, generator):
    """14 examples and 7 times: each time twice, whatever is drawn."""
    class Spy(nn.Module):
        def forward(self, x, t, y=None):
            self.t = t
            return x

    model = Diffusion(Spy(), schedule, (1,))
    model.loss(torch.zeros(14, 1, dtype=F64), generator=generator)
    assert (model.net.t * 7).round().long().bincount().tolist() == [0, 2, 2, 2, 2, 2, 2, 2]


def test_classes_and_none(schedule, generator):
    net = network(classes=3)
    x, t = torch.randn(3, 2, dtype=F64), torch.tensor([0.2, 0.5, 0.9], dtype=F64)
    with_y = net(x, t, torch.tensor([0, 1, 2]))
    assert (with_y - net(x, t)).abs().min() > 1e-6
    assert torch.equal(net(x, t), net(x, t, torch.tensor([3, 3, 3])))
    model = Diffusion(net, schedule, (2,))
    batch = labelled(torch.randn(4000, 2, dtype=F64), torch.ones(4000))
    mean = [class_loss(model, batch, torch.Generator().manual_seed(1), drop)[0].item() for drop in (0.0, 1.0)]
    assert mean[0] != mean[1]
    for drop, y in ((0.0, 1), (1.0, 3)):
        g = torch.Generator().manual_seed(1)
        torch.rand(4000, generator=g)
        assert class_loss(model, batch, torch.Generator().manual_seed(1), drop)[0].item() == pytest.approx(
            model.loss(batch[:, :-1], torch.full((4000,), y), g).mean().item(), abs=1e-12
        )
    with pytest.raises(ValueError, match="without classes"):
        network()(x, t, torch.tensor([0, 1, 2]))


def test_time_features():
    t = torch.tensor([0.0, 0.25], dtype=F64)
    f = time_features(t, pairs=3, highest=100)
    expected = torch.stack([fn(w * t) for fn in (torch.sin, torch.cos) for w in (1, 10, 100)], 1)
    torch.testing.assert_close(f, expected, rtol=0, atol=1e-12)


def test_unet(generator):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = UNet(16, (8, 16, 24), classes=10)
        for p in net.parameters():
            p.data.add_(0.05 * torch.randn_like(p))
    x, t, y = torch.randn(3, 256, generator=generator), torch.rand(3, generator=generator), torch.tensor([1, 5, 9])
    out = net(x, t, y)
    assert out.shape == (3, 256)
    for i in range(3):  # no example sees another
        torch.testing.assert_close(net(x[i : i + 1], t[i : i + 1], y[i : i + 1])[0], out[i], rtol=0, atol=1e-4)
    changed = [(net(x, t + 0.1, y) - out), (net(x, t, y.flip(0)) - out)[[0, 2]], net(torch.cat([x[:, :-1], 1 + x[:, -1:]], 1), t, y) - out]
    assert all(d.abs().max() > 1e-4 for d in changed)
    J = torch.autograd.functional.jacobian(lambda v: net(v[None], t[:1], y[:1])[0], x[0])
    assert (J.abs().sum(0) > 0).all()  # every pixel is heard


def test_fresh_blocks_add_nothing():
    block = diffusion.nets.Block(8, 4)
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(block(x, torch.randn(2, 4)), x)


def test_training_and_samples(line):
    """A small network, soon trained: the mixture's mean, roughly, and each class in its place."""
    g = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = TimeMLP(1, hidden=32, layers=2, classes=2)
    x = line.mixture.sample((2048,), g).float()
    y = (x[:, 0] > -0.3).long()
    model = Diffusion(net, diffusion.cosine(50), (1,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, fused=True)
    for step in train(model, class_loss, labelled(x, y), epochs=40, batch_size=256, optimizer=optimizer, generator=g):
        pass
    assert step.loss < 0.6
    out = model.sample((2, 1000), g, y=torch.tensor([0, 1])[:, None].expand(2, 1000), steps=25)
    assert out.shape == (2, 1000, 1)
    assert out[0].mean().item() == pytest.approx(-1.3, abs=0.15) and out[1].mean().item() == pytest.approx(0.9, abs=0.15)
    free = model.sample((2000,), g)
    assert free.mean().item() == pytest.approx(0.13, abs=0.25)
    loss, terms = simple_loss(model, x[:9], g)
    assert loss.ndim == 0 and terms == {}


def test_mse_of_the_best_denoiser(plane, generator):
    schedule = diffusion.cosine(10)
    model = Diffusion(Exact(plane, schedule, VELOCITY), schedule, (2,))
    x0 = plane.mixture.sample((4000,), generator)
    mse = model.mse(x0, generator)
    for t in (2, 7):
        a = schedule.alpha_bar[t].item()
        x = noised(x0, torch.randn(x0.shape, generator=generator, dtype=F64), a)
        assert mse[t].item() == pytest.approx((x0 - plane.denoise(x, a)).square().mean().item(), rel=0.08)
    assert mse[0] == 0


CASES = {
    "side must be a multiple of 4, got 6": lambda: UNet(6, (8, 16, 24)),
    "widths must be multiples of 8, got (12, 16)": lambda: UNet(8, (12, 16)),
    "D must be a whole number of at least 1, got 0": lambda: TimeMLP(0),
    "pairs must be a whole number of at least 1, got 0": lambda: time_features(torch.zeros(2), 0),
    "size must be a whole number of at least 1, got 0": lambda: diffusion.nets.Condition(0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
