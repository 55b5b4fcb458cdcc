"""Break one line at a time and see that a test fails: `python -m tools.plant [chapter, or part of a file's name]`.

Each error of `tests/*/planted.toml` is put into a copy of the tree, in which the tests named for that file run until the
first failure; an error in a notebook is tried in its cell (`tools/plant_notebook.py`). An error that nothing catches, or
that no longer fits its file, makes this fail. It takes some minutes. `--random 40 vae` breaks the chapter's code at random
(`tools/plant_random.py`).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.common import ROOT, kernel_environment, tracked

NEEDED = ("_config.yml", "book/_data", "gmlib", "notebooks/exercises", "tests", "tools", "pyproject.toml")  # what the tests read
MISTYPED = ("SyntaxError", "IndentationError", "NameError", "AttributeError", "TypeError", "Died")  # no check caught these


def planted(part="", root=ROOT):
    """The entries of all planted files by the name of the file that they break."""
    found = {}
    for path in sorted(root.glob("tests/*/planted.toml")):
        entries = tomllib.loads(path.read_text("utf-8"))
        if twice := found.keys() & entries.keys():
            raise ValueError(f"{path.relative_to(root)}: errors of {min(twice)} stand in another planted.toml too")
        found |= entries
    return {name: entry for name, entry in found.items() if part in name}


def copied(copy, root=ROOT):
    """The folder `copy`, now with all that the tests read."""
    for path in tracked(*NEEDED, root=root):
        target = copy / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return copy


def run_tests(copy, tests, *under):
    """What came of the tests of a copy of the tree, up to the first that fails; the plugins that they do not need take seconds."""
    command = [sys.executable, *under, "-m", "pytest", "-x", "-q", "-p", "pytest_timeout", "--timeout=100", *tests]
    environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
                                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # fmt: skip
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)


def first_failure(done):
    """The test that failed, or '' where none did."""
    failed = [line[7:].partition(" - ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return failed[0] if done.returncode == 1 and failed else ""


def caught(name, right, wrong, tests, root=ROOT):
    """The first test that fails on the error, or '' where none does."""
    text = (root / name).read_text("utf-8")
    if text.count(right) != 1:
        raise ValueError(f"{name} must hold {right!r} once, and holds it {text.count(right)} times")
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder), root)
        (copy / name).write_text(text.replace(right, wrong), "utf-8")
        return first_failure(run_tests(copy, tests))


def in_notebook(name, errors, root=ROOT):
    """For each error (right, wrong) in a notebook's cells, what became of it, in words that begin with `caught` if it was."""
    path = root / name
    # No GPU: a process that has used one cannot be forked.
    environment = kernel_environment() | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-m", "tools.plant_notebook", path], cwd=path.parent, env=environment,
                          input=json.dumps(errors), capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        raise ValueError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    return [verdict(failed) for failed in json.loads(done.stdout)]


def verdict(failed):
    """In words, what `plant_notebook.first_failure` found."""
    if not failed:
        return "NOT CAUGHT"
    cell, error, message = failed
    if error in MISTYPED:
        return f"BADLY PLANTED ({error}: {message})"
    return f"caught by cell {cell}" + ("" if error == "AssertionError" else f" ({error}: {message})")


def tried(name, errors, tests):
    """What became of each error."""
    if tests is None:
        return in_notebook(name, errors)
    test = caught(name, *errors[0], tests)
    return [f"caught by {test}" if test else "NOT CAUGHT"]


def jobs(part=""):
    """What is tried at once, as (file, errors, tests): all errors of a notebook, one of any other file."""
    for name, entry in planted(part).items():
        if name.endswith(".ipynb"):
            yield name, entry["errors"], None
        else:
            yield from ((name, [error], entry["tests"]) for error in entry["errors"])


def main(part=""):
    todo, verdicts = list(jobs(part)), []
    with ThreadPoolExecutor(2) as pool:
        for (name, errors, _), words in zip(todo, pool.map(lambda job: tried(*job), todo), strict=True):
            verdicts += words
            for word, (right, wrong) in zip(words, errors, strict=True):
                print(f"{word}: {name}: {right}  ->  {wrong}", flush=True)
    missed = sum(not word.startswith("caught") for word in verdicts)
    print(f"{len(verdicts) - missed} of {len(verdicts)} errors caught")
    return missed > 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", default="", help="a chapter, or part of a file's name")
    parser.add_argument("--random", type=int, metavar="N", help="instead N errors at random in the chapter's code")
    parser.add_argument("--seed", type=int, default=0, help="which errors (0)")
    given = parser.parse_args()
    if given.random:
        from tools import plant_random

        sys.exit(plant_random.main(given.part, given.random, given.seed))
    sys.exit(main(given.part))
