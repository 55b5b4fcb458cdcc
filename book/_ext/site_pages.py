"""Every page at every build: it shows of the others their titles, numbers and marks, and Sphinx alone would not see them change.

Most of the time goes into what is done to a page after the template engine. That is kept in a file beside Sphinx's own, and
used again as long as the engine hands over the same page.
"""
from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

import bilingual_html
import site_a11y
import site_folding
import site_preview
from site_sections import sections


@cache
def our_code() -> str:
    return "".join(path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("*.py")))


def file_of(doctreedir, pagename: str) -> Path:
    return Path(doctreedir, "pages", f"{pagename}.json")


def kept(doctreedir, pagename: str) -> dict:
    """Of a page when it was last made: what it was made of, its HTML, and the rows of the search."""
    file = file_of(doctreedir, pagename)
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def finish(html: str, doctreedir, pagename: str) -> str:
    """The page as it is published."""
    of = hashlib.sha256((our_code() + html).encode()).hexdigest()
    page = kept(doctreedir, pagename)
    if page.get("of") != of:
        soup = BeautifulSoup(html, "html.parser")
        site_folding.add_control(soup)
        bilingual_html.mark(soup)
        site_preview.describe(soup)
        site_a11y.mend(soup)
        page = {"of": of, "html": str(soup), "sections": sections(soup)}
        file = file_of(doctreedir, pagename)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(page, ensure_ascii=False), "utf-8")
    return page["html"]


def every_page(app: Sphinx, env) -> list[str]:
    """Write all; by two processes, which reading could not be."""
    app.parallel = 2
    return sorted(env.found_docs)


def setup(app: Sphinx) -> dict:
    app.connect("env-updated", every_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
