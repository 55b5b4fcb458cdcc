"""The explorable figure on a page of the sample book, for the tests that open it."""
from __future__ import annotations

PAGE = "notebooks/explore.html"  # the first figure comes from a notebook's cell, the second from a Markdown figure
FIGURE = ".explore >> nth=0"
SET = """([name, value]) => { const input = document.querySelector(`.explore [name="${name}"]`);
  input.value = value; input.dispatchEvent(new Event("input")); }"""
NUMBERS = """() => Object.fromEntries([...document.querySelectorAll(".explore")[0].querySelectorAll("[data-quantity]")]
  .map((e) => [e.dataset.quantity, [Number(e.dataset.value), e.textContent]]))"""


def opened(visit, site, **options):
    tab = visit(site, **options)
    tab.open(site.url(PAGE))
    tab.page.locator(f"{FIGURE} >> [data-quantity=gap]").wait_for()
    return tab


def choose(tab, decoder: str, mu: float, sigma: float) -> None:
    tab.page.locator(f'{FIGURE} >> input[value="{decoder}"]').check()
    tab.page.evaluate(SET, ["mu", mu])
    tab.page.evaluate(SET, ["sigma", sigma])


def numbers(tab) -> dict[str, float]:
    return {name: value for name, (value, _) in tab.page.evaluate(NUMBERS).items()}


def slider(tab, name: str):
    return tab.page.locator(f'{FIGURE} >> input[name="{name}"]')


def values(tab) -> tuple[str, str]:
    return tuple(slider(tab, name).get_attribute("aria-valuetext") for name in ("mu", "sigma"))
