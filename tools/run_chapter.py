"""`make test CHAPTER=vae`: every test that concerns one chapter, two at a time, the longest first.

What is shared by all chapters (the graders, the tools, the site's own parts) is left to `make test`.
"""

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from tools import check_notebooks
from tools.common import EXERCISES, ROOT, chapters, notebooks
from tools.run_tests import environment, find_chromium, left_out

PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "0"]
# Tests that go through every chapter: `tests/conftest.py` takes those of one.
EACH = ["tests/exercises", "tests/notebooks/test_stored.py", "tests/notebooks/test_width.py", "tests/notebooks/test_assignments.py"]
PAGES = ["tests/site/test_every_page.py", "tests/site/test_marks.py"]
COMMON = ["tests/laws", "tests/gmlib/test_errors.py"]  # quick, and whatever a chapter adds may break them


def books(chapter):
    """The chapter's notebooks, and that of its exercises."""
    return [path for path in notebooks() if path.parent.name == chapter or path == EXERCISES / f"{chapter}.ipynb"]


def figures(chapter):
    """Its explorable figures, by the name of their module."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in books(chapter))
    shown = {name.lower() for name in re.findall(r"\bexplore(?:\.| import )(\w+)", text)}
    return sorted(path.stem for path in ROOT.glob("gmlib/explore/*.js") if path.stem in shown)


def there(*paths):
    return [path for path in paths if (ROOT / path).exists()]


def plan(chapter, chromium):
    """The parts as (name, command), the longest first."""
    own = [f"book/{chapter}.md", f"notebooks/{chapter}/", f"notebooks/exercises/{chapter}.ipynb"]
    of_figures = [path for name in figures(chapter) for path in (f"tests/explore/test_{name}.py", f"tests/site/test_explore_{name}.py")]
    runs = [(f"notebook {path.stem}" + " of exercises" * (path.parent == EXERCISES), check_notebooks.command([path], "-n", "0"))
            for path in books(chapter)]
    return [
        *([("pages in Chromium", [*PYTEST, "--chapter", chapter, *PAGES])] if chromium else []),
        ("exercises, stored notebooks", [*PYTEST, "--chapter", chapter, *EACH]),
        ("mathematics", [*PYTEST, "--doctest-modules", *there(f"tests/{chapter}", f"gmlib/{chapter}"), *COMMON]),
        *runs,
        *([("explorable figure", [*PYTEST, *there(*of_figures)])] if chromium and there(*of_figures) else []),
        ("text", [sys.executable, "-m", "tools.text_rules", *own]),
        ("equations", [sys.executable, "-m", "tools.equations", "--chapter", chapter]),
    ]


def run(command, variables):
    """Exit status, what it wrote, and the seconds that it took."""
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8")
    return done.returncode, done.stdout, time.monotonic() - start


def run_all(parts, variables):
    """Whether all passed; of each the last line, and of what failed all that it wrote."""
    passed = True
    with ThreadPoolExecutor(2) as pool:
        running = {pool.submit(run, command, variables): name for name, command in parts}
        for part in as_completed(running):
            code, output, seconds = part.result()
            passed = passed and code == 0
            lines = output.strip().splitlines() or [""]
            last = "" if code else "; ".join([*(line.strip() for line in lines if "OVER BUDGET" in line), lines[-1]])
            print(f"{output}\n" * (code != 0) + f"{seconds:6.1f} s  {'FAILED' if code else 'ok    '}  {running[part]}  {last}", flush=True)
    return passed


def main(chapter):
    if chapter not in chapters():
        sys.exit(f"There is no chapter {chapter!r}. CHAPTER may be {', '.join(chapters())}.")
    chromium = find_chromium()
    if chromium and subprocess.run(["make", "--no-print-directory", "book"], cwd=ROOT).returncode:
        sys.exit(1)
    start = time.monotonic()
    passed = run_all(plan(chapter, chromium), environment(chromium))
    print(f"{time.monotonic() - start:6.1f} s  {'ok    ' if passed else 'FAILED'}  all of {chapter}, without the building of the site")
    sys.exit(1 if left_out(chromium) or not passed else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
