"""The exercise notebook: students get no solution, the stub gets the friendly message, nbgrader grades it."""

import copy
import os
import re
import sqlite3
import subprocess
import sys

import nbformat
import pytest

from gmlib.exercises import EXERCISES as ALL
from gmlib.exercises import CheckFailed
from tools.assignments import students_version
from tools.common import EXERCISES as FOLDER
from tools.common import kernel_environment

EXERCISES = {name: exercise for name, exercise in ALL.items() if name.startswith("vae-")}
SCORES = """
    select submitted_assignment.student_id, grade_cell.name, grade.auto_score from grade
    join submitted_notebook on submitted_notebook.id = grade.notebook_id
    join submitted_assignment on submitted_assignment.id = submitted_notebook.assignment_id
    join base_cell as grade_cell on grade_cell.id = grade.cell_id where grade.auto_score is not null
"""
# What students hand in, and what the checker has to say about it.
WRONG = {
    "vae-gaussian-kl": (
        "def gaussian_kl(mu, sigma):\n    return 0.5 * (mu**2 + sigma - 1 - sigma.log()).sum(-1)",
        "sigma was taken for a variance", "把 sigma 当成了方差"),
    "vae-importance-bound": (
        "def importance_bound(log_w):\n    return log_w.exp().mean(0).log()",
        "take out the largest log-weight first", "应先提出最大的对数权重"),
    "vae-divergence": (
        "def mended_divergence(mu, log_var):\n    prior = Normal(torch.zeros_like(mu), 1.0)\n"
        "    return kl_divergence(prior, Normal(mu, (log_var / 2).exp())).sum(-1)",
        "still the wrong way round", "散度的方向还是反的"),
}  # fmt: skip
# An answer that gives itself full marks in the cell that students see.
CHEAT = "def reparameterise(mu, log_var, eps):\n    return mu\n\ndef check(*_):\n    print('right')\n\nimport gmlib.exercises\ngmlib.exercises.check = check"


def source():
    return nbformat.read(FOLDER / "vae.ipynb", as_version=4)


def settings(cell):
    return cell.metadata.get("nbgrader", {})


def cells(nb, **flags):
    return {settings(c)["grade_id"]: c for c in nb.cells if settings(c) and all(settings(c)[k] == v for k, v in flags.items())}


def solution_lines(nb):
    """What stands between the marks of a solution, and the whole of a written answer."""
    out = []
    for cell in cells(nb, solution=True).values():
        marked = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL) or [cell.source]
        out += [line.strip() for part in marked for line in part.splitlines() if len(line.strip()) > 8]
    return out


def prepare(nb, student=""):
    """The same notebook, quick to run: everything trains for one epoch only."""
    for cell in nb.cells:
        if "settings" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace('student = ""', f"student = {student!r}").replace("(40, 200)", "(1, 20)")
        cell.source = cell.source.replace("epochs=15", "epochs=1").replace("valid, test = 100", "valid, test = 2")
        cell.source = re.sub("assert (mended|buggy) .*", "", cell.source)
    return nb


# --- as it stands ----------------------------------------------------------------------------------


