"""Break the library one line at a time and see that a test fails: `python -m tools.plant [part of a file's name]`.

Each error of `tests/planted.toml` is put into a copy of the tree, in which the tests named for that file run until the
first failure. An error that no test catches, or that no longer fits the file, makes this fail. It takes some minutes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.common import ROOT, tracked

PLANTED = ROOT / "tests" / "planted.toml"
NEEDED = ("_config.yml", "book/_data", "gmlib", "notebooks/exercises", "tests", "tools", "pyproject.toml")  # what the tests read


def errors(path=PLANTED, part=""):
    """The planted errors as (file, right, wrong, tests)."""
    for name, entry in tomllib.loads(path.read_text("utf-8")).items():
        if part in name:
            yield from ((name, right, wrong, entry["tests"]) for right, wrong in entry["errors"])


def caught(name, right, wrong, tests, root=ROOT):
    """The first test that fails on the error, or '' where none does."""
    text = (root / name).read_text("utf-8")
    if text.count(right) != 1:
        raise ValueError(f"{name} must hold {right!r} once, and holds it {text.count(right)} times")
    with tempfile.TemporaryDirectory() as copy:
        for path in tracked(*NEEDED, root=root):
            target = Path(copy) / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        (Path(copy) / name).write_text(text.replace(right, wrong), "utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", *tests]
        environment = os.environ | {"PYTHONPATH": copy, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return failed[0] if done.returncode == 1 and failed else ""


def main(part=""):
    todo, missed = list(errors(part=part)), 0
    with ThreadPoolExecutor(2) as pool:
        for (name, right, wrong, _), test in zip(todo, pool.map(lambda e: caught(*e), todo), strict=True):
            missed += not test
            print(f"{'caught by ' + test if test else 'NOT CAUGHT'}: {name}: {right}  ->  {wrong}", flush=True)
    print(f"{len(todo) - missed} of {len(todo)} errors caught")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
