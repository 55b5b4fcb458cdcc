"""The exercises of the chapter on flows: notebooks/exercises/flows.ipynb.

Shapes: x is (N,) or (N, D); s and t are (N, D/2); a and c are (K,), one number for each layer. A result that
holds new points and log-determinants is (N, D + 1), the log-determinant last. Values are in nats.
These exercises have their specifications and inputs here and their mistakes in ``mistakes``; ``bits``, ``bugs``, ``trace``
and ``paper`` hold the others.
"""

from __future__ import annotations

from math import exp, log
from random import Random
from types import MappingProxyType

from gmlib.exercises.exercise import Exercise, specification, table
from gmlib.exercises.flows import bits, bugs, mistakes, paper, trace
from gmlib.exercises.flows.mistakes import logistic, path

Vector = list[float]
Matrix = list[Vector]


@specification
def affine_log_prob(x: Vector, mu: float, c: float) -> Vector:
    """log p(x) of x = mu + c z with z logistic; in the book eq-flows-change and eq-flows-logistic."""
    return [logistic((v - mu) / c) - log(abs(c)) for v in x]


def affine_log_prob_inputs(rng: Random, number: int) -> dict:
    """The slope is negative in every second case, the first among them, and never near 1."""
    size = rng.choice((rng.uniform(0.3, 0.7), rng.uniform(1.5, 2.5)))
    return {"x": table(rng, 2 + number % 3, scale=1.5), "mu": table(rng), "c": size * (-1) ** (number + 1)}


@specification
def compose(x: Matrix, a: Vector, c: Vector) -> Vector:
    """The sum over layers and dimensions of log|slope|, each at the layer's own input; in the book eq-flows-compose."""
    return [sum(log(abs(slope)) for v in row for _, slope, _ in path(v, a, c)) for row in x]


def compose_inputs(rng: Random, number: int) -> dict:
    """In two cases of three one layer at least turns the order around."""
    K = 2 + number % 2
    a = [rng.uniform(0.3, 0.8) * rng.choice((-1, 1)) for _ in range(K)]
    c = [exp(v) for v in table(rng, K, scale=0.4)]
    for k in rng.sample(range(K), min(K, number % 3)):
        c[k] = -c[k]
    return {"x": table(rng, 1 + number % 3, 2 + number % 3), "a": a, "c": c}


@specification
def coupling(x: Matrix, s: Matrix, t: Matrix) -> Matrix:
    """The first half of x, the second one scaled by exp(s) and shifted by t, and the sum of s; in the book eq-flows-affine."""
    d = len(s[0])
    moved = [[v * exp(p) + q for v, p, q in zip(row[d:], ps, qs)] for row, ps, qs in zip(x, s, t)]
    return [[*row[:d], *z, sum(ps)] for row, z, ps in zip(x, moved, s)]


def coupling_inputs(rng: Random, number: int) -> dict:
    N, d = 1 + number % 3, 2 + number % 2
    return {"x": table(rng, N, 2 * d), "s": table(rng, N, d, scale=0.7), "t": table(rng, N, d)}


EXERCISES = MappingProxyType({
    "flows-affine-log-prob": Exercise(affine_log_prob, affine_log_prob_inputs, mistakes.AFFINE_LOG_PROB),
    "flows-compose": Exercise(compose, compose_inputs, mistakes.COMPOSE),
    "flows-coupling": Exercise(coupling, coupling_inputs, mistakes.COUPLING),
    **bits.EXERCISES,
    **bugs.EXERCISES,
    **trace.EXERCISES,
    **paper.EXERCISES,
})  # fmt: skip
