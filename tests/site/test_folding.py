"""Code folds: setup and settings at first, all of it where the reader chose so; on paper and without scripts none."""
from __future__ import annotations

import pytest

from tests.site.axe import Audit
from tests.site.index import texts
from tests.site.shift import LOADING, PIXELS, loading

pytestmark = pytest.mark.site

PAGE, NEXT = "notebooks/figure.html", "notebooks/explore.html"
BARS = """() => [...document.querySelectorAll(".fold > summary")].map((bar) => bar.innerText.replace(/\\s+/g, " "))"""
OPEN = "[...document.querySelectorAll('.fold')].map((cell) => cell.open)"
SEEN = "[...document.querySelectorAll('.fold pre')].map((code) => code.checkVisibility())"
FIRST, ALL, NONE = [False, False, True, True, True, True], [True] * 6, [False] * 6  # of the sample's cells, which show
CONTROL = ".fold-all"


def opened(visit, site, page: str = PAGE, **options):
    tab = visit(site, **options)
    tab.open(site.url(page))
    return tab


def planted(visit, site, page: str = PAGE, old: str = "</article>", new: str = "", **options):
    """The page with something else at one place."""
    tab = visit(site, **options)
    html = (site.root / page).read_text("utf-8")
    assert old in html
    url = site.url(page)
    tab.page.route(url, lambda route: route.fulfill(body=html.replace(old, new, 1), content_type="text/html"))
    return tab, url


def shows(tab) -> list[bool]:
    """Which cells show their code: by the state of the fold, and to the eye."""
    states, seen = tab.page.evaluate(f"[{OPEN}, {SEEN}]")
    assert states == seen
    return seen


@pytest.mark.parametrize("language, bars", [
    ("en", ["Setup 2 lines", "Settings 1 line", "Code", "Code", "Code", "Code"]),
    ("zh", ["准备 2 行", "设置 1 行", "代码", "代码", "代码", "代码"]),
    ("both", ["Setup · 准备 2 lines · 2 行", "Settings · 设置 1 line · 1 行", *["Code · 代码"] * 4])])
def test_setup_and_settings_are_folded_at_first(visit, sample, language, bars):
    tab = opened(visit, sample, f"{PAGE}?lang={language}")
    assert shows(tab) == FIRST
    assert tab.page.evaluate(BARS) == bars


def test_real_page_is_folded_and_its_figures_show(visit, book):
    tab = opened(visit, book, "notebooks/vae/vae.html")
    seen = shows(tab)
    assert seen == [False] * 2 + [True] * (len(seen) - 2) and len(seen) > 10
    tab.page.click(CONTROL)
    assert not any(shows(tab))
    outputs = tab.page.locator(".cell_output :is(img, figcaption, .output)")
    assert outputs.count() > 20 and all(output.is_visible() for output in outputs.all())


def test_cell_opens_by_click_and_from_the_keyboard(visit, sample):
    tab = opened(visit, sample)
    bar = tab.page.locator(".fold > summary").first
    bar.click()
    assert shows(tab) == [True, *FIRST[1:]]
    for key, expected in (("Enter", False), ("Space", True), ("Enter", False)):
        bar.press(key)
        assert shows(tab) == [expected, *FIRST[1:]]
    tab.page.keyboard.press("Shift+Tab")
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_control_folds_all_and_is_remembered(visit, sample):
    tab = opened(visit, sample)
    control = tab.page.locator(CONTROL)
    control.press("Enter")
    assert shows(tab) == NONE and control.get_attribute("aria-expanded") == "false"
    for address in (PAGE, NEXT):  # there again, and on another page
        tab.open(sample.url(address))
        assert not any(shows(tab)) and control.get_attribute("aria-expanded") == "false"
    assert tab.page.locator(".explore.alive").first.is_visible()
    tab.open(sample.url(PAGE))
    control.press("Space")
    assert shows(tab) == FIRST and control.get_attribute("aria-expanded") == "true"
    tab.page.reload()
    assert shows(tab) == FIRST
    assert tab.faults == []


def test_other_tab_follows(visit, sample):
    tab = opened(visit, sample)
    other = tab.page.context.new_page()
    other.goto(sample.url(NEXT))
    other.click(CONTROL)
    tab.page.wait_for_function(f"!{OPEN}.some(Boolean)")


def test_what_cells_print_and_draw_stays(visit, sample):
    tab = opened(visit, sample)
    tab.page.click(CONTROL)
    outputs = tab.page.locator(".cell_output")
    assert outputs.count() == 4 and all(output.is_visible() for output in outputs.all())
    assert tab.page.locator("figcaption").is_visible()


def test_control_works_where_nothing_is_remembered(visit, sample):
    tab = visit(sample)
    tab.page.add_init_script("""for (const name of ["getItem", "setItem"]) {
      const real = Storage.prototype[name];
      Storage.prototype[name] = function (key, ...rest) {
        if (key === "book-code") throw new DOMException("denied", "SecurityError");
        return real.call(this, key, ...rest);
      };
    }""")
    tab.open(sample.url(PAGE))
    assert shows(tab) == FIRST
    tab.page.click(CONTROL)
    assert shows(tab) == NONE and tab.faults == []


