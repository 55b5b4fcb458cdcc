"""The exercise notebooks: students get no solution, an answer not begun gets the friendly message, nbgrader grades them."""

import copy
import os
import re
import sqlite3
import subprocess
import sys

import nbformat
import pytest
import torch

from gmlib.exercises import CheckFailed, chapters, exercises, find
from tests.exercises.chapters import MISTAKES, SLUGS
from tools.assignments import students_version
from tools.common import EXERCISES as FOLDER
from tools.common import ROOT, kernel_environment

SCORES = """
    select submitted_assignment.student_id, grade_cell.name, grade.auto_score from grade
    join submitted_notebook on submitted_notebook.id = grade.notebook_id
    join submitted_assignment on submitted_assignment.id = submitted_notebook.assignment_id
    join base_cell as grade_cell on grade_cell.id = grade.cell_id where grade.auto_score is not null
"""
# What an answer adds that gives itself full marks in the cell that students see.
CHEAT = "\n\ndef check(*_):\n    print('right')\n\nimport gmlib.exercises\ngmlib.exercises.check = check"

each_chapter = pytest.mark.parametrize("slug", SLUGS)


def source(slug):
    return nbformat.read(FOLDER / f"{slug}.ipynb", as_version=4)


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


def prepare(slug, nb, student=""):
    """The same notebook, quick to run: what trains does so for one epoch only."""
    for cell in nb.cells:
        if "settings" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace('student = ""', f"student = {student!r}")
        for there, instead in MISTAKES[slug].QUICK:
            cell.source = cell.source.replace(there, instead)
    return nb


# --- as they stand ---------------------------------------------------------------------------------


def test_every_exercise_is_in_a_notebook_and_every_notebook_has_its_exercises():
    assert SLUGS == chapters() != []
    assert all(name.startswith(f"{slug}-") for slug in SLUGS for name in exercises(slug))


