"""The built book, served as it will be served, and a browser to open it with."""
from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

import pytest
import yaml
from filelock import FileLock
from playwright.sync_api import sync_playwright

from tests.site.weight import Scales

ROOT = Path(__file__).parents[2]
# The network ends at this machine: another host is found nowhere, and `Visit` notes who asked for it.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--no-proxy-server",
         "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
READY = "Promise.all([window.MathJax?.startup?.promise, document.fonts.ready]).then(() => null)"


COMPRESSED = (".html", ".css", ".js", ".json", ".svg", ".xml", ".txt", ".ipynb")  # not fonts, not pictures


@lru_cache(maxsize=512)
def packed(path: Path, changed: float) -> bytes:
    return gzip.compress(path.read_bytes(), 6)


NOTHING = "/nothing"  # an address of the site at which there is no page
CLEAR = "localStorage.clear(); sessionStorage.clear()"
LASTING = ("add_init_script", "emulate_media")  # what a tab cannot be made to forget


class Handler(SimpleHTTPRequestHandler):
    """Static files under the prefix as the public host (GitHub Pages) gives them: text in gzip, kept for ten minutes; a
    missing page gets the book's 404 page."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == NOTHING:
            return self.give(200, b"", "text/html")
        path = Path(self.translate_path(self.path.removeprefix(self.server.prefix)))
        path = path / "index.html" if path.is_dir() else path
        code, path = (200, path) if path.is_file() else (404, Path(self.directory, "404.html"))
        if not path.is_file():
            return self.send_error(404)
        gzipped = path.suffix in COMPRESSED and "gzip" in self.headers.get("Accept-Encoding", "")
        body = packed(path, path.stat().st_mtime) if gzipped else path.read_bytes()
        self.give(code, body, self.guess_type(path), gzipped)

    def give(self, code: int, body: bytes, kind: str, gzipped: bool = False) -> None:
        self.send_response(code)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        if gzipped:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass


@dataclass
class Site:
    root: Path
    origin: str
    prefix: str

    @property
    def pages(self) -> list[str]:
        own = (p.relative_to(self.root) for p in self.root.rglob("*.html"))
        return sorted(p.as_posix() for p in own if p.parts[0] not in {"_static", "_sources"} and p.name != "index.html"
                      or p.as_posix() == "book/index.html")

    def url(self, page: str) -> str:
        return f"{self.origin}{self.prefix}/{page}"


@contextmanager
def served(root: Path, prefix: str):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    server.prefix = prefix
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(root, f"http://127.0.0.1:{server.server_port}", prefix)
    server.shutdown()
    server.server_close()
    thread.join()


def public_prefix() -> str:
    """The path of the public address, which the 404 page's links begin with."""
    return urlparse(yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["html"]["baseurl"]).path.rstrip("/")


def run_quietly(command: list[str], **options) -> None:
    done = subprocess.run(command, text=True, capture_output=True, **options)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="session")
def book():
    """The whole book, built by the same command as for its readers, if it is not up to date (or the one in $SITE)."""
    root = Path(os.environ.get("SITE", ROOT / "_build" / "html"))
    if "SITE" not in os.environ:
        with FileLock(Path(tempfile.gettempdir(), "book-site.lock")):
            run_quietly(["make", "book"], cwd=ROOT)
    with served(root, public_prefix()) as site:
        yield site


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """A small book in the same clothes, with every kind of block that a page may hold."""
    base = tmp_path_factory.getbasetemp()
    source = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sample"  # one for all workers
    with FileLock(source.with_suffix(".lock")):
        if not source.exists():
            build_sample(source)
    with served(source / "_build" / "html", public_prefix()) as site:
        yield site


def build_sample(source: Path) -> None:
    copy_sample(source)
    builder = Path(sys.executable).with_name("jupyter-book")
    run_quietly([str(builder), "build", str(source), "-W", "-n", "--keep-going"], cwd=source)


def copy_sample(source: Path) -> None:
    """The sources of the sample book, with what makes pages of them."""
    shutil.copytree(Path(__file__).parent / "sample", source)
    shutil.copy(ROOT / "_config.yml", source)
    for folder in ("_ext", "_static", "_templates"):
        shutil.copytree(ROOT / "book" / folder, source / "book" / folder)


