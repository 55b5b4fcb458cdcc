"""Code and printed lines of a notebook fit the site's column at 1280 px: what is wider scrolls sideways."""

import unicodedata

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools.common import ROOT, notebooks
from tools.run_notebooks import read

NOTEBOOKS = notebooks()
CODE, PRINTED = 84, 80
LIBRARY = {line.strip() for path in (ROOT / "gmlib").rglob("*.py") for line in path.read_text("utf-8").splitlines()}


def columns(line):
    """The room that a line takes: a Chinese sign is as wide as two letters."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line)


def code_lines(cell):
    """The lines of a cell; what the setup cell installs has an address that cannot be broken."""
    setup = "setup" in cell.metadata.get("tags", [])
    return [line for line in cell.source.splitlines() if not (setup and line.lstrip().startswith("%pip"))]


def printed_lines(cell):
    """What a cell prints or ends with, less a picture's words, and the library's lines where it prints its source."""
    data = [out.get("data", {}) for out in cell.outputs]
    values = [d.get("text/plain", "") for d in data if "image/png" not in d]
    texts = [out.get("text", "") for out in cell.outputs] + values
    sources = LIBRARY if "inspect.getsource(" in cell.source else ()
    return [line for text in texts for line in text.splitlines() if line.strip() not in sources]


def too_wide(nb):
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    code = [line for cell in cells for line in code_lines(cell) if columns(line) > CODE]
    return code + [line for cell in cells for line in printed_lines(cell) if columns(line) > PRINTED]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_line_is_too_wide(path):
    wide = too_wide(read(path))
    assert not wide, "\n".join(f"{columns(line)} columns: {line}" for line in wide)


def notebook(source, *outputs, tags=()):
    return new_notebook(cells=[new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})])


def stdout(text):
    return new_output("stream", name="stdout", text=text)


def value(text, **data):
    return new_output("execute_result", {"text/plain": text, **data}, execution_count=1)


PIP = f'%pip install "{"a" * 90}"'
LONG = max(LIBRARY, key=len)
SHOWN = "print(inspect.getsource(vae.VAE.terms))"


@pytest.mark.parametrize(
    "nb",
    [
        notebook("x" * 84 + "\ny = 1"),
        notebook("中" * 42),
        notebook("try:\n    import gmlib\nexcept ImportError:\n    " + PIP, tags=["setup"]),
        notebook("print(x)", stdout("x" * 80 + "\n" + "中" * 40)),
        notebook(SHOWN, stdout("def f():\n    " + LONG)),
        notebook("Gap()", value("x" * 81, **{"image/png": "aGVsbG8="})),
    ],
    ids=["code", "chinese", "setup", "printed", "source", "picture"],
)
def test_what_fits_is_let_through(nb):
    assert not too_wide(nb)


@pytest.mark.parametrize(
    "nb",
    [
        notebook("y = 1\n" + "x" * 85),
        notebook("x = 1  # " + "中" * 40),
        notebook("x" * 85, tags=["settings"]),
        notebook(PIP),
        notebook("import gmlib  # " + "x" * 80, tags=["setup"]),
        notebook("print(x)", stdout("short\n" + "x" * 81)),
        notebook("print(x)", stdout("中" * 41)),
        notebook("x", value("x" * 81)),
        notebook("print(x)", stdout(LONG)),
        notebook(SHOWN, stdout("x" * 81)),
    ],
    ids=["code", "chinese", "settings", "pip-elsewhere", "setup-other", "printed", "printed-chinese", "value",
         "source-not-shown", "not-a-source"],
)  # fmt: skip
def test_planted_lines_are_found(nb):
    assert len(too_wide(nb)) == 1


def test_the_library_has_lines_to_be_let_through():
    assert len(LONG) > PRINTED
