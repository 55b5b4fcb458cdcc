"""Numbers worked out on paper: they may be given as they are, a wrong one is named by its place, and the right one is never shown."""

import re

import pytest
import torch

from gmlib.exercises import CheckFailed, check, numbers
from tests.exercises.chapters import EXERCISES

PAPER = [name for name, exercise in EXERCISES.items() if exercise.cases == 1]
STUDENTS = ("Ada", "Emmy", "20261121")
PLACES = re.compile(r"not right · 不对：number ([\d, ]+) of (\d+) · (\d+) 个数中的第 ([\d、]+) 个\n")
each = pytest.mark.parametrize("name", PAPER)
each_student = pytest.mark.parametrize("student", STUDENTS)


def solution(name, student):
    exercise = EXERCISES[name]
    return exercise.specification(**exercise.case(name, student.lower(), 0))


def told(name, answer, student):
    with pytest.raises(CheckFailed) as failure:
        check(name, answer, student)
    return str(failure.value), failure


def places(text):
    (en, total, again, zh), = PLACES.findall(text)
    assert total == again and en.split(", ") == zh.split("、")
    return [int(place) for place in en.split(", ")]


def changed(values, *at):
    """The same numbers, wrong at the places `at` (from 1) in a way that is no known mistake."""
    return [v + 0.3096 * (1 + abs(v)) if i in at else v for i, v in enumerate(values, 1)]


def leaks(name, text, at, student):
    """The numbers in a message that are the right one of that place in any rounding, or pass for it; not those of the question."""
    right, out = solution(name, student), []
    for shown in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", re.sub(r"input · 输入：.*\n|not right · 不对：.*\n|by this .*\n", "", text)):
        typed = [float(shown) if i == at else v for i, v in enumerate(right, 1)]
        rounded = {f"{right[at - 1]:{form}}" for form in (".2f", ".3f", ".4f", ".5f", ".6f", ".3g", ".4g", ".5g", ".6g", "")}
        try:
            check(name, typed, student)
        except CheckFailed:
            out += [shown] if shown in rounded else []
        else:
            out.append(shown)
    return out


def test_there_are_exercises_on_paper():
    assert {name.partition("-")[0] for name in PAPER} >= {"overview", "vae"}


@each
def test_a_number_worked_out_on_paper_may_be_given_as_it_is(name):
    right = solution(name, "Ada")
    check(name, [round(v, 3) for v in right], "Ada")
    check(name, tuple(right), "Ada")


@each
@each_student
def test_each_wrong_number_is_named_by_its_place(name, student):
    right = solution(name, student)
    everywhere = range(1, len(right) + 1)
    for at in [(i,) for i in everywhere] + [(i, j) for i in everywhere for j in everywhere if i < j] + [tuple(everywhere)]:
        text, _ = told(name, changed(right, *at), student)
        assert places(text) == list(at)
        assert text.startswith(f"{name}\n  The numbers differ.\n  数值不对。\n") and "by this mistake" not in text


@each
@each_student
def test_no_message_shows_a_right_number(name, student):
    right = solution(name, student)
    assert min(abs(a - b) for i, a in enumerate(right) for b in right[:i]) > 0.01  # so that a number shown is a leak
    wrong = [m.compute(**EXERCISES[name].case(name, student.lower(), 0)) for m in EXERCISES[name].misconceptions]
    wrong += [changed(right, *range(1, len(right) + 1)), *(changed(right, i) for i in range(1, len(right) + 1)), [0.0] * len(right)]
    for values in wrong:
        for answer in (values, lambda *_, values=values: torch.tensor(values)):
            text, _ = told(name, answer, student)
            assert "expected" not in text
            assert [leak for at in places(text) for leak in leaks(name, text, at, student)] == []


@each
def test_a_right_number_shown_would_be_noticed(name):
    for at, right in enumerate(solution(name, "Ada"), 1):
        for form in (".3f", ".6g", ""):
            assert leaks(name, f"{name}\n  expected · 应为：[9, {right:{form}}]", at, "Ada") == [f"{right:{form}}"]


@each
def test_other_failures_show_no_number_either(name):
    right = solution(name, "Ada")
    for answer in (right[:-1], [right, right], [*right, [1.0, 2.0]], lambda *_: None, lambda *_: 1 / 0, "three", None):
        text, _ = told(name, answer, "Ada")
        assert "expected" not in text and not PLACES.search(text)


@each
def test_no_right_number_stays_in_the_traceback(name):
    right = solution(name, "Ada")
    _, failure = told(name, changed(right, 1), "Ada")
    left = [str(f.frame.f_locals) for f in failure.traceback if f.path.name == "checker.py"]
    assert left and not any(repr(right[0]) in values for values in left)


@each
@each_student
def test_a_mistake_is_told_where_it_gives_a_part_of_the_numbers(name, student):
    """One more number is wrong, in no known way; or one of the mistake's numbers is right."""
    right, case = solution(name, student), EXERCISES[name].case(name, student.lower(), 0)
    for m in EXERCISES[name].misconceptions:
        values = m.compute(**case)
        its = [i for i, (a, b) in enumerate(zip(values, right, strict=True), 1) if abs(a - b) > 0.05]
        others = [i for i in range(1, len(right) + 1) if abs(values[i - 1] - right[i - 1]) < 1e-9]
        if others:
            text, _ = told(name, changed(values, *others), student)
            explained = re.search(r"by this mistake · 由上述错误得出：number ([\d, ]+) of", text)[1]
            assert f"\n  {m.en}\n  {m.zh}\n" in text and [int(i) for i in explained.split(", ")] == its
            assert places(text) == sorted([*its, *others])


@each
def test_another_students_numbers_do_not_pass(name):
    mine = solution(name, "ada")
    assert [v.tolist() for v in numbers(name, "Ada").values()] == list(EXERCISES[name].case(name, "ada", 0).values())
    check(name, mine, "Ada")
    with pytest.raises(CheckFailed):
        check(name, mine, "Emmy")
