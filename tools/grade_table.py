"""The table of a class, from nbgrader's gradebook and what the checks printed."""

import csv
import hashlib
import json

import nbformat
from nbgrader.api import Gradebook
from nbgrader.utils import is_grade, is_solution

from gmlib.exercises import find
from gmlib.exercises.checker import CHANGED
from tools.common import notebooks
from tools.grade_confirm import NOT_CONFIRMED
from tools.grade_execute import NOT_RUN
from tools.grade_mend import LOOK, grade_id
from tools.grade_own import place, unused

# What an answer may owe to the notebook around it, or to the machine that grades; the first is said where it asks what is right
AROUND = ("PermissionError", "NameError", "ImportError", "ModuleNotFoundError", "MemoryError", "allocate memory", "CUDA", "NVIDIA")


def fingerprint(folder):
    """Of the files in a folder, to see whether anything was handed in or changed since."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def state(course, assignment, student):
    """Of what a student handed in, and of the exercise's two forms."""
    return [fingerprint(course / folder / assignment) for folder in (f"submitted/{student}", "source", "release")]


def older(record, now):
    """What changed since a student was graded; nothing, if nothing did."""
    if record["of"][0] != now[0]:
        return ["what is in submitted now was not graded yet"]
    return ["the exercise was changed since this was graded"] if record["graded"] and record["of"] != now else []


def graded_cells(course, assignment):
    """The graded cells of an assignment in its order: (notebook, grade_id, points, by hand)."""
    return [
        (path.stem, grade_id(c), c.metadata["nbgrader"]["points"], is_solution(c))
        for path in notebooks(course / "release" / assignment)
        for c in nbformat.read(path, as_version=4).cells
        if is_grade(c)
    ]


def errors(cell):
    return [out for out in cell.get("outputs", []) if out.output_type == "error"]


def first_line(error):
    return f"{error.ename}: {error.evalue}".splitlines()[0][:120]


def mistakes(name):
    """The known ones of an exercise; none of one that an instructor made."""
    try:
        return find(name).misconceptions
    except ValueError:
        return ()


def words(name, failure):
    """What a failed check said: a mistake by its name, or the first sentence."""
    said = (failure.splitlines()[1:] or [failure])[0].strip()
    return next((m.name for m in mistakes(name) if m.en == said), said)


def verdict(cells, at):
    """What a check said, and whether somebody has to look; None where it passed."""
    cell, name = cells[at], grade_id(cells[at]).removesuffix("-check")
    if not errors(cell):
        return None
    error = errors(cell)[0]
    if error.ename == "CheckFailed":
        said = words(name, error.evalue)
        if any(o.output_type == "stream" and f"{name}: right" in o.text for o in cell.outputs):
            return f"right on the student's own numbers, wrong on others: {said}", True
        return said, said == CHANGED or said.startswith("It raises") and any(word in said for word in AROUND)
    if error.ename == NOT_CONFIRMED:
        return f"right in the notebook, wrong where it was compared outside: {words(name, error.evalue)}", True
    if any(e.ename == "CellTimeoutError" for e in errors(cell)):
        return "it did not stop in time", True
    if error.ename == NOT_RUN:
        return f"the check was given up: {error.evalue}", True
    start = max((i + 1 for i in range(at) if is_grade(cells[i])), default=0)
    before = [first_line(errors(c)[0]) for c in cells[start:at] if errors(c)]
    return f"the check could not run: {first_line(error)}" + (f", after {before[-1]}" if before else ""), True


def stopped(nb):
    """By graded cell, that it or a cell above it, which is no check, was stopped before its end."""
    out = {}
    for at, cell in enumerate(nb.cells):
        ended = [e for e in errors(cell) if e.ename in ("CellTimeoutError", NOT_RUN)]
        if ended and not (is_grade(cell) and not is_solution(cell)):
            name = place(nb, at)
            which = "it" if name == grade_id(cell) else "a cell above it"
            why = "at its time limit" if ended[-1].ename != NOT_RUN else f"({ended[-1].evalue})"
            out[name] = f"{which} was stopped {why}; read what it shows as unfinished", True
    return out


def verdicts(course, assignment, student):
    """By graded cell, what the check said and whether somebody has to look."""
    out = {}
    for path in notebooks(course / "autograded" / student / assignment):
        nb = nbformat.read(path, as_version=4)
        out |= stopped(nb)
        for at, cell in enumerate(nb.cells):
            if is_grade(cell) and not is_solution(cell) and (said := verdict(nb.cells, at)):
                out[grade_id(cell)] = said
    return out


def open_gradebook(course):
    return Gradebook(f"sqlite:///{course / 'gradebook.db'}")


def flag(course, assignment, student, unchanged):
    """Have nbgrader's own form ask for a look, too, at each zero that may not be one.

    After a second run it asks for all points given by hand; those for a text that is still the same stand.
    """
    look = [name for name, (_, look) in verdicts(course, assignment, student).items() if look]
    texts = [name for _, name, _, by_hand in graded_cells(course, assignment) if by_hand]
    with open_gradebook(course) as gradebook:
        for notebook in gradebook.find_submission(assignment, student).notebooks:
            for grade in notebook.grades:
                if grade.name in look:
                    grade.needs_manual_grade = True
                if grade.name in texts and unchanged and grade.manual_score is not None:
                    grade.needs_manual_grade = False
        gradebook.db.commit()


