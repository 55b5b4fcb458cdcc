"""The exercises of the chapter on GANs: notebooks/exercises/gan.ipynb.

Shapes: logits real are (n,) and fake are (m,); laws p_data and p_theta are (K,). Values are in nats. These two exercises have
their specifications and inputs here and their mistakes in ``mistakes``; ``penalty``, ``rounds``, ``kernels`` and ``paper``
hold the others.
"""

from __future__ import annotations

from math import exp, log
from random import Random
from types import MappingProxyType

from gmlib.exercises.exercise import Exercise, specification, table
from gmlib.exercises.gan import kernels, mistakes, paper, penalty, rounds

Vector = list[float]


def mean(values: Vector) -> float:
    return sum(values) / len(values)


def minus_log_sigmoid(o: float) -> float:
    """-log sigmoid(o), also where sigmoid(o) is zero in floating point."""
    return log(1 + exp(-o)) if o > 0 else log(1 + exp(o)) - o


@specification
def losses(real: Vector, fake: Vector) -> Vector:
    """-V, the saturating loss and the non-saturating one; in the book eq-gan-logits and the two after it."""
    of_real = mean([minus_log_sigmoid(o) for o in real])  # -log D
    of_fake = mean([minus_log_sigmoid(-o) for o in fake])  # -log(1 - D)
    return [of_real + of_fake, -of_fake, mean([minus_log_sigmoid(o) for o in fake])]


def losses_inputs(rng: Random, number: int) -> dict:
    """In one case of three, some logits are so large that D is 0 or 1 in floating point."""
    case = {"real": table(rng, 2 + number % 3, scale=1.5), "fake": table(rng, 2 + number % 4, scale=1.5)}
    if number % 3 == 1:
        for logits in case.values():
            logits[rng.randrange(len(logits))] = rng.choice((-1, 1)) * rng.uniform(50, 900)
        case["fake"][0] = rng.uniform(50, 900)
    return case


def law(rng: Random, K: int) -> Vector:
    weights = [exp(v) for v in table(rng, K)]
    return [w / sum(weights) for w in weights]


@specification
def value(p_data: Vector, p_theta: Vector) -> Vector:
    """D* at each outcome, and V(D*, G) last; in the book eq-gan-optimal and eq-gan-value."""
    best = [p / (p + q) for p, q in zip(p_data, p_theta)]
    of_real = sum(p * log(D) for p, D in zip(p_data, best) if p > 0)
    return [*best, of_real + sum(q * log(1 - D) for q, D in zip(p_theta, best) if q > 0)]


def value_inputs(rng: Random, number: int) -> dict:
    """In two cases of three an outcome is impossible under one of the laws."""
    K = 3 + number % 3
    case = {"p_data": law(rng, K), "p_theta": law(rng, K)}
    if number % 3:
        p = case["p_data" if number % 3 == 1 else "p_theta"]
        p[rng.randrange(K)] = 0.0
        p[:] = [v / sum(p) for v in p]
    return case


EXERCISES = MappingProxyType({
    "gan-losses": Exercise(losses, losses_inputs, mistakes.LOSSES),
    "gan-value": Exercise(value, value_inputs, mistakes.VALUE),
    **penalty.EXERCISES,
    **rounds.EXERCISES,
    **kernels.EXERCISES,
    **paper.EXERCISES,
})  # fmt: skip
