"""The wheel: it builds offline, holds all of gmlib, works away from the repository, and asks for what Colab has."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

import gmlib
from tools.common import ROOT, notebooks, tracked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Google's list of 19 August 2026, CPU runtime.
COLAB = {
    "python": "3.13", "torch": "2.11.0", "torchvision": "0.26.0", "numpy": "2.1.3", "scipy": "1.16.3",
    "scikit-learn": "1.6.1", "matplotlib": "3.10.0", "pandas": "2.2.3", "networkx": "3.6.1", "ipywidgets": "7.7.1",
    "anywidget": "0.9.21", "accelerate": "1.14.0", "safetensors": "0.8.0", "sympy": "1.14.0", "tqdm": "4.67.3",
    "pooch": "1.9.0",
}  # fmt: skip
IMPORT_NAMES = {"scikit-learn": "sklearn", "POT": "ot"}
# There in Colab and in every Jupyter, and not ours to install.
FRONT_END = {"IPython", "traitlets"}


def unmet(requirements):
    """The requirements that Colab's own versions do not meet: each would be reinstalled there."""
    found = map(Requirement, requirements)
    return [str(r) for r in found if r.name not in COLAB or not r.specifier.contains(COLAB[r.name])]


def test_colab_meets_every_range():
    groups = PROJECT["optional-dependencies"].items()
    extras = [r for name, group in groups if not name.startswith("bench-") for r in group]  # no notebook imports those
    assert unmet(PROJECT["dependencies"] + extras) == []
    assert unmet([f"python{PROJECT['requires-python']}"]) == []


@pytest.mark.parametrize("planted", ["numpy>=2.2", "torch==2.13.0", "ipywidgets>=8", "zuko"])
def test_planted_ranges_are_found(planted):
    assert unmet([planted]) == [planted]


def imported(source):
    """The top-level names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def notebook_source(path):
    """The code of a notebook as plain Python: a line of magic becomes `pass`."""
    cells = nbformat.read(path, as_version=4).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source)


def without_dependencies(source):
    """What the benchmark of a family says to install with --no-deps, which no extra can."""
    lines = re.findall(r"--no-deps ([^\n&]*)", source)
    return {name for line in lines for name in re.findall(r"([\w.-]+)==", line)}


def undeclared(source):
    declared = PROJECT["dependencies"] + [r for group in PROJECT["optional-dependencies"].values() for r in group]
    names = {Requirement(r).name for r in declared} | without_dependencies(source)
    names = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names}
    return set(imported(source)) - names - sys.stdlib_module_names - FRONT_END - {"gmlib"}


def test_everything_imported_is_declared():
    for path in tracked("gmlib"):
        if path.suffix == ".py":
            assert not undeclared(path.read_text(encoding="utf-8")), path
    for path in notebooks():
        assert not undeclared(notebook_source(path)), path


def test_planted_import_is_found():
    assert undeclared("def f():\n    import pandas, torch\n    from sklearn import svm") == {"pandas"}
    command = "INSTALL = 'pip install a==1 && pip install --no-deps torchcfm==1.0.7 b-c==2'\n"
    assert undeclared(command + "import a, torchcfm, b_c") == {"a"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the tracked files, so that the build leaves nothing behind here."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in tracked("gmlib", "pyproject.toml", "README.md", "LICENSE-CODE"):
        (source / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, source / path.relative_to(ROOT))
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", out, source)
    return next(out.glob("*.whl"))


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def test_wheel_has_the_name_and_version(wheel):
    assert wheel.name == f"generative_models_book-{gmlib.__version__}-py3-none-any.whl"


def test_wheel_holds_all_of_gmlib_and_nothing_else(wheel):
    inside = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert inside == {p.relative_to(ROOT).as_posix() for p in tracked("gmlib")}


def test_wheel_carries_its_licence(wheel):
    assert any(n.endswith("licenses/LICENSE-CODE") for n in zipfile.ZipFile(wheel).namelist())


def test_installed_wheel_imports_away_from_the_repository(wheel, tmp_path):
    """Every module of the library, and all that the notebooks import from it, from the wheel alone."""
    pip("install", "--no-deps", "--no-index", "--target", tmp_path / "site", wheel)
    modules = [p.relative_to(ROOT).with_suffix("").as_posix() for p in tracked("gmlib") if p.suffix == ".py"]
    lines = [f"import {m.removesuffix('/__init__').replace('/', '.')}" for m in modules if not m.endswith("__main__")]
    lines += [line for path in notebooks() for line in library_imports(path)]
    script = "\n".join([*lines, "import gmlib", "print(gmlib.__file__)"])
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "site")


def library_imports(path):
    nodes = ast.walk(ast.parse(notebook_source(path)))
    statements = [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return [s for s in statements if re.match(r"(import|from) gmlib\b", s)]
