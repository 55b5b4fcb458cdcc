"""Break a notebook's cells and see that one fails: `tools.plant` runs this once for each notebook.

The cells run in order in this one process. Before a cell in which errors are planted the process forks once for each of
them: the fork runs the cell as it stands with the error and then, until one fails, the cells after it in the same section.
So each error meets the state that the cells before it left, and no other error. The cells run no further than a check reaches.
"""

import io
import json
import os
import re
import signal
import sys
from contextlib import redirect_stdout
from pathlib import Path

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

SECONDS = 60  # for one error: a wrong formula may run for ever
HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)


def code_cells(path):
    """The code cells as (section, source, whether it may raise): sections are counted by the headings before them."""
    section, found = 0, []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            found.append((section, cell.source, "raises-exception" in cell.metadata.get("tags", [])))
        section += cell.cell_type == "markdown" and bool(HEADING.search(cell.source))
    return found


def place(cells, right):
    """The index of the cell that holds the text."""
    times = [source.count(right) for _, source, _ in cells]
    if sum(times) != 1:
        raise ValueError(f"the code cells must hold {right!r} once, and hold it {sum(times)} times")
    return times.index(1)


def run(shell, source, may_raise=False):
    """The exception with which the cell ends, or None."""
    with redirect_stdout(io.StringIO()):
        result = shell.run_cell(source)
    return None if may_raise else result.error_before_exec or result.error_in_exec


def first_failure(shell, cells):
    """Of cells (index, source, may raise) run in order: [index, exception's name, its first line] of the first that fails."""
    for index, source, may_raise in cells:
        if error := run(shell, source, may_raise):
            return [index, type(error).__name__, str(error).strip().partition("\n")[0]]


def in_a_fork(shell, cells):
    """`first_failure` in a copy of this process, which is thrown away after it; a fork that dies has failed in its first cell."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            signal.alarm(SECONDS)
            os.write(writer, json.dumps(first_failure(shell, cells)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else [cells[0][0], "Died", f"it crashed, or ran for more than {SECONDS} s"]


def main(path, errors):
    """For each error (right, wrong): `first_failure` with it, its cell counted from 1, or None where nothing fails."""
    cells, shell = code_cells(path), InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    planted = [place(cells, right) for right, _ in errors]
    shell.safe_execfile(os.environ["PYTHONSTARTUP"], shell.user_ns)
    found, last = [None] * len(errors), max(planted)
    for index, (section, source, may_raise) in enumerate(cells):
        if index > last:
            break
        rest = [(i, s, may) for i, (where, s, may) in enumerate(cells) if i > index and where == section]
        for number, (right, wrong) in enumerate(errors):
            if planted[number] == index:
                failed = in_a_fork(shell, [(index, source.replace(right, wrong), may_raise), *rest])
                last = max(last, failed[0] if failed else 0)  # the cell that fails must pass without the error
                found[number] = failed and [failed[0] + 1, *failed[1:]]
        if error := run(shell, source, may_raise):
            raise RuntimeError(f"cell {index + 1} fails with no error planted") from error
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), json.load(sys.stdin))))