@pytest.fixture(scope="session")
def chromium():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@dataclass
class Visit:
    """One tab whose network ends at the site, and everything that went wrong in it."""

    page: object
    origin: str
    faults: list[str] = field(default_factory=list)
    waiting: set = field(default_factory=set)
    lasting: bool = False  # whether something was done to the tab that no other test may meet

    def watch(self) -> None:
        self.page.on("console", lambda m: m.type in {"error", "warning"} and self.faults.append(f"console: {m.text}"))
        self.page.on("pageerror", lambda e: self.faults.append(f"script error: {e}"))
        self.page.on("request", self.note_request)
        self.page.on("requestfinished", lambda request: self.waiting.discard(request))
        self.page.on("requestfailed", self.note_failure)
        self.page.on("response", lambda r: r.status >= 400 and self.faults.append(f"{r.status}: {r.url}"))
        for name in LASTING:
            setattr(self.page, name, self.noted(getattr(self.page, name)))

    def noted(self, method):
        def call(*args, **options):
            self.lasting = True
            return method(*args, **options)

        return call

    def empty_cache(self) -> None:
        """The next page is read as by a reader who has nothing of the site: its formulas come after its first drawing."""
        self.page.context.new_cdp_session(self.page).send("Network.clearBrowserCache")

    def store(self, name: str, value: str) -> None:
        """What an earlier visit left in the browser."""
        self.page.goto(self.origin + NOTHING)
        self.page.evaluate("([name, value]) => localStorage.setItem(name, value)", [name, value])

    def forget(self, width: int = 1280) -> None:
        """As at a first visit, but for the browser's cache: no choice stored, no other page, pointer and keys at rest."""
        for other in self.page.context.pages:
            if other != self.page:
                other.close()
        self.page.unroute_all()
        self.page.mouse.up()
        if self.page.url.startswith(self.origin):
            self.page.evaluate(CLEAR)  # in the page that wrote: from another, it may come before what is still on its way
        self.page.goto(self.origin + NOTHING)
        self.page.evaluate(CLEAR)  # what that page wrote as it was left
        self.page.mouse.move(0, 0)
        self.page.set_viewport_size({"width": width, "height": 900})
        self.waiting.clear()
        self.faults.clear()

    def note_request(self, request) -> None:
        if request.url.startswith(self.origin):
            self.waiting.add(request)
        elif not request.url.startswith(("data:", "blob:")):
            self.faults.append(f"outside: {request.url}")

    def note_failure(self, request) -> None:
        """A request for our own file that ends because the tab goes on to the next page is no fault."""
        self.waiting.discard(request)
        if not (request.failure == "net::ERR_ABORTED" and request.url.startswith(self.origin)):
            self.faults.append(f"failed: {request.url}")

    def open(self, url: str) -> None:
        self.waiting.clear()
        self.page.goto(url, wait_until="load")
        self.settle()

    def settle(self, seconds: float = 20) -> None:
        """Until formulas and fonts are there and nothing that was asked for is still on its way."""
        self.page.evaluate(READY)
        end = time.monotonic() + seconds
        while self.waiting:
            assert time.monotonic() < end, f"still loading: {[request.url for request in self.waiting]}"
            self.page.wait_for_timeout(10)


@pytest.fixture(scope="session")
def known_styles() -> set[str]:
    """The styles of text whose contrast axe has passed in this run."""
    return set()


@pytest.fixture(scope="session")
def idle(chromium) -> dict[str, list[Visit]]:
    """Tabs that no test has now, by the options they were made with."""
    return {}


@pytest.fixture
def visit(chromium, idle):
    """A function that gives a tab: visit(site, locale="en-GB", width=1280, …) -> Visit.

    A new window and an empty cache cost more than most pages do. So a tab goes on to the next test that asks for the
    same options, and has forgotten what the last one did; with `fresh`, it is a new one.
    """
    taken = []

    def start(site: Site, locale: str = "en-GB", width: int = 1280, fresh: bool = False, **options) -> Visit:
        key = json.dumps([site.origin, locale, options], sort_keys=True)
        if fresh or not idle.get(key):
            context = chromium.new_context(locale=locale, viewport={"width": width, "height": 900}, **options)
            tab = Visit(context.new_page(), site.origin, lasting=fresh)
            tab.watch()
        else:
            tab = idle[key].pop()
            tab.page.set_viewport_size({"width": width, "height": 900})
        taken.append((key, tab))
        return tab

    yield start
    for key, tab in taken:
        if tab.lasting or tab.page.is_closed() or idle.get(key):
            tab.page.context.close()
        else:
            tab.forget()
            idle[key] = [tab]


@pytest.fixture(scope="session")
def brought() -> dict[str, set[str]]:
    """What the first page of each site brings."""
    return {}


@pytest.fixture
def first_visit(visit, brought):
    """A function that gives the names of all that a reader has after the first page of a site."""
    def names(site: Site) -> set[str]:
        if site.origin not in brought:
            scales = Scales(visit(site, fresh=True))
            assert scales.weigh(site.url("book/index.html")) > 100_000
            brought[site.origin] = set(scales.asked)
        return brought[site.origin]

    return names


def pytest_terminal_summary(terminalreporter) -> None:
    """How much was looked at, for a check that looks at nothing shows here; and what each page of the book weighs."""
    for name in ("sample", "book"):
        seen = {page: one for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
                for key, pages in report.user_properties if key == f"pages of {name}" for page, one in pages.items()}
        if seen:
            texts, styles = (sum(one[key] for one in seen.values()) for key in ("texts", "styles"))
            terminalreporter.write_line(
                f"{name}: {len(seen)} pages, {sum(one['whole'] for one in seen.values())} of them in all 8 looks and the others "
                f"in 2; contrast of {texts} texts, {styles} of them each in a style of "
                f"its own; {min(one['rules'] for one in seen.values())} or more rules on structure a page")
    if not seen:
        return
    terminalreporter.write_line("kB over the wire, text in gzip: opened | read to its end | the same after another page")
    for page, one in sorted(seen.items()):
        kilobytes = "".join(f"{one[key] / 1000:6.0f}" for key in ("opened", "first", "later"))
        terminalreporter.write_line(f"{kilobytes}  {page}")
