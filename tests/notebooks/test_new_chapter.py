"""A chapter begun with `tools.new_chapter` starts right: link, setup cell, both languages, clean notebooks, exercises that are found."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from gmlib.exercises import chapters
from tools import address, new_chapter
from tools.common import ROOT, tracked
from tools.run_notebooks import clean, read

TITLE = "Generative adversarial networks · 生成对抗网络"
NEEDED = ("_config.yml", "pyproject.toml", "book", "gmlib", "notebooks", "tests/__init__.py", "tests/exercises",
          "tests/notebooks/test_assignments.py", "tools")  # what the tests of exercises read
# The tests that wait for more exercises and mistakes than the example, and for links to equations.
TO_DO = {
    "test_answers.py::test_each_exercise_knows_at_least_six_mistakes_and_says_each_differently[unwritten-mean]",
    "test_notebook.py::test_points_minutes_and_checks_agree[unwritten]",
    "test_notebook.py::test_links_lead_to_a_notebook_and_to_an_equation_in_it[unwritten]",
}


@pytest.fixture
def begun(tmp_path):
    new_chapter.main(["gan", TITLE], tmp_path)
    return tmp_path


def test_it_says_what_the_contents_need(tmp_path, capsys):
    new_chapter.main(["gan", TITLE], tmp_path)
    said = capsys.readouterr().out
    assert "      - file: book/gan\n        sections:\n          - file: notebooks/gan/gan\n" in said
    assert (tmp_path / "book/gan.md").read_text("utf-8").startswith(f"(ch-gan)=\n# {TITLE}\n")


def test_it_writes_every_part(begun):
    found = {p.relative_to(begun).as_posix() for p in begun.rglob("*") if p.is_file()}
    tests, pages = {"tests/gan/test_gan.py", "tests/gan/planted.toml"}, {"book/api/gan.md", "book/equations/gan.md"}
    exercises = {"notebooks/exercises/gan.ipynb", "gmlib/exercises/gan/__init__.py", "tests/exercises/gan/answers.py",
                 "tests/exercises/gan/mistakes.py"}  # fmt: skip
    assert found == {"book/gan.md", "notebooks/gan/gan.ipynb", "gmlib/gan/__init__.py", *tests, *pages, *exercises}
    assert (begun / "book/equations/gan.md").read_text("utf-8").startswith(
        "# Equations: Generative adversarial networks · 公式：生成对抗网络\n")


def test_the_notebook_follows_the_address(begun):
    nb = read(begun / "notebooks/gan/gan.ipynb")
    assert nb.cells[0].source.splitlines()[0] == f"# {TITLE}"
    assert address.current().colab("notebooks/gan/gan.ipynb") in nb.cells[0].source


@pytest.mark.parametrize("name", ["notebooks/gan/gan.ipynb", "notebooks/exercises/gan.ipynb"])
def test_both_notebooks_start_alike_and_keep_the_rules(begun, name):
    path, here = begun / name, address.current()
    nb = read(path)
    assert [c.source for c in nb.cells if "setup" in c.metadata.get("tags", [])] == [here.setup_cell()]
    assert clean(read(path), path.name) == nb
    nbformat.validate(nb)


def test_a_second_notebook_leaves_the_rest_alone(begun):
    (begun / "book/gan.md").write_text("written since", "utf-8")
    new_chapter.main(["gan", "Wasserstein distance · Wasserstein 距离", "wasserstein"], begun)
    assert (begun / "book/gan.md").read_text("utf-8") == "written since"
    assert (begun / "notebooks/gan/wasserstein.ipynb").exists()


def in_copy(copy, *arguments):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True)


@pytest.mark.slow
def test_begun_exercises_are_found_and_wait_only_for_what_the_author_has_to_do(tmp_path):
    """In a copy of the tree, the tests of all exercises but those that are only about the finished chapters."""
    for path in tracked(*NEEDED):
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    new_chapter.main(["unwritten", TITLE], tmp_path)
    pages = [name.format("unwritten") for name in ("book/{}.md", "notebooks/{0}/{0}.ipynb", "notebooks/exercises/{}.ipynb")]
    text = in_copy(tmp_path, "tools.text_rules", *pages)
    assert text.returncode == 0, text.stdout + text.stderr
    general = " and ".join(f"not {word}" for word in [*chapters(), "test_assignments"])
    options = ["-q", "-rA", "-m", "not slow", "-k", f"unwritten or ({general})"]
    done = in_copy(tmp_path, "pytest", *options, "tests/exercises", "tests/notebooks")
    found = {kind: set(re.findall(rf"(?m)^{kind} tests/\w+/(\S+)", done.stdout)) for kind in ("PASSED", "FAILED", "ERROR")}
    assert found["FAILED"] == TO_DO and not found["ERROR"], done.stdout[-3000:]
    assert len([name for name in found["PASSED"] if "unwritten" in name]) > 15


@pytest.mark.parametrize("arguments", [["gan", "English only"], ["not a slug", TITLE]])
def test_bad_names_are_refused(tmp_path, arguments):
    with pytest.raises(SystemExit):
        new_chapter.main(arguments, tmp_path)
    assert not any(tmp_path.iterdir())
