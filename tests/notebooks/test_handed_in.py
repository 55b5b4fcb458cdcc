"""What students add or do beyond their answers is used, or told with `!`: no silent zero, nothing left behind.

Each but the last tries one part of the grading on its own; the last grades one notebook through nbgrader.
"""

import copy
import json
import os
import sys
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tests.notebooks.test_class import BOUND, DRAW, KL, RIGHT, STUB_NB, TEXT, WRONG, answered, error, find, points
from tools import grade, grade_mend, grade_own, grade_run, grade_table
from tools.grade_execute import OVER

# --- what was added to the notebook ---------------------------------------------------------------------------


def mended(*cells, at=None, nb=STUB_NB):
    """The notebook with these cells inserted, mended; the notes; the added cells that nothing uses."""
    nb = copy.deepcopy(nb)
    nb.cells[at:at] = cells
    notes = grade_mend.mend(nb, STUB_NB)
    return nb, notes, grade_own.added(nb, STUB_NB)


ALL = "\n\n".join(RIGHT[key] for key in (KL, DRAW, BOUND))


@pytest.mark.parametrize("where", [0, 2, len(STUB_NB.cells)], ids=["first", "above", "last"])
@pytest.mark.parametrize("text, right", [(RIGHT[KL], (2, 0, 0)), (ALL, (2, 2, 3))], ids=["one", "all in one cell"])
def test_an_answer_beside_its_untouched_stub_has_its_points(where, text, right):
    at = where if where != 2 else find(STUB_NB, KL)
    nb, notes, added = mended(new_code_cell(text), at=at)
    assert points(nb) == right and added == [] and any("the answer stood in another cell" in n for n in notes)


def test_of_two_such_answers_the_last_counts_and_somebody_looks():
    nb, notes, _ = mended(new_code_cell(WRONG[KL]), new_code_cell(RIGHT[KL]), at=0)
    assert points(nb) == (2, 0, 0) and any(n.startswith(f"{grade_mend.LOOK}{KL}: the answer stood") for n in notes)


def test_what_no_answer_uses_is_named():
    project, text = new_code_cell("results = {}\nfor k in (2, 4): results[k] = k"), new_markdown_cell("It rises, as one sees.")
    nb, notes, added = mended(project, text, at=len(STUB_NB.cells))
    assert notes == [] and added == [(TEXT, "results = {}"), (TEXT, "It rises, as one sees.")]


HALF, THIRD = "def half(x):\n    return x / 2", RIGHT[KL].replace("0.5 * (", "half(")
HELPERS = {
    "a function": (HALF, THIRD),
    "a helper of a helper": ("two = 2\ndef half(x):\n    return x / two", THIRD),
    "in two cells": ("two = 2", "def half(x):\n    return x / two", THIRD),
    "a class": ("class Half:\n    def __call__(self, x):\n        return x / 2", THIRD.replace("half(", "Half()(")),
    "two names at once": ("half, other = (lambda x: x / 2), None", THIRD),
    "an import": ("from operator import truediv", THIRD.replace("half(", "truediv(2 * (").replace(".sum", " / 2, 2).sum")),
    "below a magic": (f"%matplotlib inline\n{HALF}", THIRD),
}


@pytest.mark.parametrize("kind", HELPERS)
def test_a_helper_of_an_answer_is_used(kind):
    *helpers, answer = HELPERS[kind]
    assert mended(*map(new_code_cell, helpers), at=2, nb=answered(STUB_NB, RIGHT, {KL: answer}))[2] == []


UNUSED = {
    "a trial": "print(gaussian_kl(torch.zeros(1, 2), torch.ones(1, 2)))",
    "a name that an answer has for an argument": "mu = torch.zeros(3)",
    "a name that the text of the answer has": "bound = 1",
    "an import that others make too": "import math\nresults = {}",
    "what does not run": "def half(x",
    "what is nested too deep to be read": "x = " + "-" * 9_000 + "1",
    "a magic": "%pip install nothing",
    "a comment": "# it rises, as one sees",
}


@pytest.mark.parametrize("kind", UNUSED)
def test_what_only_looks_as_if_an_answer_used_it_is_named(kind):
    nb = answered(STUB_NB, RIGHT)
    nb, _, added = mended(new_code_cell(UNUSED[kind]), at=find(nb, KL), nb=nb)
    assert added == [(f"{KL}-check", UNUSED[kind].splitlines()[0][:40])] and grade_own.reaching(nb, STUB_NB) == []


@pytest.mark.parametrize("where, used", [(KL, False), (f"{KL}-check", True), (DRAW, False)], ids=["above", "between", "below"])
def test_a_second_answer_is_used_only_where_the_check_takes_it(where, used):
    """Beside an answer in its own place, which is wrong."""
    nb = answered(STUB_NB, RIGHT, {KL: WRONG[KL]})
    nb, _, added = mended(new_code_cell(RIGHT[KL]), at=find(nb, where), nb=nb)
    assert (added == []) == used and points(nb) == ((2 if used else 0), 2, 3)


def test_the_exercises_own_cells_are_not_added():
    assert mended(nb=answered(STUB_NB, RIGHT))[2] == []
    other_links = copy.deepcopy(STUB_NB)
    for cell in other_links.cells:
        cell.source = cell.source.replace("](http", "](../http")
    assert other_links != STUB_NB and mended(nb=other_links)[2] == []


def test_one_line_tells_of_all_added_cells():
    line = grade_own.unused([(f"{KL}-check", "a"), (f"{DRAW}-check", "b"), (f"{KL}-check", "c"), (TEXT, "d")])
    assert line.endswith(f"did not use (at {KL}: a | c; at {DRAW}: b; at {TEXT}: d)")


