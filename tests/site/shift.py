"""Whether a page holds still: while it loads, and when the reader chooses another language."""
from __future__ import annotations

GOOD, LOADING = 0.1, 0.05  # a layout shift up to the first counts as good (web.dev/cls); ours, on a wide screen
PIXELS = 3  # what the reader looks at may move so far
# The browser keeps what shifted.
SHIFTS = """async () => {
  const shifts = [], keep = (list) => shifts.push(...list.map((entry) => entry.value));
  const observer = new PerformanceObserver((list) => keep(list.getEntries()));
  observer.observe({ type: "layout-shift", buffered: true });
  for (let i = 0; i < 2; i++) await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  keep(observer.takeRecords());
  observer.disconnect();
  return shifts.reduce((sum, value) => sum + value, 0);
}"""
# The block under the header, and how far down it begins; header, contents and the frame of the text; all in pixels.
# A block that is now hidden has its twin beside it, in which the reader's line lies as far down as it did.
SEE = """async (again) => {
  await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
  const box = (e) => { const { left, top, width } = e.getBoundingClientRect(); return [left, top, width]; };
  const frame = Object.fromEntries([".bd-header-article", ".bd-sidebar-primary", ".bd-sidebar-secondary", "article"]
    .map((name) => [name, document.querySelector(name)]).filter(([, e]) => e?.checkVisibility())
    .map(([name, e]) => [name, name === "article" ? [box(e)[0], box(e)[2]] : box(e)]));
  const eye = document.querySelector(".bd-header-article").getBoundingClientRect().bottom;
  if (!again) {
    window.looked = [...document.querySelectorAll("article section > :not(section, script, .explore)")]
      .find((e) => e.getClientRects().length && e.getBoundingClientRect().bottom > eye);
  }
  let e = window.looked;
  if (!e) return { frame, eye, words: "" };
  if (!e.getClientRects().length) e = e.lang === "en" ? e.nextElementSibling : e.previousElementSibling;
  const { top, bottom } = e.getBoundingClientRect();
  return { frame, eye, top, bottom, words: window.looked.textContent.trim().slice(0, 40) };
}"""


def moved(before: dict, after: dict) -> list[str]:
    """What the reader sees jump between two looks."""
    found = [f"header {before['eye']} to {after['eye']}"] if abs(after["eye"] - before["eye"]) > 1 else []
    found += [f"{name} {was} to {after['frame'].get(name)}" for name, was in before["frame"].items()
              if any(abs(a - b) > 1 for a, b in zip(was, after["frame"].get(name, [9e9])))]
    if not before["words"]:
        return found
    if before["top"] >= before["eye"] - 1:
        stays = abs(after["top"] - before["top"]) <= PIXELS
    else:  # the reader is inside the block, and shall stay inside
        stays = after["top"] - PIXELS <= before["eye"] <= after["bottom"] + PIXELS
    return found if stays else [*found, f"{before['words']!r} from {before['top']:.0f} to {after['top']:.0f}"]


def loading(page) -> float:
    """The sum of all layout shifts since the beginning; before the reader scrolls, for then the contents unfold."""
    return page.evaluate(SHIFTS)


def jumps(page, places=(0, 0.2, 0.45, 0.7, 0.9), languages=("zh", "both", "en")) -> list[str]:
    """Read on, and choose every language at each place."""
    found = []
    for place in places:
        for language in languages:
            page.evaluate("(place) => scrollTo({ top: place * document.body.scrollHeight, behavior: 'instant' })",
                          place)
            before = page.evaluate(SEE, False)
            page.evaluate("(language) => document.querySelector(`.bi-switch [value=${language}]`).click()", language)
            found += [f"{language} at {place}: {jump}" for jump in moved(before, page.evaluate(SEE, True))]
    return found
