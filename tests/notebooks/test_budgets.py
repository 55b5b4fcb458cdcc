"""The time of each chapter stands beside its budget, and what is over it says so."""

import subprocess
import sys

from tools import budgets
from tools.common import ROOT


def test_mathematics_is_summed_by_chapter():
    durations = [("tests/gan/test_a.py::test_b", 30), ("tests/gan/test_c.py::test_d", 11), ("tests/vae/test_e.py::test_f", 40)]
    assert budgets.of_mathematics(durations) == ["  41.0 s of  40  mathematics of gan  OVER BUDGET", "  40.0 s of  40  mathematics of vae"]


def test_notebooks_together_and_the_longest():
    spent = {"notebooks/vae/a.ipynb": 46, "notebooks/vae/b.ipynb": 45, "notebooks/gan/c.ipynb": 44, "notebooks/gan/d.ipynb": 50}
    assert [line.split()[0] + "OVER" * ("OVER BUDGET" in line) for line in budgets.of_notebooks(spent)] == [
        "94.0", "50.0OVER", "91.0OVER", "46.0OVER"]  # two parts of gan may take 180


def test_the_summary_of_a_run_has_the_chapters():
    command = [sys.executable, "-m", "pytest", "-q", "tests/overview/test_calibration.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "s of  40  mathematics of overview" in done.stdout