def row(gradebook, course, assignment, student, graded):
    """One student: the points by cell (None: by hand, to do), what was said, and what to look at."""
    record = json.loads((course / "grading" / assignment / f"{student}.json").read_text(encoding="utf-8"))
    record["notes"] += [LOOK + text for text in older(record, state(course, assignment, student))]
    notes = [n for n in record["notes"] if not n.startswith(LOOK)]
    look = [n.removeprefix(LOOK) for n in record["notes"] if n.startswith(LOOK)]
    if not record["graded"]:
        return dict.fromkeys((name for _, name, *_ in graded), None), notes, ["NOT GRADED", *look]
    submission = gradebook.find_submission(assignment, student)
    if submission.total_seconds_late > 0:
        notes.append(f"late by {submission.total_seconds_late / 3600:.1f} hours")
    grades = {g.name: g for n in submission.notebooks for g in n.grades}
    look += [f"{g.name}: the points given by hand are older than the last run" for g in grades.values()
             if g.needs_manual_grade and g.manual_score is not None]  # fmt: skip
    by_hand = [g for g in grades.values() if g.manual_score is not None and not g.needs_manual_grade]
    decided = {g.name.removesuffix("-check") for g in by_hand}
    settled = [text for text in look if text.partition(":")[0].removesuffix("-check") in decided]
    notes, look = notes + settled, [text for text in look if text not in settled]
    if added := record.get("added", []):
        (notes if all(name.removesuffix("-check") in decided for name, _ in added) else look).append(unused(added))
    said = verdicts(course, assignment, student)
    points, grouped = {}, {}
    for notebook, name, _, by_hand in graded:
        grade = grades[name]
        waits = grade.manual_score is None and grade.needs_manual_grade
        points[name] = None if by_hand and waits else grade.score
        if name not in said and not by_hand and grade.auto_score is None:
            said[name] = ("not graded: the cell is not in the notebook", True)
        if name in said:
            text, wants = said[name]
            wants = wants and grade.manual_score is None and grade.needs_manual_grade
            grouped.setdefault((text, wants), []).append(name.removesuffix("-check"))
    for (text, wants), names in grouped.items():
        (look if wants else notes).append(f"{', '.join(names)}: {text}")
    return points, notes, look


def show(value):
    return "?" if value is None else f"{value:g}"


def table(course, assignment):
    """Print the table and write the CSV; the students at whom somebody has to look."""
    graded = graded_cells(course, assignment)
    names = [name for _, name, *_ in graded]
    rows, wanted = [], []
    with open_gradebook(course) as gradebook:
        for record in sorted((course / "grading" / assignment).glob("*.json")):
            rows.append((record.stem, *row(gradebook, course, assignment, record.stem, graded)))
        handed_in = {student for student, *_ in rows}
        absent = sorted({s.id for s in gradebook.students} - handed_in)
    ungraded = sorted({p.parent.name for p in course.glob(f"submitted/*/{assignment}") if p.is_dir()} - handed_in)
    width = max([8, *(len(student) for student, *_ in rows)])
    print("\n" + "\n".join(f"{i:>3}  {name.removesuffix('-check')}, {points:g}" + (", by hand" if by_hand else "")
                           for i, (_, name, points, by_hand) in enumerate(graded, 1)))  # fmt: skip
    print(f"\n{'':{width}} " + "".join(f"{i:>5}" for i in range(1, len(graded) + 1)) + "    sum")
    out = [["student", *names, "sum", "of", "by hand, to do", "look", "said"]]
    for student, points, notes, look in rows:
        done = "NOT GRADED" not in look
        total = sum(v for v in points.values() if v is not None)
        waiting = [name for name in names if points[name] is None] if done else []
        line = "".join(f"{show(points[n]):>5}" for n in names)
        print(f"{student:{width}} {line}" + (f"{total:7g}" if done else "      -"))
        print("".join(f"{'':{width}}   ! {text}\n" for text in look), end="")
        print("".join(f"{'':{width}}     {text}\n" for text in notes), end="")
        marks = ["" if points[n] is None else points[n] for n in names]
        out.append([student, *marks, total if done else "",
                    sum(p for _, _, p, _ in graded), " ".join(waiting), "; ".join(look), "; ".join(notes)])  # fmt: skip
        wanted += [student] if look else []
    absent, wanted = [s for s in absent if s not in ungraded], wanted + ungraded
    path = course / "grading" / assignment / "marks.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # a spreadsheet takes it for UTF-8
        csv.writer(file).writerows(out)
    print("\n? is to be graded by hand." + (f" Nothing was handed in by {', '.join(absent)}." if absent else ""))
    print("".join(f"! {student}: not graded yet\n" for student in ungraded), end="")
    print(f"Look before marks go back (!): {', '.join(wanted) or 'nobody'}.\n{path}")
    return wanted
