"""A class hands in: each gets the grade that it should, none disturbs another, and no right answer is a silent zero.

The notebook is the chapter's own, cut to three exercises, with its own checks, and a text to be graded by hand.
"""

import copy
import csv
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output
from traitlets.config import Config

from tools import grade, grade_by_hand, grade_mend, grade_run, grade_table
from tools.assignments import STUB, TEXT_STUB, students_version
from tools.common import EXERCISES, ROOT
from tools.grade_execute import DEAF as STUBBORN
from tools.grade_execute import SLOW

KL, DRAW, BOUND, TEXT = "vae-gaussian-kl", "vae-reparameterise", "vae-importance-bound", "vae-project-text"
POINTS = {f"{KL}-check": 2, f"{DRAW}-check": 2, f"{BOUND}-check": 3}
RIGHT = {
    KL: "def gaussian_kl(mu, sigma):\n    return 0.5 * (mu**2 + sigma**2 - 1 - (sigma**2).log()).sum(-1)",
    DRAW: "def reparameterise(mu, log_var, eps):\n    return mu + (log_var / 2).exp() * eps",
    BOUND: "def importance_bound(log_w):\n    return log_w.logsumexp(0) - math.log(len(log_w))",
    TEXT: "From two to four dimensions the bound rises clearly.",
}
LOOPS = {
    KL: "def gaussian_kl(mu, sigma):\n    out = []\n    for ms, ss in zip(mu.tolist(), sigma.tolist()):\n"
        "        out.append(sum((m * m + s * s - 1) / 2 - math.log(s) for m, s in zip(ms, ss)))\n    return out",
    DRAW: "reparameterise = lambda mu, log_var, eps: [[m + math.exp(v / 2) * e for m, v, e in zip(*r)]\n"
          "    for r in zip(mu.tolist(), log_var.tolist(), eps.tolist())]",
    BOUND: "def importance_bound(log_w):\n    top = log_w.max(0).values\n"
           "    return top + (log_w - top).exp().mean(0).log()",
}  # fmt: skip
LIBRARY = {  # the last one warns, on stderr, that it copies a tensor
    KL: "def gaussian_kl(mu, sigma):\n    return kl_divergence(Normal(mu, sigma), Normal(0 * mu, 1.0)).sum(-1)",
    DRAW: "import numpy as np\ndef reparameterise(mu, log_var, eps):\n"
          "    return mu.numpy() + np.sqrt(np.exp(log_var.numpy())) * eps.numpy()",
    BOUND: "def importance_bound(log_w):\n    log_w = torch.tensor(log_w)\n"
           "    return torch.logsumexp(log_w, 0) - torch.log(torch.tensor(float(log_w.shape[0])))",
}  # fmt: skip

DEAF = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # a kernel that nobody can interrupt
AROUND = (
    "import glob, subprocess, sys\nprint('around:', sorted(glob.glob('../../*')))\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True, env={})"
)
WRONG = {
    KL: "def gaussian_kl(mu, sigma):\n    return (mu**2 + sigma**2 - 1 - 2 * sigma.log()).sum(-1)",
    DRAW: "def reparameterise(mu, log_var, eps):\n    return mu + log_var.exp() * eps",
    BOUND: "def importance_bound(log_w):\n    return log_w.mean(0)",
}


def kl(body):
    """An answer to the first exercise, the others right."""
    return {KL: f"def gaussian_kl(mu, sigma):\n{body}"}


# --- what the class hands in ---------------------------------------------------------------------------


def source(whole=False):
    """The instructor's notebook, by default cut to what the tests can run in seconds."""
    nb = nbformat.read(EXERCISES / "vae.ipynb", as_version=4)
    if not whole:
        kept = [KL, f"{KL}-check", DRAW, f"{DRAW}-check", BOUND, f"{BOUND}-check", TEXT]
        nb.cells = [c for c in nb.cells[:12] + nb.cells[-1:] if c.cell_type == "markdown" or not name(c) or name(c) in kept]
    return nb


