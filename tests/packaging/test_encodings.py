"""On a machine whose own encoding is not UTF-8 (GBK, as on many in China) the book's files are read and written all the same."""

import ast
import os
import shutil
import subprocess
import sys

import pytest

from tools.common import EXERCISES, ROOT, tracked

ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "OMP_NUM_THREADS": "1"}  # knows less than any other


def unsaid(source):
    """The lines of Python that read or write text and do not say in which encoding."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and "encoding" not in {keyword.arg for keyword in call.keywords}:
            name = ast.unparse(call.func).rpartition(".")
            mode = next((a.value for a in call.args if isinstance(a, ast.Constant) and set(str(a.value)) <= set("rwaxbt+")), "")
            if (name[2] == "read_text" and not call.args or name[2] == "write_text" and len(call.args) < 2
                    or name[2] == "open" and "b" not in mode and (mode or not name[0] or not call.args + call.keywords)):
                yield call.lineno


@pytest.mark.parametrize("line, found", [
    ("open(path)", 1), ("open(path, 'w')", 1), ("path.open('a')", 1), ("path.open()", 1), ("path.read_text()", 1),
    ("path.write_text(words)", 1), ("path.read_text(errors='replace')", 1), ("open(path, 'rb')", 0), ("path.open('xb')", 0),
    ("open(path, encoding='utf-8')", 0), ("path.read_text('utf-8')", 0), ("path.write_text(words, 'utf-8')", 0),
    ("path.open('a', encoding='utf-8')", 0), ("Image.open(path)", 0), ("os.open(path, os.O_RDONLY)", 0),
])  # fmt: skip
def test_the_rule_finds_what_it_should(line, found):
    assert len(list(unsaid(line))) == found


def test_every_file_is_opened_with_its_encoding():
    files = tracked("*.py")
    assert len(files) > 200
    assert [f"{f.relative_to(ROOT)}:{line}" for f in files for line in unsaid(f.read_text("utf-8"))] == []


def run(*command):
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=os.environ | ASCII, capture_output=True, text=True)


def test_the_students_versions_are_written_and_their_names_told(tmp_path):
    """Also where the console has no letters for a name."""
    (tmp_path / "练习").mkdir()
    shutil.copy(EXERCISES / "gan.ipynb", tmp_path / "练习/练习.ipynb")
    done = run("-m", "tools.assignments", tmp_path / "练习", tmp_path / "学生")
    assert done.returncode == 0, done.stderr
    assert "在此作答" in (tmp_path / "学生/练习.ipynb").read_text("utf-8")


def test_a_message_in_two_languages_stops_nothing():
    """A right answer stays right where the console cannot say so."""
    right = "lambda mu, sigma: 0.5 * (mu**2 + sigma**2 - 1 - 2 * sigma.log()).sum(-1)"
    done = run("-c", f"from gmlib import exercises; exercises.check('vae-gaussian-kl', {right})")
    assert done.stdout == "vae-gaussian-kl: right \\xb7 \\u6b63\\u786e (12/12)\n", done.stderr
