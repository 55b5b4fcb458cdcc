"""Grade a class: `python -m tools.grade COURSE ASSIGNMENT [STUDENT ...]`.

nbgrader grades, one student at a time, a copy of what was handed in (`mended/`) in which what belongs to the exercise
is put right. The table says of each student the points, what the checker said, and, after `!`, what somebody has
to look at before marks go back: nothing that could not be run or found counts as a silent zero. It is also written to
`grading/ASSIGNMENT/marks.csv`, with nbgrader's log of each student beside it.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil

from tools.common import ROOT, kernel_environment, notebooks
from tools.grade_mend import LOOK, Unreadable, grade_id, likeness, mend, read
from tools.grade_table import flag, table

PREPROCESSORS = ("tools.grade_execute.ExecuteAll", *(f"nbgrader.preprocessors.{name}" for name in (
    "IgnorePattern", "LimitOutput", "SaveAutoGrades", "AssignLatePenalties", "CheckCellMetadata")),
    "nbconvert.preprocessors.ClearMetadataPreprocessor")  # fmt: skip

INHERITED = ("HOME", "USER", "LOGNAME", "LANG", "LC_", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


def choose(folder, name, release):
    """The notebook handed in as `name`, under whatever name; the notes."""
    readable, notes = {}, []
    for path in notebooks(folder):
        try:
            readable[path] = read(path)
        except Unreadable as problem:
            notes.append(f"{LOOK}{problem}")
    half = len([c for c in release.cells if grade_id(c)]) / 2
    alike = {p: nb for p, nb in readable.items() if likeness(nb, release) >= half}
    exact = folder / f"{name}.ipynb"
    if exact in readable:
        others = [p.name for p in alike if p != exact]
        return readable[exact], notes + [f"{LOOK}graded is {exact.name}; there is also {n}" for n in others]
    if len(alike) == 1:
        path, nb = alike.popitem()
        if not path.name.startswith(f"{folder.parent.name}_"):  # ada_….ipynb is how many learning platforms name it
            notes.append(f"the file was called {path.relative_to(folder)}")
        return nb, notes
    there = ", ".join(str(p.relative_to(folder)) for p in alike or sorted(folder.rglob("*")) if p.is_file())
    why = "several notebooks could be it" if alike else "no notebook of this exercise"
    return None, [*notes, f"{LOOK}{name}.ipynb: {why} (there is: {there or 'nothing'})"]


def prepare(course, assignment, student):
    """Write the mended copy of what a student handed in; the names of the notebooks in it, and the notes."""
    folder, target = (course / step / student / assignment for step in ("submitted", "mended"))
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in folder.rglob("*"):  # data, and the time of handing in
        if path.is_file() and path.suffix != ".ipynb":
            (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / path.relative_to(folder))
    found, notes = [], []
    for path in notebooks(course / "release" / assignment):
        release = nbformat.read(path, as_version=4)
        nb, said = choose(folder, path.stem, release)
        notes += said
        if nb is not None:
            notes += mend(nb, release)
            nb.nbformat, nb.nbformat_minor = release.nbformat, release.nbformat_minor
            for at, cell in enumerate(nb.cells):
                cell["id"] = f"cell-{at}"  # each once; older formats have none
            nbformat.write(nb, target / path.name)
            found.append(path.stem)
    return found, notes


def autograde(course, assignment, student, minutes, memory, log):
    """Run nbgrader on one student; True if it got to the end."""
    command = [sys.executable, "-m", "nbgrader", "autograde", assignment, f'--student="{student}"', "--force",
               "--CourseDirectory.submitted_directory=mended", f"--ExecuteAll.notebook_timeout={60 * minutes}",
               *(f"--Autograde.autograde_preprocessors={name}" for name in PREPROCESSORS)]  # fmt: skip
    with log.open("w") as out:
        where = {"cwd": course, "env": environment(), "stdout": out, "stderr": out}
        run = subprocess.Popen(command, **where, preexec_fn=limit(memory))
        try:
            return run.wait(60 * minutes + 120) == 0
        except subprocess.TimeoutExpired:
            for process in [*psutil.Process(run.pid).children(recursive=True), run]:
                process.kill()
            run.wait()
            return False


def environment():
    """A kernel's, without GPU, where nbgrader finds this folder's code and the programs beside Python.

    Of the instructor's own variables only those that programs need: an answer can print them, and there may be keys.
    """
    inherited = {name: value for name, value in os.environ.items() if name.startswith(INHERITED)}
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    return kernel_environment(inherited) | {"PATH": path, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "PYTHONUTF8": "1"}


def limit(gigabytes):
    """What each process of a run may allocate; an answer that wants more gets a MemoryError."""

    def apply():
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (gigabytes << 30, gigabytes << 30))

    return apply


def fingerprint(folder):
    """Of the files in a folder, to see whether anything was handed in or changed since."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def grade(course, assignment, student, minutes, memory, again):
    """Grade one student, unless nothing changed since; what happened goes to a file."""
    record = course / "grading" / assignment / f"{student}.json"
    now = [fingerprint(course / folder / assignment) for folder in (f"submitted/{student}", "source", "release")]
    before = json.loads(record.read_text())["of"] if record.exists() else [None]
    if before == now and not again:
        return
    start = time.monotonic()
    print(f"{student} …", end=" ", flush=True)
    found, notes = prepare(course, assignment, student)
    log = record.with_suffix(".log")
    done = bool(found) and autograde(course, assignment, student, minutes, memory, log)
    if found and not done:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "Error" in line] or ["see the log"]
        notes.append(f"{LOOK}nbgrader could not grade it: {errors[-1].strip()} ({log})")
    done_as = now if done else [now[0]]  # what failed is tried again next time
    record.write_text(json.dumps({"of": done_as, "graded": done, "notes": notes}, ensure_ascii=False, indent=1))
    if done:
        flag(course, assignment, student, unchanged=before[0] == now[0])
    print(f"{time.monotonic() - start:.0f} s", flush=True)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m tools.grade", description=__doc__.partition("\n")[0])
    parser.add_argument("course", type=Path, help="the folder with nbgrader_config.py")
    parser.add_argument("assignment", help="a folder in source/ and release/, such as vae")
    parser.add_argument("students", nargs="*", help="only these; all without")
    parser.add_argument("--again", action="store_true", help="also those whose files did not change")
    parser.add_argument("--report", action="store_true", help="run nothing; the table as the gradebook is now")
    parser.add_argument("--minutes", type=int, default=10, help="for one notebook (10)")
    parser.add_argument("--memory", type=int, default=8, help="gigabytes for one process (8)")
    args = parser.parse_args(argv)
    args.course = args.course.expanduser().resolve()
    for needed in ("nbgrader_config.py", "gradebook.db", f"release/{args.assignment}"):
        if not (args.course / needed).exists():
            parser.error(f"{args.course / needed} is missing: see book/instructors.md, 'Set up the course'")
    there = sorted(p.parent.name for p in args.course.glob(f"submitted/*/{args.assignment}") if p.is_dir())
    if unknown := set(args.students) - set(there):
        parser.error(f"nothing in submitted/ for {args.assignment} by {', '.join(sorted(unknown))}")
    (args.course / "grading" / args.assignment).mkdir(parents=True, exist_ok=True)
    for student in [] if args.report else args.students or there:
        grade(args.course, args.assignment, student, args.minutes, args.memory, args.again)
    sys.exit(1 if table(args.course, args.assignment) else 0)


if __name__ == "__main__":
    main()
