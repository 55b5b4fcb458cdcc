"""What the search has to search, as the site brings it: titles and addresses plain, the texts of each language packed."""
from __future__ import annotations

import base64
import bz2
import gzip
import json


def script(site, name: str) -> list | str:
    text = (site.root / f"_static/search-{name}.js").read_text("utf-8")
    return json.loads(text.removeprefix(f"(window.bookSearch??={{}}).{name}=").rstrip().rstrip(";"))


def texts(site, language: str) -> list[str]:
    """Of all sections, in their order."""
    return bz2.decompress(base64.b64decode(script(site, language))).decode().split("\n")


def index(site) -> list:
    """Of each page: its name, whether it is a chapter's, and of each section anchor, titles and texts in both languages."""
    rows = zip(texts(site, "en"), texts(site, "zh"), strict=True)
    found = [[name, is_chapter, [[*place, *next(rows)] for place in places]] for name, is_chapter, places in script(site, "places")]
    assert next(rows, None) is None
    return found


def weight(site, language: str) -> int:
    """Bytes over the wire."""
    return len(gzip.compress((site.root / f"_static/search-{language}.js").read_bytes(), 6))
