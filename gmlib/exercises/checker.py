"""Compare a student's answer with a specification on random inputs, and say what is wrong with it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any

from gmlib.exercises.catalogue import find
from gmlib.exercises.exercise import Exercise, Numbers, answering
from gmlib.exercises.stub import NO_ANSWER, reached

if TYPE_CHECKING:  # a grader that only compares does without PyTorch, which takes seconds to import
    from torch import Tensor

LONGEST = 400  # characters of one line of a message
CHANGED = "The checker lets wrong numbers pass: something has changed it."


class CheckFailed(AssertionError):
    """An answer is not right; the message says why, in both languages."""

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows: the message, below the answer's own error where there is one; not the checker's lines."""
        cause = self.__cause__
        own = [] if cause is None else traceback.format_exception(type(cause), cause, cause.__traceback__.tb_next)
        return [*"".join(own).splitlines(), f"{type(self).__name__}: {self}"]


class _NoNumbers(Exception):
    """An answer returned something that is not made of numbers; what to tell of it, in both languages."""


def check(name: str, answer: Callable | Any, student: str | int | None = None) -> None:
    """Print one line if the answer is right; raise with an explanation if it is not.

    Args:
        name: the exercise, such as ``"vae-gaussian-kl"``.
        answer: a function. It gets float64 tensors, int64 ones for classes and counts, and returns a tensor, an
            array, a number, or a list or tuple of them; axes of length 1 more or less do not matter. Where the exercise asks for
            numbers worked out on paper, they may be given as they are, and you are told which of them are not right.
        student: a name or a number; the inputs follow from it, so they differ from student to student.

    Raises:
        CheckFailed: an ``AssertionError``, if the answer is not right on every input.
        ValueError: on an exercise that does not exist, or a ``student`` that is neither text nor a whole number.

    Example:
        >>> check("vae-gaussian-kl", lambda mu, sigma: 0.5 * (mu**2 + sigma**2 - 1 - 2 * sigma.log()).sum(-1))
        vae-gaussian-kl: right · 正确 (12/12)
    """
    exercise, student = find(name), normal(student)
    cases = [exercise.case(name, student, i) for i in range(exercise.cases)]
    got = results(name, exercise, answer, cases)
    failure = compared(name, exercise, cases, got)
    if failure is not None:
        raise failure
    if compared(name, exercise, cases, _spoilt(got)) is None:
        raise _failure(name, CHANGED, "检查程序放过了错误的数：有什么东西改动了它。")
    _tell(f"{name}: right · 正确 ({len(cases)}/{len(cases)})")


def _tell(words: str) -> None:
    """Print; a letter that the console does not have, as an escape."""
    known = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(words.encode(known, "backslashreplace").decode(known))


def numbers(name: str, student: str | int | None = None) -> dict[str, Tensor]:
    """The first input of an exercise, which is the one that a question on paper is about.

    Example:
        >>> numbers("vae-mean-field", "Ada Lovelace")["P"].shape
        torch.Size([2, 2])
    """
    return _tensors(find(name).case(name, normal(student), 0))


def normal(student: str | int | None) -> str:
    if isinstance(student, bool) or not isinstance(student, str | int | None):
        raise ValueError(f"student must be text or a whole number, got {student!r}\nstudent 应为文字或整数，得到 {student!r}")
    return " ".join(str("" if student is None else student).split()).casefold()


def _tensors(case: dict[str, Numbers]) -> dict[str, Tensor]:
    import torch

    whole = {key: all(isinstance(number, int) for number in _flat(v)) for key, v in case.items()}
    return {key: torch.tensor(v, dtype=torch.int64 if whole[key] else torch.float64) for key, v in case.items()}


def results(name: str, exercise: Exercise, answer: Any, cases: list[dict]) -> list[Numbers]:
    """What the answer gives for each case, as plain numbers."""
    if answer is None or answer is ...:
        raise _failure(name, *NO_ANSWER)
    if not callable(answer):
        if exercise.cases > 1:
            raise _failure(name, "Give the function itself, without calling it.", "请传入函数本身，不要调用它。")
        return [_run(name, lambda *_: answer, cases[0])]
    return [_run(name, answer, case) for case in cases]


def _run(name: str, answer: Callable, case: dict[str, Numbers]) -> Numbers:
    """Call the answer on tensors of its own, made anew for each call, so that changing them changes nothing."""
    arguments = _tensors(case).values()
    call = f"called as · 调用方式：f({', '.join(case)})"
    try:
        with answering():
            return _plain(answer(*arguments))
    except _NoNumbers as problem:
        raise _failure(name, *problem.args, case) from None
    except RecursionError:
        raise _failure(name, "It calls itself without end.", "它不停地调用自身。", case) from None
    except (Exception, SystemExit) as error:
        if isinstance(error, NotImplementedError) and not error.args:  # the stub that the student starts from
            raise _failure(name, *reached(answer)) from None
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise _failure(name, f"It raises {what}", f"它抛出异常 {what}", case, call) from error


def _plain(value: Any) -> Numbers:
    """Nested lists of Python floats, whose comparison nobody can redefine."""
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().tolist()
    elif isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Real):
        return float(value)
    if value is None:
        raise _NoNumbers("It returns None: is a `return` missing?", "它返回 None：是不是漏了 return？")
    kind = type(value).__name__
    raise _NoNumbers(f"It returns something else than numbers: {kind}.", f"它返回的不是数，而是 {kind}。")


