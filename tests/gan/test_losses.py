"""Losses against PyTorch's cross-entropies and their slopes against autograd; what reaches the generator's weights; bad input."""

import math
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.distributions import Normal
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from gmlib import core, gan
from gmlib.nn import mlp, stacked_mlp

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
REAL = torch.tensor([1.3, -0.4, 2.1], dtype=F64)
FAKE = torch.tensor([-0.7, 0.9, -1.6, 0.2], dtype=F64)


@pytest.fixture
def logits(generator):
    return [3 * torch.randn(5, n, generator=generator, dtype=F64) for n in (40, 70)]


@pytest.mark.equation("eq-gan-logits")
def test_discriminator_loss_is_two_cross_entropies(logits):
    """One for each kind of example, each with weight one whatever the numbers of examples; a value for each copy."""
    real, fake = logits
    by_torch = [cross_entropy(r, torch.ones_like(r)) + cross_entropy(f, torch.zeros_like(f)) for r, f in zip(real, fake)]
    torch.testing.assert_close(gan.discriminator_loss(real, fake), torch.stack(by_torch), **close)
    by_hand = -(math.log(1 / (1 + math.exp(-0.3))) + math.log(1 - 1 / (1 + math.exp(1.9))))
    two = torch.tensor([[0.3], [-1.9]], dtype=F64)
    assert gan.discriminator_loss(*two).item() == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.equation("eq-gan-value", "eq-gan-logits")
def test_discriminator_loss_is_minus_the_value():
    """On laws whose probabilities are shares of the examples."""
    p_data, p_theta = torch.tensor([[2, 1, 5], [3, 4, 1]], dtype=F64) / 8
    o = torch.tensor([0.4, -1.2, 2.3], dtype=F64)
    real, fake = (o.repeat_interleave((8 * p).long()) for p in (p_data, p_theta))
    torch.testing.assert_close(gan.discriminator_loss(real, fake), -gan.value(o.sigmoid(), p_data, p_theta), **close)


def test_exact_values():
    assert gan.discriminator_loss(REAL, FAKE).item() == pytest.approx(1.079776, abs=5e-7)
    assert gan.nonsaturating_loss(FAKE).item() == pytest.approx(0.956595, abs=5e-7)
    assert gan.saturating_loss(FAKE).item() == pytest.approx(-0.656595, abs=5e-7)


@pytest.mark.equation("eq-gan-saturating", "eq-gan-nonsaturating")
def test_generator_losses_are_means_of_logarithms(logits):
    fake = logits[1]
    D = 1 / (1 + torch.exp(-fake))
    torch.testing.assert_close(gan.saturating_loss(fake), torch.log1p(-D).mean(-1), **close)
    torch.testing.assert_close(gan.nonsaturating_loss(fake), -torch.log(D).mean(-1), **close)
    of_other = torch.stack([cross_entropy(f, torch.ones_like(f)) for f in fake])  # the labels flipped
    torch.testing.assert_close(gan.nonsaturating_loss(fake), of_other, **close)


@pytest.mark.equation("eq-gan-slopes")
def test_slopes_by_the_logit():
    o = torch.linspace(-30, 30, 61, dtype=F64).requires_grad_()
    for loss, slope in ((gan.saturating_loss, lambda D: -D), (gan.nonsaturating_loss, lambda D: D - 1)):
        (by_autograd,) = torch.autograd.grad(loss(o[:, None]).sum(), o)
        D = 1 / (1 + torch.exp(-o.detach()))
        torch.testing.assert_close(by_autograd, slope(D), **close)
        moved = [loss(torch.tensor([1.7 + h], dtype=F64)) for h in (-1e-5, 1e-5)]
        difference = (moved[1] - moved[0]) / 2e-5
        assert difference.item() == pytest.approx(slope(1 / (1 + math.exp(-1.7))), abs=1e-9)


