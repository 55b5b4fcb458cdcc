"""Grade a class: `python -m tools.grade COURSE ASSIGNMENT [STUDENT ...]`.

nbgrader grades, one student at a time, a copy of what was handed in (`mended/`) in which what belongs to the exercise
is put right. The table says of each student the points, what the checker said, and, after `!`, what somebody has
to look at before marks go back: nothing that could not be run or found counts as a silent zero. It is also written to
`grading/ASSIGNMENT/marks.csv`, with nbgrader's log of each student beside it.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

import nbformat

from tools.common import notebooks
from tools.grade_mend import LOOK, Unreadable, grade_id, likeness, mend, read
from tools.grade_own import added, foreign, reaching
from tools.grade_run import autograde
from tools.grade_table import flag, state, table


def choose(folder, name, release):
    """The notebook handed in as `name`, under whatever name; the notes."""
    readable, notes = {}, []
    for path in notebooks(folder):
        if path.is_symlink():
            notes.append(f"{LOOK}{path.name} is a link to another file, and is not read")
            continue
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
    """Write the mended copy of what a student handed in; the names of the notebooks in it, the notes, and added cells."""
    folder, target = (course / step / student / assignment for step in ("submitted", "mended"))
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in folder.rglob("*"):  # data, and the time of handing in
        if path.is_file() and not path.is_symlink() and path.suffix != ".ipynb":
            (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / path.relative_to(folder))
    found, notes, own = [], [], []
    for path in notebooks(course / "release" / assignment):
        release = nbformat.read(path, as_version=4)
        nb, said = choose(folder, path.stem, release)
        notes += said
        if nb is not None:
            notes += mend(nb, release) + reaching(nb, release)
            own += added(nb, release)
            nb.nbformat, nb.nbformat_minor = release.nbformat, release.nbformat_minor
            for at, cell in enumerate(nb.cells):
                cell["id"] = f"cell-{at}"  # each once; older formats have none
            nbformat.write(nb, target / path.name)
            found.append(path.stem)
    return found, notes, own


def grade(course, assignment, student, minutes, memory, again):
    """Grade one student, unless nothing changed since; what happened goes to a file."""
    record = course / "grading" / assignment / f"{student}.json"
    now = state(course, assignment, student)
    before = json.loads(record.read_text(encoding="utf-8"))["of"] if record.exists() else [None]
    if before == now and not again:
        return
    start = time.monotonic()
    print(f"{student} …", end=" ", flush=True)
    found, notes, own = prepare(course, assignment, student)
    log, done, stopped = record.with_suffix(".log"), False, []
    if found:
        done, stopped = autograde(course, assignment, student, minutes, memory, log)
    if found and not done:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in said if "Error" in line] or ["see the log"]
        notes.append(f"{LOOK}nbgrader could not grade it: {errors[-1].strip()} ({log})")
    else:
        notes += foreign(course, assignment, student, course / "autograded" / student / assignment)
    done_as = now if done else [now[0]]  # what failed is tried again next time
    what = {"of": done_as, "graded": done, "notes": notes + stopped, "added": own}
    record.write_text(json.dumps(what, ensure_ascii=False, indent=1), encoding="utf-8")
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
    parser.add_argument("--memory", type=int, default=8, help="gigabytes for the processes of one student together (8)")
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
