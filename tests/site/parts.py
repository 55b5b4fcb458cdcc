"""The pages of the book in parts, so that each worker has some: one for each chapter, and three for what is no chapter's."""
from __future__ import annotations

from pathlib import Path

from tools.common import chapters

THIRDS = ["reference 0", "reference 1", "reference 2"]
PARTS = [*chapters(), *THIRDS]


def pages_of(site, part: str | None) -> list[str]:
    """Every page; or those of a chapter (`book/vae.html`, `notebooks/vae/…`); or a third of those that are no chapter's."""
    if part in THIRDS:
        return [page for page in site.pages if not set(chapters()) & folders(page)][THIRDS.index(part)::len(THIRDS)]
    return [page for page in site.pages if part is None or part in folders(page)]


def folders(page: str) -> set[str]:
    return set(Path(page).with_suffix("").parts)


def kind(page: str) -> str:
    """Where pages like this one stand: `book`, `book/api`, `notebooks`, …"""
    return "/".join(name for name in Path(page).parent.parts if name not in chapters())
