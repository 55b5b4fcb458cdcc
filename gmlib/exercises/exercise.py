"""What an exercise is: a specification, random inputs, and the mistakes that people really make.

Specifications and mistakes are written for plain Python numbers and lists, in loops, with the functions
of ``math``: slow, obviously right, and independent of the tensor code that an answer is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

Numbers = float | list
_answering: list[bool] = []  # one for each answer that runs now, in whatever thread: one that it starts may not ask either


@dataclass(frozen=True)
class Misconception:
    """A mistake, what it computes, and what to say to whoever made it.

    Args:
        name: a short name, for tests and for instructors.
        compute: the wrong function, of the same arguments as the specification.
        en, zh: one sentence that says what was done and what should be done, in each language.
    """

    name: str
    compute: Callable[..., Numbers]
    en: str
    zh: str


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Args:
        specification: the right function, of plain numbers and lists, marked with :func:`specification`.
        inputs: from a source of randomness and the number of the case (from 0), the arguments by name.
        misconceptions: the mistakes that are told by name.
        cases: how many random inputs are tried. With 1, the answer may be a value instead of a function, worked
            out on paper, and the checker does not show the right one.
        tolerance: allowed error, relative to the expected number or to 1, whichever is larger. The
            default lets answers in float32 pass.
    """

    specification: Callable[..., Numbers]
    inputs: Callable[[Random, int], dict[str, Numbers]]
    misconceptions: tuple[Misconception, ...]
    cases: int = 12
    tolerance: float = 1e-5

    def case(self, name: str, student: str, number: int) -> dict[str, Numbers]:
        """The arguments of one case; the same name, student and number give the same on every machine."""
        return self.inputs(Random(f"{name}/{student}/{number}"), number)


def specification(function: Callable[..., Numbers]) -> Callable[..., Numbers]:
    """Mark a function as a right answer, which an answer under test may not call."""

    def guarded(*args, **kwargs):
        if _answering:
            raise PermissionError("the answer calls the checker's own specification")
        return function(*args, **kwargs)

    guarded.__name__, guarded.__doc__ = function.__name__, function.__doc__
    function.is_specification = True  # by this the grader finds it, whoever keeps it
    return guarded


@contextmanager
def answering() -> Iterator[None]:
    """While an answer runs, no specification can be called."""
    _answering.append(True)
    try:
        yield
    finally:
        _answering.pop()


def table(rng: Random, *shape: int, mean: float = 0.0, scale: float = 1.0) -> Numbers:
    """Gaussian numbers in nested lists of the given shape.

    Example:
        >>> len(table(Random(0), 3, 2)), len(table(Random(0), 3, 2)[0])
        (3, 2)
    """
    if not shape:
        return rng.gauss(mean, scale)
    return [table(rng, *shape[1:], mean=mean, scale=scale) for _ in range(shape[0])]