def test_control_is_where_there_is_code(visit, sample):
    assert opened(visit, sample, "book/blocks.html").page.locator(CONTROL).count() == 0
    control = opened(visit, sample, f"{PAGE}?lang=zh").page.locator(CONTROL)
    assert control.inner_text() == "代码" and "折叠代码" in control.get_attribute("title")


CONTROLS = """[...document.querySelectorAll(".bd-header-article :is(button, a)")].filter((e) => e.checkVisibility())
  .map((e) => e.getBoundingClientRect()).map(({ left, right }) => [left, right])"""


@pytest.mark.parametrize("width", [390, 360, 320])
def test_header_has_room_for_the_control(visit, book, width):
    tab = opened(visit, book, "notebooks/vae/vae.html", width=width)
    for language in ("en", "zh", "both"):
        tab.page.click(f".bi-switch [value={language}]")
        boxes = sorted(tab.page.evaluate(CONTROLS))
        assert len(boxes) == 8 and boxes[0][0] >= 0 and boxes[-1][1] <= width
        assert all(one[1] <= other[0] + 1 for one, other in zip(boxes, boxes[1:])), language


def test_paper_shows_all_and_the_screen_is_as_before(visit, sample):
    tab = opened(visit, sample)
    tab.page.emulate_media(media="print")
    tab.page.wait_for_function(f"{OPEN}.every(Boolean)")
    assert shows(tab) == ALL and not tab.page.locator(".fold > summary").first.is_visible()
    tab.page.emulate_media(media="screen")
    tab.page.wait_for_function(f"!{OPEN}.every(Boolean)")
    assert shows(tab) == FIRST


def test_without_javascript_all_shows(visit, sample):
    tab = visit(sample, java_script_enabled=False)
    tab.page.goto(sample.url(PAGE))
    codes = tab.page.locator(".fold pre")
    assert codes.count() == 6 and all(code.is_visible() for code in codes.all())
    assert not tab.page.locator(CONTROL).is_visible()


INSIDE = """<div class="tag_setup"><details class="fold" open=""><summary>x</summary><pre id="inside">code</pre></details>
<a href="#inside">there</a></div></article>"""


def test_address_of_a_place_inside_opens_it(visit, sample):
    tab, url = planted(visit, sample, new=INSIDE)
    tab.open(url)
    inside = tab.page.locator("#inside")
    assert not inside.is_visible()
    tab.page.click("article a[href='#inside']")
    inside.wait_for(state="visible")
    tab.page.evaluate("document.querySelector('#inside').parentElement.open = false")
    tab.page.evaluate("dispatchEvent(new HashChangeEvent('hashchange'))")  # a browser that opens nothing by itself
    assert inside.is_visible()
    tab.page.reload()
    inside.wait_for(state="visible")
    assert shows(tab) == [*FIRST, True]


@pytest.mark.parametrize("stored, expected", [("", FIRST), ("folded", NONE)])
@pytest.mark.parametrize("width", [1280, 390])
def test_cells_are_folded_before_they_are_drawn(visit, sample, stored, expected, width):
    tab, url = planted(visit, sample, new=f"<script>window.early = {OPEN};</script></article>", width=width)
    tab.store("book-code", stored)
    tab.open(url)
    assert tab.page.evaluate("early") == expected == shows(tab)
    assert loading(tab.page) < LOADING


EYE = "[...document.querySelectorAll('article figure')].at(-1).getBoundingClientRect().top"


def drift(tab) -> float:
    """How far a figure below much code moves as all code is folded and shown again."""
    tab.page.evaluate("[...document.querySelectorAll('article figure')].at(-1).scrollIntoView({ behavior: 'instant' })")
    places = [tab.page.evaluate(EYE)]
    for _ in range(2):
        tab.page.click(CONTROL)
        places.append(tab.page.evaluate(EYE))
    return max(places) - min(places)


@pytest.mark.parametrize("width", [1280, 390])
def test_reader_stays_at_the_figure(visit, book, width):
    tab = opened(visit, book, "notebooks/vae/vae.html", width=width)
    assert drift(tab) <= PIXELS
    tab.page.add_style_tag(content="* { overflow-anchor: none !important; }")  # planted: nobody keeps the place
    tab.page.evaluate("bookLanguage.keepPlace = (change) => change(); 0")
    assert drift(tab) > 500


@pytest.mark.parametrize("state", ["folded", "open"])
def test_axe_finds_no_fault(visit, sample, state):
    tab = opened(visit, sample)
    if state == "folded":
        tab.page.click(CONTROL)
    else:
        tab.page.evaluate("document.querySelectorAll('.fold').forEach((cell) => { cell.open = true; })")
    audit = Audit(tab.page, set())
    assert audit.colours() == {} and audit.structure() == {}
    assert shows(tab) == (NONE if state == "folded" else ALL) and audit.texts > 100


def test_copy_button_copies_the_code_of_a_cell_that_was_folded(visit, sample):
    tab = opened(visit, sample, permissions=["clipboard-read", "clipboard-write"])
    tab.page.locator(".fold > summary").first.click()
    tab.page.locator(".fold .copybtn").first.click()
    assert tab.page.evaluate("navigator.clipboard.readText()") == "# Setup · 准备\nimport sys"


def test_bars_are_no_text_to_search(sample):
    words = "".join(texts(sample, "en") + texts(sample, "zh"))
    assert "fold" not in words and " 2 行" not in words and "A peak" in words
