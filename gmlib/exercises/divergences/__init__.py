"""The exercises of the chapter on divergences: notebooks/exercises/divergences.ipynb.

Shapes: tables of laws p, q are (B, K), single ones and T are (K,); x, a are (n,) and y, b are (m,); mu, m are (d,)
and Sigma, S are (d, d). Values are in nats. These exercises have their specifications and inputs here and their mistakes
in ``mistakes``; ``bugs``, ``debiasing`` and ``paper`` hold the others.
"""

from __future__ import annotations

from math import exp, log
from random import Random
from types import MappingProxyType

from gmlib.exercises.divergences import bugs, debiasing, mistakes, paper
from gmlib.exercises.divergences.bugs import crossing, law
from gmlib.exercises.divergences.matrices import diagonal, root, times
from gmlib.exercises.exercise import Exercise, specification, table

Vector = list[float]
Matrix = list[Vector]


@specification
def js(p: Matrix, q: Matrix) -> Vector:
    """The mean of KL(p || m) and KL(q || m), m being the average of p and q; in the book eq-divergences-js."""
    out = []
    for one, other in zip(p, q):
        average = [(a + b) / 2 for a, b in zip(one, other)]
        from_one = sum(a * log(a / m) for a, m in zip(one, average))
        from_other = sum(b * log(b / m) for b, m in zip(other, average))
        out.append((from_one + from_other) / 2)
    return out


def js_inputs(rng: Random, number: int) -> dict:
    B, K = 1 + number % 3, 2 + number % 4
    return {key: [law(rng, K) for _ in range(B)] for key in ("p", "q")}


@specification
def w1(x: Vector, a: Vector, y: Vector, b: Vector) -> float:
    """The area between the two distribution functions; in the book eq-divergences-cdf."""
    points, area = sorted(x + y), 0.0
    for left, right in zip(points, points[1:]):
        F = sum(w for v, w in zip(x, a) if v <= left)
        G = sum(w for v, w in zip(y, b) if v <= left)
        area += abs(F - G) * (right - left)
    return area


def w1_inputs(rng: Random, number: int) -> dict:
    """In every second case the distribution functions cross: there W_1 is more than the distance of the means."""
    n, m = 2 + number % 3, 2 + number % 4
    while True:
        case = {"x": table(rng, n), "a": law(rng, n), "y": table(rng, m), "b": law(rng, m)}
        if number % 2 or crossing(**case):
            return case


@specification
def w2_gaussians(mu: Vector, Sigma: Matrix, m: Vector, S: Matrix) -> float:
    """|mu - m|^2 + tr(Sigma + S - 2 (S^(1/2) Sigma S^(1/2))^(1/2)); in the book eq-divergences-w2-gaussians."""
    cross = root(times(times(root(S), Sigma), root(S)))
    return sum((u - v) ** 2 for u, v in zip(mu, m)) + sum(diagonal(Sigma)) + sum(diagonal(S)) - 2 * sum(diagonal(cross))


def w2_gaussians_inputs(rng: Random, number: int) -> dict:
    """Covariances that do not commute, in more than one dimension: the short formula is well above the right one there."""
    d = 1 + number % 3
    while True:
        Sigma, S = covariance(rng, d), covariance(rng, d)
        case = {"mu": table(rng, d), "Sigma": Sigma, "m": table(rng, d), "S": S}
        if d == 1 or mistakes.commuting(*case.values()) > w2_gaussians(*case.values()) + 0.05:
            return case


def covariance(rng: Random, d: int) -> Matrix:
    A = table(rng, d, d + 1, scale=0.8)
    return [[sum(u * v for u, v in zip(one, other)) + 0.2 * (one is other) for other in A] for one in A]


@specification
def fenchel(p: Vector, q: Vector, T: Vector) -> float:
    """The mean under p of T less the mean under q of f*(T) = exp(T - 1); in the book eq-divergences-fenchel."""
    return sum(a * t for a, t in zip(p, T)) - sum(b * exp(t - 1) for b, t in zip(q, T))


def fenchel_inputs(rng: Random, number: int) -> dict:
    K = 2 + number % 4
    return {"p": law(rng, K), "q": law(rng, K), "T": table(rng, K)}


EXERCISES = MappingProxyType({
    "divergences-js": Exercise(js, js_inputs, mistakes.JS),
    "divergences-w1": Exercise(w1, w1_inputs, mistakes.W1),
    "divergences-w2-gaussians": Exercise(w2_gaussians, w2_gaussians_inputs, mistakes.W2_GAUSSIANS),
    "divergences-fenchel": Exercise(fenchel, fenchel_inputs, mistakes.FENCHEL),
    **bugs.EXERCISES,
    **debiasing.EXERCISES,
    **paper.EXERCISES,
})  # fmt: skip
