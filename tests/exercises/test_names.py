"""Whatever the student's name, the inputs tell the right function from each known mistake and from its simple mutants.

A mistake that passes shows inputs that are not generic (two equal numbers, a determinant of 1, one dimension) or that leave out an
edge (a tie, a confidence of 1). Mend the inputs; a mutant that computes the same on all that may come is listed in the chapter's
``mistakes.py`` under EQUIVALENT, with the reason.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from random import Random

import pytest

from gmlib.exercises.checker import _agree, _plain
from gmlib.exercises.exercise import Exercise
from tests.exercises.chapters import EXERCISES, MISTAKES
from tests.exercises.mutants import mutants

NAMES = [f"student {number}" for number in range(200)]
EQUIVALENT = {name: same for module in MISTAKES.values() for name, same in getattr(module, "EQUIVALENT", {}).items()}


def passing(name: str, exercise: Exercise, wrong: dict[str, Callable], student: str) -> dict[str, Callable]:
    """Those of the wrong functions that are right on all inputs of a student."""
    for number in range(exercise.cases):
        case = list(exercise.case(name, student, number).values())
        right = exercise.specification(*case)
        wrong = {what: function for what, function in wrong.items() if same(function, case, right, exercise.tolerance)}
        if not wrong:
            break
    return wrong


def same(function: Callable, case: list, right, tolerance: float) -> bool:
    try:
        return _agree(right, _plain(function(*case)), tolerance)
    except (ArithmeticError, ValueError, TypeError, LookupError, RecursionError):
        return False


def let_through(name: str, exercise: Exercise, students=NAMES) -> dict[str, list[str]]:
    wrong = {f"mistake: {m.name}": m.compute for m in exercise.misconceptions}
    wrong |= {what: f for what, f in mutants(exercise.specification).items() if what not in EQUIVALENT.get(name, ())}
    if exercise.cases == 1:
        size = len(exercise.specification(*exercise.case(name, "", 0).values()))
        wrong |= {f"numbers {i + 1} and {j + 1} exchanged": exchanged(exercise, i, j) for i, j in combinations(range(size), 2)}
    found = {student: list(passing(name, exercise, wrong, student)) for student in students}
    return {student: what for student, what in found.items() if what}


def exchanged(exercise: Exercise, i: int, j: int) -> Callable:
    def wrong(*arguments):
        numbers = list(exercise.specification(*arguments))
        numbers[i], numbers[j] = numbers[j], numbers[i]
        return numbers

    return wrong


@pytest.mark.parametrize("name", EXERCISES)
def test_no_mistake_and_no_mutant_passes_for_any_of_200_names(name):
    assert let_through(name, EXERCISES[name]) == {}


@pytest.mark.parametrize("name", EQUIVALENT)
def test_equivalent_mutants_exist_and_compute_the_same(name):
    known = mutants(EXERCISES[name].specification)
    assert EQUIVALENT[name] <= known.keys()
    listed = {what: known[what] for what in EQUIVALENT[name]}
    assert passing(name, EXERCISES[name], listed, NAMES[0]).keys() == listed.keys()


def one_sigma(rng: Random, number: int) -> dict:
    return {"mu": [[rng.gauss(0, 1) for _ in range(3)]], "sigma": [[1.0] * 3]}


def test_inputs_that_are_not_generic_are_noticed():
    """At sigma = 1 a variance is a standard deviation, and s^2 is s."""
    found = let_through("vae-gaussian-kl", replace(EXERCISES["vae-gaussian-kl"], inputs=one_sigma), NAMES[:1])
    assert {"mistake: variance for standard deviation", "gaussian_kl: s ** 2 -> s ** 3"} <= set(found[NAMES[0]])
