"""`make test CHAPTER=…` runs all that is the chapter's, and only that; what fails is told."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import chapter_of
from tools import run_chapter
from tools.common import ROOT, chapters, notebooks


@pytest.mark.parametrize("value, chapter", [
    ("vae", "vae"), ("vae-gaussian-kl", "vae"), (("overview-boundary", "a mistake"), "overview"), ("reference 1", "reference 1"),
    (ROOT / "notebooks/vae/beta_vae.ipynb", "vae"), (ROOT / "notebooks/exercises/vae.ipynb", "vae"), (3, None), ((), None),
])
def test_a_parameter_names_its_chapter(value, chapter):
    assert chapter_of(value) == chapter


def test_plans_of_all_chapters_run_every_notebook_once():
    run = [path for slug in chapters() for path in run_chapter.books(slug)]
    assert sorted(run) == notebooks()


@pytest.mark.parametrize("chapter", chapters())
def test_what_a_plan_names_is_there(chapter):
    commands = [command for _, command in run_chapter.plan(chapter, "chromium")]
    named = [word for command in commands for word in command if word.startswith(("tests/", "gmlib/", "book/", "notebooks/"))]
    assert {f"tests/{chapter}", f"gmlib/{chapter}", f"book/{chapter}.md", "tests/laws"} <= set(named)
    assert all((ROOT / name).exists() for name in named)


def test_figures_are_those_that_the_notebooks_show():
    assert (run_chapter.figures("vae"), run_chapter.figures("overview")) == (["gap"], ["boundary"])
    assert sorted(name for slug in chapters() for name in run_chapter.figures(slug)) == sorted(
        path.stem for path in ROOT.glob("gmlib/explore/*.js") if path.stem != "kit")


def test_every_figure_has_the_two_files_of_tests_that_a_plan_looks_for():
    for name in {name for slug in chapters() for name in run_chapter.figures(slug)}:
        assert run_chapter.there(f"tests/explore/test_{name}.py", f"tests/site/test_explore_{name}.py") != []
        assert (ROOT / f"tests/site/test_explore_{name}.py").exists(), name


def test_without_chromium_no_page_is_opened():
    assert not [name for name, command in run_chapter.plan("vae", None) if "tests/site" in " ".join(map(str, command))]


def test_what_fails_is_shown_whole_and_of_the_rest_the_last_line(capsys):
    script = "import sys; print('first'); print('last'); sys.exit({})"
    assert run_chapter.run_all([("good", [sys.executable, "-c", script.format(0)])], {})
    out = capsys.readouterr().out
    assert "first" not in out and "ok      good  last" in out
    assert not run_chapter.run_all([(name, [sys.executable, "-c", script.format(code)]) for name, code in [("bad", 3), ("good", 0)]], {})
    out = capsys.readouterr().out
    assert "first" in out and "FAILED  bad" in out


def test_an_unknown_chapter_is_told_which_there_are():
    with pytest.raises(SystemExit, match="There is no chapter 'vea'. CHAPTER may be .*overview.*vae"):
        run_chapter.main("vea")


def test_only_what_names_the_chapter_is_collected(tmp_path):
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text("""import pytest
@pytest.mark.parametrize("name", ["vae-a", "gan-a"])
def test_each(name):
    assert name == "vae-a"
def test_of_all():
    assert False
""", "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--chapter", "vae", "."]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert "1 passed, 2 deselected" in done.stdout, done.stdout
