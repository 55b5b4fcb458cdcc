"""Right answers of every shape pass; every mistake that the checker knows is rejected and told by name."""

import doctest
from dataclasses import replace

import pytest
import torch

from gmlib.exercises import CheckFailed, catalogue, check, checker, exercise, numbers, stub
from gmlib.exercises.checker import _tensors
from tests.exercises.chapters import AS_WRITTEN, EXERCISES, RIGHT

STUDENTS = (None, "Ada Lovelace", "20260017", "李明")
MISTAKES = [(name, m) for name, exercise in EXERCISES.items() for m in exercise.misconceptions]


def plain(values):
    return values.tolist() if isinstance(values, torch.Tensor) else values


def wrong_answer(misconception):
    """A student's function that makes the mistake, with tensors going in and coming out."""
    return lambda *arguments: torch.tensor(misconception.compute(*(plain(a) for a in arguments)), dtype=torch.float64)


@pytest.mark.parametrize("name", EXERCISES)
def test_each_exercise_has_right_answers_of_several_shapes(name):
    assert len(RIGHT[name]) >= 3


def test_each_right_answer_belongs_to_an_exercise():
    assert RIGHT.keys() <= EXERCISES.keys()


@pytest.mark.parametrize(("name", "number"), [(name, i) for name, answers in RIGHT.items() for i in range(len(answers))])
def test_right_answers_pass(name, number, capsys):
    for student in STUDENTS:
        assert check(name, RIGHT[name][number], student) is None
    assert capsys.readouterr().out.count(f"{name}: right · 正确") == len(STUDENTS)


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[f"{name}: {m.name}" for name, m in MISTAKES])
def test_mistakes_are_told_by_name(name, mistake):
    for student in STUDENTS:
        with pytest.raises(CheckFailed) as failure:
            check(name, wrong_answer(mistake), student)
        assert f"\n  {mistake.en}\n  {mistake.zh}\n" in str(failure.value)


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[f"{name}: {m.name}" for name, m in MISTAKES])
def test_a_mistake_in_the_specification_would_be_noticed(name, mistake, monkeypatch):
    wrong = replace(EXERCISES[name], specification=mistake.compute)
    monkeypatch.setattr(checker, "find", lambda _: wrong)
    with pytest.raises(CheckFailed):
        check(name, RIGHT[name][0])


@pytest.mark.parametrize("name", EXERCISES)
def test_each_exercise_knows_at_least_six_mistakes_and_says_each_differently(name):
    known = EXERCISES[name].misconceptions
    assert len({words for m in known for words in (m.en, m.zh)}) == 2 * len(known) >= 12
    assert len({m.name for m in known}) == len(known)


@pytest.mark.parametrize("name", EXERCISES)
def test_no_two_mistakes_compute_the_same(name):
    """The same numbers could be told by the first name only."""
    cases = [EXERCISES[name].case(name, "ada", i) for i in range(EXERCISES[name].cases)]
    values = [[m.compute(*case.values()) for case in cases] for m in EXERCISES[name].misconceptions]
    assert not any(all(map(same, one, other)) for i, one in enumerate(values) for other in values[:i])


def same(one, other):
    return checker._agree(one, other, 1e-5)


@pytest.mark.parametrize("key", AS_WRITTEN, ids=": ".join)
def test_mistakes_are_recognised_in_students_own_code(key):
    name, mistake = key
    known = {m.name: m for m in EXERCISES[name].misconceptions}[mistake]
    with pytest.raises(CheckFailed) as failure:
        check(name, AS_WRITTEN[key])
    assert known.en in str(failure.value)


def test_the_first_failing_case_is_shown():
    def wrong_from_the_third_on(mu, log_var, eps):
        wrong_from_the_third_on.calls += 1
        return mu + (log_var / 2).exp() * eps + (wrong_from_the_third_on.calls >= 3)

    wrong_from_the_third_on.calls = 0
    with pytest.raises(CheckFailed, match="The numbers differ") as failure:
        check("vae-reparameterise", wrong_from_the_third_on, "Ada")
    case = EXERCISES["vae-reparameterise"].case("vae-reparameterise", "ada", 2)
    shown = str(failure.value)
    assert f"{case['mu'][0][0]:.6g}" in shown and "expected · 应为" in shown and "got · 得到" in shown
    right = RIGHT["vae-reparameterise"][0](*_tensors(case).values())
    assert f"{right[0, 0].item():.6g}" in shown and f"{right[0, 0].item() + 1:.6g}" in shown


def test_whole_numbers_come_as_int64_and_others_as_float64():
    kinds = {name: {k: v.dtype for k, v in numbers(name).items()} for name in EXERCISES}
    assert kinds["overview-shared-covariance"] == {"x": torch.float64, "y": torch.int64}
    assert kinds["overview-conditional-table"] == {"counts": torch.int64, "alpha": torch.float64}
    assert {kind for name in kinds if name.startswith("vae-") for kind in kinds[name].values()} == {torch.float64}


@pytest.mark.parametrize("module", [catalogue, checker, exercise, stub])
def test_the_examples_run(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
