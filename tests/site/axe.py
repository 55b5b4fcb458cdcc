"""What axe-core says of an open page: structure in each language, and the contrast of every distinct style of text."""
from __future__ import annotations

from itertools import product
from pathlib import Path

import axe_playwright_python

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
COLOURS = ["color-contrast", "link-in-text-block"]
# Each language has names of its own; both together hold every element, for what depends on the width.
STRUCTURE = ((1280, "en"), (1280, "zh"), (390, "both"))
LOOKS = tuple((width, language, theme) for (width, language), theme in product(
    [(1280, "en"), (1280, "zh"), (1280, "both"), (390, "both")], ["light", "dark"]))
SET = """([language, theme]) => {
  document.querySelector(`.bi-switch button[value="${language}"]`).click();
  document.documentElement.dataset.theme = theme;
}"""
# What nearly all of a text shows in: both languages at once, where nothing is hidden, as narrow as its overflow was measured.
# For a page whose kind is looked at in every look: what stands around its text is the same, and no colour depends on the width.
FEWER, FEWER_LOOKS = ((320, "both"),), ((320, "both", "light"), (320, "both", "dark"))
STILL = """*, *::before, *::after { transition: none !important; animation: none !important; }
.axe-aside { display: none !important; }"""
# Thousands of glyphs say nothing to axe, and cost time at each change of width or language: an empty box of the same size,
# in the size of its letters, stands for each formula that shows. First all are measured, then all are changed.
BOXES = """() => {
  document.querySelector(".bi-switch button[value=both]").click();
  const formulas = [...document.querySelectorAll("mjx-container:not(.boxed)")].map((e) => {
    const box = e.firstElementChild.getBoundingClientRect(), em = parseFloat(getComputedStyle(e.firstElementChild).fontSize);
    return [e, `display: inline-block; width: ${box.width / em}em; height: ${box.height / em}em`];
  });
  for (const [e, style] of formulas) {
    e.classList.add("boxed");
    e.firstElementChild.style.cssText = style;
    e.firstElementChild.replaceChildren();
    e.querySelector("mjx-assistive-mml")?.remove();
  }
}"""
# The contrast of a text follows from its style: its own colour, size and weight, for a link the words around it and its
# underline, and all that is painted behind it up to the root. One element stands for each style that is not known yet.
# (Axe does not judge text inside a drawing.)
STYLES = r"""(known) => {
  const seen = new Set(known), chosen = [];
  let behind;
  const back = (e) => {
    if (!behind.has(e)) {
      const s = getComputedStyle(e);
      const paint = [s.backgroundColor, s.backgroundImage, s.opacity, s.filter, s.clipPath].join();
      const own = (paint === "rgba(0, 0, 0, 0),none,1,none,none" ? "" : ` > ${paint}`)
        + (s.position === "static" ? "" : ` > ${s.position} ${e.tagName} ${e.className}`);
      behind.set(e, (e.parentElement ? back(e.parentElement) : "") + own);
    }
    return behind.get(e);
  };
  const letters = (e) => { const s = getComputedStyle(e); return [s.color, s.fontSize, s.fontWeight].join(); };
  const style = (e) => {
    const link = e.closest("a"), off = e.closest("[disabled], [aria-disabled=true], [aria-hidden=true]");
    const line = link && [getComputedStyle(link).textDecorationLine, link.closest("p, li, dd, td") !== null,
      letters(link.parentElement)].join();
    return [letters(e), line, off !== null, back(e)].join(" | ");
  };
  window.styles = {
    chosen,
    choose: (look) => {
      behind = new Map();
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = new Set();
      for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        const e = text.parentElement;
        if (found.has(e) || e.ownerSVGElement || !/[\p{L}\p{N}]{2}/u.test(text.data)) continue;
        if (!e.checkVisibility({ visibilityProperty: true })) continue;
        found.add(e);
        const name = style(e);
        if (!seen.has(name)) { seen.add(name); chosen.push({ look, name, e }); }
      }
      return found.size;
    },
    // Axe looks at everything that shows: hide what stands for no style. Nothing is removed, for rows are striped.
    thin: (isThin) => {
      document.querySelectorAll(".axe-aside").forEach((e) => e.classList.remove("axe-aside"));
      if (!isThin) return;
      const kept = new Set(), inside = new Set(chosen.map(({ e }) => e));
      for (let e of inside) for (; e; e = e.parentElement) kept.add(e);
      document.querySelectorAll("body *").forEach((e) => {
        if (!kept.has(e) && kept.has(e.parentElement) && !inside.has(e.parentElement)) e.classList.add("axe-aside");
      });
    },
    run: async (look, rules) => {
      behind = new Map();
      const here = chosen.filter((one) => one.look === look && one.e.isConnected && style(one.e) === one.name);
      if (!here.length) return [[], []];
      const options = { runOnly: rules, preload: false, elementRef: true };
      const found = await axe.run({ include: here.map(({ e }) => e) }, options);
      const decided = new Set([...found.passes, ...found.violations].flatMap((r) => r.nodes.map((n) => n.element)));
      return [found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target} ${n.html.slice(0, 120)}`)),
        here.filter(({ e }) => decided.has(e)).map(({ name }) => name)];
    },
  };
}"""
RUN = """async (rules) => {
  const off = Object.fromEntries(rules.map((rule) => [rule, { enabled: false }]));
  const found = await axe.run("html", { rules: off, preload: false, resultTypes: ["violations"] });
  return [found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target} ${n.html.slice(0, 120)}`)),
    [...found.passes, ...found.violations].map((rule) => rule.id)];
}"""
# A span that only colours a token is nothing to the rules on structure.
PLAIN = """() => document.querySelectorAll("pre, code, dt.sig").forEach((holder) => {
  holder.querySelectorAll("span, em").forEach((e) => {
    if (e.getAttributeNames().every((name) => name === "class")) e.replaceWith(...e.childNodes);
  });
  holder.normalize();
})"""