def test_the_ends():
    """Where D is near 0 the saturating loss is near 0 and flat, where D is near 1 the other; nothing overflows."""
    tiny = 1e-30
    for dtype in (torch.float32, F64):
        low, high = torch.tensor([-200.0], dtype=dtype), torch.tensor([200.0], dtype=dtype)
        assert abs(gan.saturating_loss(low)) < tiny and gan.saturating_loss(high) == -200
        assert gan.nonsaturating_loss(low) == 200 and abs(gan.nonsaturating_loss(high)) < tiny
        assert gan.discriminator_loss(low, high) == 400 and abs(gan.discriminator_loss(high, low)) < tiny


def players(generator):
    G = gan.Generator(mlp(3, 7, 2), latent=3).double()
    D = gan.Discriminator(mlp(2, 9, 1)).double()
    for p in [*G.parameters(), *D.parameters()]:
        p.data = torch.randn(p.shape, generator=generator, dtype=F64)
    return G, D


def flat(gradients):
    return torch.cat([g.reshape(-1) for g in gradients])


@pytest.mark.equation("eq-gan-generator-gradient")
@pytest.mark.parametrize("loss, slope", [(gan.saturating_loss, lambda D: -D), (gan.nonsaturating_loss, lambda D: D - 1)])
def test_generators_gradient_is_the_chain_rule(generator, loss, slope):
    """With the Jacobian of G taken column by column and the direction of D by finite differences."""
    G, D = players(generator)
    z = G.noise(6, generator)
    by_autograd = flat(torch.autograd.grad(loss(D(G(z))), list(G.parameters())))
    total = torch.zeros_like(by_autograd)
    for one in z:
        x = G(one[None])[0].detach()
        step = 1e-5 * torch.eye(2, dtype=F64)
        with torch.no_grad():
            direction = (D(x + step) - D(x - step)) / 2e-5
            push = slope(D(x[None]).sigmoid()) * direction
        for k in range(2):
            total += push[k] * flat(torch.autograd.grad(G(one[None])[0, k], list(G.parameters())))
    torch.testing.assert_close(by_autograd, total / 6, rtol=0, atol=1e-7)


def test_real_examples_do_not_reach_the_generator_but_through_the_discriminator(generator):
    G, D = players(generator)
    z, one, other = (torch.randn(20, k, generator=generator, dtype=F64) for k in (3, 2, 2))

    def of_value(D, real):
        return flat(torch.autograd.grad(-gan.discriminator_loss(D(real), D(G(z))), list(G.parameters())))

    assert torch.equal(of_value(D, one), of_value(D, other + 3))
    taught = []
    for real in (one, other + 3):
        taught.append(deepcopy(D))
        step = torch.optim.SGD(taught[-1].parameters(), lr=0.1)
        gan.discriminator_loss(taught[-1](real), taught[-1](G(z).detach())).backward()
        step.step()
    assert (of_value(taught[0], one) - of_value(taught[1], one)).norm() > 1e-3


# the generator and the discriminator


@pytest.mark.equation("eq-gan-generator")
def test_draws_have_the_law_of_the_pushforward(generator):
    """G folds the line at 0: the distribution function is a difference of two normal ones."""
    net = mlp(1, 2, 1, activation=nn.ReLU).double()
    for p, value in zip(net.parameters(), ([[1.0], [-1.0]], [0.0, 0.0], [[0.8, 1.7]], [0.3])):
        p.data = torch.tensor(value, dtype=F64)
    G = gan.Generator(net, latent=1)
    n = 100_000
    x = G.sample((n,), generator)
    assert x.shape == (n, 1) and x.dtype == F64 and not x.requires_grad
    cdf = Normal(torch.tensor(0.0, dtype=F64), 1.0).cdf
    for t in (0.5, 1.2, 3.1):
        expected = cdf(torch.tensor((t - 0.3) / 0.8)) - cdf(torch.tensor(-(t - 0.3) / 1.7))
        error = (expected * (1 - expected) / n).sqrt()
        assert abs((x <= t).double().mean() - expected) < 5 * error  # one false alarm in a million
    # E[h(x)] under the law of x is E[h(G(z))]: the same noise, by hand
    again = torch.Generator().manual_seed(7)
    z = G.noise(1000, torch.Generator().manual_seed(7))
    assert torch.equal(G.sample((1000,), again), G(z).detach())
    assert abs(z.mean()) < 0.2 and abs(z.std() - 1) < 0.1


