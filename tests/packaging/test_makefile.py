"""`make` on a bare machine: installs once, again only after a change, and says what is missing."""

import os
import shutil
import subprocess

import pytest

from tools.common import ROOT

# A stand-in for Python that keeps a diary. `old` fails the check of the version, `bare` that of venv.
PYTHON = """#!/bin/sh
echo "$@" >> "$DIARY"
case "$@" in
  *version_info*) [ "$FLAW" != old ] ;;
  *ensurepip*) [ "$FLAW" != bare ] ;;
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *pip*) [ "$FLAW" != offline ] ;;
esac
"""


@pytest.fixture
def machine(tmp_path):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python3.11"
    python.write_text(PYTHON, "utf-8")
    python.chmod(0o755)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)

    def make(flaw="", target=".venv/installed"):
        diary = tmp_path / "diary"
        diary.write_text("", "utf-8")
        names = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        done = subprocess.run(
            ["make", f"PYTHON={python}", target],
            cwd=tmp_path, env=names | {"DIARY": str(diary), "FLAW": flaw}, capture_output=True, text=True,
        )  # fmt: skip
        return done, sum(" install " in line for line in diary.read_text("utf-8").splitlines())

    make.folder = tmp_path
    return make


def test_it_installs_once_and_says_how_long(machine):
    done, installs = machine()
    assert (done.returncode, installs) == (0, 2), done.stderr
    assert "2 to 5 minutes" in done.stdout and "Installed: 0 min" in done.stdout
    assert machine()[1] == 0


def test_changed_requirements_install_again(machine):
    machine()
    later = (machine.folder / ".venv/installed").stat().st_mtime + 5
    os.utime(machine.folder / "requirements.txt", (later, later))
    assert machine()[1] == 2


def test_failed_installation_is_not_taken_for_done(machine):
    done, _ = machine("offline")
    assert done.returncode and not (machine.folder / ".venv/installed").exists()
    assert machine()[0].returncode == 0


@pytest.mark.parametrize("flaw, message", [("old", "Python 3.11 is needed"), ("bare", "apt-get install python3.11-venv")])
def test_what_is_missing_is_named(machine, flaw, message):
    done, installs = machine(flaw)
    assert done.returncode and installs == 0
    assert message in done.stderr


def test_plain_make_is_help(machine):
    done, installs = machine(target="help")
    assert installs == 0
    assert all(word in done.stdout for word in ("make book", "make test", "make serve", "make assignments"))