def test_points_minutes_and_checks_agree():
    nb = source()
    graded = cells(nb, grade=True)
    text = "\n".join(c.source for c in nb.cells)
    rows = re.findall(r"^\| (\d+)\. .* · .* \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert 6 <= len(rows) <= 10
    assert sum(int(points) for *_, points in rows) == sum(settings(c)["points"] for c in graded.values())
    for number, minutes, points in rows:
        assert f"**{points} points, {minutes} minutes.**" in text and f"**{points} 分，{minutes} 分钟。**" in text
        assert re.search(rf"^## {number}\. ", text, re.MULTILINE)
    automatic = {name.removesuffix("-check") for name, c in graded.items() if not settings(c)["solution"]}
    assert automatic == EXERCISES.keys()
    assert sum(settings(c)["points"] for c in graded.values() if settings(c)["solution"]) == 10  # by hand, with the rubric


def test_every_check_is_locked_and_has_a_hidden_part_of_its_own():
    for name, cell in cells(source(), grade=True, solution=False).items():
        assert settings(cell)["locked"] and settings(cell)["points"] > 0
        assert cell.source.startswith(f'check("{name.removesuffix("-check")}", ')
        assert "### BEGIN HIDDEN TESTS" in cell.source and "another student" in cell.source or name.startswith("vae-mean-field")


def test_students_get_no_solution():
    teacher, student = source(), students_version(source())
    lines = solution_lines(teacher)
    assert len(lines) > 25
    shown = "\n".join(c.source for c in student.cells)
    assert [line for line in lines if line in shown] == []
    assert "### BEGIN" not in shown and "### END" not in shown and "another student" not in shown
    assert not any(c.get("outputs") for c in student.cells)
    assert len(cells(student, solution=True)) == len(cells(teacher, solution=True)) == 11


def test_a_planted_leak_is_seen():
    nb = source()
    cells(nb, solution=True)["vae-loss"].source += "\n# return (pixels.sum(-1) + dimensions.sum(-1)).mean()"
    shown = "\n".join(c.source for c in students_version(copy.deepcopy(nb)).cells)
    assert [line for line in solution_lines(nb) if line in shown]


def test_the_students_checks_give_the_friendly_message():
    """Run the student's version cell by cell, as somebody does who presses every button."""
    nb, space, told = prepare(students_version(source())), {}, []
    for cell in nb.cells:
        if cell.cell_type != "code" or "setup" in cell.metadata.get("tags", []) or "given" in settings(cell).get("grade_id", ""):
            continue
        try:
            exec(cell.source, space)
        except CheckFailed as error:
            told.append(settings(cell)["grade_id"])
            assert "There is no answer here yet." in str(error) and "这里还没有作答。" in str(error)
        except (NotImplementedError, NameError):
            assert not settings(cell).get("grade") or settings(cell)["solution"]
    assert told == [f"{name}-check" for name in EXERCISES]


# --- through nbgrader --------------------------------------------------------------------------------


def hand_in(student, answers):
    nb = prepare(students_version(prepare(source())), student)
    for name, answer in answers.items():
        cells(nb, solution=True)[name].source = answer
    return nb


def teachers_answers():
    return {name: c.source for name, c in cells(prepare(source()), solution=True).items()}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course in which three have handed in: all right, nothing, and some of it wrong; graded by nbgrader."""
    root = tmp_path_factory.mktemp("course")
    right = teachers_answers()
    notebooks = {
        "source": prepare(source()),
        "submitted/right": hand_in("Ada Lovelace", right),
        "submitted/stub": hand_in("", {}),
        "submitted/mixed": hand_in("Emmy", right | {k: v[0] for k, v in WRONG.items()} | {"vae-reparameterise": CHEAT}),
    }
    for folder, nb in notebooks.items():
        (root / folder / "ex").mkdir(parents=True)
        nbformat.write(nb, root / folder / "ex" / "vae.ipynb")
    # nbgrader calls alembic by name, so the environment must be the active one
    environment = kernel_environment()
    environment["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{environment['PATH']}"
    for command in ("generate_assignment", "autograde"):
        run = [sys.executable, "-m", "nbgrader", command, "ex"]
        done = subprocess.run(run, cwd=root, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    return root


def scores(course):
    with sqlite3.connect(course / "gradebook.db") as gradebook:
        rows = gradebook.execute(SCORES).fetchall()
    out = {}
    for student, name, score in rows:
        out.setdefault(student, {})[name.removesuffix("-check")] = score
    return out


@pytest.mark.slow
def test_solutions_get_full_marks_and_the_stub_none(course):
    full = {name.removesuffix("-check"): settings(c)["points"] for name, c in cells(source(), grade=True, solution=False).items()}
    marks = scores(course)
    assert sum(full.values()) == 27
    assert {k: v for k, v in marks["right"].items() if k in full} == full
    assert sum(marks["stub"].values()) == 0


@pytest.mark.slow
def test_wrong_answers_lose_their_points_and_get_the_right_feedback(course):
    marks = scores(course)["mixed"]
    lost = {name for name in EXERCISES if marks[name] == 0}
    assert lost == {*WRONG, "vae-reparameterise"}  # the cheat passes the check that it sees, and not the hidden one
    graded = cells(nbformat.read(course / "autograded/mixed/ex/vae.ipynb", as_version=4), grade=True, solution=False)
    for name, (_, en, zh) in WRONG.items():
        shown = str(graded[f"{name}-check"].outputs)
        assert en in shown and zh in shown and "checker.py" not in shown
