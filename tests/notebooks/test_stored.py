"""Notebooks as they are stored: one clean run, fixed ids, nothing of the machine on which they ran."""

import copy
import time

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.common import ROOT, WIDGET_VIEW, notebooks
from tools.run_notebooks import clean, read, run

NOTEBOOKS = notebooks()


def unclean(path):
    """Whether `make notebooks` would write the file otherwise, apart from what the cells show."""
    nb = read(path)
    return clean(copy.deepcopy(nb), path.name) != nb


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_notebook_is_stored_clean(path):
    assert not unclean(path), f"make notebooks NB={path.relative_to(ROOT)}"
    nbformat.validate(read(path))


@pytest.fixture
def stored(tmp_path):
    """A notebook of two cells, run and stored by `make notebooks`' own function."""
    path = tmp_path / "small.ipynb"
    cells = [new_markdown_cell("# Title"), new_code_cell("x = 2"), new_code_cell("import sys\nprint(x)\nx * 21;\nx * 21")]
    nbformat.write(new_notebook(cells=cells), path)
    run(path)
    return path


def test_run_stores_one_clean_run(stored):
    code = [c for c in nbformat.read(stored, as_version=4).cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [1, 2]
    assert [o.get("text", o.get("data")) for o in code[1].outputs] == ["2\n", {"text/plain": "42"}]
    assert not unclean(stored)


def test_second_run_changes_nothing(stored):
    before = stored.read_bytes()
    time.sleep(1.1)  # no time of day goes in
    run(stored)
    assert stored.read_bytes() == before


def test_a_widget_is_stored_as_its_picture(tmp_path):
    """The view would name a model that died with its kernel, by another name at each run."""
    path = tmp_path / "widget.ipynb"
    source = "from gmlib.explore import Gap\n\nGap(mu=0.5)"
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), path)
    run(path)
    before, nb = path.read_bytes(), nbformat.read(path, as_version=4)
    assert nb.cells[0].outputs[0].data.keys() == {"image/png", "text/plain"} and "widgets" not in nb.metadata
    run(path)
    assert path.read_bytes() == before


def test_failed_run_leaves_the_file(stored):
    nb = nbformat.read(stored, as_version=4)
    nb.cells.append(new_code_cell("assert x == 3"))
    nbformat.write(nb, stored)
    before = stored.read_bytes()
    with pytest.raises(CellExecutionError):
        run(stored)
    assert stored.read_bytes() == before
    assert list(stored.parent.iterdir()) == [stored]


@pytest.mark.parametrize(
    "plant",
    [
        lambda nb: nb.cells[1].metadata.update(execution={"iopub.execute_input": "2026-01-01T00:00:00Z"}),
        lambda nb: nb.metadata.update(language_info={"name": "python", "version": "3.12.1"}),
        lambda nb: nb.metadata.kernelspec.update(name="my-env"),
        lambda nb: nb.cells[2].update(id=nb.cells[1].id),
        lambda nb: nb.cells[2].outputs.insert(0, nbformat.v4.new_output("stream", name="stdout", text="x")),
        lambda nb: nb.cells[2].outputs[1].data.update({WIDGET_VIEW: {"model_id": "0123"}}),
    ],
    ids=["times", "python-version", "kernel", "same-id", "split-stream", "widget"],
)
def test_planted_traces_are_found(stored, plant):
    nb = read(stored)
    plant(nb)
    stored.write_text(nbformat.v4.writes(nb), encoding="utf-8")
    assert unclean(stored)


def test_missing_ids_are_the_same_each_time(tmp_path):
    nb = new_notebook(cells=[new_code_cell("x = 1"), new_code_cell("x = 2")])
    for cell in nb.cells:
        del cell["id"]
    ids = [[c.id for c in clean(copy.deepcopy(nb), "a.ipynb").cells] for _ in range(2)]
    assert ids[0] == ids[1] and len(set(ids[0])) == 2
