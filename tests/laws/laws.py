"""The laws, each written once, for any model that claims the capability.

A law takes a model and returns nothing; it raises an AssertionError where the model breaks it.
Statistical laws compare z-scores with a threshold of 6, which for normal means is
a false alarm in 5e8 for each comparison.
"""

import math

import torch

Z_MAX = 6.0


def assert_same_mean(a, b=None, expected=0.0):
    """The means of two samples, or of one sample and a number, agree."""
    difference = a.mean(0) - (expected if b is None else b.mean(0))
    variance = a.var(0) / len(a) + (0 if b is None else b.var(0) / len(b))
    assert (difference.abs() <= Z_MAX * variance.sqrt() + 1e-12).all(), f"z = {(difference / variance.sqrt()).tolist()}"


def density_integrates_to_one(model, dim, reach=15.0):
    """The density on R or R^2, summed on a fine grid."""
    t = torch.linspace(-reach, reach, 1201 if dim == 2 else 20001, dtype=torch.float64)
    points = torch.cartesian_prod(*[t] * dim).reshape(-1, dim)
    mass = model.log_prob(points).exp().sum() * (t[1] - t[0]) ** dim
    torch.testing.assert_close(mass, torch.ones((), dtype=mass.dtype), rtol=0, atol=1e-9)


def masses_sum_to_one(model, support):
    """The masses of all values that there are, one a row of ``support``."""
    mass = model.log_prob(support).exp().sum()
    torch.testing.assert_close(mass, torch.ones((), dtype=mass.dtype), rtol=0, atol=1e-12)


def samples_have_the_masses(model, support, generator, n=200_000):
    """How often each value is drawn, against its mass; nothing else is drawn."""
    drawn = (model.sample((n,), generator=generator).unsqueeze(1) == support).all(-1).to(torch.float64)
    assert (drawn.sum(1) == 1).all()
    assert_same_mean(drawn, expected=model.log_prob(support).exp())


def log_prob_ignores_batch_shape(model, x):
    """One value for each element of the batch, whatever the shape of the batch."""
    flat = model.log_prob(x.reshape(-1, x.shape[-1]))
    for batch in ((-1,), (1, -1), (2, -1)):
        values = model.log_prob(x.reshape(*batch, x.shape[-1]))
        torch.testing.assert_close(values.reshape(-1), flat, rtol=0, atol=1e-12)


def sample_agrees_with_log_prob(model, generator, n=200_000):
    """Moments of the samples, against moments reweighted from a wide Gaussian.

    For a wide Gaussian g, E_p[f(x)] = E_g[f(x) p(x) / g(x)]: the left side uses only ``sample``,
    the right side only ``log_prob``.
    """
    x = model.sample((n,), generator=generator)
    scale = 3 * x.std(0).max()
    u = torch.randn(n, x.shape[1], generator=generator, dtype=x.dtype) * scale + x.mean(0)
    log_g = torch.distributions.Normal(x.mean(0), scale).log_prob(u).sum(-1)
    w = (model.log_prob(u) - log_g).exp()
    for f in (lambda v: v, lambda v: v**2, lambda v: (v[:, :1] * v[:, -1:]), lambda v: v.cos(), lambda v: (v.abs() < 1).to(v.dtype)):
        assert_same_mean(f(x), w[:, None] * f(u))


def sample_is_reproducible(model, device="cpu"):
    """The generator alone decides the draws, and the global state is left as it was."""
    state = torch.get_rng_state()
    draws = [model.sample((2, 3), generator=torch.Generator(device).manual_seed(s)) for s in (1, 1, 2)]
    assert draws[0].shape[:2] == (2, 3)
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert torch.equal(state, torch.get_rng_state())


def score_is_the_gradient(model, x):
    """``score`` against autograd on ``log_prob``."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_prob(x).sum(), x)
    torch.testing.assert_close(model.score(x.detach()), gradient, rtol=0, atol=1e-9)


def score_has_mean_zero(model, generator, n=200_000):
    """E_p[score] = 0 and E_p[x_i score_j] = -[i = j], by Stein's identity."""
    x = model.sample((n,), generator=generator)
    s = model.score(x)
    assert_same_mean(s)
    eye = torch.eye(x.shape[1], dtype=x.dtype).flatten()
    assert_same_mean((x[:, :, None] * s[:, None, :]).flatten(1), expected=-eye)


def bound_stays_below(model, x, log_evidence, generator, n=2000):
    """The mean ELBO, and the importance-weighted bound where there is one, are not above the exact value."""
    draws = [lambda: model.elbo(x, 1, generator)]
    if hasattr(model, "estimate_log_prob"):
        draws.append(lambda: model.estimate_log_prob(x, 5, generator).value)
    for draw in draws:
        with torch.no_grad():
            values = torch.stack([draw() for _ in range(n)])
        assert (values.mean(0) - log_evidence <= Z_MAX * values.std(0) / math.sqrt(n) + 1e-12).all()


def bound_is_unbiased(model, x, exact_elbo, generator, n=3000):
    """The mean of ``elbo`` is the bound itself, whatever ``num_samples``."""
    for num_samples in (1, 4):
        with torch.no_grad():
            values = torch.stack([model.elbo(x, num_samples, generator) for _ in range(n)])
        assert_same_mean(values, expected=exact_elbo)
