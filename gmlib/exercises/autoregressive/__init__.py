"""The exercises of the chapter on autoregressive models: notebooks/exercises/autoregressive.ipynb.

Images are (H, W), in raster order: left to right, then the next row. The first two exercises have their specifications and inputs here
and their mistakes in ``mistakes``; ``mixture``, ``bugs``, ``floor`` and ``paper`` hold the others.
"""

from __future__ import annotations

from math import exp, log
from random import Random
from types import MappingProxyType

from gmlib.exercises.autoregressive import bugs, floor, mistakes, mixture, paper
from gmlib.exercises.exercise import Exercise, specification, table

Vector = list[float]
Matrix = list[Vector]


@specification
def kernel_mask(height: int, width: int, own: int) -> Matrix:
    """Ones at all places before the centre, row by row, and at the centre itself where own is 1; eq-autoregressive-masks."""
    centre = (height // 2, width // 2)
    return [[1.0 if (r, c) < centre or own == 1 and (r, c) == centre else 0.0 for c in range(width)] for r in range(height)]


def kernel_mask_inputs(rng: Random, number: int) -> dict:
    """Both kinds of mask, never a square; among them large kernels, one of a single row, and one of a single column."""
    step = number // 2
    height, width = rng.sample((5, 7, 9, 11) if step == 1 else (3, 5, 7, 9, 11, 13), 2)
    return {"height": 1 if step == 2 else height, "width": 1 if step == 4 else width, "own": number % 2}


@specification
def fvbn_log_prob(W: Matrix, b: Vector, x: Matrix) -> Vector:
    """The sum of the logarithms of the conditionals, pixel after pixel; eq-autoregressive-fvbn."""
    out = []
    for row in x:
        total = 0.0
        for i, value in enumerate(row):
            o = b[i] + sum(W[i][j] * row[j] for j in range(i))
            p = 1 / (1 + exp(-o))
            total += log(p) if value == 1 else log(1 - p)
        out.append(total)
    return out


def fvbn_log_prob_inputs(rng: Random, number: int) -> dict:
    """W is full: what stands on and above its diagonal must not count. Each x has zeros and ones."""
    D, N = 3 + number % 3, 2 + number % 2
    x = []
    while len(x) < N:
        row = [float(rng.random() < 0.6) for _ in range(D)]
        if 0 < sum(row) < D:
            x.append(row)
    return {"W": table(rng, D, D, scale=1.3), "b": table(rng, D), "x": x}


EXERCISES = MappingProxyType({
    "autoregressive-mask": Exercise(kernel_mask, kernel_mask_inputs, mistakes.MASK),
    "autoregressive-fvbn": Exercise(fvbn_log_prob, fvbn_log_prob_inputs, mistakes.FVBN),
    **mixture.EXERCISES,
    **bugs.EXERCISES,
    **floor.EXERCISES,
    **paper.EXERCISES,
})  # fmt: skip
