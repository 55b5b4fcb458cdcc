"""Nothing is fetched from elsewhere, no file names a machine, and every citation exists."""
import json
import subprocess
from pathlib import Path

import pytest

from tools.text_rules import addresses
from tools.text_rules.source import Text

ROOT = Path(__file__).resolve().parents[2]
TEXT = {".md", ".ipynb", ".toml", ".cff", ".yml", ".yaml", ".py", ".html", ".js", ".css", ".txt", ".bib", ".svg", ""}


def files():
    """What git tracks; in an unpacked archive, everything but what building makes."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    made = {".venv", "_build", "__pycache__", ".git"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not made & set(p.relative_to(ROOT).parts)]


def test_the_book_loads_nothing_from_outside_and_cites_what_exists():
    assert addresses.problems(ROOT) == []


def test_no_file_names_a_machine():
    checked = [p for p in files() if p.suffix in TEXT]
    assert len(checked) > 20
    assert [m for p in checked for m in addresses.machine_paths(p.relative_to(ROOT).as_posix(), p.read_text("utf-8"))] == []


@pytest.mark.parametrize("source", [
    "![a](https://example.org/a.png)", "![a](//example.org/a.png)", '<img src="https://example.org/a.png">',
    '<p>\n<script src=https://example.org/a.js></script>\n</p>', "<style>@import 'https://example.org/a.css'</style>",
    '<link rel="stylesheet" href="//example.org/a.css">', "```{image} https://example.org/a.png\n```",
    ":::{figure} https://example.org/a.png\nA · 甲\n:::", '```{raw} html\n<iframe src="https://example.org"></iframe>\n```',
    ':::{note}\n<img src="http://example.org/a.png">\n:::',
])
def test_what_a_page_would_fetch_is_named(source):
    assert "loads from outside" in addresses.fetched(Text("page.md", source))[0]


@pytest.mark.parametrize("source", [
    "[a](https://example.org)", "https://example.org", '<a href="https://example.org">a</a>', "![a](ring.png)",
    "`<img src=\"https://example.org\">`", "```html\n<img src=\"https://example.org/a.png\">\n```",
])
def test_links_are_free(source):
    assert addresses.fetched(Text("page.md", source)) == []


def test_a_stored_output_that_fetches_is_named(tmp_path):
    cell = {"cell_type": "code", "source": "", "metadata": {}, "execution_count": 1, "outputs": [
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": '<script src="https://example.org/a.js">'}}]}
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "a.ipynb").write_text(json.dumps({"cells": [cell]}), "utf-8")
    assert "its output loads from outside" in addresses.problems(tmp_path)[0]


@pytest.mark.parametrize("path", ["/wo" + "rk/main/a.py", "'/ro" + "ot/a'", "in /ho" + "me/ann/book", "/Us" + "ers/ann",
                                  "/tm" + "p/ipykernel_12/3.py"])
def test_a_machine_path_is_named(path):
    assert "one machine" in addresses.machine_paths("a.md", f"first line\n{path}")[0]


@pytest.mark.parametrize("path", ["notes/wo" + "rk/a", "https://example.org/ho" + "me/ann", "/usr/bin/chromium", "a/root"])
def test_other_paths_are_free(path):
    assert addresses.machine_paths("a.md", path) == []


def test_a_citation_of_nothing_is_named(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "references.bib").write_text("@article{kingma2014,\n  title={A}\n}\n", "utf-8")
    (tmp_path / "book" / "a.md").write_text("See {cite:t}`kingma2014,ghost2020`.\n", "utf-8")
    assert addresses.unknown_citations(tmp_path) == ["book/a.md, line 1: cites ghost2020, which references.bib does not have"]
