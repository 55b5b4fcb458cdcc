"""Run notebooks from top to bottom and store what they show: `python -m tools.run_notebooks [path ...]`.

Each runs in a kernel of its own. A notebook in which a cell fails is left as it was. What is written
depends on nothing but the run: no times, no editor's settings, no version of the machine's Python.
"""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_notebook
from nbval.plugin import coalesce_streams

from tools.check_notebooks import DEAD, SECONDS
from tools.common import ROOT, WIDGET_VIEW, kernel_environment, notebooks

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
EDITOR_METADATA = ("execution", "collapsed", "scrolled", "ExecuteTime", "vscode", "id", "outputId", "colab")


def cell_id(notebook, number):
    """An id that depends only on where the cell was when it was first stored."""
    return hashlib.sha256(f"{notebook}/{number}".encode()).hexdigest()[:8]


def clean(nb, name):
    """Take out of a notebook what differs between two runs of the same code, in place."""
    nb.nbformat, nb.nbformat_minor = 4, 5
    kept = {key: nb.metadata[key] for key in ("mystnb",) if key in nb.metadata}
    nb.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}, **kept})
    seen = set()
    for number, cell in enumerate(nb.cells):
        if not cell.get("id") or cell.id in seen:
            cell["id"] = cell_id(name, number)
        seen.add(cell.id)
        for key in EDITOR_METADATA:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = coalesce_streams(cell.outputs)
            for out in cell.outputs:  # the widget died with its kernel; its picture and its text stay
                out.get("data", {}).pop(WIDGET_VIEW, None)
    return nb


def made(cells, name):
    """A new notebook of these cells; the same cells and name give the same file."""
    nb = new_notebook(cells=cells)
    for cell in nb.cells:
        del cell["id"]  # `clean` gives one that depends on the name alone
    return clean(nb, name)


def write(nb, path):
    """Replace the file in one step, so that an interruption leaves the old one whole."""
    part = path.with_suffix(".part")
    nbformat.write(nb, part)
    os.replace(part, path)


def read(path):
    """The notebook as it stands: `nbformat.read` would put random ids where some are missing."""
    return nbformat.v4.reads(path.read_text(encoding="utf-8"))


def run(path, tries=3):
    nb = clean(read(path), path.name)
    client = NotebookClient(nb, kernel_name="python3", timeout=10 * SECONDS, record_timing=False)
    try:
        client.execute(cwd=str(path.parent), env=kernel_environment(), stderr=subprocess.DEVNULL)
    except RuntimeError as error:  # two kernels that start at once may be given the same port: no cell has run yet
        if DEAD not in str(error) or tries == 1:
            raise
        return run(path, tries - 1)
    write(clean(nb, path.name), path)


def main(paths):
    for path in paths:
        print(f"{path} …", flush=True)
        start = time.monotonic()
        try:
            run(path)
        except CellExecutionError as error:
            sys.exit(f"{error}\n{path} was left as it was.")
        took = time.monotonic() - start
        print(f"    {took:.1f} s" + (f": over the limit of {SECONDS} s" if took > SECONDS else ""), flush=True)


if __name__ == "__main__":
    main([Path(a).resolve() for a in sys.argv[1:]] or notebooks(ROOT / "notebooks"))
