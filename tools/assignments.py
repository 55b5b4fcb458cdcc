"""Write the students' versions of the exercise notebooks: `python -m tools.assignments [source] [target]`.

nbgrader does it, as its own `generate_assignment` would, without a gradebook: solutions, hidden tests and
outputs go, cells that are graded are locked and carry a checksum, so that `nbgrader autograde` accepts them.
"""

import re
import sys
from pathlib import Path

import nbformat
from nbgrader import preprocessors
from traitlets.config import Config

from tools.address import current
from tools.common import EXERCISES, ROOT, notebooks

STUB = {"python": "# YOUR CODE HERE · 在此作答\nraise NotImplementedError()"}
TEXT_STUB = "YOUR ANSWER HERE · 在此作答"
STEPS = ("LockCells", "ClearSolutions", "ClearOutput", "CheckCellMetadata", "ComputeChecksums",
         "ClearHiddenTests", "ClearMarkScheme", "ComputeChecksums", "CheckCellMetadata")  # fmt: skip
# a link to a notebook of the book, which the student does not have beside the exercises
BESIDE = re.compile(r"\]\(\.\./([\w/-]+)\.ipynb(?:#([\w-]+))?\)")


def on_the_site(text, site):
    """Links to other notebooks become links to their pages, and to their equations there."""
    return BESIDE.sub(lambda m: f"]({site}notebooks/{m[1]}.html" + (f"#equation-{m[2]}" if m[2] else "") + ")", text)


def students_version(nb):
    """A notebook without its solutions; an error where a solution is not marked as nbgrader wants it."""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = on_the_site(cell.source, current().site)
    config = Config()
    config.ClearSolutions.code_stub = STUB
    config.ClearSolutions.text_stub = TEXT_STUB
    for step in STEPS:
        nb, _ = getattr(preprocessors, step)(config=config).preprocess(nb, {})
    return nb


def main(source=EXERCISES, target=ROOT / "_build" / "assignments"):
    source, target = Path(source), Path(target)
    found = notebooks(source)
    if not found:
        print(f"No exercise notebook in {source} yet: nothing to write.")
    for path in found:
        out = target / path.relative_to(source)
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            student = students_version(nbformat.read(path, as_version=4))
        except Exception as error:  # nbgrader says which cell or mark, but not in which file
            raise SystemExit(f"{path}: nbgrader cannot make a students' version of it: {error}") from error
        nbformat.write(student, out)
        print(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