def test_a_generator_claims_no_density(generator):
    G = gan.Generator(mlp(2, 4, 3), latent=2)
    with pytest.raises(AttributeError, match="log_prob"):
        G.log_prob(torch.zeros(3))
    assert isinstance(G, core.CanSample) and not isinstance(G, (core.HasLogProb, core.HasElbo, core.HasScore))


def test_draws_come_from_the_generator_argument_alone():
    G = gan.Generator(mlp(2, 4, 3), latent=2)
    before = torch.get_rng_state()
    draws = [G.sample((6,), torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("copies", [None, 4])
def test_shapes_and_copies(copies, generator):
    net = mlp(2, 5, 3) if copies is None else stacked_mlp(copies, 2, 5, 3)
    G = gan.Generator(net, latent=2, copies=copies)
    first = () if copies is None else (copies,)
    for shape in ((), (6,), (2, 3)):
        assert G.sample(shape, generator).shape == (*first, *shape, 3)
    if copies:  # each copy has noise of its own, and its own net
        z = G.noise(6, generator)
        assert z.shape == (4, 6, 2) and not torch.equal(z[0], z[1])
        same = z[:1].expand(4, 6, 2)
        assert not torch.equal(G(same)[0], G(same)[1])
        by_hand = torch.tanh(same[2] @ net[0].weight[2] + net[0].bias[2]) @ net[2].weight[2] + net[2].bias[2]
        torch.testing.assert_close(G(same)[2], by_hand)


def test_a_discriminator_gives_one_number_for_each_example(generator):
    net = mlp(3, 5, 1)
    x = torch.randn(2, 7, 3, generator=generator)
    torch.testing.assert_close(gan.Discriminator(net)(x), net(x)[..., 0])


row, no_axis, copies = torch.zeros(3), torch.tensor(0.0), torch.zeros(2, 3)
CASES = {
    "real and fake must have the same copies, got (2, 3) and (3,)": lambda: gan.discriminator_loss(copies, row),
    "smooth must be in (1/2, 1], got 0.5": lambda: gan.discriminator_loss(row, row, smooth=0.5),
    "smooth must be in (1/2, 1], got 1.1": lambda: gan.discriminator_loss(row, row, smooth=1.1),
    "real must have shape (..., n), got ()": lambda: gan.discriminator_loss(no_axis, row),
    "fake must be a floating-point tensor, got 3": lambda: gan.discriminator_loss(row, 3),
    "fake must have shape (..., n), got ()": lambda: gan.saturating_loss(no_axis),
    "fake is empty: its shape is (2, 0)": lambda: gan.nonsaturating_loss(torch.zeros(2, 0)),
    "real and fake must have the same copies, got (3,) and (2, 3)": lambda: gan.hinge_loss(row, copies),
    "real is empty: its shape is (0,)": lambda: gan.critic_loss(torch.zeros(0), row),
    "fake must be a floating-point tensor, got a tensor of dtype torch.int64": lambda: gan.critic_generator_loss(row.long()),
    "latent must be a whole number of at least 1, got 0": lambda: gan.Generator(mlp(1, 1), latent=0),
    "copies must be a whole number of at least 1, got 0": lambda: gan.Generator(mlp(1, 1), latent=1, copies=0),
    "n must be a whole number of at least 1, got 2.5": lambda: gan.Generator(mlp(1, 1), latent=1).noise(2.5),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
