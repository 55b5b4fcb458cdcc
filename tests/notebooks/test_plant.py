"""The planted errors fit the files as they stand, and an error that nothing sees is reported."""

import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import plant, plant_random
from tools.common import ROOT
from tools.plant_notebook import code_cells, place


@pytest.mark.parametrize("name, entry", plant.planted().items())
def test_each_error_still_fits_its_file(name, entry):
    notebook = name.endswith(".ipynb")
    cells = code_cells(ROOT / name) if notebook else [(0, (ROOT / name).read_text("utf-8"), False)]
    for right, wrong in entry["errors"]:
        place(cells, right)
        assert right != wrong
    assert notebook or (entry["tests"] and all((ROOT / path).exists() for path in entry["tests"]))


def test_a_chapter_plants_errors_in_its_code_and_in_its_notebooks():
    for slug in ("overview", "vae"):
        names = plant.planted(f"/{slug}/")
        for path in (ROOT / "notebooks" / slug).glob("*.ipynb"):
            assert len(names[path.relative_to(ROOT).as_posix()]["errors"]) >= 8
        assert any(name.startswith(f"gmlib/{slug}/") for name in names)


def test_a_file_in_two_rooms_is_refused(tmp_path):
    for slug in ("gan", "flows"):
        (tmp_path / "tests" / slug).mkdir(parents=True)
        (tmp_path / "tests" / slug / "planted.toml").write_text('["gmlib/nn.py"]\ntests = []\nerrors = []\n', "utf-8")
    with pytest.raises(ValueError, match="tests/gan/planted.toml: errors of gmlib/nn.py stand in another"):
        plant.planted(root=tmp_path)


@pytest.fixture
def project(tmp_path):
    for name in ("gmlib", "tests"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "gmlib" / "half.py").write_text("def half(x):\n    return 0.5 * x\n", "utf-8")
    (tmp_path / "tests" / "test_half.py").write_text(
        "from gmlib.half import half\n\n\ndef test_half():\n    assert half(4) == 2\n", "utf-8"
    )
    return tmp_path


def test_caught_and_not_caught(project, monkeypatch):
    monkeypatch.setattr(plant, "tracked", lambda *paths, root: [p for p in root.rglob("*") if p.is_file()])
    assert plant.caught("gmlib/half.py", "0.5 * x", "x", ["tests"], project) == "tests/test_half.py::test_half"
    assert plant.caught("gmlib/half.py", "0.5 * x", "x * 0.5", ["tests"], project) == ""
    with pytest.raises(ValueError, match="must hold 'nothing' once"):
        plant.caught("gmlib/half.py", "nothing", "x", ["tests"], project)


CODE = '''def half(a: float = 5, b: "2" = 7) -> 3:
    """A docstring with 1 - 2."""
    if not (0 < a and b):
        raise ValueError(f"a must not be {0}, or else {1 - 2}")
    return 0.5 * abs(a - b) ** 2


def gradient(values):
    values.detach().mean(-1)
    for i, _ in zip(range(2, len(values)), values, strict=True):
        i += half(values, i)


class Half:
    def __repr__(self):
        return "0" * 2
'''
CHANGED = """
1: 5 -> 10 | 5 -> -5 | 7 -> 14 | 7 -> -7
3: not (0 < a and b) -> 0 < a and b | 0 < a and b -> 0 < a or b | 0 < a -> 0 <= a | 0 < a -> 0 > a | 0 -> 1
5: 0.5 * abs(a - b) ** 2 -> 0.5 / abs(a - b) ** 2 | 0.5 -> 1.0 | 0.5 -> -0.5
5: abs(a - b) ** 2 -> abs(a - b) * 2 | abs(a - b) ** 2 -> 2 ** abs(a - b)
5: a - b -> a + b | a - b -> b - a | 2 -> 1 | 2 -> 3 | 2 -> -2
9: values.detach() -> values | values.detach().mean(-1) -> values.detach().sum(-1)
9: -1 -> 1 | 1 -> 0 | 1 -> 2 | 1 -> -1
10: range(2, len(values)) -> range(2, len(values) - 1) | 2 -> 1 | 2 -> 3 | 2 -> -2
11: i += half(values, i) -> i -= half(values, i) | half(values, i) -> half(i, values)
"""


def test_what_is_changed_at_random_and_what_is_not():
    found = [mutant for group in plant_random.mutants("half.py", CODE) for mutant in group]
    expected = {(int(line), change) for line, _, changes in (row.partition(": ") for row in CHANGED.strip().splitlines())
                for change in changes.split(" | ")}  # fmt: skip
    assert {(mutant.line, f"{mutant.old} -> {mutant.new}") for mutant in found} == expected and len(found) == len(expected)
    for mutant in found:
        compile(mutant.text, "half.py", "exec")
    (doubled,) = (mutant for mutant in found if mutant.new == "1.0")
    assert doubled.text == CODE.replace("0.5", "(1.0)")


