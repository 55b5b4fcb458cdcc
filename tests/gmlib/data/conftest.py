"""A server on this machine whose mirrors fail in every way that is asked for; nothing here reaches another machine."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server(ThreadingHTTPServer):
    """``answers[mirror]`` lists what `/mirror/…` does at the first request, the second, …; the last is repeated."""

    daemon_threads = False  # closing the server waits for its threads

    def __init__(self):
        self.answers, self.seen, self.closing = {}, [], threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def mirror(self, name, *answers):
        """The address of a mirror that answers so."""
        self.answers[name] = list(answers)
        return f"{self.url}{name}/"

    def handle_error(self, request, client_address):
        """The other side went away, which is what is being tested."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        _, mirror, name = self.path.split("/", 2)
        self.server.seen.append(mirror)
        left = self.server.answers[mirror]
        (left.pop(0) if len(left) > 1 else left[0])(self, name)

    def log_message(self, *args):
        pass

    def head(self, code, **headers):
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()


@pytest.fixture
def server(monkeypatch):
    def lookup(host, *args, lookup=socket.getaddrinfo, **options):
        assert host == "127.0.0.1", f"a test asked for {host}"
        return lookup(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as it:
        thread = threading.Thread(target=it.serve_forever, args=(0.01,))
        thread.start()
        yield it
        it.closing.set()
        it.shutdown()
        thread.join()
