"""What a page weighs on its way to a reader: bytes over the wire, headers included, compressed as the host does."""
from __future__ import annotations

FIRST, LATER = 1_000_000, 200_000  # with an empty cache; after another page of the book
# The search has no server: its page brings the whole text of the book in one language (test_search.py: 25 kB a chapter, and
# there will be fourteen) and all titles.
SEARCH_FIRST, SEARCH_LATER = 1_000_000, 470_000
SCROLL = """async () => {
  for (let y = 0; y < document.body.scrollHeight; y += innerHeight) {
    scrollTo({ top: y, behavior: "instant" });
    await new Promise(requestAnimationFrame);
  }
  scrollTo({ top: 0, behavior: "instant" });
}"""


class Scales:
    """Weigh what each page asks for in a tab, from the tab's making on: a file weighs what it did when it came over the wire.

    So the pages can be weighed one after another, though the browser keeps what several of them ask for.
    """

    def __init__(self, tab) -> None:
        self.tab, self.sizes, self.asked, self.received, addresses = tab, {}, set(), {}, {}
        devtools = tab.page.context.new_cdp_session(tab.page)

        def note(event: dict) -> None:
            addresses[event["requestId"]] = name = self.name(event["request"]["url"])
            self.asked.add(name)

        devtools.on("Network.requestWillBeSent", note)
        devtools.on("Network.loadingFinished", lambda e: self.add(addresses.get(e["requestId"], ""), int(e["encodedDataLength"])))
        devtools.send("Network.enable")

    def name(self, address: str) -> str:
        """Without host and query; nothing for what is not the site's own."""
        return address.removeprefix(self.tab.origin).partition("?")[0] if address.startswith(self.tab.origin) else ""

    def add(self, name: str, size: int) -> None:
        self.received[name] = self.received.get(name, 0) + size * bool(name)
        self.sizes[name] = max(self.sizes.get(name, 0), self.received[name])

    def weight(self, known: set[str] = frozenset()) -> int:
        """Bytes of all that the page asked for, but for what `known` names."""
        return sum(self.sizes.get(name, 0) for name in self.asked - known)

    def open(self, url: str) -> int:
        self.asked.clear()
        self.received.clear()
        self.tab.open(url)
        return self.weight()

    def read(self) -> int:
        """Read the open page to its end, pictures that wait until they are near included."""
        self.tab.page.evaluate(SCROLL)
        self.tab.settle()
        return self.weight()

    def weigh(self, url: str) -> int:
        self.open(url)
        return self.read()


def too_heavy(weight: dict[str, int], url: str = "") -> list[str]:
    search = url.endswith("/search.html")
    limits = {"first": SEARCH_FIRST if search else FIRST, "later": SEARCH_LATER if search else LATER}
    return [f"{visit}: {weight[visit]:,} bytes" for visit, limit in limits.items() if weight[visit] >= limit]
