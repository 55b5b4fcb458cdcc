"""Answers that get at the checker: none has its points without a mark for the instructor.

The first part needs no notebook; in the second, kernels run notebooks as `tools.grade` has them run, without nbgrader around.
"""

import builtins
import contextvars
import copy
import json
import threading

import nbformat
import pytest

from gmlib.exercises import CheckFailed, check, checker, find
from gmlib.exercises.checker import CHANGED
from tests.exercises.chapters import EXERCISES, SLUGS
from tests.exercises.chapters import RIGHT as RIGHT_ANSWERS
from tests.notebooks.test_class import BOUND, DRAW, KL, POINTS, RIGHT, STUB_NB, answered, source
from tests.notebooks.test_class import find as cell_of
from tools import grade_answers, grade_confirm, grade_run, grade_table
from tools.assignments import students_version
from tools.common import EXERCISES as FOLDER
from tools.common import notebooks
from tools.grade_execute import ExecuteAll
from tools.grade_mend import settings
from tools.grade_own import reaching
from tools.grade_scan import reaches

# Two lines that stand in an answer: what they change, and how.
PATCHES = {
    "the comparison": (checker, "_agree", lambda *_: True),
    "the numbers that differ": (checker, "_differing", lambda *_: set()),
    "all of it": (checker, "compared", lambda *_: None),
    "zip": (builtins, "zip", lambda *_, **__: []),
}


@pytest.mark.parametrize("patched", PATCHES)
def test_a_checker_that_lets_everything_pass_says_so(patched, monkeypatch):
    owner, function, instead = PATCHES[patched]

    def answer(mu, sigma):
        monkeypatch.setattr(owner, function, instead)
        return mu.sum(-1)

    with pytest.raises(CheckFailed) as failure:
        check(KL, answer)
    assert CHANGED in str(failure.value) and "检查程序放过了错误的数" in str(failure.value)


