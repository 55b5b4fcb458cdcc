"""The map of the chapters, the taxonomy and the table on the first page name the same chapters, and link what is written."""
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import families  # noqa: E402
from equations_scan import CHAPTERS  # noqa: E402

TWELVE = ["Gaussian mixture", "hidden Markov model", "probabilistic context-free grammar", "Bayesian network", "AODE",
          "latent Dirichlet allocation", "Boltzmann machine", "variational autoencoder", "generative adversarial network",
          "normalizing flow", "energy-based model", "diffusion model"]  # topic 3 of `book/sources.md`


def link(slug, kind, words):
    return f'<a href="{slug}">{words}</a>'


def written(root=ROOT):
    return [slug for slug in CHAPTERS if (root / "book" / f"{slug}.md").exists()]


def table(page):
    """The chapters' rows: name in English and whether it is linked, name in Chinese and the link."""
    rows = [line.strip("| ").split(" | ") for line in page.split("## The chapters")[1].splitlines() if line.startswith("| **")]
    found = []
    for cells in rows:
        halves = [re.match(r"\*\*(?:\[(.+?)\]\((.+?)\.md\)|(.+?))\*\*", cell) for cell in (cells[0], cells[-2])]
        found.append(tuple((m[1] or m[3], m[2]) for m in halves))
    return found


def test_every_chapter_stands_there_in_reading_order():
    assert list(families.chapters()) == list(CHAPTERS)


def test_every_chapter_has_two_names_a_group_and_a_drawing():
    for slug, chapter in families.chapters().items():
        english, chinese = chapter["name"].split(" · ")
        assert english and chinese and chapter["asks"] in families.GROUPS
        assert "<svg" in (ROOT / "book" / "figures" / "families" / f"{slug}.svg").read_text("utf-8")
        assert all(asks in families.MEANING for asks, _ in chapter.get("models", []))
        assert bool(chapter.get("models")) == (chapter["asks"] != "tool")


def test_the_drawings_are_no_more_than_the_chapters():
    assert {f.stem for f in (ROOT / "book" / "figures" / "families").glob("*.svg")} == set(CHAPTERS)


def test_the_map_links_each_chapter_once():
    assert sorted(re.findall(r'href="(\w+)"', families.family_map(link))) == sorted(CHAPTERS)


def test_each_leaf_of_the_taxonomy_leads_to_its_chapter():
    leaves = re.findall(r'<a href="(\w+)"><span lang="en"(?: class="bi-keep")?>(.+?)<', families.taxonomy(link))
    told = [(slug, name.split(" · ")[0]) for slug, c in families.chapters().items() for _, name in c.get("models", [])]
    assert sorted(leaves) == sorted(told)


@pytest.mark.parametrize("name", TWELVE)
def test_the_twelve_kinds_of_the_sources_are_leaves(name):
    assert any(name in words for c in families.chapters().values() for _, words in c.get("models", []))


def test_names_become_two_spans():
    assert families.pair("A & B · 甲") == ('<span lang="en">A &amp; B</span><span class="bi-sep"> · </span>'
                                          '<span lang="zh">甲</span>')
    assert families.pair("NICE, Glow") == '<span lang="en" class="bi-keep">NICE, Glow</span>'


def test_the_table_has_the_same_chapters_and_links_those_that_are_written():
    names = [tuple(c["name"].split(" · ")) for c in families.chapters().values()]
    rows = table((ROOT / "book" / "index.md").read_text("utf-8"))
    assert [(en, zh) for (en, _), (zh, _) in rows] == names
    assert [{address for _, address in row} for row in rows] == [{slug if slug in written() else None} for slug in CHAPTERS]


def test_a_row_left_behind_is_noticed():
    page = (ROOT / "book" / "index.md").read_text("utf-8")
    assert "**[Overview](overview.md)**" in page
    assert table(page)[0][0] == ("Overview", "overview")
    assert table(page.replace("**[Overview](overview.md)**", "**Overview**"))[0][0] == ("Overview", None)
