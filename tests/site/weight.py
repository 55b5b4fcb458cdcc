"""What a page weighs on its way to a reader: bytes over the wire, headers included, compressed as the host does."""
from __future__ import annotations

FIRST, LATER = 1_000_000, 200_000  # with an empty cache; after another page of the book
# The search has no server: its page brings the whole text of the book in one language, 30 to 40 kB a chapter, and there
# will be fourteen.
SEARCH_FIRST, SEARCH_LATER = 1_200_000, 650_000
SCROLL = """async () => {
  for (let y = 0; y < document.body.scrollHeight; y += 450) {
    scrollTo({ top: y, behavior: "instant" });
    await new Promise(requestAnimationFrame);
  }
  scrollTo({ top: 0, behavior: "instant" });
}"""


class Scales:
    """Weigh everything that a tab receives, from the moment of its making: {address without host and query: bytes}."""

    def __init__(self, tab) -> None:
        self.tab, self.received, addresses = tab, {}, {}
        devtools = tab.page.context.new_cdp_session(tab.page)
        devtools.on("Network.requestWillBeSent", lambda e: addresses.update({e["requestId"]: e["request"]["url"]}))
        devtools.on("Network.loadingFinished", lambda e: self.add(addresses.get(e["requestId"], ""), e))
        devtools.send("Network.enable")

    def add(self, address: str, event: dict) -> None:
        if address.startswith(self.tab.origin):
            name = address.removeprefix(self.tab.origin).partition("?")[0]
            self.received[name] = self.received.get(name, 0) + int(event["encodedDataLength"])

    def weigh(self, url: str) -> int:
        """Open a page and read it to its end, pictures that wait until they are near included."""
        before = sum(self.received.values())
        self.tab.open(url)
        self.opened = sum(self.received.values()) - before
        self.tab.page.evaluate(SCROLL)
        self.tab.settle()
        return sum(self.received.values()) - before


def weights(scales: Scales, url: str, known: set[str]) -> dict[str, int]:
    """Bytes of a first visit, and of a later one, which has what `known` names already: opened, and read to the end."""
    read = scales.weigh(url)
    later = sum(size for name, size in scales.received.items() if name not in known)
    return {"opened": scales.opened, "first": read, "later": later}


def too_heavy(weight: dict[str, int], url: str = "") -> list[str]:
    search = url.endswith("/search.html")
    limits = {"first": SEARCH_FIRST if search else FIRST, "later": SEARCH_LATER if search else LATER}
    return [f"{visit}: {weight[visit]:,} bytes" for visit, limit in limits.items() if weight[visit] >= limit]
