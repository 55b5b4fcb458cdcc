"""The book as a person in Colab meets it: `python -m tools.colab [--python PYTHON] [--torch VERSION] [notebook ...]`.

Tried: Colab's versions (`tools/colab.txt`) of everything but torch, which is the project's own unless told; that pip
would install our wheel there and nothing else; the setup cell, from a clone with the tag that it names, and every
settings cell with what that installed. Then, with the wheel of the files as they stand: each notebook from the first
cell to the last in an empty folder with no network (no error, nothing on stderr, the same kinds of outputs as are
stored, nothing imported from the repository); exercises with their solutions, and as the student gets them up to the
first answer that is missing; each explorable figure under ipywidgets 7 and anywidget 0.9, moved from both sides, with
its picture, and with Colab's own widget manager asked for.

Not tried, as it needs Google's machines: Colab's page (how it draws Markdown, formulas, links and widgets, and that it
can fetch its widget manager and anywidget's script), its own kernel and its own `%pip`, a GPU there, the download from
GitHub; Python 3.13 and torch 2.11.0, where `--python` and `--torch` do not give them.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from tools.address import current
from tools.colab_run import Trial, figure_faults, notebook_faults, offline, student_faults
from tools.common import EXERCISES, ROOT, notebooks, tracked
from tools.run_notebooks import read

VERSIONS = ROOT / "tools" / "colab.txt"
DISTRIBUTION = "generative-models-book"


def pip(python, *arguments, **options):
    command = [python, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, arguments)]
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **options)


def frozen(python):
    """What is installed, as lines of a requirements file."""
    return set(pip(python, "freeze", capture_output=True, encoding="utf-8").stdout.splitlines())


def pinned(name):
    """The version that the project is built with."""
    return re.search(rf"(?m)^{name}==(\S+)$", (ROOT / "requirements.txt").read_text("utf-8"))[1]


def environment(python, torch):
    """The Python of an environment with Colab's versions, made on first use, and again when they change."""
    ask = "import platform; print(platform.python_version())"
    version = subprocess.run([python, "-c", ask], check=True, capture_output=True, encoding="utf-8").stdout.strip()
    home = ROOT / "_build" / "colab" / f"python-{version}-torch-{torch}"
    inside, made, wanted = home / "bin" / "python", home / "made-of.txt", f"{VERSIONS.read_text('utf-8')}torch=={torch}\n"
    if not made.exists() or made.read_text("utf-8") != wanted:
        print(f"Installing Colab's versions into {home.relative_to(ROOT)}: 2 to 5 minutes and 2 GB, once.", flush=True)
        subprocess.run([python, "-m", "venv", "--clear", home], check=True)
        pip(inside, "install", "-r", VERSIONS, f"torch=={torch}")
        pip(inside, "download", "--no-deps", "-d", home / "build-wheels", "setuptools>=77")  # to build gmlib offline
        made.write_text(wanted, "utf-8")
    return inside


def build_wheel(folder):
    """The wheel of the files as they stand here, committed or not."""
    source = folder / "source"
    for path in tracked("gmlib", "pyproject.toml", "README.md", "LICENSE-CODE"):
        (source / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, source / path.relative_to(ROOT))
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source)
    return next(folder.glob("*.whl"))


def wheel_faults(python, wheel):
    """Installing the wheel installs nothing else, and leaves Colab's versions as they are."""
    command = ["install", "--dry-run", "--no-index", "--report", "-", wheel]
    try:
        report = pip(python, *command, capture_output=True, encoding="utf-8").stdout
    except subprocess.CalledProcessError as error:
        yield error.stderr.strip()
        return
    names = [item["metadata"]["name"] for item in json.loads(report)["install"]]
    if names != [DISTRIBUTION]:
        yield f"pip would install {', '.join(names)}"


def setup_cell(nb):
    return next(cell.source for cell in nb.cells if cell.cell_type == "code")


def settings_cells(nb):
    return [cell.source for cell in nb.cells if "settings" in cell.metadata.get("tags", [])]


