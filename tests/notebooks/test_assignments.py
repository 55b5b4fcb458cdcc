"""The students' versions: no solution, no hidden test and no output in them, and nbgrader can grade them."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.assignments import main, on_the_site, students_version
from tools.common import EXERCISES, ROOT, notebooks

SOLUTION = "    ### BEGIN SOLUTION\n    return 0.5 * (mu**2 + var - 1 - log(var))\n    ### END SOLUTION"
SCORES = """
    select submitted_assignment.student_id, grade.auto_score from grade
    join submitted_notebook on submitted_notebook.id = grade.notebook_id
    join submitted_assignment on submitted_assignment.id = submitted_notebook.assignment_id
    where grade.auto_score is not null
"""
HIDDEN = "### BEGIN HIDDEN TESTS\nassert kl(3, 1) == 4.5\n### END HIDDEN TESTS"


def test_links_lead_to_the_site():
    text = "[a](../vae/vae.ipynb#eq-vae-kl), [b](../vae/inference.ipynb) and [c](https://arxiv.org/abs/1)"
    there = on_the_site(text, "https://x.org/b/")
    assert "(https://x.org/b/notebooks/vae/vae.html#equation-eq-vae-kl)" in there
    assert "(https://x.org/b/notebooks/vae/inference.html)" in there and "(https://arxiv.org/abs/1)" in there
    for path in notebooks(EXERCISES):
        assert "](../" not in str(students_version(nbformat.read(path, as_version=4)))


def graded(source, grade_id, kind="code", **flags):
    """A cell in nbgrader's source format, as its own editor writes it."""
    settings = {"schema_version": 3, "grade_id": grade_id, "grade": False, "solution": False, "locked": False, "task": False}
    cell = new_code_cell(source) if kind == "code" else new_markdown_cell(source)
    cell.metadata["nbgrader"] = settings | flags
    return cell


def exercise():
    nb = new_notebook(
        cells=[
            new_markdown_cell("# Exercises · 习题"),
            graded(f"def kl(mu, var):\n{SOLUTION}", "kl", solution=True),
            graded(f"assert kl(0, 1) == 0\n{HIDDEN}", "kl-check", grade=True, locked=True, points=2),
            graded("Because Jensen's inequality is tight there.", "why", "markdown", grade=True, solution=True, points=3),
        ]
    )
    nb.cells[1].outputs = [new_output("stream", name="stdout", text="a trace of the solution")]
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nb


def leaks(source, student):
    """Lines of solutions and hidden tests that the student's version still holds."""
    secret = []
    for cell in source.cells:
        settings = cell.metadata.get("nbgrader", {})
        marked = "### BEGIN" in cell.source
        inside = not marked and settings.get("solution", False)  # without marks, the whole cell is the solution
        for line in cell.source.splitlines():
            if "### BEGIN" in line:
                inside = True
            elif "### END" in line:
                inside = False
            elif inside and line.strip():
                secret.append(line.strip())
    text = "\n".join(cell.source for cell in student.cells)
    return [line for line in secret if line in text] + [m for m in ("### BEGIN", "### END") if m in text]


def test_solutions_and_hidden_tests_go():
    student = students_version(exercise())
    assert leaks(exercise(), student) == []
    assert "NotImplementedError" in student.cells[1].source and "在此作答" in student.cells[1].source
    assert student.cells[2].source.strip() == "assert kl(0, 1) == 0"
    assert not student.cells[1].outputs


def test_graded_cells_are_locked_and_carry_a_checksum():
    check = students_version(exercise()).cells[2].metadata
    assert check["editable"] is False and check["deletable"] is False
    assert check["nbgrader"]["checksum"]


def test_planted_leaks_are_found():
    assert len(leaks(exercise(), exercise())) == 5  # the formula, the hidden test, the answer, both kinds of mark


def test_unclosed_solution_is_refused():
    nb = exercise()
    nb.cells[1].source = nb.cells[1].source.replace("### END SOLUTION", "")
    with pytest.raises(RuntimeError):
        students_version(nb)


def test_a_refusal_names_the_file(tmp_path):
    nb = exercise()
    del nb.cells[2].metadata["nbgrader"]["grade_id"]
    nbformat.write(nb, tmp_path / "bad.ipynb")
    with pytest.raises(SystemExit, match=r"bad\.ipynb: nbgrader cannot"):
        main(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out" / "bad.ipynb").exists()


def test_files_are_written_and_an_empty_folder_is_no_error(tmp_path, capsys):
    source, target = tmp_path / "exercises", tmp_path / "out"
    main(source, target)
    assert "No exercise notebook" in capsys.readouterr().out
    source.mkdir()
    nbformat.write(exercise(), source / "vae.ipynb")
    main(source, target)
    assert leaks(exercise(), nbformat.read(target / "vae.ipynb", as_version=4)) == []


def answered(formula, check=None):
    """The student's version with an answer in it, and perhaps with the test changed."""
    nb = students_version(exercise())
    nb.cells[1].source = f"from math import log\ndef kl(mu, var):\n    return {formula}"
    if check:
        nb.cells[2].source = check
    return nb


@pytest.mark.slow
def test_nbgrader_grades_what_students_hand_in(tmp_path):
    """A right answer earns its points; a stub of an answer with the test taken out earns none."""
    course = {
        "source": exercise(),
        "submitted/right": answered("0.5 * (mu**2 + var - 1 - log(var))"),
        "submitted/wrong": answered("0", check="pass"),
    }
    for folder, nb in course.items():
        (tmp_path / folder / "ex").mkdir(parents=True)
        nbformat.write(nb, tmp_path / folder / "ex" / "vae.ipynb")
    # nbgrader calls alembic by name, so the environment must be the active one
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in ("generate_assignment", "autograde"):
        run = [sys.executable, "-m", "nbgrader", command, "ex"]
        subprocess.run(run, cwd=tmp_path, env=environment, check=True, capture_output=True)
    with sqlite3.connect(tmp_path / "gradebook.db") as gradebook:
        assert dict(gradebook.execute(SCORES).fetchall()) == {"right": 2.0, "wrong": 0.0}


@pytest.mark.parametrize("path", notebooks(EXERCISES), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_exercise_notebook_leaks_nothing(path):
    source = nbformat.read(path, as_version=4)
    assert any(c.metadata.get("nbgrader", {}).get("solution") for c in source.cells), "no cell to solve"
    assert leaks(source, students_version(nbformat.read(path, as_version=4))) == []