class Audit:
    """An open page, made ready for axe. `known` holds the styles that passed already, on whichever page."""

    def __init__(self, page, known: set[str]) -> None:
        self.page, self.known = page, known
        self.texts, self.chosen, self.undecided, self.rules = 0, 0, set(), set()
        page.add_style_tag(content=STILL)
        page.evaluate(BOXES)
        page.evaluate(AXE)

    def set(self, width: int, language: str, theme: str = "light") -> None:
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.evaluate(SET, [language, theme])

    def colours(self, looks=LOOKS) -> dict[str, list[str]]:
        """The rules on colours, once for each style of text; a style that axe cannot decide here stays unknown."""
        found = {}
        self.page.evaluate(STYLES, sorted(self.known))
        for look in looks:
            self.set(*look)
            self.texts += self.page.evaluate("(look) => styles.choose(look)", str(look))
        chosen = dict(self.page.evaluate("styles.chosen.map(({ name, look }) => [name, look])"))
        self.page.evaluate("styles.thin(true)")
        for look in (look for look in looks if str(look) in chosen.values()):
            self.set(*look)
            problems, decided = self.page.evaluate("([look, rules]) => styles.run(look, rules)", [str(look), COLOURS])
            found[" ".join(map(str, look))] = problems
            self.known.update([] if problems else decided)
        self.page.evaluate("styles.thin(false)")
        self.chosen, self.undecided = len(chosen), set(chosen) - self.known
        return {look: problems for look, problems in found.items() if problems}

    def structure(self, places=STRUCTURE) -> dict[str, list[str]]:
        """Every rule but those on colours."""
        found = {}
        self.page.evaluate(PLAIN)
        for width, language in places:
            self.set(width, language)
            found[f"{width} {language}"], rules = self.page.evaluate(RUN, COLOURS)
            self.rules.update(rules)
        return {look: problems for look, problems in found.items() if problems}
