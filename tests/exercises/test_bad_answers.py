"""Stubs, accidents and tricks: each is rejected, with a message in both languages."""

import builtins
import math
import sys

import numpy as np
import pytest
import torch

from gmlib.exercises import CheckFailed, check, find, numbers
from gmlib.exercises import vae as exercises
from gmlib.exercises.checker import _plain
from tests.exercises.chapters import EXERCISES, RIGHT

NAME = "vae-gaussian-kl"
right = RIGHT[NAME][0]


class EqualToAll:
    """Claims to be whatever it is compared with."""

    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self

    __hash__ = None
    __lt__ = __gt__ = __le__ = __ge__ = __eq__


class EqualFloat(float):
    __eq__ = __le__ = __ge__ = lambda self, other: True
    __sub__ = __rsub__ = __abs__ = lambda self, *other: EqualFloat(0.0)
    __hash__ = float.__hash__


class EqualTensor(torch.Tensor):
    def __eq__(self, other):
        return torch.ones(self.shape, dtype=torch.bool)

    def __sub__(self, other):
        return torch.zeros(self.shape)


def stub(mu, sigma):
    raise NotImplementedError()


def below_the_stub(mu, sigma):
    """The divergence."""
    raise NotImplementedError()
    return right(mu, sigma)


def above_the_stub(mu, sigma):
    kl = right(mu, sigma)  # noqa: F841
    raise NotImplementedError()


def endless(mu, sigma):
    return endless(mu, sigma)


def leave(mu, sigma):
    sys.exit(0)


def endless_list(mu, sigma):
    values = []
    values.append(values)
    return values