def name(cell):
    return grade_mend.grade_id(cell)


def find(nb, wanted):
    return next(i for i, c in enumerate(nb.cells) if name(c) == wanted)


def answered(nb, *answers):
    nb = copy.deepcopy(nb)
    for key, text in {key: text for part in answers for key, text in part.items()}.items():
        nb.cells[find(nb, key)].source = text
    return nb


def stripped(nb):
    """As a tool leaves it that keeps text alone: no metadata, and the ids of an older format, which are none."""
    for cell in nb.cells:
        cell.metadata = {}
        cell.pop("id", None)
    nb.nbformat_minor, nb.metadata = 4, {}
    return nb


def without(nb, *names):
    nb.cells = [c for c in nb.cells if name(c) not in names]
    return nb


def moved(nb, wanted, by):
    at = find(nb, wanted)
    nb.cells.insert(at + by, nb.cells.pop(at))
    return nb


def twice(nb, stub):
    """The first answer's cell copied below it, and emptied; the check copied to the end."""
    at = find(nb, KL)
    nb.cells.insert(at + 1, copy.deepcopy(stub.cells[find(stub, KL)]))
    nb.cells.append(copy.deepcopy(nb.cells[find(nb, f"{KL}-check")]))
    for i in (at + 1, -1):
        nb.cells[i]["id"] = f"copy{i}"
    return nb


def below(nb, stub):
    """The answer in a cell of its own below the check; the stub left as it was."""
    at = find(nb, KL)
    nb.cells[at].source = stub.cells[find(stub, KL)].source
    nb.cells.insert(find(nb, f"{KL}-check") + 1, new_code_cell(RIGHT[KL]))
    return nb


def above(nb, stub):
    """The answer in a cell of its own above the stub, which was left as it was and comes after it."""
    at = find(nb, KL)
    nb.cells[at].source = stub.cells[at].source
    nb.cells.insert(at, new_code_cell(RIGHT[KL]))
    return nb


def with_a_look_around(nb):
    """A last cell that lists what lies around the notebook, and leaves a process running."""
    nb.cells.append(new_code_cell(AROUND))
    return nb


def in_the_check(nb, stub):
    """The answer written into the locked cell of the check, which nbgrader restores."""
    check = nb.cells[find(nb, f"{KL}-check")]
    check.source = f"{RIGHT[KL]}\n{check.source}"
    nb.cells[find(nb, KL)].source = stub.cells[find(stub, KL)].source
    return nb


