"""Bad input gets a ValueError that names the argument and says what it got."""

import math

import pytest
import torch

from gmlib import core, data, metrics, plot, targets, train, vae
from gmlib.nn import BernoulliNet, GaussianNet, draw, mlp

nan = torch.tensor([[0.0, math.nan]])
eye = torch.eye(2)


def small_vae():
    return vae.VAE(GaussianNet(2, 1), BernoulliNet(1, 2))


def run(**changes):
    model = torch.nn.Linear(2, 1)
    options = dict(epochs=1, batch_size=2, optimizer=torch.optim.SGD(model.parameters(), lr=0.1)) | changes
    x = options.pop("data", torch.zeros(4, 2))
    return list(train.train(model, lambda m, x, g: (m(x).mean(), {}), x, **options))


CASES = {
    "x holds 1 NaN": lambda: core.check_batch(nan, "x"),
    "x must have shape (..., 3), got (1, 2)": lambda: core.check_batch(nan, "x", 3),
    "x must have shape (..., 2), got ()": lambda: core.check_batch(torch.tensor(1.0), "x", 2),
    "x is empty": lambda: core.check_batch(torch.zeros(0, 2), "x", 2),
    "x must be a floating-point tensor, got a tensor of dtype torch.int64": lambda: core.check_batch(torch.ones(2, dtype=torch.int64), "x"),
    "x must be a floating-point tensor, got [1.0]": lambda: core.check_batch([1.0], "x"),
    "sigma must be positive and finite, got 0.0": lambda: core.check_positive(0.0, "sigma"),
    "sigma must be positive and finite, got nan": lambda: core.check_positive(math.nan, "sigma"),
    "num_samples must be a whole number of at least 1, got 0": lambda: core.check_count(0, "num_samples"),
    "num_samples must be a whole number of at least 1, got True": lambda: core.check_count(True, "num_samples"),
    "num_samples must be a whole number of at least 1, got 2.0": lambda: core.check_count(2.0, "num_samples"),
    "kind must be one of": lambda: core.Estimate(torch.tensor(1.0), "guess"),
    "standard_error has shape (2,)": lambda: core.Estimate(torch.tensor(1.0), "exact", torch.zeros(2)),
    "mlp needs an input and an output size": lambda: mlp(3),
    "each size must be a whole number of at least 1, got 0": lambda: mlp(3, 0, 1),
    "draw knows Bernoulli and Normal, got Poisson": lambda: draw(torch.distributions.Independent(torch.distributions.Poisson(torch.ones(2)), 1)),
    "pi must be non-negative and sum to one": lambda: targets.GaussianMixture(torch.tensor([0.5, 0.6]), eye, eye.expand(2, 2, 2)),
    "pi must have shape (..., 2)": lambda: targets.GaussianMixture(torch.ones(3) / 3, eye, eye.expand(2, 2, 2)),
    "Sigma must have shape (..., 2, 2, 2)": lambda: targets.GaussianMixture(torch.ones(2) / 2, eye, eye),
    "Sigma must be symmetric and positive definite": lambda: targets.Gaussian(torch.zeros(2), -eye),
    "mu must have shape (K, D)": lambda: targets.GaussianMixture(torch.ones(1), torch.zeros(2), eye),
    "x must have shape (..., 2), got (3,)": lambda: targets.Gaussian(torch.zeros(2), eye).log_prob(torch.zeros(3)),
    "x holds 1 NaN ": lambda: targets.Gaussian(torch.zeros(2), eye).score(nan),
    "x must hold grey levels 0 to 16": lambda: data.binarise(torch.tensor([17.0])),
    "x must hold grey levels 0 to 16, got -1.0": lambda: data.dequantise(torch.tensor([-1.0, 3.0])),
    "x holds 1 NaN  ": lambda: data.binarise(nan),
    "n must be a whole number": lambda: data.moons(0),
    "modes must be a whole number": lambda: data.ring(0),
    "radius must be positive": lambda: data.ring(3, radius=-1.0),
    "arms must be a whole number": lambda: data.pinwheel(5, arms=0),
    "values must have shape (N,)": lambda: metrics.average(torch.zeros(1), "exact"),
    "kind is needed": lambda: metrics.average(torch.zeros(3)),
    "batch_size must be a whole number": lambda: metrics.in_batches(torch.square, torch.ones(3), 0),
    "dims must be a whole number": lambda: metrics.bits_per_dim(torch.ones(3), 0),
    "data holds 1 NaN": lambda: run(data=nan),
    "data is empty": lambda: run(data=torch.zeros(0, 2)),
    "epochs must be a whole number": lambda: run(epochs=0),
    "batch_size must be a whole number ": lambda: run(batch_size=-1),
    "every must be a whole number": lambda: list(train.averages([], 0)),
    "x must have shape (N, 64)": lambda: plot.images(torch.zeros(3, 63), 8, 2),
    "sigma must have shape (..., 2)": lambda: vae.kl_to_standard_normal(torch.zeros(2), torch.ones(3)),
    "sigma must be positive and finite": lambda: vae.kl_to_standard_normal(torch.zeros(2), -torch.ones(2)),
    "S must have shape (..., 2, 2)": lambda: vae.kl_gaussians(torch.zeros(2), torch.ones(2), torch.zeros(2), eye),
    "S must be symmetric and positive definite": lambda: vae.kl_gaussians(torch.zeros(2), -eye, torch.zeros(2), eye),
    "k = 3": lambda: vae.ppca(torch.randn(9, 3), 3),
    "the data must vary in more than k = 1 directions": lambda: vae.ppca(torch.ones(9, 3), 1),
    "the data must vary in more than k = 2 directions": lambda: vae.ppca(torch.randn(9, 2) @ torch.randn(2, 4), 2),
    "S must be symmetric and positive definite ": lambda: vae.kl_gaussians(torch.zeros(2), torch.tensor([[1.0, 5.0], [0.0, 1.0]]), torch.zeros(2), eye),
    "W must have shape (D, k)": lambda: vae.LinearGaussian(torch.ones(3), torch.zeros(3), torch.tensor(1.0)),
    "mu must have shape (..., 3)": lambda: vae.LinearGaussian(torch.ones(3, 1), torch.zeros(2), torch.tensor(1.0)),
    "x holds 1 NaN   ": lambda: small_vae().elbo(nan),
    "x is empty ": lambda: small_vae().elbo(torch.zeros(0, 2)),
    "num_samples must be a whole number ": lambda: small_vae().elbo(torch.zeros(3, 2), num_samples=0),
    "num_samples must be a whole number  ": lambda: small_vae().estimate_log_prob(torch.zeros(3, 2), 0),
    "chunk must be a whole number": lambda: small_vae().estimate_log_prob(torch.zeros(3, 2), 5, chunk=0),
    "x must have shape (..., 2), got (4, 3)": lambda: small_vae().elbo(torch.zeros(4, 3)),
}


@pytest.mark.parametrize(("message", "call"), CASES.items(), ids=[" ".join(c.split()[:6]) for c in CASES])
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message.strip() in str(caught.value)


def test_a_diverging_loss_is_reported():
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e20)
    steps = train.train(model, lambda m, x, g: (m(x).pow(4).mean(), {}), torch.ones(8, 1), epochs=50, batch_size=8, optimizer=optimizer)
    with pytest.raises(FloatingPointError, match="the loss is not finite in epoch"):
        list(steps)