def test_a_thread_of_the_answer_cannot_ask_for_what_is_right(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def answer(mu, sigma):
        out = []
        thread = threading.Thread(target=lambda: out.append(find(KL).specification(mu.tolist(), sigma.tolist())))
        thread.start(), thread.join()
        return out[0]

    with pytest.raises(CheckFailed):
        check(KL, answer)


def test_a_fresh_context_of_the_answer_cannot_ask_either():
    def answer(mu, sigma):
        return contextvars.Context().run(find(KL).specification, mu.tolist(), sigma.tolist())

    with pytest.raises(CheckFailed, match="PermissionError"):
        check(KL, answer)


def the_specification(exercise):
    return find(exercise).specification.__closure__[0].cell_contents


def test_each_specification_can_be_emptied():
    """By its mark the grader finds it, and a function without a closure can be given other code."""
    found = {name: the_specification(name) for name in EXERCISES}
    assert [name for name, f in found.items() if not f.is_specification or f.__code__.co_freevars] == []


@pytest.mark.parametrize("exercise", [next(name for name in EXERCISES if name.startswith(f"{slug}-")) for slug in SLUGS])
def test_no_specification_is_left_where_the_grader_asks(exercise):
    """An answer that keeps the specification itself passes the check; asked again, it has nothing to say."""
    kept = the_specification(exercise)
    cases = [find(exercise).case(exercise, "Ada", 0)]
    said = grade_answers.answers(exercise, lambda *given: kept(*(v.tolist() for v in given)), json.dumps(cases))
    assert "PermissionError" in said
    assert kept(*cases[0].values())  # only the fork has lost it


def test_what_the_kernel_gives_is_compared_outside(monkeypatch):
    case = find(KL).case(KL, "Ada", 0)
    got = json.loads(grade_answers.answers(KL, RIGHT_ANSWERS[KL][0], json.dumps([case])))
    assert checker.compared(KL, find(KL), [case], got) is None
    given = {"right": got * 12, "wrong": [[0.0]] * 12, "short": [], "text": "no", "shape": [None] * 12}
    for kind, numbers in given.items():
        monkeypatch.setattr(grade_confirm, "ask", lambda *_: numbers)
        monkeypatch.setattr(type(find(KL)), "case", lambda *_: case)
        assert (grade_confirm.refuted(f'check("{KL}", gaussian_kl, student)', None, "any") is None) == (kind == "right"), kind


def test_each_check_of_each_notebook_is_asked_again():
    for path in notebooks(FOLDER):
        nb = nbformat.read(path, as_version=4)
        told = [c for cell in nb.cells if settings(cell).get("locked") for c in grade_confirm.checks(cell.source)]
        assert [name for name, *_ in told] == [n for n in EXERCISES if n.startswith(f"{path.stem}-")]


# --- the text of an answer ----------------------------------------------------------------------------------

READ = {
    "import gc": ["gc"],
    "from gmlib.exercises import vae": ["gmlib.exercises"],
    "from gmlib.exercises.checker import check as c": ["gmlib.exercises.checker"],
    "import gmlib.exercises as e\ne.check = print": ["check", "gmlib.exercises"],
    "import builtins as b\nb.all = lambda x: True": ["all", "builtins"],
    "sys.modules": ["sys"],
    "torch.sys.modules": ["sys"],
    "f.__closure__[0]": ["__closure__"],
    "def check(*_): pass": ["check"],
    "torch.allclose = print\nimport torch": ["allclose"],
    "!cat ../../gradebook.db": ["get_ipython"],
    "open('/etc/passwd').read()": ["open"],
    "from numpy import sys": ["sys"],
    "import torch.multiprocessing as mp": ["torch.multiprocessing"],
    "attrgetter('__globals__')(check)": ["__globals__"],
    "try:\n    1 / 0\nexcept Exception as e:\n    e.__traceback__.tb_frame": ["__traceback__", "tb_frame"],
}
HARMLESS = ["import math\nimport torch", "%matplotlib inline\nmodel.eval()", "from gmlib.exercises import check, numbers",
            "class A(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.f = torch.compile(f)",
            "re.compile('x')\nplt.rcParams['a'] = 1\nmodel.modules()", "def f(mu", "if __name__ == '__main__':\n    signal = inspect(types)"]  # fmt: skip


@pytest.mark.parametrize("code", [*READ, *HARMLESS])
def test_code_that_reaches_beyond_the_exercise_is_named(code):
    assert reaches(code) == READ.get(code, [])


def test_no_solution_of_the_book_is_named():
    for path in notebooks(FOLDER):
        nb = nbformat.read(path, as_version=4)
        release = students_version(copy.deepcopy(nb))
        nb.cells = [c for c in nb.cells if not settings(c).get("locked")]
        assert reaching(nb, release) == []


# --- in a kernel ----------------------------------------------------------------------------------------------

TRICKED = {
    KL: "import gmlib.exercises\n\n\ndef gaussian_kl(mu, sigma, said=[]):\n"
        "    import sys\n    sys.modules['gmlib.exercises.checker'].compared = lambda *_: said.append(1) or (None, 1)[len(said) % 2 - 1]\n"
        "    return mu.sum(-1)",
    DRAW: "kept = gmlib.exercises.find('vae-reparameterise').specification.__closure__[0].cell_contents\n\n\n"
          "def reparameterise(*given):\n    return kept(*(v.tolist() for v in given))",
    BOUND: "def importance_bound(log_w):\n    for module in [m for m in sys.modules if m.startswith('gmlib.exercises')]:\n"
           "        del sys.modules[module]\n    from gmlib.exercises import find\n"
           "    return find('vae-importance-bound').specification(log_w.tolist())",
}  # fmt: skip


def executed(nb, monkeypatch, tmp_path):
    """The notebook with the hidden tests, run in a kernel; of each check, whether it kept its points and what the table says."""
    nb, checks = copy.deepcopy(nb), source()
    for key in POINTS:
        nb.cells[cell_of(nb, key)].source = checks.cells[cell_of(checks, key)].source
    for key, value in grade_run.environment().items():
        monkeypatch.setenv(key, value)
    ExecuteAll().preprocess(nb, {"metadata": {"path": str(tmp_path)}})
    return {key: grade_table.verdict(nb.cells, cell_of(nb, key)) for key in POINTS}


@pytest.mark.slow
def test_tricks_lose_their_points_with_a_mark_for_the_instructor(monkeypatch, tmp_path):
    said = executed(answered(STUB_NB, RIGHT, TRICKED), monkeypatch, tmp_path)
    assert all(verdict is not None and verdict[1] for verdict in said.values()), said
