"""The exercises of the chapter on flows: notebooks/exercises/flows.ipynb.

Shapes: x is (N,) or (N, D); a and c are (K,), one number for each layer. Values are in nats.
The first two have their specifications and inputs here and their mistakes in ``mistakes``; ``halves``, ``bits``, ``bugs``,
``trace`` and ``paper`` hold the others.
"""

from __future__ import annotations

from math import exp, log
from random import Random
from types import MappingProxyType

from gmlib.exercises.exercise import Exercise, specification, table
from gmlib.exercises.flows import bits, bugs, halves, mistakes, paper, trace
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


EXERCISES = MappingProxyType({
    "flows-affine-log-prob": Exercise(affine_log_prob, affine_log_prob_inputs, mistakes.AFFINE_LOG_PROB),
    "flows-compose": Exercise(compose, compose_inputs, mistakes.COMPOSE),
    **halves.EXERCISES,
    **bits.EXERCISES,
    **bugs.EXERCISES,
    **trace.EXERCISES,
    **paper.EXERCISES,
})  # fmt: skip
