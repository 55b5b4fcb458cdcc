"""After a change only what changed is read again, and the site is the same as one built anew; a warning stays an error.

`tools.build_site`, as `make book` calls it, on the sample book.
"""
from __future__ import annotations

import base64
import filecmp
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.site.conftest import copy_sample
from tools.build_site import build

TEST = """import pytest


@pytest.mark.equation("eq-sample-bound")
def test_bound():
    pass
"""
LIST = "# {name}\n\n```{{equation-list}} {slug}\n```\n"
SLUGS = ("sample", "nb")  # of the labels of the sample's equations
FIGURE = "\n```{figure} wave.png\n:alt: A wave · 一条波\n\nA wave · 一条波\n```\n"
# What one change after another changes on other pages: names in the contents, numbers, marks, years.
EDITS = [
    ("book/blocks.md", "# Blocks and the", "# Parts and the"),
    ("book/blocks.md", "\n## Admonitions", "\n$$ a = b $$ (eq-sample-first)\n\n## Admonitions"),
    ("book/blocks.md", "(eq-sample-bound)\n", "(eq-sample-bound)\n\n$$ c = d $$ (eq-sample-second)\n"),
    ("tests/test_sample.py", "import pytest\n", "import pytest\n\n\n"),
    ("book/sample.svg", "<svg ", '<svg data-new="1" '),
    ("book/references.bib", "{2014}", "{2015}"),
]


def edit(source: Path, name: str, old: str, new: str) -> None:
    text = (source / name).read_text("utf-8")
    assert old in text, (name, old)
    (source / name).write_text(text.replace(old, new), "utf-8")


def paint(path: Path, colour: str) -> None:
    Image.new("RGB", (60, 40), colour).save(path)


def repaint_output(path: Path, picture: Path) -> None:
    """Another picture among a notebook's stored outputs."""
    notebook = json.loads(path.read_text("utf-8"))
    data = next(out["data"] for cell in notebook["cells"] for out in cell.get("outputs", []) if "image/png" in out.get("data", {}))
    data["image/png"] = base64.b64encode(picture.read_bytes()).decode()
    path.write_text(json.dumps(notebook), "utf-8")


def differences(one: Path, other: Path, below: str = "") -> list[str]:
    """The files that only one of two folders has, or that are not the same."""
    seen = filecmp.dircmp(one, other, ignore=[], hide=[])
    _, unequal, unread = filecmp.cmpfiles(one, other, seen.common_files, shallow=False)
    found = [f"{below}{name}" for name in [*seen.left_only, *seen.right_only, *unequal, *unread]]
    return found + [line for name in seen.common_dirs for line in differences(one / name, other / name, f"{below}{name}/")]


@pytest.fixture
def source(tmp_path):
    source = tmp_path / "sample"
    copy_sample(source)
    sections = "".join(f"          - file: book/equations/{slug}\n" for slug in SLUGS)
    edit(source, "_toc.yml", "      - file: book/references",
         f"      - file: book/equations\n        sections:\n{sections}      - file: book/references")
    (source / "book/equations.md").write_text(LIST.format(name="Equations · 公式", slug=""), "utf-8")
    (source / "book/equations").mkdir()
    for slug in SLUGS:
        page = LIST.format(name=f"Equations of {slug} · {slug} 的公式", slug=slug)
        (source / f"book/equations/{slug}.md").write_text(page, "utf-8")
    (source / "tests").mkdir()
    (source / "tests/test_sample.py").write_text(TEST, "utf-8")
    paint(source / "book/wave.png", "navy")
    with (source / "book/blocks.md").open("a", encoding="utf-8") as page:
        page.write(FIGURE)
    return source


def read_at(source: Path) -> dict[str, int]:
    """When each page was read."""
    read = source / "_build/.doctrees"
    return {str(path.relative_to(read)): path.stat().st_mtime_ns for path in read.rglob("*.doctree")}


@pytest.mark.slow
def test_a_build_after_changes_gives_what_a_build_anew_gives(source):
    assert build(source) == 0
    site, before = source / "_build/html", read_at(source)
    pictures = set((site / "_images").iterdir())
    for change in EDITS:
        edit(source, *change)
    paint(source / "book/wave.png", "red")
    repaint_output(source / "notebooks/figure.ipynb", source / "book/wave.png")
    edit(source, "book/index.md", "{ref}`the blocks <blocks>`", "{ref}`the blocks <no-blocks>`")
    assert build(source) != 0
    assert build(source) != 0, "the warning of a page that did not change since"
    edit(source, "book/index.md", "<no-blocks>", "<blocks>")
    assert build(source) == 0
    after = read_at(source)
    unread = {name.removesuffix(".doctree") for name in after if after[name] == before[name]}
    assert unread == {
        "book/boundary", "book/shift", "book/bend", "book/duel", "book/fade", "book/reach", "book/denoise", "book/share",
        "book/names", "book/equations/nb", "notebooks/explore",
    }  # fmt: skip
    assert pictures - set((site / "_images").iterdir()), "the notebook's old picture is gone"
    shutil.copytree(site, source.parent / "changed")
    assert build(source, anew=True) == 0
    assert differences(source.parent / "changed", site) == []
