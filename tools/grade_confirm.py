"""Compare in the grader's own process what an answer gives, once a check has let it pass.

The check runs in the student's process, where an answer can change what it compares with, and ask for what it wants to
hear. So the grader asks again, for inputs that nobody knew before, and compares the numbers itself. The kernel works them
out in a fork of it in which no specification is left: `tools.grade_answers`.
"""

import ast
import hashlib
import json

from nbformat.v4 import new_code_cell

from gmlib.exercises import find
from gmlib.exercises.checker import compared, normal

HERE = "__import__('tools.grade_answers', fromlist=['answers'])"  # leaves no name behind in the notebook
NOT_CONFIRMED = "NotConfirmed"  # the error of a check that passed in the kernel and not outside


def checks(source):
    """Of each call `check("name", answer, student)` in a cell: the name, and the other two as text, each name once."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:  # magics, in a check of the instructor's own
        nodes = []
    out = {}
    for call in [n for n in nodes if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "check"]:
        given = dict(zip(("name", "answer", "student"), call.args)) | {k.arg: k.value for k in call.keywords}
        if isinstance(given.get("name"), ast.Constant) and "answer" in given:
            student = ast.unparse(given["student"]) if "student" in given else "None"
            out.setdefault(given["name"].value, (ast.unparse(given["answer"]), student))
    return [(name, *texts) for name, texts in out.items()]


def known(name):
    """The exercise of that name; None for a check of the instructor's own."""
    try:
        return find(name)
    except ValueError:
        return None


def unknown_student(nb):
    """A student's name, from which inputs follow, that stands in no notebook and is the same in each run of this one."""
    return hashlib.sha256("\n".join(c.source for c in nb.cells).encode()).hexdigest()[:16]


def refuted(source, run, student):
    """Why a check that passed is not confirmed, or None; `run` runs a cell in the kernel and gives its outputs."""
    for name, answer, own in checks(source):
        if (exercise := known(name)) is None:
            continue
        if exercise.cases == 1:  # on paper: the numbers are the student's own
            student = normal(str(ask(run, f"__import__('json').dumps('' if {own} is None else str({own}))")))
        cases = [exercise.case(name, student, i) for i in range(exercise.cases)]
        got = ask(run, f"{HERE}.answers({name!r}, {answer}, {json.dumps(cases)!r})")
        if not isinstance(got, list):
            return str(got)
        try:
            failure = compared(name, exercise, cases, got)
        except Exception as error:  # no lists of numbers
            failure = f"{type(error).__name__}: {error}"
        if failure is not None:
            return str(failure)
    return None


def ask(run, expression):
    """The value of an expression in the kernel that gives JSON; a sentence where it gives none."""
    shown = f"__import__('IPython').display.display({{'text/plain': {expression}}}, raw=True)"
    found = [out.data["text/plain"] for out in run(new_code_cell(shown)) if out.output_type == "display_data"]
    try:
        return json.loads(found[-1])
    except (IndexError, TypeError, ValueError):
        return "It gave no numbers when it was asked again. · 再次询问时，它没有给出数。"
