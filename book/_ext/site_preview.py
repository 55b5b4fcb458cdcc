"""What others show of a page: its title and its first words in both languages; and the page at the site's root."""
from __future__ import annotations

import re
from pathlib import Path

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

LENGTHS = {"en": 150, "zh": 60}
FORMULA_MARKS = re.compile(r"\\[()]")
ROOT_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<script>location.replace("{target}" + location.search + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={target}"></noscript><link rel="canonical" href="{canonical}">
{previews}
</head><body><p><a href="{target}">{title}</a></p></body></html>
"""


def describe(soup: BeautifulSoup) -> None:
    """The social preview and the description: the opening of the page, English and then Chinese."""
    openings = [text for language in LENGTHS if (text := opening(soup, language))]
    for tag in soup.select('meta[property="og:description"], meta[name="description"]'):
        tag["content"] = " ".join(openings) or tag["content"]
    for tag in soup.select('meta[property="og:title"]'):
        tag["content"] = re.sub(r"^\d+(\.\d+)*\.\s+", "", FORMULA_MARKS.sub("", tag["content"]))


def opening(soup: BeautifulSoup, language: str) -> str:
    paragraph = soup.select_one(f'article div[lang|="{language}"] p')
    text = FORMULA_MARKS.sub("", " ".join(paragraph.get_text().split())) if paragraph else ""
    if len(text) <= LENGTHS[language]:
        return text
    cut = text[:LENGTHS[language]]
    return (cut.rpartition(" ")[0] if language == "en" else cut) + "…"


def write_root_page(app: Sphinx, error) -> None:
    """The address without a page's name leads to the first page, and has its preview."""
    first = Path(app.outdir, f"{app.config.root_doc}.html")
    if error or app.builder.format != "html" or first.parent == Path(app.outdir):
        return
    head = BeautifulSoup(first.read_text("utf-8"), "html.parser").head
    page = ROOT_PAGE.format(title=head.title.string, target=f"{app.config.root_doc}.html",
                            canonical=head.select_one("link[rel=canonical]")["href"],
                            previews="\n".join(map(str, head.select("meta[property], meta[name=description]"))))
    Path(app.outdir, "index.html").write_text(page, "utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", write_root_page, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