def notebooks_of(stub, right):
    """Of each student: the notebook, the points of the three checks, and words that have to be in the table."""
    good = answered(stub, right)
    exits = {DRAW: RIGHT[DRAW] + "\nexit()", BOUND: "import time\ntime.sleep(2)\n" + RIGHT[BOUND]}  # time for a kernel to end
    return {
        "ada": (good, (2, 2, 3), []),
        "bela": (answered(good, LOOPS), (2, 2, 3), []),
        "chen": (answered(good, LIBRARY), (2, 2, 3), []),
        "dora": (answered(good, WRONG), (0, 0, 0), ["no half", "variance for standard deviation", "mean of the logarithms"]),
        "emil-syntax": (answered(good, kl("    return (mu")), (0, 2, 3), ["! vae-gaussian-kl", "SyntaxError"]),
        "fay-endless": (answered(good, kl("    while True: pass"), exits), (0, 2, 3), ["! vae-gaussian-kl: it did not stop in time"]),
        "gus-stubborn": (with_a_look_around(answered(good, kl(f"    {DEAF.strip().replace(chr(10), '; ')}\n    while True: pass"))),
                         (0, 2, 3), ["even when interrupted", "! vae-gaussian-kl: read this code, it uses signal",
                                     "it uses glob, subprocess, sys",
                                     f"! cells of the student's own that the machine did not use (at {TEXT}: import glob",
                                     "! processes that outlived the grading were ended: 1"]),
        "hana-killed": (answered(good, kl("    import os\n    os._exit(1)")), (0, 2, 3), ["! vae-gaussian-kl", "the kernel died"]),
        "ivan-prints": (answered(good, kl("    while True: print('x' * 1000)")), (0, 2, 3), ["! vae-gaussian-kl: it did not stop"]),
        "jin-hog": (answered(good, kl("    return torch.ones(10**12)")), (0, 2, 3), ["! vae-gaussian-kl: It raises RuntimeError"]),
        "kai-empty": (copy.deepcopy(stub), (0, 0, 0), ["There is no answer here yet."]),
        "lena-deleted": (without(copy.deepcopy(good), f"{KL}-check", f"{BOUND}-check"), (2, 2, 3), ["was deleted and is put back"]),
        "mei-stripped": (stripped(copy.deepcopy(good)), (2, 2, 3), ["metadata was lost and is restored"]),
        "nils-moved": (moved(copy.deepcopy(good), f"{KL}-check", -1), (2, 2, 3), ["is moved after it"]),
        "olga-twice": (twice(copy.deepcopy(good), stub), (2, 2, 3), ["2 times"]),
        "pia-in-check": (in_the_check(copy.deepcopy(good), stub), (2, 2, 3), ["the locked cell was changed"]),
        "xena-below": (below(copy.deepcopy(good), stub), (2, 2, 3), ["is moved after it"]),
        "yara-above": (above(copy.deepcopy(good), stub), (2, 2, 3), ["the answer stood in another cell"]),
        "quin-cheats": (answered(good, kl("    return mu"), {DRAW: RIGHT[DRAW] + "\ndef check(*_): print('right')"}), (0, 2, 3), []),
        "rosa-solution-gone": (without(copy.deepcopy(good), KL, TEXT), (0, 2, 3), ["! vae-gaussian-kl: no cell with an answer"]),
    }  # fmt: skip


