"""What a page weighs: the scales are right, a heavy page is found, and nothing that shows was lost on the way."""
from __future__ import annotations

import random
import re
import string

import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from PIL import Image

from tests.site.weight import Scales, too_heavy

pytestmark = pytest.mark.site

PAGE = "book/blocks.html"
LETTERS = string.ascii_letters + string.digits + "+/"


def planted(site, length: int):
    """The page with so many letters more, which gzip cannot make much smaller than three quarters."""
    letters = "".join(random.Random(0).choices(LETTERS, k=length))
    html = (site.root / PAGE).read_text("utf-8").replace("</article>", f"<!-- {letters} --></article>")
    (site.root / "book/heavy.html").write_text(html, "utf-8")
    return site.url("book/heavy.html")


@pytest.mark.parametrize("length, expected", [(150_000, []), (300_000, ["later"]), (1_200_000, ["first", "later"])])
def test_planted_heavy_page_is_found(visit, sample, first_visit, length, expected):
    cached, scales = first_visit(sample), Scales(visit(sample, fresh=True))
    try:
        weight = {"first": scales.weigh(planted(sample, length)), "later": scales.weight(cached)}
    finally:
        (sample.root / "book/heavy.html").unlink()
    assert [line.partition(":")[0] for line in too_heavy(weight)] == expected


def test_search_page_alone_may_bring_the_text_of_the_book():
    weight = {"first": 999_999, "later": 460_000}
    assert too_heavy(weight, "http://h/p/search.html") == [] and too_heavy(weight, "http://h/p/book/research.html") != []
    assert too_heavy(weight | {"later": 470_000}, "http://h/p/search.html") == ["later: 470,000 bytes"]
    assert too_heavy(weight | {"first": 1_000_000}, "http://h/p/search.html") == ["first: 1,000,000 bytes"]


def test_later_visit_is_as_reckoned(visit, sample, first_visit):
    """After the first page, in the same tab: what comes is what the first page did not bring, and nothing else."""
    alone = Scales(visit(sample, fresh=True))
    opened, first, later = alone.open(sample.url(PAGE)), alone.read(), alone.weight(first_visit(sample))
    scales = Scales(visit(sample, fresh=True))
    scales.weigh(sample.url("book/index.html"))
    reckoned = scales.weigh(sample.url(PAGE))
    assert sum(scales.received.values()) == pytest.approx(later, abs=500)
    assert reckoned == pytest.approx(first, abs=500)  # also of what the browser has already
    assert opened <= first and later < first / 3


def test_text_comes_in_gzip_and_fonts_as_they_are(visit, sample):
    tab = visit(sample)
    answers = {}
    tab.page.on("response", lambda r: answers.update({r.url.partition("?")[0].rpartition(".")[2]: r.headers}))
    tab.open(sample.url(PAGE))
    packed = {kind for kind in answers if "content-encoding" in answers[kind]}
    assert packed == {"html", "css", "js", "svg"} & set(answers) and len(packed) > 2
    assert {"woff"} <= set(answers) and {headers["cache-control"] for headers in answers.values()} == {"max-age=600"}


def test_pictures_of_figures_lead_to_their_files(book):
    """Where a phone's reader can enlarge them."""
    figures = 0
    for page in book.root.glob("notebooks/*/*.html"):
        for figure in re.findall(r"<figure\b.*?</figure>", page.read_text("utf-8"), re.DOTALL):
            if 'class="explore' in figure:
                continue
            link = BeautifulSoup(figure, "html.parser").select_one("a.picture")
            assert link.img["src"] == link["href"] and (page.parent / link["href"]).is_file(), page
            figures += 1
    assert figures > 20


def test_pictures_keep_every_pixel(book):
    """A picture of the site is the one that the page was made from."""
    light = sorted((book.root / "_images").glob("*.webp"))
    assert len(light) > 10
    for path in light:
        with Image.open(path) as webp, Image.open(path.with_suffix(".png")) as png:
            assert webp.convert("RGBA").tobytes() == png.convert("RGBA").tobytes(), path.name
        assert path.stat().st_size < path.with_suffix(".png").stat().st_size


def shapeless(site, names: set[str]) -> set[str]:
    """The icons that have no rule or whose fonts have no glyph for them."""
    sheet = (site.root / "_static/styles/pydata-sphinx-theme.css").read_text("utf-8")
    glyphs = {code for path in (site.root / "_static/vendor/fontawesome/webfonts").glob("*.woff")
              for code in TTFont(path).getBestCmap()}
    codes = {name: re.search(rf'\.{name}:before[^{{]*{{content:"\\(\w+)"}}', sheet) for name in names}
    return {name for name, code in codes.items() if code is None or int(code[1], 16) not in glyphs}


def test_icons_have_a_shape(book):
    html = "".join((book.root / page).read_text("utf-8") for page in book.pages)
    used = {name for classes in re.findall(r'<i [^>]*class="([^"]*)"', html) for name in classes.split()
            if re.fullmatch(r"fa-(?!solid|regular|brands|lg)[\w-]+", name)}
    assert len(used) > 10 and shapeless(book, used) == set()
    assert shapeless(book, {"fa-sun", "fa-ghost", "fa-house"}) == {"fa-ghost", "fa-house"}  # which no page has


def test_boxes_keep_the_icons_of_their_titles(book):
    """Icons that a style sheet names by their code, as the theme does for the title of an admonition."""
    sheet = (book.root / "_static/styles/pydata-sphinx-theme.css").read_text("utf-8")
    named = {ord(letter) for letter in sheet if "\ue000" <= letter <= "\uf8ff"}
    glyphs = {code for path in (book.root / "_static/vendor/fontawesome/webfonts").glob("*.woff")
              for code in TTFont(path).getBestCmap()}
    assert len(named) > 5 and named <= glyphs and ord("\uf015") not in glyphs  # the house, which nothing names
