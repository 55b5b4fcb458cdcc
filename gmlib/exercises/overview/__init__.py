"""The exercises of the chapter ``overview``: notebooks/exercises/overview.ipynb.

Shapes: the arguments of the first are (batch,); counts are (C, sources, V), by class, source and value; log_prior is
(C,), log_lik is (batch, C). Logarithms are natural. These exercises have their specifications and inputs here and their
mistakes in ``mistakes``; ``gaussian``, ``judging`` and ``drawing`` hold the others.
"""

from __future__ import annotations

from math import exp, log
from random import Random
from types import MappingProxyType

from gmlib.exercises.exercise import Exercise, specification, table
from gmlib.exercises.overview import drawing, gaussian, judging, mistakes

Vector = list[float]
Matrix = list[Vector]


@specification
def base_rate(prior: Vector, sensitivity: Vector, specificity: Vector) -> Vector:
    """P(ill | the test is positive), by counting 1 person split four ways; Bayes' rule."""
    out = []
    for ill, found, cleared in zip(prior, sensitivity, specificity):
        healthy = 1 - ill
        true_alarms, false_alarms = ill * found, healthy - healthy * cleared
        out.append(true_alarms / (true_alarms + false_alarms))
    return out


def base_rate_inputs(rng: Random, number: int) -> dict:
    size = 1 + number % 3
    prior = [exp(rng.uniform(log(0.003), log(0.4))) for _ in range(size)]
    return {"prior": prior} | {k: [rng.uniform(0.6, 0.98) for _ in range(size)] for k in ("sensitivity", "specificity")}


@specification
def conditional_table(counts: list[Matrix], alpha: float) -> Matrix:
    """p(x | y) from counts by class, source and value: the source is summed out, then each value counts alpha more."""
    out = []
    for of_class in counts:
        by_value = [sum(column) + alpha for column in zip(*of_class)]
        out.append([n / sum(by_value) for n in by_value])
    return out


def conditional_table_inputs(rng: Random, number: int) -> dict:
    C, sources, V = 2 + number % 3, 2 + number % 2, 2 + number % 4
    while True:
        counts = [[[rng.choice((0, 0, 1, 2, 3, 5, 9)) for _ in range(V)] for _ in range(sources)] for _ in range(C)]
        if all(sum(map(sum, of_class)) for of_class in counts):
            return {"counts": counts, "alpha": rng.choice((0.5, 1.0, 2.0))}


@specification
def log_posterior(log_prior: Vector, log_lik: Matrix) -> Matrix:
    """log p(y | x): the log-joint less its log-sum-exp over the classes, with the largest taken out."""
    out = []
    for row in log_lik:
        joint = [a + b for a, b in zip(log_prior, row)]
        top = max(joint)
        log_evidence = top + log(sum(exp(v - top) for v in joint))
        out.append([v - log_evidence for v in joint])
    return out


def log_posterior_inputs(rng: Random, number: int) -> dict:
    """Log-likelihoods near -3, near -1000, and near 900 with one class a thousand below the others."""
    batch, C = 1 + number % 4, 2 + number % 3
    pi = [rng.uniform(0.1, 1.0) for _ in range(C)]
    log_lik = table(rng, batch, C, mean=(-3, -1000, 900)[number % 3], scale=1.5)
    if number % 3 == 2:
        log_lik = [[v - 1000 * (c == i % C) for c, v in enumerate(row)] for i, row in enumerate(log_lik)]
    return {"log_prior": [log(p / sum(pi)) for p in pi], "log_lik": log_lik}


EXERCISES = MappingProxyType({
    "overview-base-rate": Exercise(base_rate, base_rate_inputs, mistakes.BASE_RATE),
    "overview-conditional-table": Exercise(conditional_table, conditional_table_inputs, mistakes.CONDITIONAL_TABLE),
    # float32 holds a log-likelihood near 1000 to 6e-5
    "overview-log-posterior": Exercise(log_posterior, log_posterior_inputs, mistakes.LOG_POSTERIOR, tolerance=3e-4),
    **gaussian.EXERCISES,
    **judging.EXERCISES,
    **drawing.EXERCISES,
})  # fmt: skip