def files_of(stub, right):
    """The same for what is not written as nbgrader's notebook: file name and bytes."""
    text = nbformat.writes(answered(stub, right))
    without_check = nbformat.writes(without(answered(stub, right, LIBRARY), f"{KL}-check"))
    old = nbformat.v3.writes_json(nbformat.convert(answered(stub, right), 3))
    return {
        "sami-half": ("vae.ipynb", text[: len(text) // 2].encode(), None, ["NOT GRADED", "is cut off or damaged"]),
        "tess-renamed": ("vae (2).ipynb", b"\xef\xbb\xbf" + without_check.replace("\n", "\r\n").encode(), (2, 2, 3),
                         ["was called vae (2)", "vae-gaussian-kl-check: the cell was deleted and is put back"]),
        "uma-old": ("vae.ipynb", old.encode(), (2, 2, 3), []),
        "vera-pdf": ("vae.pdf", b"%PDF", None, ["NOT GRADED", "there is: vae.pdf"]),
    }


# --- mending alone: the visible checks, run here ------------------------------------------------------------

STUB_NB = students_version(source())
CLASS, FILES = notebooks_of(STUB_NB, RIGHT), files_of(STUB_NB, RIGHT)
HERE = [s for s, (_, _, words) in CLASS.items() if not any("stop" in w or "interrupted" in w or "died" in w for w in words)]


def points(nb):
    """The points of a notebook whose cells run one after the other, each check being the exercise's own."""
    checks, space, earned = {name(c): c.source for c in STUB_NB.cells if grade_mend.is_check(c)}, {}, dict.fromkeys(POINTS, 0)
    for cell in [c for c in nb.cells if c.cell_type == "code"]:
        try:
            exec(checks.get(name(cell), cell.source), space)
        except Exception:
            continue
        earned |= {name(cell): POINTS[name(cell)]} if name(cell) in POINTS else {}
    return tuple(earned.values())


@pytest.mark.filterwarnings("ignore:To copy construct:UserWarning")
@pytest.mark.parametrize("student", [s for s in HERE if s != "quin-cheats"])  # that takes the hidden tests
def test_mending_gives_each_the_points_of_the_answers(student):
    nb, expected, _ = CLASS[student]
    nb = copy.deepcopy(nb)
    grade_mend.mend(nb, STUB_NB)
    ids = [name(c) for c in nb.cells if name(c)]
    assert len(ids) == len(set(ids)) and {*POINTS, TEXT} <= set(ids)
    assert points(nb) == expected


@pytest.mark.parametrize("student", ["lena-deleted", "nils-moved", "olga-twice", "pia-in-check", "xena-below", "yara-above"])
def test_without_mending_right_answers_would_lose_points(student):
    nb, expected, _ = CLASS[student]
    assert points(copy.deepcopy(nb)) != expected


def test_a_notebook_in_order_stays_as_it_is():
    nb = copy.deepcopy(CLASS["ada"][0])
    assert grade_mend.mend(nb, STUB_NB) == [] and nb == CLASS["ada"][0]


def test_what_cannot_be_mended_is_told():
    nb = without(copy.deepcopy(CLASS["ada"][0]), KL, TEXT)
    nb.cells = [c for c in nb.cells if "settings" not in c.metadata.get("tags", [])]
    told = [n for n in grade_mend.mend(nb, STUB_NB) if n.startswith(grade_mend.LOOK)]
    assert len(told) == 3 and "settings" in told[0] and KL in told[1] and TEXT in told[2]
    assert nb.cells[find(nb, TEXT)].source != STUB_NB.cells[find(STUB_NB, TEXT)].source  # so that it is not an automatic zero


@pytest.mark.filterwarnings("ignore:To copy construct:UserWarning")
@pytest.mark.parametrize("student", FILES)
def test_files_of_all_kinds_are_read_or_refused(tmp_path, student):
    file, data, expected, words = FILES[student]
    (tmp_path / file).write_bytes(data)
    nb, notes = grade.choose(tmp_path, "vae", STUB_NB)
    assert (nb is None) == (expected is None)
    notes += grade_mend.mend(nb, STUB_NB) if nb else []
    assert [w for w in words if w != "NOT GRADED" and not any(w in n for n in notes)] == []
    assert points(nb) == expected if nb else any(n.startswith(grade_mend.LOOK) for n in notes)


def test_a_check_that_the_instructor_changed_is_none_that_the_student_changed():
    release = copy.deepcopy(STUB_NB)
    release.cells[find(release, f"{KL}-check")].source += "\n# mended since"
    assert grade_mend.mend(copy.deepcopy(CLASS["ada"][0]), release) == []
    assert len(grade_mend.mend(copy.deepcopy(CLASS["pia-in-check"][0]), release)) == 1


def test_two_notebooks_are_not_guessed_between(tmp_path):
    for file in ("a.ipynb", "b.ipynb"):
        nbformat.write(CLASS["ada"][0], tmp_path / file)
    assert grade.choose(tmp_path, "vae", STUB_NB)[0] is None
    nbformat.write(CLASS["bela"][0], tmp_path / "vae.ipynb")
    nb, notes = grade.choose(tmp_path, "vae", STUB_NB)
    assert nb == CLASS["bela"][0] and len([n for n in notes if n.startswith(grade_mend.LOOK)]) == 2


def test_the_config_has_the_stubs_of_make_assignments():
    config = runpy.run_path(ROOT / "tools" / "grade_config.py", {"get_config": Config})["c"]
    assert config.ClearSolutions.code_stub == STUB and config.ClearSolutions.text_stub == TEXT_STUB


def told(*outputs, before=()):
    """What the table says of a check with these outputs, and whether somebody has to look."""
    cells = students_version(source()).cells
    at = next(i for i, c in enumerate(cells) if name(c) == f"{KL}-check")
    cells[at].outputs, cells[at - 1].outputs = list(outputs), list(before)
    return grade_table.verdict(cells, at)


def error(ename, evalue=""):
    return new_output("error", ename=ename, evalue=evalue, traceback=[])


def test_a_zero_that_may_be_none_wants_a_look():
    half = f"{KL}\n  This is twice the divergence: the factor one half is missing.\n  漏了系数二分之一。"
    right = new_output("stream", name="stdout", text=f"{KL}: right · 正确 (12/12)\n")
    assert told(right) is None and told(new_output("stream", name="stderr", text="a warning")) is None
    assert told(error("CheckFailed", half)) == ("no half", False)
    assert told(right, error("CheckFailed", half)) == ("right on the student's own numbers, wrong on others: no half", True)
    for around in ("NameError: name 'F' is not defined", "AssertionError: Torch not compiled with CUDA enabled"):
        assert told(error("CheckFailed", f"{KL}\n  It raises {around}"))[1]
    assert not told(error("CheckFailed", f"{KL}\n  It raises TypeError: no"))[1]
    assert told(error("KeyboardInterrupt"), error("CellTimeoutError")) == ("it did not stop in time", True)
    text, look = told(error("NameError", "no f"), before=[error("SyntaxError", "bad")])
    assert look and text == "the check could not run: NameError: no f, after SyntaxError: bad"


def test_an_answer_cannot_read_the_instructors_variables(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "secret")
    environment = grade_run.environment()
    assert "secret" not in environment.values() and {"HOME", "PATH", "OMP_NUM_THREADS"} <= environment.keys()


@pytest.mark.parametrize("name, told", [("ada_7_vae.ipynb", []), ("mine.ipynb", ["the file was called mine.ipynb"])])
def test_a_platforms_name_of_a_file_is_no_news(tmp_path, name, told):
    hand_in(tmp_path, "ada", name, nbformat.writes(STUB_NB).encode())
    assert grade.choose(tmp_path / "submitted/ada/vae", "vae", STUB_NB)[1] == told


# --- through nbgrader, as the guide says ----------------------------------------------------------------------

NBGRADED = ("dora", "fay-endless", "gus-stubborn")
FILED = ("sami-half", "tess-renamed", "vera-pdf")


def run(*command, folder):
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([sys.executable, "-m", *command], cwd=folder, env=os.environ | path, capture_output=True, text=True)


def hand_in(course, student, file, data):
    folder = course / "submitted" / student / "vae"
    folder.mkdir(parents=True)
    (folder / file).write_bytes(data)


def differences(course, expected):
    """The students whose points by the table are not the expected ones."""
    with (course / "grading/vae/marks.csv").open(encoding="utf-8-sig") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    got = {s: tuple(float(r[c]) for c in POINTS) if r["sum"] else None for s, r in rows.items()}
    return {s for s in expected.keys() | got.keys() if expected.get(s, "nobody") != got.get(s, "nobody")}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    course = tmp_path_factory.mktemp("course")
    (course / "source/vae").mkdir(parents=True)
    shutil.copy(ROOT / "tools/grade_config.py", course / "nbgrader_config.py")
    with (course / "nbgrader_config.py").open("a", encoding="utf-8") as config:
        config.write("c.ExecuteAll.check_timeout = 3\n")
    nbformat.write(source(), course / "source/vae/vae.ipynb")
    made = run("nbgrader", "generate_assignment", "vae", folder=course)
    assert made.returncode == 0, made.stderr
    for student in NBGRADED:
        hand_in(course, student, "vae.ipynb", nbformat.writes(CLASS[student][0]).encode())
    for student in FILED:
        file, data, *_ = FILES[student]
        hand_in(course, student, file, data)
    return course, run("tools.grade", str(course), "vae", folder=ROOT)


@pytest.mark.slow
def test_each_of_the_class_gets_the_grade_that_it_should(graded):
    course, done = graded
    class_ = {**{s: CLASS[s] for s in NBGRADED}, **{s: FILES[s][1:] for s in FILED}}
    expected = {student: entry[-2] for student, entry in class_.items()}
    assert done.returncode == 1, done.stderr  # somebody has to look
    assert differences(course, expected) == set(), done.stdout + done.stderr
    parts = {p.split()[0]: p for p in re.split(r"\n(?=\w)", done.stdout.split("sum\n")[1])}
    for student, entry in class_.items():
        assert [w for w in entry[-1] if w not in parts[student]] == [], parts[student]
    assert "go back (!): fay-endless, gus-stubborn, sami-half, vera-pdf." in done.stdout
    shown = (course / "autograded/gus-stubborn/vae/vae.ipynb").read_text(encoding="utf-8")
    assert "around: ['../../gus-stubborn']" in shown  # no other student's folder
    assert differences(course, expected | {"dora": (2, 0, 0)}) == {"dora"}  # a planted wrong grade
    assert differences(course, expected | {"nobody": (0, 0, 0)}) == {"nobody"}


@pytest.mark.slow
def test_nothing_handed_in_is_changed_and_nothing_is_run_twice(graded):
    course, _ = graded
    for student in NBGRADED:
        assert (course / "submitted" / student / "vae/vae.ipynb").read_text("utf-8") == nbformat.writes(CLASS[student][0])
    again = run("tools.grade", str(course), "vae", "dora", "tess-renamed", folder=ROOT)
    assert "…" not in again.stdout and "dora" in again.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # nbgrader's own, about its database
def test_points_by_hand_are_kept_within_what_the_cell_has(graded, capsys):
    course, _ = graded
    record = course / "grading/vae/fay-endless.json"  # as if her answer had not been found either
    record.write_text(record.read_text("utf-8").replace('"notes": [', f'"notes": ["! {KL}: no cell with an answer"'), "utf-8")
    assert "fay-endless" in grade_table.table(course, "vae")
    grade_by_hand.give(course, "vae", "fay-endless", KL, "1", "Nearly · 差一点")  # as the table names it
    assert "1 of 2" in capsys.readouterr().out
    assert "fay-endless" not in grade_table.table(course, "vae")  # somebody has looked
    assert "! cells of the student's own that" in capsys.readouterr().out
    grade_by_hand.give(course, "vae", "gus-stubborn", TEXT, "4")  # where his cell stands
    assert "gus-stubborn" in grade_table.table(course, "vae")  # for other reasons
    said = capsys.readouterr().out
    assert "cells of the student's own that" in said and "! cells of the student's own that" not in said
    for call in ((f"{KL}-check", "3"), (f"{KL}-check", "-1"), (f"{KL}-check", "five"), ("no-such-cell", "1")):
        with pytest.raises(SystemExit):
            grade_by_hand.give(course, "vae", "fay-endless", *call)
    with pytest.raises(SystemExit, match="nothing by sami-half"):
        grade_by_hand.give(course, "vae", "sami-half", f"{KL}-check", "1")


@pytest.mark.slow
def test_an_answer_that_was_stopped_is_told_so_in_both_languages(graded):
    course, _ = graded
    for student, words in (("fay-endless", SLOW), ("gus-stubborn", STUBBORN)):
        shown = (course / "autograded" / student / "vae/vae.ipynb").read_text(encoding="utf-8")
        assert words in shown and any("一" <= letter <= "鿿" for letter in words)


@pytest.mark.slow
def test_feedback_shows_what_the_check_said_in_both_languages(graded):
    course, _ = graded
    made = run("nbgrader", "generate_feedback", "vae", "--student=dora", folder=course)
    assert made.returncode == 0, made.stderr
    page = (course / "feedback/dora/vae/vae.html").read_text(encoding="utf-8")
    assert "the factor one half is missing" in page and "漏了系数二分之一" in page and "checker.py" not in page


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # nbgrader's own, about its database
def test_the_report_tells_of_a_newer_file_and_of_who_was_not_graded(graded, capsys):
    course, _ = graded
    assert "dora" not in grade_table.table(course, "vae")
    file = course / "submitted/dora/vae/vae.ipynb"
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    (course / "submitted/zoe/vae").mkdir(parents=True)
    assert {"dora", "zoe"} <= set(grade_table.table(course, "vae"))
    told = capsys.readouterr().out
    assert "! what is in submitted now was not graded yet" in told and "! zoe: not graded yet" in told
