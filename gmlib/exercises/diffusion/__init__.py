"""The exercises of the chapter on diffusion models: notebooks/exercises/diffusion.ipynb.

Shapes: x0, x and eps are (N, D), times t are (N,), whole numbers from 1 to T. Tables beta and alpha_bar are (T + 1,), entry t for time
t; entry 0 is the data: beta_0 = 0, alpha-bar_0 = 1. The first two exercises have their specifications and inputs here and their
mistakes in ``mistakes``; ``walk``, ``jumps``, ``average`` and ``paper`` hold the others.
"""

from __future__ import annotations

from math import prod, sqrt
from random import Random
from types import MappingProxyType

from gmlib.exercises.diffusion import average, jumps, mistakes, paper, walk
from gmlib.exercises.exercise import Exercise, specification, table

Vector = list[float]
Matrix = list[Vector]


def schedule(rng: Random, T: int) -> Vector:
    """beta_0 = 0, then T steps, in no order."""
    return [0.0, *(rng.uniform(0.04, 0.4) for _ in range(T))]


@specification
def noised(x0: Matrix, t: list[int], beta: Vector, eps: Matrix) -> Matrix:
    """The chain's mean and its noise's variance, one step after the other; in the book eq-diffusion-closed."""
    out = []
    for row, last, noise in zip(x0, t, eps):
        scale, variance = 1.0, 0.0
        for step in range(1, last + 1):
            scale, variance = sqrt(1 - beta[step]) * scale, (1 - beta[step]) * variance + beta[step]
        out.append([scale * u + sqrt(variance) * e for u, e in zip(row, noise)])
    return out


def noised_inputs(rng: Random, number: int) -> dict:
    """No two examples have the same time; time T is among them in every second case, and time 1 in every third."""
    T, N, D = 6 + number % 4, 2 + number % 3, 1 + number % 4
    t = rng.sample(range(2, T), N)
    if number % 2:
        t[0] = T
    if number % 3 == 1:
        t[-1] = 1
    return {"x0": table(rng, N, D, scale=1.5), "t": t, "beta": schedule(rng, T), "eps": table(rng, N, D)}


@specification
def posterior(x0: Matrix, x: Matrix, t: list[int], beta: Vector) -> Matrix:
    """Mean and variance of q(x_{t-1} | x_t, x_0) by Bayes' rule for Gaussians: precisions add up; eq-diffusion-posterior."""
    out = []
    for start, row, now in zip(x0, x, t):
        if now == 1:  # x_0 itself
            out.append([*start, 0.0])
            continue
        before, kept = prod(1 - b for b in beta[:now]), 1 - beta[now]
        of_prior, of_step = 1 / (1 - before), kept / beta[now]
        variance = 1 / (of_prior + of_step)
        out.append([*(variance * (of_prior * sqrt(before) * u + of_step * v / sqrt(kept)) for u, v in zip(start, row)), variance])
    return out


def posterior_inputs(rng: Random, number: int) -> dict:
    case = noised_inputs(rng, number)
    return {"x0": case["x0"], "x": case["eps"], "t": case["t"], "beta": case["beta"]}


EXERCISES = MappingProxyType({
    "diffusion-noised": Exercise(noised, noised_inputs, mistakes.NOISED),
    "diffusion-posterior": Exercise(posterior, posterior_inputs, mistakes.POSTERIOR),
    **walk.EXERCISES,
    **jumps.EXERCISES,
    **average.EXERCISES,
    **paper.EXERCISES,
})  # fmt: skip
