"""One visit to each page, in which everything is looked at that a page can have wrong.

The chapters go to different workers; one tab reads the pages of each. What each check catches is planted in the file named
beside it. Of each kind of page (notes, notebooks, …) two are looked at in every look, and a choice of language is
tried in more places; on the others structure and colours are looked at in both languages at once, where nothing is
hidden. All places and languages of a jump are tried on the sample.
"""
from __future__ import annotations

import random
import string
from itertools import groupby

import pytest

from tests.site.axe import BOXES, FEWER, FEWER_LOOKS, LOOKS, STRUCTURE, Audit
from tests.site.parts import PARTS, kind, pages_of
from tests.site.shift import LOADING, jumps, loading
from tests.site.test_layout import CLIPPED, overflow
from tests.site.weight import Scales, too_heavy

pytestmark = pytest.mark.site

# what axe cannot judge: off the screen until it has the focus; for screen readers only; scrolled out; over the text
UNSEEN = ("skip-link", "inset(50%)", "bd-toc", "rounded-pill")
EXPECTED = {"book": {}, "sample": {"book/blocks.html": {"wide formulas": ["equation-eq-sample-wide"]}}}


def look_at(tab, scales: Scales, url: str, known: set[str], cached: set[str], whole: bool) -> tuple[dict, dict]:
    """What is wrong with a page, and how much was looked at."""
    weight = {"opened": scales.open(url)}
    shift = loading(tab.page)
    weight |= {"first": scales.read(), "later": scales.weight(cached)}
    found = {"weight": too_heavy(weight, url), "shift": [shift] if shift > LOADING else []}  # test_weight.py, test_shift.py
    found |= {"wide formulas": [] if "equations" in url else tab.page.evaluate(CLIPPED)}  # test_layout.py
    tab.page.evaluate(BOXES)
    found["jumps"] = jumps(tab.page, (0.3,), ("zh",)) + (jumps(tab.page, (0.95,), ("both",)) if whole else [])  # test_shift.py
    found["sideways"] = overflow(tab, ("en", "zh", "both") if whole else ("both",))  # test_layout.py
    audit = Audit(tab.page, known)
    looks, places = (LOOKS, STRUCTURE) if whole else (FEWER_LOOKS, FEWER)
    found |= {"colours": audit.colours(looks), "structure": audit.structure(places)}  # test_axe.py
    tab.settle()
    found["faults"] = list(tab.faults)  # test_network.py
    seen = {"texts": audit.texts, "styles": audit.chosen, "undecided": sorted(audit.undecided),
            "rules": len(audit.rules), "whole": whole, **weight}
    known.update(style for style in audit.undecided if any(place in style for place in UNSEEN))  # nor elsewhere
    return {check: problems for check, problems in found.items() if problems}, seen


# What a page can have wrong, all of it at once and after the text. Each is planted by itself in the files named above.
WRONG = """<!-- {letters} --><p style="height: 1px; width: 330px"></p><img src="../_static/favicon.svg"><p style="color: #bbb">Pale words</p>
<div class="math" id="wide"><mjx-container style="display: block; overflow: hidden"><i style="display: block; width: 3000px">x</i></mjx-container></div>
<style>html[data-bilang=zh] .bd-header-article {{ height: 6rem !important; }} html[data-theme=dark] #dim {{ color: #444 !important; }}</style>
<p id="dim">Dark words</p><script>console.error("planted"); addEventListener("load", () => document.querySelector("article").prepend(
Object.assign(document.createElement("p"), {{ textContent: "late", style: "height: 20em" }})));</script></article>"""


def test_one_visit_finds_all_that_is_wrong(visit, sample, first_visit):
    """On a page that is not looked at in every look, by a tab that read another page before."""
    cached, tab = first_visit(sample), visit(sample, fresh=True)
    scales, url = Scales(tab), sample.url("book/planted.html")
    known = set()
    right, seen = look_at(tab, scales, sample.url("book/index.html"), known, cached, False)
    assert right == {} and seen["first"] > 100_000 > seen["later"]
    tab.forget()
    letters = "".join(random.Random(0).choices(string.ascii_letters, k=300_000))
    html = (sample.root / "book/index.html").read_text("utf-8").replace("</article>", WRONG.format(letters=letters))
    tab.page.route(url, lambda route: route.fulfill(body=html, content_type="text/html"))
    found, _ = look_at(tab, scales, url, known, cached, False)
    assert found.pop("weight")[0].startswith("later") and found.pop("shift")[0] > LOADING
    assert found.pop("wide formulas") == ["wide"] and found.pop("sideways").keys() == {"320 both"}
    assert "header" in found.pop("jumps")[0] and found.pop("faults") == ["console: planted"]
    (structure,), colours = found.pop("structure").values(), found.pop("colours")
    assert structure[0].startswith("image-alt") and found == {}
    assert ["#dim" in " ".join(colours[f"320 both {theme}"]) for theme in ("light", "dark")] == [False, True]
    assert "Pale words" in " ".join(colours["320 both light"])


def samples(pages: list[str]) -> set[str]:
    """Two pages of each kind, of different chapters."""
    kinds = [list(group) for _, group in groupby(sorted(pages, key=kind), kind)]
    return {page for group in kinds for page in (group[0], group[len(group) // 2])}


@pytest.mark.parametrize("name, part", [("sample", None), *(("book", part) for part in PARTS)])
def test_every_page(visit, request, known_styles, first_visit, record_property, name, part):
    site = request.getfixturevalue(name)
    pages, wholes = pages_of(site, part), samples(site.pages)
    cached, found, seen = first_visit(site), {}, {}
    tab = visit(site, fresh=True)
    scales = Scales(tab)
    for page in pages:
        tab.forget()
        tab.empty_cache()
        whole = name == "sample" or page in wholes
        found[page], seen[page] = look_at(tab, scales, site.url(page), known_styles, cached, whole)
    record_property(f"pages of {name}", seen)
    assert {page: problems for page, problems in found.items() if problems} == EXPECTED[name]
    texts = [one["texts"] / len(LOOKS if one["whole"] else FEWER_LOOKS) for one in seen.values()]
    assert len(pages) > 1 and min(texts) > 12.5  # in each look
    undecided = {style for one in seen.values() for style in one["undecided"]} - known_styles
    assert {style for style in undecided if not any(place in style for place in UNSEEN)} == set()
    assert min(one["rules"] for one in seen.values()) > 20
    assert min(one["opened"] for one in seen.values()) > 100_000
