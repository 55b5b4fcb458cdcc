"""Interpolates, norms of gradients and penalties, one example at a time; clipping."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from gmlib import gan
from gmlib.nn import mlp, stacked_mlp

F64 = torch.float64
close = dict(rtol=0, atol=1e-9)
a, b = torch.zeros(4, 3), torch.ones(4, 2)
add_up = lambda x: x.flatten(1).sum(1)  # noqa: E731

CASES = {
    "fake must have shape (..., 4, 3), got (4, 2)": lambda: gan.interpolates(a, b),
    "batch_dims must be from 1 to 2, got 3": lambda: gan.interpolates(a, a, batch_dims=3),
    "batch_dims must be from 1 to 2, got 0": lambda: gan.interpolates(a, a, batch_dims=0),
    "batch_dims must be from 1 to 0, got 1": lambda: gan.interpolates(torch.tensor(1.0), torch.tensor(2.0)),
    "real must be a floating-point tensor, got None": lambda: gan.interpolates(None, a),
    "f must give one number for each example, got shape (4, 1) for (4, 3)": lambda: gan.gradient_norms(mlp(3, 1), a),
    "f must give one number for each example, got shape () for (4, 3)": lambda: gan.gradient_norms(torch.sum, a),
    "x must be a floating-point tensor": lambda: gan.gradient_norms(add_up, torch.zeros(2, 2, dtype=torch.long)),
    "f must give one number for each example, got shape (1,) for (4, 3)": lambda: gan.gradient_penalty(lambda x: x.sum()[None], a, a),
    "f must give one number for each example, got shape (3,) for (4, 3)": lambda: gan.r1_penalty(lambda x: x.sum(0), a),
    "c must be positive and finite, got 0.0": lambda: gan.clip_weights(mlp(2, 1), 0.0),
    "c must be positive and finite, got nan": lambda: gan.clip_weights(mlp(2, 1), math.nan),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)


def smooth(x):
    """A critic that is steep in different ways at different places."""
    flat = x.flatten(1)
    return torch.sin(1.3 * flat[:, 0]) * flat[:, 1] + 0.4 * (flat**2).sum(1)


def one_at_a_time(f, x):
    """The norm by central differences of each example alone."""
    norms = []
    for example in x:
        g = []
        for k in range(example.numel()):
            e = torch.zeros(example.numel(), dtype=F64)
            e[k] = 1e-5
            e = e.reshape(example.shape)
            g.append((f((example + e)[None]) - f((example - e)[None])).item() / 2e-5)
        norms.append(math.sqrt(sum(v * v for v in g)))
    return torch.tensor(norms, dtype=F64)


@pytest.mark.equation("eq-gan-interpolates")
@pytest.mark.parametrize("shape, batch_dims", [((7, 3), 1), ((5, 1, 4, 4), 1), ((3, 6, 2), 2), ((2, 4, 3, 5), 2)])
def test_interpolates_lie_on_their_segments(shape, batch_dims, generator):
    real, fake = torch.randn(2, *shape, generator=generator, dtype=F64)
    seed = generator.initial_seed()
    x = gan.interpolates(real, fake, batch_dims, torch.Generator().manual_seed(seed))
    u = ((x - fake) / (real - fake)).flatten(batch_dims)
    torch.testing.assert_close(u, u[..., :1].expand_as(u), rtol=0, atol=1e-8)
    drawn = torch.rand(*shape[:batch_dims], generator=torch.Generator().manual_seed(seed), dtype=F64)
    torch.testing.assert_close(u[..., 0], drawn, rtol=0, atol=1e-8)  # the weight belongs to the real example
    assert u[..., 0].flatten().diff().abs().min() > 0  # no two pairs share it


def test_weights_of_the_interpolates_are_uniform():
    g = torch.Generator().manual_seed(5)
    u = gan.interpolates(torch.ones(20_000, 1, dtype=F64), torch.zeros(20_000, 1, dtype=F64), generator=g)[:, 0]
    assert stats.kstest(u.numpy(), "uniform").pvalue > 1e-4
    assert gan.interpolates(torch.ones(2, 1), torch.zeros(2, 1)).dtype == torch.float32


@pytest.mark.parametrize("shape", [(6, 2), (4, 2, 3, 3)])
def test_norms_by_differences_of_one_example(shape, generator):
    x = torch.randn(*shape, generator=generator, dtype=F64)
    torch.testing.assert_close(gan.gradient_norms(smooth, x), one_at_a_time(smooth, x), rtol=0, atol=1e-7)
    assert not x.requires_grad


def test_norm_is_over_all_pixels():
    x = torch.rand(3, 1, 28, 28, dtype=F64)
    torch.testing.assert_close(gan.gradient_norms(add_up, x), torch.full((3,), 28.0, dtype=F64), **close)
    assert gan.gradient_penalty(add_up, x, 1 - x).item() == pytest.approx(27**2, abs=1e-9)
    assert gan.r1_penalty(add_up, x).item() == pytest.approx(784, abs=1e-9)


@pytest.mark.equation("eq-gan-penalty")
@pytest.mark.parametrize("shape", [(9, 2), (5, 3, 2, 2)])
def test_penalty_of_the_same_interpolates(shape, generator):
    real, fake = torch.randn(2, *shape, generator=generator, dtype=F64)
    found = gan.gradient_penalty(smooth, real, fake, generator=torch.Generator().manual_seed(11))
    x = gan.interpolates(real, fake, generator=torch.Generator().manual_seed(11))
    norms = one_at_a_time(smooth, x).tolist()
    assert found.item() == pytest.approx(sum((v - 1) ** 2 for v in norms) / len(norms), abs=1e-6)


def test_penalty_of_copies_is_that_of_each(generator):
    real, fake = torch.randn(2, 3, 8, 2, generator=generator)
    f = gan.Discriminator(stacked_mlp(3, 2, 5, 1))
    found = gan.gradient_penalty(f, real, fake, batch_dims=2, generator=torch.Generator().manual_seed(3))
    x = gan.interpolates(real, fake, 2, torch.Generator().manual_seed(3))
    for k in range(3):
        W1, b1, W2 = f.net[0].weight[k], f.net[0].bias[k], f.net[2].weight[k]
        slope = ((1 - torch.tanh(x[k] @ W1 + b1) ** 2) * W2[:, 0]) @ W1.T
        torch.testing.assert_close(found[k], ((slope.norm(dim=1) - 1) ** 2).mean(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gan.r1_penalty(f, real)[1], gan.gradient_norms(f, real)[1].square().mean())


def test_penalty_teaches_the_weights_and_not_the_examples(generator):
    """Its gradient by a weight, by differences of the penalty; the examples get none."""
    f = gan.Discriminator(mlp(2, 4, 1).double())
    real, fake = (torch.randn(6, 2, generator=generator, dtype=F64, requires_grad=True) for _ in range(2))
    fresh = lambda: gan.gradient_penalty(f, real, fake, generator=torch.Generator().manual_seed(1))  # noqa: E731
    fresh().backward()
    W, h = f.net[0].weight, 1e-6
    got = W.grad[2, 1].item()
    with torch.no_grad():
        W[2, 1] += h
    up = fresh().item()
    with torch.no_grad():
        W[2, 1] -= 2 * h
    assert got == pytest.approx((up - fresh().item()) / (2 * h), abs=1e-7)
    assert real.grad is None and fake.grad is None


def test_a_flat_critic_gives_no_nan():
    w = torch.zeros(2, dtype=F64, requires_grad=True)
    penalty = gan.gradient_penalty(lambda x: x @ w, torch.zeros(5, 2, dtype=F64), torch.ones(5, 2, dtype=F64))
    penalty.backward()
    assert penalty.item() == 1 and w.grad.isfinite().all()


@pytest.mark.equation("eq-gan-r1")
def test_r1_is_the_mean_square_at_real_examples(generator):
    x = torch.randn(7, 2, generator=generator, dtype=F64)
    u, v = x.numpy().T
    by_hand = (1.3 * np.cos(1.3 * u) * v + 0.8 * u) ** 2 + (np.sin(1.3 * u) + 0.8 * v) ** 2
    assert gan.r1_penalty(smooth, x).item() == pytest.approx(by_hand.mean(), abs=1e-9)


def test_batch_normalisation_is_no_function_of_one_example(generator):
    """What the docstring warns of: the gradient of the sum is not the examples' own; with layer normalisation it is."""
    x = torch.randn(5, 3, generator=generator)
    for middle, alone in ((torch.nn.BatchNorm1d(6, track_running_stats=False), False), (torch.nn.LayerNorm(6), True)):
        torch.manual_seed(0)
        f = gan.Discriminator(torch.nn.Sequential(torch.nn.Linear(3, 6), middle, torch.nn.Tanh(), torch.nn.Linear(6, 1)))
        jacobian = torch.autograd.functional.jacobian(f, x)
        own = torch.stack([jacobian[i, i].norm() for i in range(5)])
        assert torch.allclose(gan.gradient_norms(f, x), own, atol=1e-5) == alone


def test_clipping_moves_only_what_lies_outside():
    f = mlp(3, 4, 1)
    before = [p.detach().clone() for p in f.parameters()]
    assert gan.clip_weights(f, 0.2) is None
    for old, new in zip(before, f.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), torch.where(old.abs() > 0.2, 0.2 * old.sign(), old))
        assert new.requires_grad
    assert max(p.abs().max() for p in before) > 0.2