def _spoilt(value: Numbers) -> Numbers:
    """Of the same shape, and wrong in each number that is finite, by 1 and by as much as the number itself at least."""
    return [_spoilt(v) for v in value] if isinstance(value, list) else value + value * value + 1


def _flat(value: Numbers) -> list[float]:
    return [v for part in value for v in _flat(part)] if isinstance(value, list) else [value]


def _shape(value: Numbers) -> tuple[int, ...] | None:
    """The lengths along the axes; None for a list whose parts have different shapes."""
    if not isinstance(value, list):
        return ()
    inner = {_shape(v) for v in value}
    return None if None in inner or len(inner) > 1 else (len(value), *(inner.pop() if inner else ()))


def _close(a: float, b: float, tolerance: float) -> bool:
    scale = tolerance * max(1.0, b, -b)
    return a == b or -scale <= a - b <= scale < float("inf") or (a != a and b != b)


def _fits(right: Numbers, found: Numbers) -> bool:
    """Whether the shapes agree, but for axes of length 1."""
    one, two = _shape(right), _shape(found)
    return two is not None and [n for n in one if n != 1] == [n for n in two if n != 1]


def _differing(right: Numbers, found: Numbers, tolerance: float) -> set[int]:
    """Which numbers differ, counted from 1; the shapes must fit."""
    pairs = zip(_flat(found), _flat(right), strict=True)
    return {i for i, (a, b) in enumerate(pairs, 1) if not _close(a, b, tolerance)}


def _agree(right: Numbers, found: Numbers, tolerance: float) -> bool:
    return _fits(right, found) and not _differing(right, found, tolerance)


def compared(name: str, exercise: Exercise, cases: list[dict], got: list[Numbers]) -> CheckFailed | None:
    """What to tell of the first wrong result, if there is one.

    The right numbers are computed only here: while the answer ran there was nothing to look at, and none stay in the traceback.
    """
    for case, found in zip(cases, got, strict=True):
        right = exercise.specification(*case.values())
        if not _agree(right, found, exercise.tolerance):
            if exercise.cases == 1:
                en, zh, *lines = _on_paper(exercise, case, right, found)
            else:
                en, zh = _diagnosis(exercise, cases, got) or _description(right, found)
                lines = [f"expected · 应为：{_show(right)}"]
            return _failure(name, en, zh, case, *lines, f"got · 得到：{_show(found)}")
    return None


def _diagnosis(exercise: Exercise, cases: list[dict], got: list[Numbers]) -> tuple[str, str] | None:
    """The words for the mistake that explains all results, if one does."""
    for m in exercise.misconceptions:
        if all(_agree(m.compute(*case.values()), found, exercise.tolerance) for case, found in zip(cases, got, strict=True)):
            return m.en, m.zh
    return None


def _on_paper(exercise: Exercise, case: dict[str, Numbers], right: Numbers, found: Numbers) -> tuple[str, ...]:
    """Which of the numbers worked out on paper differ, and the mistake that gives most of them; never what is right."""
    en, zh = _diagnosis(exercise, [case], [found]) or _description(right, found)
    if not _fits(right, found):
        return en, zh
    wrong, gives = _differing(right, found, exercise.tolerance), []
    for m in exercise.misconceptions:
        value = m.compute(*case.values())
        if _fits(right, value):
            apart = _differing(value, found, exercise.tolerance)
            gives.append((wrong & _differing(right, value, exercise.tolerance) - apart, -len(apart), m))
    its, _, mistake = max(gives, key=lambda of_one: (len(of_one[0]), of_one[1]), default=(set(), 0, None))
    if its:
        en, zh = mistake.en, mistake.zh
    lines = [f"not right · 不对：{_places(wrong, right)}"]
    if its and its != wrong:
        lines.append(f"by this mistake · 由上述错误得出：{_places(its, right)}")
    return en, zh, *lines


def _places(places: set[int], right: Numbers) -> str:
    one, n = sorted(places), len(_flat(right))
    return f"number {', '.join(map(str, one))} of {n} · {n} 个数中的第 {'、'.join(map(str, one))} 个"


def _description(right: Numbers, found: Numbers) -> tuple[str, str]:
    one, two = _shape(right), _shape(found)
    if two is None:
        return "The parts of the result have different shapes.", "结果的各部分形状不一。"
    if not _fits(right, found):
        return f"The shape is {two}, and should be {one}.", f"形状是 {two}，应为 {one}。"
    if any(v != v for v in _flat(found)):
        return "The result holds a NaN.", "结果中有 NaN。"
    if any(v in (float("inf"), -float("inf")) for v in _flat(found)):
        return "The result is infinite.", "结果是无穷大。"
    return "The numbers differ.", "数值不对。"


def _show(value: Numbers) -> str:
    text = f"[{', '.join(_show(v) for v in value)}]" if isinstance(value, list) else f"{value:.6g}"
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def _failure(name: str, en: str, zh: str, case: dict[str, Numbers] | None = None, *lines: str) -> CheckFailed:
    inputs = [] if case is None else ["input · 输入：" + ", ".join(f"{k} = {_show(v)}" for k, v in case.items())]
    return CheckFailed("\n  ".join([name, en, zh, *inputs, *lines]))
