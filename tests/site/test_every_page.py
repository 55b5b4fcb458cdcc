"""One visit to each page, in which everything is looked at that a page can have wrong.

The chapters go to different workers. What each check catches is planted in the file named beside it. Structure and colours are
looked at in every look on the first page of each folder (a chapter's notes, its first notebook); on the others in both languages
at once, where nothing is hidden. All places and languages of a jump are tried on the sample.
"""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.site.axe import FEWER, FEWER_LOOKS, LOOKS, STRUCTURE, Audit
from tests.site.parts import PARTS, pages_of
from tests.site.shift import LOADING, WATCH, jumps, loading
from tests.site.test_layout import CLIPPED, overflow
from tests.site.weight import Scales, too_heavy, weights

pytestmark = pytest.mark.site

# what axe cannot judge: off the screen until it has the focus; for screen readers only; scrolled out; over the text
UNSEEN = ("skip-link", "inset(50%)", "bd-toc", "rounded-pill")
EXPECTED = {"book": {}, "sample": {"book/blocks.html": {"wide formulas": ["equation-eq-sample-wide"]}}}


def look_at(tab, url: str, known: set[str], cached: set[str], whole: bool) -> tuple[dict, dict]:
    """What is wrong with a page, and how much was looked at."""
    tab.page.add_init_script(WATCH)
    weight = weights(Scales(tab), url, cached)
    shift = loading(tab.page)
    found = {"weight": too_heavy(weight, url), "shift": [shift] if shift > LOADING else []}  # test_weight.py, test_shift.py
    found |= {"wide formulas": [] if "equations" in url else tab.page.evaluate(CLIPPED)}  # test_layout.py
    found["jumps"] = jumps(tab.page, (0.3,), ("zh",)) + jumps(tab.page, (0.95,), ("both",))  # test_shift.py
    found["sideways"] = overflow(tab)  # test_layout.py
    audit = Audit(tab.page, known)
    looks, places = (LOOKS, STRUCTURE) if whole else (FEWER_LOOKS, FEWER)
    found |= {"colours": audit.colours(looks), "structure": audit.structure(places)}  # test_axe.py
    tab.settle()
    found["faults"] = tab.faults  # test_network.py
    seen = {"texts": audit.texts, "styles": audit.chosen, "undecided": sorted(audit.undecided),
            "rules": len(audit.rules), "whole": whole, **weight}
    return {check: problems for check, problems in found.items() if problems}, seen


@pytest.mark.parametrize("name, part", [("sample", None), *(("book", part) for part in PARTS)])
def test_every_page(visit, request, known_styles, first_visit, record_property, name, part):
    site = request.getfixturevalue(name)
    pages = pages_of(site, part)
    cached, found, seen = first_visit(site), {}, {}
    for page in pages:
        tab = visit(site)
        whole = name == "sample" or not any(Path(page).parent == Path(other).parent for other in seen)
        found[page], seen[page] = look_at(tab, site.url(page), known_styles, cached, whole)
        tab.page.context.close()
    record_property(f"pages of {name}", seen)
    assert {page: problems for page, problems in found.items() if problems} == EXPECTED[name]
    texts = [one["texts"] / len(LOOKS if one["whole"] else FEWER_LOOKS) for one in seen.values()]
    assert len(pages) > 1 and min(texts) > 12.5  # in each look
    undecided = {style for one in seen.values() for style in one["undecided"]} - known_styles
    assert {style for style in undecided if not any(place in style for place in UNSEEN)} == set()
    assert min(one["rules"] for one in seen.values()) > 20
    assert min(one["opened"] for one in seen.values()) > 100_000
