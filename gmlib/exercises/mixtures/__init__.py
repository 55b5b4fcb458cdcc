"""The exercises of the chapter ``mixtures``: notebooks/exercises/mixtures.ipynb.

Points x are (N, D), weights pi (K,), means mu (K, D), covariances Sigma (K, D, D), responsibilities r (N, K). The two exercises on
densities have their specifications and inputs here and their mistakes in ``mistakes``; ``steps``, ``rate``, ``far``, ``starts``
and ``paper`` hold the others.
"""

from __future__ import annotations

from math import exp, log, pi, sqrt
from random import Random
from types import MappingProxyType

from gmlib.exercises.exercise import Exercise, specification, table
from gmlib.exercises.mixtures import far, mistakes, paper, rate, starts, steps

Vector = list[float]
Matrix = list[Vector]
TWO_PI = 2 * pi


def det(A: Matrix) -> float:
    """The determinant, by the first row."""
    if len(A) == 1:
        return A[0][0]
    return sum((-1) ** j * a * det([row[:j] + row[j + 1 :] for row in A[1:]]) for j, a in enumerate(A[0]))


def square(d: Vector, A: Matrix) -> float:
    """d^T A^-1 d, the entries of A^-1 d by Cramer's rule."""
    return sum(v * det([[*row[:i], b, *row[i + 1 :]] for row, b in zip(A, d)]) for i, v in enumerate(d)) / det(A)


@specification
def responsibilities(x: Matrix, weights: Vector, mu: Matrix, Sigma: list[Matrix]) -> Matrix:
    """Weight times density, divided by the sum of these over the components; eq-mixtures-responsibility."""
    out = []
    for point in x:
        joint = []
        for p, m, S in zip(weights, mu, Sigma):
            d = [a - b for a, b in zip(point, m)]
            joint.append(p * exp(-0.5 * square(d, S)) / sqrt(det(S)))  # the factor with 2 pi cancels
        out.append([q / sum(joint) for q in joint])
    return out


def mixture(rng: Random, K: int, D: int, empty: bool = False) -> dict:
    """Weights that differ, means, and covariances that are not diagonal and whose determinants are neither near 1 nor near each other.

    Where ``empty``, a component has the weight 0.
    """
    while True:
        weights = [rng.uniform(0.1, 0.9) for _ in range(K)]
        if empty:
            weights[rng.randrange(K)] = 0.0
        weights = [w / sum(weights) for w in weights]
        if all(abs(u - v) > 0.04 for i, u in enumerate(weights) for v in [1 / K, *weights[:i]]):
            break
    Sigma, logs = [], [0.0]
    while len(Sigma) < K:
        A = table(rng, D, D, scale=0.8)
        S = [[sum(u * v for u, v in zip(a, b)) + 0.2 * (a is b) for b in A] for a in A]
        if abs(S[0][1]) > 0.1 and min(abs(log(det(S)) - v) for v in logs) > 0.15:
            Sigma.append(S)
            logs.append(log(det(S)))
    return {"pi": weights, "mu": table(rng, K, D, scale=1.3), "Sigma": Sigma}


def responsibilities_inputs(rng: Random, number: int) -> dict:
    """Never as many points as components or dimensions; twice a component without weight. No density is rounded to zero."""
    K, D = (3, 2, 4)[number % 3], 2 + number // 2 % 2
    case = mixture(rng, K, D, empty=number % 6 == 3)
    near = [[m + 1.4 * rng.gauss(0, 1) for m in case["mu"][k % K]] for k in range(5 + number % 2)]
    return {"x": near, **case}


@specification
def log_likelihood(x: Matrix, weights: Vector, mu: Matrix, Sigma: list[Matrix]) -> float:
    """The sum over points of log sum_k pi_k N(x_n; mu_k, Sigma_k), the largest term taken out of the sum; eq-mixtures-density."""
    total = 0.0
    for point in x:
        joint = []
        for p, m, S in zip(weights, mu, Sigma):
            d = [a - b for a, b in zip(point, m)]
            if p > 0:
                joint.append(log(p) - 0.5 * (square(d, S) + log(det(S)) + len(m) * log(TWO_PI)))
        largest = max(joint)
        total += largest + log(sum(exp(v - largest) for v in joint))
    return total


def log_likelihood_inputs(rng: Random, number: int) -> dict:
    """In every third case one point is so far away that all its densities are rounded to zero; twice a component has no weight."""
    case = responsibilities_inputs(rng, number)
    if number % 3 == 2:
        case["x"][rng.randrange(len(case["x"]))] = [rng.choice((-1, 1)) * rng.uniform(300, 400) for _ in case["mu"][0]]
    return case


EXERCISES = MappingProxyType({
    "mixtures-responsibilities": Exercise(responsibilities, responsibilities_inputs, mistakes.RESPONSIBILITIES),
    **steps.EXERCISES,
    "mixtures-log-likelihood": Exercise(log_likelihood, log_likelihood_inputs, mistakes.LOG_LIKELIHOOD),
    **rate.EXERCISES,
    **far.EXERCISES,
    **starts.EXERCISES,
    **paper.EXERCISES,
})  # fmt: skip
