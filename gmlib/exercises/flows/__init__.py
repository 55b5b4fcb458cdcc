"""The exercises of the chapter ``flows``: notebooks/exercises/flows.ipynb.

Shapes: x is (N,).
"""

from __future__ import annotations

from random import Random
from types import MappingProxyType

from gmlib.exercises.exercise import Exercise, Misconception, specification, table


@specification
def mean(x: list[float]) -> float:
    """The mean of the numbers."""
    return sum(x) / len(x)


def mean_inputs(rng: Random, number: int) -> dict:
    return {"x": table(rng, 2 + number % 3)}


MEAN = (
    Misconception("not divided", lambda x: sum(x),
        "This is the sum; it still has to be divided by the number of terms.",
        "这是总和，还要除以项数。"),
)  # fmt: skip

EXERCISES = MappingProxyType({
    "flows-mean": Exercise(mean, mean_inputs, MEAN),
})  # fmt: skip