def requirement_faults(nb, wheel):
    """What the setup cell would install is, as pip reads it, the wheel's distribution at its version."""
    asked = re.search(r'(?m)^    %pip install -q "(.+)"$', setup_cell(nb))
    name, version, *_ = parse_wheel_filename(wheel.name)
    try:
        requirement = Requirement(asked[1] if asked else "")
    except InvalidRequirement as error:
        yield f"the setup cell asks for nothing that pip can read: {error}"
        return
    if canonicalize_name(requirement.name) != name or not (requirement.url or "").endswith(f"@v{version}"):
        yield f"the setup cell asks for {requirement}, and the wheel is {name} {version}"


def setup_faults(nbs, python, folder):
    """The setup cell, run where `gmlib` is not, installs it and changes nothing else, and the settings cells import it.

    Its address leads to a clone of this repository: to the book as committed, if the tag that it names is not there yet.
    """
    here, clone = current(), folder / "clone"
    subprocess.run(["git", "clone", "-q", "--bare", ROOT, clone], check=True)
    subprocess.run(["git", "-C", clone, "tag", f"v{here.version}"], stderr=subprocess.DEVNULL)  # fails where there is one
    away = {
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.file://{clone}.insteadOf", "GIT_CONFIG_VALUE_0": here.repository,
        "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(python.parents[1] / "build-wheels"), "PIP_CONFIG_FILE": os.devnull,
    }  # fmt: skip
    before = frozen(python)
    sources = [setup_cell(nbs[0]), "import gmlib\ngmlib.__version__", *(s for nb in nbs for s in settings_cells(nb))]
    cells = list(map(new_code_cell, sources))
    run = Trial(python, folder, away).run(new_notebook(cells=cells))
    print("".join(f"          | {line}\n" for out in cells[0].outputs for line in out.get("text", "").splitlines()), end="")
    if run.error:
        yield f"{run.error.ename}: {run.error.evalue}"
    elif (found := cells[1].outputs[0].data["text/plain"]) != repr(here.version):
        yield f"installs version {found}"
    if more := [line for line in frozen(python) ^ before if not line.startswith(DISTRIBUTION)]:
        yield f"changes {', '.join(more)}"


def check_faults(python):
    """What `pip check` says against the installed versions."""
    done = subprocess.run([python, "-m", "pip", "check"], capture_output=True, encoding="utf-8")
    if done.returncode:
        yield from done.stdout.splitlines()


def trials(python, folder, paths):
    """What is tried, one after the other: a name, and what looks for faults."""
    wheel, trial = build_wheel(folder), Trial(python, folder)
    pip(python, "uninstall", "-y", DISTRIBUTION, stderr=subprocess.DEVNULL)
    yield "what pip would install", wheel_faults(python, wheel)
    yield "the setup cell, from a clone, and what it installs", setup_faults(list(map(read, paths)), python, folder)
    pip(python, "install", "--no-deps", "--no-index", "--force-reinstall", wheel)
    yield "pip check", check_faults(python)
    yield "explorable figures", figure_faults(trial)
    for path in paths:
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        yield f"{name}, what it would install", requirement_faults(read(path), wheel)
        yield str(name), notebook_faults(trial, read(path))
        if EXERCISES in path.parents:
            yield f"{name}, students' version", student_faults(trial, read(path))


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.colab", description=__doc__.split("\n\n")[0])
    parser.add_argument("--python", default=sys.executable, help="what makes the environment; Colab's is 3.13")
    parser.add_argument("--torch", default=pinned("torch"), help="its torch; Colab's is 2.11.0")
    parser.add_argument("notebooks", nargs="*", type=Path)
    options = parser.parse_args()
    python = environment(options.python, options.torch)
    network = "no network" if offline() else "no way out but a proxy that does not answer (unshare is not allowed here)"
    print(f"{python.parents[1].relative_to(ROOT)}, {network}", flush=True)
    bad = False
    with tempfile.TemporaryDirectory(prefix="colab-") as folder:
        paths = [path.resolve() for path in options.notebooks] or notebooks()
        for name, look in trials(python, Path(folder), paths):
            start, found = time.monotonic(), list(look)
            bad = bad or bool(found)
            verdict = "".join(f"\n          {fault}" for fault in found) or "ok"
            print(f"{time.monotonic() - start:6.1f} s  {name}: {verdict}", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main())
