"""The exercises of the chapter on variational autoencoders: notebooks/exercises/vae.ipynb.

Shapes: mu, sigma, log_var, eps are (batch, k); x and logits are (batch, D); log_w is (K, batch). Values are
in nats. These exercises have their specifications and inputs here and their mistakes in ``mistakes``; ``paper`` and
``codes`` hold the others.
"""

from __future__ import annotations

from math import exp, log
from random import Random
from types import MappingProxyType

from gmlib.exercises.exercise import Exercise, specification, table
from gmlib.exercises.vae import codes, mistakes, paper

Vector = list[float]
Matrix = list[Vector]


def mean(values: Vector) -> float:
    return sum(values) / len(values)


def size(number: int) -> tuple[int, int]:
    """Batch and dimension of a case: the first is the smallest, and all combinations come."""
    return 1 + number % 3, 1 + number % 4


@specification
def gaussian_kl(mu: Matrix, sigma: Matrix) -> Vector:
    """KL( N(mu, sigma^2) || N(0, 1) ), added up over the latent dimensions; in the book eq-vae-kl."""
    return [sum((m**2 + s**2 - 1 - log(s**2)) / 2 for m, s in zip(ms, ss)) for ms, ss in zip(mu, sigma)]


def gaussian_kl_inputs(rng: Random, number: int) -> dict:
    return {"mu": table(rng, *size(number)), "sigma": [[exp(v) for v in row] for row in table(rng, *size(number), scale=0.7)]}


@specification
def reparameterise(mu: Matrix, log_var: Matrix, eps: Matrix) -> Matrix:
    """mu + sigma eps with sigma = exp(log_var / 2); in the book eq-vae-reparam."""
    return [[m + exp(v / 2) * e for m, v, e in zip(*row)] for row in zip(mu, log_var, eps)]


def reparameterise_inputs(rng: Random, number: int) -> dict:
    return {key: table(rng, *size(number)) for key in ("mu", "log_var", "eps")}


@specification
def importance_bound(log_w: Matrix) -> Vector:
    """The logarithm of the mean of the K weights of each example; in the book eq-vae-iwae.

    The largest weight is taken out, because exp(-1000) is 0 and exp(900) is too large for a float.
    """
    top = [max(column) for column in zip(*log_w)]
    return [t + log(mean([exp(v - t) for v in column])) for t, column in zip(top, zip(*log_w))]


def importance_bound_inputs(rng: Random, number: int) -> dict:
    return {"log_w": table(rng, 2 + number % 3, 1 + number % 4, mean=(-3, -1000, 900)[number % 3], scale=1.5)}


@specification
def loss(x: Matrix, logits: Matrix, mu: Matrix, log_var: Matrix) -> float:
    """Minus the ELBO with one draw of z, averaged over the examples only; in the book eq-vae-minibatch."""
    bounds = []
    for pixels, scores, ms, vs in zip(x, logits, mu, log_var):
        rho = [1 / (1 + exp(-s)) for s in scores]
        log_lik = sum(t * log(r) + (1 - t) * log(1 - r) for t, r in zip(pixels, rho))
        bounds.append(log_lik - sum((m**2 + exp(v) - 1 - v) / 2 for m, v in zip(ms, vs)))
    return -mean(bounds)


def loss_inputs(rng: Random, number: int) -> dict:
    batch, D, k = 2 + number % 3, 2 + number % 4, 1 + number % 2
    x = [[float(v > 0) for v in row] for row in table(rng, batch, D)]
    return {"x": x, "logits": table(rng, batch, D, scale=2), "mu": table(rng, batch, k), "log_var": table(rng, batch, k)}


@specification
def divergence(mu: Matrix, log_var: Matrix) -> Vector:
    """KL( N(mu, exp(log_var)) || N(0, 1) ), added up over the latent dimensions; in the book eq-vae-kl."""
    return [sum((m**2 + exp(v) - 1 - v) / 2 for m, v in zip(ms, vs)) for ms, vs in zip(mu, log_var)]


def divergence_inputs(rng: Random, number: int) -> dict:
    return {key: table(rng, *size(number)) for key in ("mu", "log_var")}


@specification
def score_gradient(f: Vector, z: Vector, mu: float, sigma: float, b: float) -> Vector:
    """The mean of (f(z) - b) times the gradient of log N(z; mu, sigma^2); in the book eq-vae-grad-baseline."""
    by_mu = mean([(v - b) * (x - mu) / sigma**2 for v, x in zip(f, z)])
    by_sigma = mean([(v - b) * ((x - mu) ** 2 / sigma**3 - 1 / sigma) for v, x in zip(f, z)])
    return [by_mu, by_sigma]


def score_gradient_inputs(rng: Random, number: int) -> dict:
    S = 2 + number % 4
    sigma = exp(table(rng, scale=0.5))
    return {"f": table(rng, S, scale=3), "z": table(rng, S), "mu": table(rng), "sigma": sigma, "b": table(rng, scale=2)}


EXERCISES = MappingProxyType({
    "vae-gaussian-kl": Exercise(gaussian_kl, gaussian_kl_inputs, mistakes.GAUSSIAN_KL),
    "vae-reparameterise": Exercise(reparameterise, reparameterise_inputs, mistakes.REPARAMETERISE),
    "vae-importance-bound": Exercise(importance_bound, importance_bound_inputs, mistakes.IMPORTANCE_BOUND),
    "vae-loss": Exercise(loss, loss_inputs, mistakes.LOSS),
    "vae-divergence": Exercise(divergence, divergence_inputs, mistakes.DIVERGENCE),
    "vae-score-gradient": Exercise(score_gradient, score_gradient_inputs, mistakes.SCORE_GRADIENT),
    **paper.EXERCISES,
    **codes.EXERCISES,
})  # fmt: skip
