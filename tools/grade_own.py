"""What in a notebook is the student's own: cells that were added, code that reaches beyond the exercise, and other people's text.

Each note that begins with `!` wants somebody to look, and names the graded cell at which it does.
"""

import functools
import re

from tools.common import notebooks
from tools.grade_mend import LOOK, Unreadable, grade_id, like, read, settings
from tools.grade_scan import names, reaches

LONGEST = 40  # characters that are shown of a cell
LONG = 25  # characters of a line by which its author is known


def place(nb, at):
    """The graded cell at which this one stands: itself, the next one below, or the last."""
    graded = [(i, grade_id(c)) for i, c in enumerate(nb.cells) if settings(c).get("grade") or (i == at and grade_id(c))]
    below = [name for i, name in graded if i >= at]
    return (below or [name for _, name in graded] or [""])[0 if below else -1]


def theirs(cell, release):
    """The cell is the exercise's, whose links differ between the forms in which it is handed out."""
    return any(cell.cell_type == c.cell_type and words(cell) == words(c) for c in release.cells)


def words(cell):
    return re.sub(r"\]\([^()\s]*\)", "]", cell.source).split()


def own_cells(nb, release, but=("setup", "settings")):
    """The cells that are not the exercise's, or were changed, but for those with these tags: (place in the notebook, cell)."""
    kept = [like(nb, c) for c in release.cells if set(but) & set(c.metadata.get("tags", []))]
    cells = [(i, c) for i, c in enumerate(nb.cells) if c.source.strip() and i not in kept]
    return [(i, c) for i, c in cells if not theirs(c, release)]


def added(nb, release):
    """Of each cell that the student added and the machine did not use: the graded cell at which it stands, and how it begins."""
    own = [i for i, c in own_cells(nb, release) if not settings(c)]
    used = used_by(nb, {i for i, c in enumerate(nb.cells) if settings(c)})
    return [(place(nb, i), nb.cells[i].source.strip().splitlines()[0][:LONGEST]) for i in own if i not in used]


def used_by(nb, graded):
    """These cells, and where those stand that give a name to one of them, or to one that gives one to them.

    What a function reads has its last value from above the cell that calls it: its own, or a graded one further down.
    """
    told = [names(c.source if c.cell_type == "code" else "") for c in nb.cells]
    used, new = set(), graded
    while new:
        used |= new
        reads = {(name, at) for at in new for name in told[at][1]}
        reads |= {(name, i) for at in new for name in told[at][2] for i in {at, *graded} if i >= at}
        new = {max((i for i in range(at) if name in told[i][0]), default=at) for name, at in reads} - used
    return used


def unused(cells):
    """The line that tells of added cells, by the exercise at which they stand."""
    at = {}
    for name, beginning in cells:
        at.setdefault(name.removesuffix("-check"), []).append(beginning)
    told = "; ".join(f"at {name}: {' | '.join(beginnings)}" for name, beginnings in at.items())
    return f"cells of the student's own that the machine did not use ({told})"


def reaching(nb, release):
    """A note of each cell whose code reaches beyond the exercise."""
    found = [(i, reaches(c.source)) for i, c in own_cells(nb, release, but=["setup"]) if c.cell_type == "code"]
    return [f"{LOOK}{place(nb, i)}: read this code, it uses {', '.join(names)}" for i, names in found if names]


@functools.cache
def lines(folder):
    """The long lines of the notebooks in a folder."""
    out = set()
    for path in notebooks(folder):
        try:
            out |= {line.strip() for c in read(path).cells for line in c.source.splitlines()}
        except Unreadable:
            pass
    return {line for line in out if len(line) >= LONG}


def texts(cell):
    """What a cell shows, as text."""
    for out in cell.get("outputs", []):
        yield from (out.get("text", ""), *map(str, out.get("data", {}).values()), "\n".join(out.get("traceback", [])))


def foreign(course, assignment, student, graded):
    """A note of each other student whose lines are in what a notebook shows, and not in what its author wrote."""
    shown = "\n".join(t for path in notebooks(graded) for c in read(path).cells for t in texts(c))
    known = set().union(*(lines(course / part / assignment) for part in ("release", "source", f"submitted/{student}")))
    there = sorted(p.parent.name for p in course.glob(f"submitted/*/{assignment}") if p.parent.name != student)
    shows = [other for other in there if any(line in shown for line in lines(course / "submitted" / other / assignment) - known)]
    return [f"{LOOK}it shows lines of the notebook of {other}: send no feedback before you have looked" for other in shows]
