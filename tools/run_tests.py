"""`make test`: every test, in an order in which the quick ones come first, with the time that each part took.

The tests marked `site` open the built site in Chromium. Where there is none they are left out, and the
last line says so; on a build server (CI=true) that is a failure.
"""

import os
import shutil
import subprocess
import sys
import time

from tools.common import ROOT

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", os.environ.get("JOBS", "2"), "--dist"]
MATHEMATICS = [*PYTEST, "loadfile", "--doctest-modules", "-m", "not site", "tests", "gmlib"]
# The folder comes first so that its conftest.py is there to sum up; a test file there may take a minute: share it out.
SITE = [*PYTEST, "worksteal", "-m", "site", "tests/site", "tests"]


def find_chromium(environment=os.environ):
    """The browser named by the variable CHROMIUM, or the first that is on the path, or None."""
    if named := environment.get("CHROMIUM"):
        return shutil.which(named)
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def plan(chromium):
    """The parts as (name, command)."""
    parts = [
        ("the site, built if it is not up to date", ["make", "--no-print-directory", "book"]),
        ("mathematics, equations, text, packaging", MATHEMATICS),
        ("notebooks, run again and compared", [sys.executable, "-m", "tools.check_notebooks"]),
    ]
    return [*parts, ("the built site in Chromium", SITE)] if chromium else parts


def environment(chromium):
    """Two workers on two cores: more than one thread each would only make them wait for one another."""
    named = {"CHROMIUM": chromium} if chromium else {}
    return os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTEST_TIMEOUT": "300"} | named


def left_out(chromium):
    """Say what could not run; whether that is a failure, as it is on a build server."""
    if not chromium:
        print("LEFT OUT: the tests of the built site: no Chromium found (install it, or set CHROMIUM to its path)")
    return not chromium and os.environ.get("CI") == "true"


def run(parts, environment):
    """Run each part even where an earlier one failed; the lines of the summary, and whether all passed."""
    summary, passed = [], True
    for name, command in parts:
        print(f"\n=== {name}", flush=True)
        start = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        summary.append(f"{time.monotonic() - start:7.1f} s  {'ok    ' if code == 0 else 'FAILED'}  {name}")
        passed = passed and code == 0
    return summary, passed


def main():
    chromium = find_chromium()
    start = time.monotonic()
    summary, passed = run(plan(chromium), environment(chromium))
    print("\n".join(["", *summary, f"{time.monotonic() - start:7.1f} s  in all"]))
    failed = left_out(chromium) or not passed
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