ACCIDENTS = {
    "There is no answer here yet.|这里还没有作答。": [stub, None, ...],
    "delete that line|请删去这一行": [below_the_stub, above_the_stub],
    "It returns None|它返回 None": [lambda mu, sigma: None, lambda mu, sigma: print(end="")],
    "Give the function itself|请传入函数本身": [3.0, torch.zeros(1), "vae-gaussian-kl", [stub]],
    "It returns something else than numbers|它返回的不是数": [
        lambda mu, sigma: "0.5", lambda mu, sigma: {"kl": 1.0}, lambda mu, sigma: right, lambda mu, sigma: (v for v in mu),
        lambda mu, sigma: EqualToAll(), lambda mu, sigma: [EqualToAll()] * len(mu), lambda mu, sigma: 1j * right(mu, sigma),
    ],
    "The shape is|形状是": [lambda mu, sigma: torch.zeros(len(mu), 2, 2), lambda mu, sigma: [], lambda mu, sigma: right(mu, sigma)[:0]],
    "different shapes|形状不一": [lambda mu, sigma: [[1.0, 2.0], 3.0]],
    "NaN|NaN": [lambda mu, sigma: right(mu, sigma) * math.nan, lambda mu, sigma: np.full(len(mu), np.nan)],
    "is infinite|无穷大": [lambda mu, sigma: right(mu, sigma) / 0],
    "It raises ZeroDivisionError|它抛出异常 ZeroDivisionError": [lambda mu, sigma: 1 / 0],
    "It raises TypeError|它抛出异常 TypeError": [lambda mu: mu, lambda: 0.0, lambda mu, sigma: mu + "1"],
    "It raises NotImplementedError: of torch|它抛出异常 NotImplementedError": [lambda mu, sigma: (_ for _ in ()).throw(NotImplementedError("of torch"))],
    "It raises SystemExit|它抛出异常 SystemExit": [leave],
    "It calls itself without end|它不停地调用自身": [endless, endless_list],
    "The numbers differ|数值不对": [
        lambda mu, sigma: right(mu, sigma) * 1.0001, lambda mu, sigma: right(mu, sigma).half() + 0.01,
        lambda mu, sigma: right(mu, sigma) > 0, lambda mu, sigma: right(mu, sigma).round().int(),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("words", "answer"), [(w, a) for w, answers in ACCIDENTS.items() for a in answers],
                         ids=[w.split("|")[0] for w, answers in ACCIDENTS.items() for _ in answers])  # fmt: skip
@pytest.mark.filterwarnings("ignore:Casting complex")
def test_accidents_are_explained(words, answer, capsys):
    with pytest.raises(CheckFailed) as failure:
        check(NAME, answer)
    en, zh = words.split("|")
    assert en in str(failure.value) and zh in str(failure.value)
    assert "right" not in capsys.readouterr().out


@pytest.mark.parametrize("name", EXERCISES)
def test_the_stub_of_each_exercise_is_not_an_answer(name):
    def stub(*arguments):
        raise NotImplementedError()

    for nothing in (stub, None):
        with pytest.raises(CheckFailed, match="There is no answer here yet.\n  这里还没有作答。"):
            check(name, nothing)


def test_the_error_of_an_answer_is_kept_as_the_cause():
    with pytest.raises(CheckFailed) as failure:
        check(NAME, lambda mu, sigma: mu / 0 + unknown_name)  # noqa: F821
    assert isinstance(failure.value.__cause__, NameError) and "called as · 调用方式：f(mu, sigma)" in str(failure.value)


def test_jupyter_shows_the_answers_own_error_and_not_the_checkers_lines():
    def with_a_bug(mu, sigma):
        return mu @ sigma @ mu

    for answer, own in ((with_a_bug, ["in with_a_bug", "RuntimeError"]), (stub, [])):
        with pytest.raises(CheckFailed) as failure:
            check(NAME, answer, "Ada")
        shown = "\n".join(failure.value._render_traceback_())
        assert all(words in shown for words in [*own, str(failure.value)])
        assert "checker.py" not in shown


# --- tricks ----------------------------------------------------------------------------------------


def by_changing_its_inputs(mu, sigma):
    mu.zero_(), sigma.fill_(1.0)
    return torch.zeros(len(mu))


def by_asking_the_specification(mu, sigma):
    return exercises.gaussian_kl(mu.tolist(), sigma.tolist())


def by_its_name_in_the_register(mu, sigma):
    return find(NAME).specification(mu.tolist(), sigma.tolist())


def by_looking_at_its_callers(mu, sigma):
    frame = sys._getframe()
    while frame := frame.f_back:
        for key in ("wanted", "right", "expected"):
            if key in frame.f_locals and isinstance(frame.f_locals[key], list):
                return frame.f_locals[key][0]
    raise LookupError("nothing to copy from")


def by_learning_the_answer_from_the_first_message(mu, sigma):
    return torch.full((len(mu),), first_expected())


def first_expected():
    case = EXERCISES[NAME].case(NAME, "", 0)
    return sum((m**2 + s**2 - 1 - 2 * math.log(s)) / 2 for m, s in zip(case["mu"][0], case["sigma"][0]))


TRICKS = {
    "equal to all": lambda mu, sigma: EqualToAll(),
    "floats equal to all": lambda mu, sigma: [EqualFloat(1.0)] * len(mu),
    "a tensor equal to all": lambda mu, sigma: torch.ones(len(mu)).as_subclass(EqualTensor),
    "an array of objects": lambda mu, sigma: np.array([EqualToAll()] * len(mu), dtype=object),
    "returns its input": lambda mu, sigma: mu,
    "returns both inputs": lambda mu, sigma: (mu, sigma),
    "a constant": lambda mu, sigma: torch.zeros(len(mu)),
    "true": lambda mu, sigma: True,
    "the first number": by_learning_the_answer_from_the_first_message,
    "changes its inputs": by_changing_its_inputs,
    "asks the specification": by_asking_the_specification,
    "asks the register": by_its_name_in_the_register,
    "looks at its callers": by_looking_at_its_callers,
}


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_earn_nothing(trick):
    with pytest.raises(CheckFailed):
        check(NAME, TRICKS[trick])


def as_tensor(answer):
    """A right answer with a tensor coming out."""
    return lambda *arguments: torch.tensor(_plain(answer(*arguments)), dtype=torch.float64)


BAD = {
    "something else than numbers|不是数": lambda right, spec: lambda *arguments: str(right(*arguments)),
    "NaN|NaN": lambda right, spec: lambda *arguments: right(*arguments) * math.nan,
    "The shape is|形状是": lambda right, spec: lambda *arguments: torch.stack([right(*arguments)] * 2),
    "calls the checker's own|PermissionError": lambda right, spec: lambda *arguments: spec(*(v.tolist() for v in arguments)),
    "differ|不对": lambda right, spec: lambda *arguments: right(*arguments) + 0.4321,
    "got|得到": lambda right, spec: lambda *arguments: arguments[0],
}


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("words", BAD)
def test_bad_returns_and_tricks_earn_nothing_in_any_exercise(name, words):
    answer = BAD[words](as_tensor(RIGHT[name][0]), EXERCISES[name].specification)
    with pytest.raises(CheckFailed) as failure:
        check(name, answer, "Ada")
    assert all(word in str(failure.value) for word in words.split("|"))


@pytest.mark.parametrize(
    ("owner", "function"),
    [(torch, "allclose"), (torch, "equal"), (torch, "isclose"), (torch.testing, "assert_close"), (torch.Tensor, "__eq__"),
     (torch.Tensor, "__sub__"), (np, "allclose"), (np.testing, "assert_allclose"), (math, "isclose"), (math, "log"),
     (math, "exp"), (builtins, "abs"), (builtins, "max")],
    ids=lambda v: getattr(v, "__name__", v),
)  # fmt: skip
def test_replacing_what_a_comparison_might_use_earns_nothing(owner, function):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(CheckFailed):

        def answer(mu, sigma):
            patch.setattr(owner, function, lambda *args, **kwargs: 0.0, raising=False)
            return [0.0] * len(mu)

        check(NAME, answer)


def test_specifications_can_be_called_again_after_an_answer_has_failed():
    with pytest.raises(CheckFailed):
        check(NAME, by_asking_the_specification)
    assert exercises.gaussian_kl([[3.0]], [[1.0]]) == [4.5]


# --- wrong use of the checker itself -----------------------------------------------------------------


@pytest.mark.parametrize("student", [1.5, True, ["Ada"], EqualToAll()])
def test_a_student_is_text_or_a_whole_number(student):
    with pytest.raises(ValueError, match="student must be text or a whole number") as failure:
        check(NAME, right, student)
    assert "应为文字或整数" in str(failure.value)


def test_a_student_number_is_the_same_with_and_without_quotes():
    with_quotes, without = numbers("vae-mean-field", "20261121"), numbers("vae-mean-field", 20261121)
    assert all(torch.equal(with_quotes[key], without[key]) for key in with_quotes)
    assert not torch.equal(without["P"], numbers("vae-mean-field", 0)["P"])


# --- numbers that belong to a student ------------------------------------------------------------------


@pytest.mark.parametrize("name", EXERCISES)
def test_inputs_follow_from_the_student(name):
    cases = {student: EXERCISES[name].case(name, student, 0) for student in ("", "ada", "emmy", "李明")}
    again = {student: EXERCISES[name].case(name, student, 0) for student in cases}
    assert cases == again
    assert len({str(case) for case in cases.values()}) == len(cases)


def test_inputs_are_the_same_on_every_machine():
    assert numbers("vae-mean-field", "Ada Lovelace")["P"].tolist() == [[3.4, 2.2], [2.2, 1.8]]
    assert numbers(NAME, "Ada Lovelace")["mu"].item() == pytest.approx(-0.6188822243437315, abs=1e-12)


def test_a_name_may_be_written_with_other_capitals_and_spaces():
    first, second = (numbers(NAME, student)["mu"] for student in ("Ada Lovelace", "  ada   LOVELACE "))
    assert torch.equal(first, second)
    assert torch.equal(numbers(NAME)["mu"], numbers(NAME, "")["mu"])