# --- stopped, left behind, too large ----------------------------------------------------------------------------


@pytest.mark.parametrize("ename, evalue, words", [("CellTimeoutError", "", "at its time limit"), ("NotRun", OVER, "time was over")])
def test_a_project_that_was_stopped_is_told(ename, evalue, words):
    nb = answered(STUB_NB, RIGHT)
    at = find(nb, f"{BOUND}-check") + 1
    nb.cells.insert(at, new_code_cell("train()", outputs=[new_output("stream", text="epoch 1"), error(ename, evalue)]))
    nb.cells[at].metadata["nbgrader"] = {"grade_id": "vae-project", "grade": True, "solution": True, "points": 6}
    text, look = grade_table.stopped(nb)["vae-project"]
    assert look and words in text and text.startswith("it was stopped")
    del nb.cells[at].metadata["nbgrader"]
    assert grade_table.stopped(nb)[TEXT][0].startswith("a cell above it was stopped")


def watched(tmp_path, code, seconds=20, memory=8):
    return grade_run.watched([sys.executable, "-c", code], seconds, memory, tmp_path)


ORPHAN = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True, env={})"


@pytest.mark.skipif(sys.platform != "linux", reason="only there an orphan's processes are found")
def test_processes_that_outlive_the_run_are_ended_and_told(tmp_path):
    done, notes = watched(tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ORPHAN!r}])")
    assert done and notes == ["! processes that outlived the grading were ended: 1"]
    assert not [p for p in psutil.Process().children(recursive=True) if "sleep(60)" in " ".join(p.cmdline())]
    assert watched(tmp_path, "print('all is well')") == (True, [])


def test_a_run_that_does_not_end_is_ended(tmp_path):
    start = time.monotonic()
    done, _ = watched(tmp_path, "while True: pass", seconds=1)
    assert not done and time.monotonic() - start < 10


def test_the_memory_of_all_processes_together_is_limited(tmp_path):
    """Each of three holds 0.4 GB, the limit is 1."""
    hold = "x = bytearray(400 << 20); import time; time.sleep(20)"
    code = f"import subprocess, sys; [p.wait() for p in [subprocess.Popen([sys.executable, '-c', {hold!r}]) for _ in range(3)]]"
    done, notes = watched(tmp_path, code, memory=1)
    assert done and notes == ["! its processes together took more than 1 GB and were stopped"]


# --- other people's notebooks -----------------------------------------------------------------------------------


def course_of(tmp_path, **sources):
    """A course folder in which each student's notebook has one cell more, with this text."""
    for folder, nb in (("release", STUB_NB), ("source", STUB_NB)):
        (tmp_path / folder / "vae").mkdir(parents=True)
        nbformat.write(nb, tmp_path / folder / "vae/vae.ipynb")
    for student, text in sources.items():
        (tmp_path / "submitted" / student / "vae").mkdir(parents=True)
        nb = answered(STUB_NB, {TEXT: text})
        nbformat.write(nb, tmp_path / "submitted" / student / "vae/vae.ipynb")
    return tmp_path


def test_a_page_that_shows_another_students_notebook_is_told(tmp_path):
    hers = "From two to eight dimensions the bound rises by four nats."
    course = course_of(tmp_path, ada=hers, eve="I do not know yet.", finn=hers)
    shown = nbformat.from_dict(copy.deepcopy(STUB_NB))
    shown.cells[find(shown, f"{KL}-check")].outputs = [new_output("stream", text=json.dumps({"source": [hers]}))]
    (tmp_path / "graded").mkdir()
    nbformat.write(shown, tmp_path / "graded/vae.ipynb")
    told = grade_own.foreign(course, "vae", "eve", tmp_path / "graded")
    assert [line.startswith("! it shows lines of the notebook of") for line in told] == [True, True] and "ada" in told[0]
    assert grade_own.foreign(course, "vae", "finn", tmp_path / "graded") == []  # who wrote the same line shows what is theirs


def test_a_link_to_another_file_is_not_read(tmp_path):
    course = course_of(tmp_path, ada="A long line that only Ada wrote.")
    theirs = tmp_path / "submitted/eve/vae"
    theirs.mkdir(parents=True)
    os.symlink("../../ada/vae/vae.ipynb", theirs / "vae.ipynb")
    nb, notes = grade.choose(theirs, "vae", STUB_NB)
    assert nb is None and notes[0] == "! vae.ipynb is a link to another file, and is not read"
    found, _, _ = grade.prepare(course, "vae", "eve")
    assert found == [] and not list((tmp_path / "mended/eve").rglob("*.ipynb"))


# --- the table afterwards ------------------------------------------------------------------------------------------


def test_a_newer_file_or_exercise_is_told(tmp_path):
    course = course_of(tmp_path, ada="old")
    record = {"of": grade_table.state(course, "vae", "ada"), "graded": True}
    assert grade_table.older(record, grade_table.state(course, "vae", "ada")) == []
    (course / "source/vae/data.csv").write_text("1", encoding="utf-8")
    assert grade_table.older(record, grade_table.state(course, "vae", "ada")) == ["the exercise was changed since this was graded"]
    (course / "submitted/ada/vae/vae.ipynb").write_text("new", encoding="utf-8")
    assert grade_table.older(record, grade_table.state(course, "vae", "ada")) == ["what is in submitted now was not graded yet"]
    failed = {"of": grade_table.state(course, "vae", "ada")[:1], "graded": False}
    assert grade_table.older(failed, grade_table.state(course, "vae", "ada")) == []
