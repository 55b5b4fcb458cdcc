"""The sections of a page, as the search knows them: where each stands, and what it says in either language."""
from __future__ import annotations

from bs4 import BeautifulSoup, NavigableString, Tag

HEADINGS = ["h1", "h2", "h3", "h4"]
NOT_TEXT = {"pre", "script", "style"}
NOT_TEXT_CLASSES = {"bi-sep", "section-number", "headerlink", "viewcode-link", "eq-mark", "eq-checks", "field-list", "fm-not-yet",
                    "fold", "eq-entry"}  # the equations of a list have an address where they stand
LANGUAGES = {"en": ("en",), "zh-Hans": ("zh",)}


class Section:
    """A place with an address: what it says in either language."""

    def __init__(self, anchor: str, title: str = "", is_name: bool = False) -> None:
        self.anchor, self.is_name = anchor, is_name
        self.title, self.text = ({"en": title, "zh": title}, {"en": "", "zh": ""})

    def row(self) -> list[str]:
        said = (self.title["en"], self.title["zh"], self.text["en"], self.text["zh"])
        return [self.anchor, *(" ".join(words.split()) for words in said)]


def sections(page: BeautifulSoup) -> list[list[str]]:
    """Of each section and each name of gmlib: anchor, title in English, in Chinese, text in English, in Chinese."""
    found = []

    def read(tag: Tag, section: Section | None, into: dict[str, str], languages: tuple[str, ...]) -> None:
        told = first_paragraph(tag) if section and section.is_name and tag.name == "dd" else None
        for child in tag.children:
            if told and child is not told and getattr(child, "name", "") != "dl":
                continue
            if isinstance(child, NavigableString):
                for language in languages:
                    into[language] += child
            elif not is_text(child):
                continue
            elif opened := opens(child):
                found.append(opened)
                read(child, opened, opened.text, ("en",) if child.name == "dl" else ("en", "zh"))
            else:
                heads = section and child.name in HEADINGS
                own = () if "bi-keep" in child.get("class", ()) else LANGUAGES.get(child.get("lang"), ())
                read(child, section, section.title if heads else into, own or languages)
                for language in languages if child.name == "tr" else ():
                    into[language] += "; "

    for article in page.select("article"):
        read(article, None, {"en": "", "zh": ""}, ("en", "zh"))
    return [section.row() for section in found]


def is_text(tag: Tag) -> bool:
    classes = tag.get("class", ())
    return not (tag.name in NOT_TEXT or NOT_TEXT_CLASSES.intersection(classes) or tag.name == "div" and "math" in classes)


def opens(tag: Tag) -> Section | None:
    if tag.name == "section" and tag.get("id") and tag.find(HEADINGS, recursive=False):
        return Section(tag["id"])
    name = tag.name == "dl" and tag.find("dt", id=True, recursive=False)
    return Section(name["id"], title=name["id"], is_name=True) if name else None


def first_paragraph(description: Tag) -> Tag | None:
    """Of a name of gmlib: the search leads to the whole, and need not bring it."""
    return next((p for p in description.find_all("p", recursive=False) if not p.get_text().startswith("Bases:")), None)