@each_chapter
def test_points_minutes_and_checks_agree(slug):
    nb = source(slug)
    graded = cells(nb, grade=True)
    text = "\n".join(c.source for c in nb.cells)
    rows = re.findall(r"^\| (\d+)\. .* · .* \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert 6 <= len(rows) <= 10
    assert sum(int(points) for *_, points in rows) == sum(settings(c)["points"] for c in graded.values())
    for number, minutes, points in rows:
        assert f"**{points} points, {minutes} minutes.**" in text and f"**{points} 分，{minutes} 分钟。**" in text
        assert re.search(rf"^## {number}\. ", text, re.MULTILINE)
    automatic = [name.removesuffix("-check") for name, c in graded.items() if not settings(c)["solution"]]
    assert automatic == list(exercises(slug))
    by_hand = sum(settings(c)["points"] for c in graded.values() if settings(c)["solution"])
    rubric = text.split("| What earns points · 得分点 | Points · 分值 |\n|---|---|\n")[1].split("\n\n")[0]
    assert by_hand == sum(int(row.split("|")[-2]) for row in rubric.splitlines() if row.startswith("|")) > 0


@each_chapter
def test_every_check_is_locked_and_has_a_hidden_part_of_its_own(slug):
    for name, cell in cells(source(slug), grade=True, solution=False).items():
        exercise = name.removesuffix("-check")
        assert settings(cell)["locked"] and settings(cell)["points"] > 0
        assert cell.source.startswith(f'check("{exercise}", ')
        assert "### BEGIN HIDDEN TESTS" in cell.source
        assert ("another student" in cell.source) == (find(exercise).cases > 1)  # on paper there is one case only


@each_chapter
def test_students_get_no_solution(slug):
    teacher, student = source(slug), students_version(source(slug))
    lines = solution_lines(teacher)
    assert len(lines) > 2 * len(exercises(slug))
    shown = "\n".join(c.source for c in student.cells)
    assert [line for line in lines if line in shown] == []
    assert "### BEGIN" not in shown and "### END" not in shown and "another student" not in shown
    assert not any(c.get("outputs") for c in student.cells)
    by_hand = cells(teacher, grade=True, solution=True)
    assert cells(student, solution=True).keys() == {*exercises(slug), *by_hand} == cells(teacher, solution=True).keys()


@each_chapter
def test_a_planted_leak_is_seen(slug):
    nb = source(slug)
    name = next(iter(exercises(slug)))
    cells(nb, solution=True)[name].source += f"\n# {solution_lines(nb)[0]}"
    shown = "\n".join(c.source for c in students_version(copy.deepcopy(nb)).cells)
    assert [line for line in solution_lines(nb) if line in shown]


@each_chapter
def test_links_lead_to_a_notebook_and_to_an_equation_in_it(slug):
    text = "\n".join(c.source for c in source(slug).cells if c.cell_type == "markdown")
    links = re.findall(r"\]\(\.\./([\w/-]+\.ipynb)(?:#([\w-]+))?\)", text)
    assert len(links) > 5
    for path, label in links:
        there = nbformat.read(ROOT / "notebooks" / path, as_version=4)
        assert not label or any(f"$$ ({label})" in c.source for c in there.cells), (path, label)


@pytest.fixture
def own_dtype():
    """A notebook may set PyTorch's default type; the tests after it keep theirs."""
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


@each_chapter
def test_the_students_checks_give_the_friendly_message(slug, own_dtype):
    """Run the student's version cell by cell, as somebody does who presses every button."""
    nb, space, told = prepare(slug, students_version(source(slug))), {}, []
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
    assert told == [f"{name}-check" for name in exercises(slug)]


# --- through nbgrader --------------------------------------------------------------------------------


def hand_in(slug, student, answers):
    nb = prepare(slug, students_version(prepare(slug, source(slug))), student)
    for name, answer in answers.items():
        cells(nb, solution=True)[name].source = answer
    return nb


def untouched(slug):
    """The exercise whose stub is handed in as it was; none in a chapter that has only begun."""
    return next((name for name in exercises(slug) if name not in {*MISTAKES[slug].WRONG, MISTAKES[slug].CHEATED[0]}), "")


def handed_in(slug):
    """What the instructor holds and what two hand in: all right; some of it wrong, and one answer not begun."""
    right = {name: c.source for name, c in cells(prepare(slug, source(slug)), solution=True).items()}
    cheated, answer = MISTAKES[slug].CHEATED
    mixed = {name: right[name] for name in exercises(slug)} | {cheated: answer + CHEAT}  # and no project
    mixed.pop(untouched(slug), None)
    mixed |= {name: answer for name, (answer, *_) in MISTAKES[slug].WRONG.items()}
    return {
        "source": prepare(slug, source(slug)),
        "submitted/right": hand_in(slug, "Ada Lovelace", right),
        "submitted/mixed": hand_in(slug, "Emmy", mixed),
    }


@pytest.fixture(scope="module")
def course(tmp_path_factory, request):
    """A course whose one assignment has the notebooks of all chapters that are asked for, graded by nbgrader."""
    root = tmp_path_factory.mktemp("course")
    asking = [item for item in request.session.items if "course" in getattr(item, "fixturenames", ())]
    for slug in sorted({item.callspec.params["slug"] for item in asking}):
        for folder, nb in handed_in(slug).items():
            (root / folder / "ex").mkdir(parents=True, exist_ok=True)
            nbformat.write(nb, root / folder / "ex" / f"{slug}.ipynb")
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
@each_chapter
def test_solutions_get_full_marks(course, slug):
    graded = cells(source(slug), grade=True, solution=False)
    full = {name.removesuffix("-check"): settings(c)["points"] for name, c in graded.items()}
    marks = scores(course)["right"]
    assert {name: marks[name] for name in full} == full


@pytest.mark.slow
@each_chapter
def test_wrong_answers_lose_their_points_and_get_the_right_feedback(course, slug):
    wrong, (cheated, _) = MISTAKES[slug].WRONG, MISTAKES[slug].CHEATED
    marks = scores(course)["mixed"]
    assert len(wrong) >= 3 and untouched(slug)
    # the cheat passes the check that it sees, and not the hidden one
    assert {name for name in exercises(slug) if marks[name] == 0} == {*wrong, cheated, untouched(slug)}
    graded = cells(nbformat.read(course / f"autograded/mixed/ex/{slug}.ipynb", as_version=4), grade=True, solution=False)
    for name, (_, en, zh) in (wrong | {untouched(slug): ("", "There is no answer here yet.", "这里还没有作答。")}).items():
        shown = str(graded[f"{name}-check"].outputs)
        assert en in shown and zh in shown and "checker.py" not in shown