FUNCTIONS = {"ratio": "def ratio(a, b):\n    return a / b\n", "power": "def power(a):\n    return a**2\n", "unseen": "def unseen(a):\n    return -a\n"}
STRONG = "from gmlib.few.ratio import ratio\n\n\ndef test_ratio():\n    assert ratio(3, 4) == 0.75\n"
WEAK = "from gmlib.few.power import power\n\n\ndef test_power():\n    assert power(2) == 4\n"


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A project of three functions: one with a strong test, one with a weak one, one with none."""
    files = {f"gmlib/few/{name}.py": text for name, text in FUNCTIONS.items()}
    for name, text in (files | {"tests/few/test_ratio.py": STRONG, "tests/few/test_power.py": WEAK}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(plant, "tracked", lambda *paths, root: [p for p in root.rglob("*") if p.is_file()])
    return tmp_path


def test_a_weak_test_lets_errors_at_random_pass(few, capsys):
    plant_random.main("few", 99, seed=3, root=few)
    *words, total = capsys.readouterr().out.splitlines()
    assert {word.partition("  ->  ")[0] for word in words} == {
        "caught by tests/few/test_ratio.py::test_ratio: gmlib/few/ratio.py:2: a / b",
        "NOT CAUGHT: gmlib/few/power.py:2: a ** 2",
        "caught by tests/few/test_power.py::test_power: gmlib/few/power.py:2: 2",
        "NOT CAUGHT, as no test runs this line: gmlib/few/unseen.py:2: -a",
    }
    assert total == "2 of 4 caught (50%)"


def test_the_seed_decides_which_errors(few):
    drawn = [[str(mutant) for mutant in plant_random.sample("few", 3, seed, few)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2] and len(set(drawn[0])) == 3


def test_errors_at_random_need_tests_that_pass(few):
    (few / "gmlib/few/ratio.py").write_text(FUNCTIONS["ratio"].replace("/", "*"), "utf-8")
    with pytest.raises(ValueError, match="fail with no error planted(?s:.*)assert 12 == 0.75"):
        plant_random.main("few", 1, seed=0, root=few)


CELLS = [
    "# A notebook · 笔记本",
    "import torch\nfrom pathlib import Path\nseen, here = [], Path('here').read_text()",
    "## 1. Halves · 一半",
    "w = torch.ones(3, requires_grad=True)\n(0.5 * w**2).sum().backward()  # the engine has run before the fork",
    "seen.append('half')\nhalf, twice = 0.5 * 4, 2 * 4",
    "assert half == 2 and seen == ['half'] and here == 'in the folder'",
    "## 2. Gradients · 梯度",
    "assert twice == 8  # in another section: too late for an error in 1",
    "slope, = torch.autograd.grad((1.5 * w**2).sum(), w)\ntorch.testing.assert_close(slope, 3 * w)\nprint('ran')",
    "Path('ran.txt').touch()",
    "## 3. Training · 训练",
    "useless = 1",
    "raise RuntimeError('no need to come here')",
]


@pytest.fixture
def notebook(tmp_path):
    kinds = [new_markdown_cell if text.startswith("#") else new_code_cell for text in CELLS]
    nb = new_notebook(cells=[kind(text) for kind, text in zip(kinds, CELLS, strict=True)])
    nbformat.write(nb, tmp_path / "made_up.ipynb")
    (tmp_path / "here").write_text("in the folder", "utf-8")
    return tmp_path


ERRORS = {
    ("2 * 4", "3 * 4"): "NOT CAUGHT",
    ("half, twice = 0.5", "half, twice = 1.5"): "caught by cell 4",
    ("seen.append('half')", "seen.append('half'); seen.append('wrong')"): "caught by cell 4",
    ("half, twice = 0.5 *", "half, twice = 1 / 2 *"): "NOT CAUGHT",  # were the last one still there, `seen` would not pass
    ("half == 2", "half == 3"): "caught by cell 4",
    ("half == 2", "halves == 2"): "BADLY PLANTED (NameError: name 'halves' is not defined)",
    ("half == 2", "half = 2"): "BADLY PLANTED (SyntaxError: ",
    ("half == 2", "half.is_two()"): "BADLY PLANTED (AttributeError: ",
    ("(1.5 * w**2)", "(1.5 * w**3)"): "caught by cell 6",
    ("(1.5 * w**2)", "(1.5 * w.reshape(2, 2)**2)"): "caught by cell 6 (RuntimeError: shape '[2, 2]' is invalid for input of size 3)",
    ("print('ran')", "import os; os.kill(os.getpid(), 9)"): "BADLY PLANTED (Died: ",
}


def test_each_error_in_a_notebook_meets_a_state_of_its_own(notebook):
    found = plant.in_notebook("made_up.ipynb", list(ERRORS), notebook)
    for (error, expected), words in zip(ERRORS.items(), found, strict=True):
        assert words.startswith(expected), (error, words)
    assert not (notebook / "ran.txt").exists()  # nothing runs that no check needs


@pytest.mark.parametrize(
    "right, message",
    [
        ("nothing", "made_up.ipynb: .*must hold 'nothing' once, and hold it 0 times"),
        ("half", "must hold 'half' once, and hold it 4 times"),
        ("useless", "cell 9 fails with no error planted"),  # which would otherwise be said to catch it
    ],
)
def test_what_does_not_fit_is_said(notebook, right, message):
    with pytest.raises(ValueError, match=message):
        plant.in_notebook("made_up.ipynb", [[right, "extra"]], notebook)
