"""Each package has a page of the programming interface, each chapter with equations their list; the contents name them."""
from __future__ import annotations

import shutil
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from equations_scan import notebook_equations, page_equations  # noqa: E402


def wanted(root: Path) -> dict[str, list[str]]:
    """What must be below `book/api` and `book/equations`."""
    packages = {path.parent.name for path in root.glob("gmlib/*/__init__.py")}
    chapters = {e.label.split("-")[1] for e in page_equations(root) + notebook_equations(root) if e.label}
    return {"book/api": sorted(["shared", *packages]), "book/equations": sorted(chapters)}


def contents(root: Path) -> dict[str, list[str]]:
    """The sections of each file that the contents name."""
    parts = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))["parts"]
    return {entry["file"]: [section["file"] for section in entry.get("sections", ())]
            for part in parts for entry in part["chapters"]}


def missing(root: Path) -> list[str]:
    named, found = contents(root), []
    for entry, pages in wanted(root).items():
        for page in (f"{entry}/{name}" for name in pages):
            found += [] if (root / f"{page}.md").is_file() else [f"write {page}.md, as tools.new_chapter does"]
            found += [] if page in named[entry] else [f"put {page} into _toc.yml, as a section of {entry}"]
    return found


def test_every_package_and_every_chapter_has_its_page():
    assert missing(ROOT) == []


def test_a_chapter_without_its_pages_is_found(tmp_path):
    for name in ("gmlib", "book", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("_ext", "figures", "__pycache__"))
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    assert missing(tmp_path) == []
    (tmp_path / "gmlib" / "ours").mkdir()
    (tmp_path / "gmlib/ours/__init__.py").touch()
    (tmp_path / "book/ours.md").write_text("# Ours\n\n$$\na = b\n$$ (eq-ours-a)\n", "utf-8")
    assert missing(tmp_path) == [
        "write book/api/ours.md, as tools.new_chapter does", "put book/api/ours into _toc.yml, as a section of book/api",
        "write book/equations/ours.md, as tools.new_chapter does",
        "put book/equations/ours into _toc.yml, as a section of book/equations"]
