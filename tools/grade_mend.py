"""What can be put right in a notebook that was handed in, before nbgrader sees it.

Nothing that a student wrote is changed. What belongs to the exercise is put back: nbgrader's metadata, checks that
were deleted, the file's own name. Each note says what was done; one that begins with `!` wants somebody to look.
"""

import copy
import difflib
import json
import re

import nbformat
from nbgrader.utils import compute_checksum

LOOK = "! "
NOT_FOUND = "This cell was not found: the answer may stand elsewhere in the notebook. · 未找到此单元格：答案可能在别处。"


class Unreadable(Exception):
    """A file that holds no notebook."""


def read(path):
    """The notebook in a file of any version, with or without a byte order mark, with the line ends of any system."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path.name} is not text in UTF-8 ({error})") from None
    try:
        found = json.loads(text)
        nb = nbformat.reads(json.dumps(found), as_version=4)
        for cell in nb.cells:
            cell.source = cell.source.replace("\r\n", "\n").replace("\r", "\n")
            cell.metadata, cell.cell_type
    except json.JSONDecodeError as error:
        what = "is empty" if not text.strip() else f"is cut off or damaged: {error}"
        raise Unreadable(f"{path.name} {what}") from None
    except Exception as error:
        raise Unreadable(f"{path.name} is no notebook: {type(error).__name__}: {error}") from None
    return nb


def settings(cell):
    return cell.metadata.get("nbgrader") or {}


def grade_id(cell):
    return settings(cell).get("grade_id")


def is_check(cell):
    return settings(cell).get("grade", False) and not settings(cell).get("solution", False)


def defined(cell):
    """The functions and names that a code cell defines at its outermost level."""
    found = re.findall(r"^(?:def (\w+)|(\w+) *=(?!=))", cell.source, re.MULTILINE) if cell.cell_type == "code" else []
    return {one or other for one, other in found}


def same(one, two):
    return one.cell_type == two.cell_type and one.source.split() == two.source.split()


def likeness(nb, release):
    """How many cells of the exercise a notebook has."""
    ids, sources = {grade_id(c) for c in nb.cells}, {c.source.strip() for c in nb.cells}
    return sum(grade_id(c) in ids or c.source.strip() in sources for c in release.cells if grade_id(c))


def mend(nb, release):
    """Put right, in place, what belongs to the exercise; the notes."""
    notes = [*twins(nb, release), *lost_metadata(nb, release), *elsewhere(nb, release)]
    notes += [*changed(nb, release), *missing(nb, release)]
    return notes + order(nb, release)


def twins(nb, release):
    """Of cells with one id, the last counts, as in nbgrader; but not a stub, where another holds an answer."""
    notes = []
    for wanted in filter(grade_id, release.cells):
        name = grade_id(wanted)
        found = [c for c in nb.cells if grade_id(c) == name]
        if len(found) < 2:
            continue
        answered = [c for c in found if not same(c, wanted)]
        kept = (answered if settings(wanted).get("solution") and answered else found)[-1]
        for cell in found:
            if cell is not kept:
                del cell.metadata["nbgrader"]
        if settings(wanted).get("solution"):
            drop(nb, [c for c in found if c is not kept and same(c, wanted)])
            look, which = LOOK if len(answered) > 1 else "", "the last answer" if answered else "one"
            notes.append(f"{look}{name}: the cell is there {len(found)} times; {which} counts")
        else:
            notes.append(f"{name}: the cell is there {len(found)} times; the last counts")
    return notes


def drop(nb, cells):
    nb.cells = [c for c in nb.cells if not any(c is d for d in cells)]


def elsewhere(nb, release):
    """An answer in another cell takes the place of its stub, which would hide it where it comes later."""
    notes = []
    for wanted in [c for c in release.cells if settings(c).get("solution") and defined(c)]:
        stubs = [c for c in nb.cells if grade_id(c) == grade_id(wanted) and same(c, wanted)]
        found = [c for c in nb.cells if defined(c) & defined(wanted) and grade_id(c) != grade_id(wanted)]
        found = [c for c in found if not settings(c).get("locked")]
        if stubs and found:
            if not grade_id(found[-1]):
                found[-1].metadata["nbgrader"] = stubs[0].metadata["nbgrader"]
            drop(nb, stubs)
            look, which = (LOOK, f"{len(found)} other cells; the last") if len(found) > 1 else ("", "another cell, which")
            notes.append(f"{look}{grade_id(wanted)}: the answer stood in {which} counts")
    return notes


def lost_metadata(nb, release):
    """Find the exercise's cells that lost nbgrader's metadata, by id, text, function or place."""
    there, restored = {grade_id(c) for c in nb.cells}, []
    for wanted in release.cells:
        if not grade_id(wanted) or grade_id(wanted) in there:
            continue
        plain = [c for c in nb.cells if not grade_id(c) and c.cell_type == wanted.cell_type and c.source.strip()]
        plain = [c for c in plain if not any(same(c, r) for r in release.cells if not grade_id(r))]
        cell = only(c for c in plain if same(c, wanted)) or only(c for c in plain if c.get("id", "") == wanted.id)
        if cell is None and settings(wanted)["solution"]:
            cell = last(c for c in plain if defined(c) & defined(wanted)) or only(between(nb, release, wanted, plain))
        if cell is not None:
            cell.metadata["nbgrader"] = copy.deepcopy(wanted.metadata["nbgrader"])
            restored.append(grade_id(wanted))
    return [f"nbgrader's metadata was lost and is restored: {', '.join(restored)}"] if restored else []


def only(cells):
    cells = list(cells)
    return cells[0] if len(cells) == 1 else None


def last(cells):
    return (list(cells) or [None])[-1]


def partner(nb, wanted):
    """Where a cell of the exercise is in what was handed in, or None."""
    if grade_id(wanted):
        return last(i for i, c in enumerate(nb.cells) if grade_id(c) == grade_id(wanted))
    return last(i for i, c in enumerate(nb.cells) if not grade_id(c) and same(c, wanted))


def between(nb, release, wanted, plain):
    """The plain cells that stand where one is wanted: after the cells before it, before the cells after it."""
    at = next(i for i, c in enumerate(release.cells) if c is wanted)
    before = last(p for c in release.cells[:at] if (p := partner(nb, c)) is not None)
    after = next((p for c in release.cells[at + 1 :] if (p := partner(nb, c)) is not None), len(nb.cells))
    return [c for c in nb.cells[0 if before is None else before + 1 : after] if any(c is p for p in plain)]


def changed(nb, release):
    """nbgrader overwrites a locked cell; what a student wrote there, an answer perhaps, still runs before it."""
    notes = []
    for wanted in release.cells:
        at = partner(nb, wanted) if settings(wanted).get("locked") and not settings(wanted).get("solution") else None
        if at is None or same(nb.cells[at], wanted) or as_handed_out(nb.cells[at]):
            continue
        own = copy.deepcopy(nb.cells[at])
        del own.metadata["nbgrader"]
        own.pop("id", None)
        nb.cells.insert(at, own)
        notes.append(f"{grade_id(wanted)}: the locked cell was changed; what it said still runs, before it")
    return notes


def as_handed_out(cell):
    """The student did not change this cell; where it differs, the exercise was changed since."""
    return settings(cell).get("checksum") == compute_checksum(cell)


def missing(nb, release):
    """Put back the cells of the exercise that were deleted: checks, given code, setup and settings."""
    notes = []
    for at, wanted in enumerate(release.cells):
        flags, tags = settings(wanted), wanted.metadata.get("tags", [])
        if partner(nb, wanted) is not None:
            continue
        new = copy.deepcopy(wanted)
        if flags.get("solution") and flags.get("grade"):
            new.source = ("# " if new.cell_type == "code" else "") + NOT_FOUND
            notes.append(f"{LOOK}{grade_id(wanted)}: the cell was not found; look for the answer by hand")
        elif flags.get("solution"):
            if not any(defined(c) & defined(wanted) for c in nb.cells):
                notes.append(f"{LOOK}{grade_id(wanted)}: no cell with an answer")
            continue
        elif flags:
            notes.append(f"{grade_id(wanted)}: the cell was deleted and is put back")
        elif {"setup", "settings"} & set(tags):
            if like(nb, wanted) is not None:
                continue
            look, nameless = (LOOK, ", with no name of a student in it") if "settings" in tags else ("", "")
            notes.append(f"{look}the {tags[0]} cell was deleted and is put back{nameless}")
        else:
            continue
        before = last(p for c in release.cells[:at] if (p := partner(nb, c)) is not None)
        nb.cells.insert(0 if before is None else before + 1, new)
    return notes


def like(nb, wanted):
    """A code cell of the exercise that is not locked, which the student was meant to change a little."""
    plain = [i for i, c in enumerate(nb.cells) if c.cell_type == "code" and not grade_id(c)]
    tags = set(wanted.metadata["tags"])
    for i in plain:
        if tags & set(nb.cells[i].metadata.get("tags", [])) or nb.cells[i].get("id", "") == wanted.id:
            return i
    ratio = {i: difflib.SequenceMatcher(None, nb.cells[i].source, wanted.source).ratio() for i in plain}
    best = max(ratio, key=ratio.get, default=None)
    return best if best is not None and ratio[best] > 0.6 else None


def order(nb, release):
    """A check that stands before its answer, or settings after the first answer, go where they belong."""
    notes = []
    for tag in ("settings", "setup"):
        wanted = next((c for c in release.cells if tag in c.metadata.get("tags", [])), None)
        at = None if wanted is None else like(nb, wanted)
        first = next((i for i, c in enumerate(nb.cells) if grade_id(c)), len(nb.cells))
        if at is not None and at > first:
            nb.cells.insert(0, nb.cells.pop(at))
            notes.append(f"the {tag} cell stood after answers and is moved to the front")
    for check in [c for c in nb.cells if is_check(c)]:
        answers, at = answers_of(nb, release, check), next(i for i, c in enumerate(nb.cells) if c is check)
        if answers and min(answers) > at:
            nb.cells.insert(max(answers), nb.cells.pop(at))  # the answer moves up by one: the check comes after it
            notes.append(f"{grade_id(check)}: the check stood before its answer and is moved after it")
    return notes


def answers_of(nb, release, check):
    """Where the answer is that a check checks: the function of the solution before it, but not its stub."""
    at = next((i for i, c in enumerate(release.cells) if grade_id(c) == grade_id(check)), 0)
    answer = last(c for c in release.cells[:at] if settings(c).get("solution"))
    if answer is None:
        return []
    cells = [(i, c) for i, c in enumerate(nb.cells) if not same(c, answer)]
    return [i for i, c in cells if grade_id(c) == grade_id(answer) or defined(c) & defined(answer)]
