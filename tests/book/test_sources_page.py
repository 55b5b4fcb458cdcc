"""Every topic of the source documents has its place in the book, or is said to have none yet."""
from pathlib import Path

import pytest

from tools.text_rules import sources_page
from tools.text_rules.sources_page import CHAPTERS, TOPICS

ROOT = Path(__file__).resolve().parents[2]
NOTES = "[notes](vae.md), [notebook](../notebooks/vae/a.ipynb)"


def small_page():
    """One topic a chapter, the first chapter has the rest; only `vae` is written."""
    first, page = TOPICS - len(CHAPTERS) + 1, ""
    for i, chapter in enumerate(CHAPTERS):
        numbers = range(1, first + 1) if i == 0 else [first + i]
        page += f"(sources-{chapter})=\n## A · 甲\n\n"
        for lang, not_yet in sources_page.NOT_YET.items():
            status = NOTES if chapter == "vae" else f"*{not_yet}*"
            items = "\n".join(f"{n}. Topic {n}: {status}" for n in numbers)
            page += f'<div lang="{lang}">\n\n{items}\n\n</div>\n\n'
    return page


@pytest.fixture
def book(tmp_path):
    for name, content in {"book/sources.md": small_page(), "book/vae.md": "", "book/index.md": "",
                          "notebooks/vae/a.ipynb": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    return tmp_path


def test_the_page_is_complete_and_true():
    assert sources_page.problems(ROOT) == []


def test_both_languages_say_the_same_of_each_topic():
    rows = sources_page.rows((ROOT / "book" / "sources.md").read_text("utf-8"))
    says = lambda lang: [(r.number, r.chapter, r.links) for r in rows if r.lang == lang]
    assert says("en") == says("zh") and len(rows) == 2 * TOPICS


def test_an_honest_page_passes(book):
    assert sources_page.problems(book) == []


PLANTED = {
    "a topic is missing": ("9. Topic", "10. Topic", "must be 1 to 39"),
    "a chapter is missing": ("(sources-mcmc)=\n", "", "the chapters must be"),
    "no status": ("Topic 1: *not written yet*", "Topic 1", "needs either links or"),
    "both statuses": (NOTES, f"{NOTES} not written yet", "needs either links or"),
    "a link to nothing": ("vae/a.ipynb", "vae/b.ipynb", "leads nowhere"),
    "a link elsewhere": ("[notes](vae.md)", "[notes](index.md)", "leaves the chapter vae"),
    "a link before the page": ("Topic 1: *not written yet*", "Topic 1: [notes](overview.md)", "overview has no page"),
}


@pytest.mark.parametrize("old, new, message", PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_named(book, old, new, message):
    page = book / "book" / "sources.md"
    before = page.read_text("utf-8")
    assert old in before
    page.write_text(before.replace(old, new, 1), "utf-8")
    found = sources_page.problems(book)
    assert any(message in fault for fault in found), found


def test_a_new_chapter_must_change_the_page(book):
    (book / "book" / "gan.md").touch()
    assert "gan has a page" in sources_page.problems(book)[0]


def test_a_chapter_taken_away_must_too(book):
    (book / "book" / "vae.md").unlink()
    assert "vae has no page" in sources_page.problems(book)[0]
