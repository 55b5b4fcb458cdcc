"""Whatever a server does, nothing is lost and nothing wrong is accepted. All of it happens on 127.0.0.1."""

import hashlib
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from gmlib.data import download
from gmlib.data.download import DownloadError, cache_folder, fetch

NAME = "images.gz"
DATA = np.random.RandomState(0).bytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


def get(folder, *mirrors, **options):
    return fetch(NAME, SHA256, len(DATA), mirrors, folder, **{"timeout": 10, "pauses": (0.01,)} | options)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def send(body, length=None):
    def answer(handler, name):
        handler.head(200, Content_Length=length or len(body))
        handler.wfile.write(body)

    return answer


def status(code, **headers):
    return lambda handler, name: handler.head(code, Content_Length=0, **headers)


def silent(handler, name):
    handler.server.closing.wait(10)


def stall(handler, name):
    send(DATA[:150_000], len(DATA))(handler, name)
    silent(handler, name)


def drip(handler, name):
    """Each byte is in time, and the whole never ends."""
    handler.head(200, Content_Length=len(DATA))
    while not handler.server.closing.wait(0.05):
        handler.wfile.write(b"\0")
        handler.wfile.flush()


def endless(handler, name):
    """Without a length, at full speed, until the reader hangs up; or else it shows that nobody did."""
    handler.head(200)
    for _ in range(200):
        handler.wfile.write(DATA)
    handler.server.seen.append("60 MB read")


def hang_up(handler, name):
    pass


def nonsense(handler, name):
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")


good = send(DATA)
page = b"\n<!DOCTYPE html><title>Log in to this network</title>"

# What the server does, what the message says of it, and how often it is asked: again only where that may help.
FAILURES = {
    "404": (status(404), "HTTP Error 404", 1),
    "403": (status(403), "HTTP Error 403", 1),
    "429": (status(429), "HTTP Error 429", 2),
    "503": (status(503), "HTTP Error 503", 2),
    "silence": (silent, "timed out", 2),
    "stall": (stall, "timed out", 2),
    "drip": (drip, "of 300000 bytes after 0.5 seconds", 2),
    "truncated": (send(DATA[:150_000], len(DATA)), "150000", 2),
    "short": (send(DATA[:150_000]), "ended after 150000 of 300000 bytes", 2),
    "empty": (send(b""), "ended after 0 of 300000 bytes", 2),
    "long": (send(DATA + b"\0"), "longer than the file", 1),
    "endless": (endless, "longer than the file", 1),
    "another file": (send(DATA[::-1]), "another file", 1),
    "one bit": (send(bytes([DATA[0] ^ 1]) + DATA[1:]), "another file", 1),
    "web page": (send(page), "a web page in place of the file", 1),
    "long web page": (send(page + DATA), "a web page in place of the file", 1),
    "redirected in circles": (status(302, Location=NAME), "infinite loop", 5),
    "redirected to a file": (status(302, Location="file:///etc/hostname"), "not allowed", 1),
    "redirected nowhere": (status(302, Location="http://127.0.0.1:port/"), "port", 2),
    "hang-up": (hang_up, "closed connection", 2),
    "no HTTP": (nonsense, "SSH", 2),
}


@pytest.mark.parametrize(("failure", "says", "asked"), FAILURES.values(), ids=[f.replace(" ", "-") for f in FAILURES])
def test_failure(server, tmp_path, failure, says, asked):
    """It is told, leaves nothing behind, does not touch what is there, and the next mirror is asked at once."""
    options = {drip: {"longest": 0.5}, silent: {"timeout": 0.5}, stall: {"timeout": 0.5}}.get(failure, {})
    damaged = DATA[:-1] + b"\0"
    (tmp_path / NAME).write_bytes(damaged)
    one, two = server.mirror("one", failure), server.mirror("two", good)
    with pytest.raises(DownloadError, match=f"Tried, in this order:\n  {one}{NAME}: .*{says}") as caught:
        get(tmp_path, one, **options)
    assert server.seen == ["one"] * asked and files(tmp_path) == {NAME: damaged}
    assert f"What is at {tmp_path / NAME} now is not that file" in str(caught.value)
    server.seen.clear()
    again = {name: 2 * limit for name, limit in options.items()}  # the good mirror must be in time as well
    assert get(tmp_path, one, two, pauses=(), **again) == DATA
    assert server.seen[-1] == "two" and server.seen.count("two") == 1
    assert files(tmp_path) == {NAME: DATA}


def test_what_is_there_is_used_without_asking(server, tmp_path):
    mirror = server.mirror("one", good)
    assert get(tmp_path / "new" / "folder", mirror) == get(tmp_path / "new" / "folder", mirror) == DATA
    assert server.seen == ["one"]


@pytest.mark.parametrize("there", [b"", DATA[:1000], DATA[:-1], DATA + b"\0", DATA[:-1] + b"\0", page])
def test_a_damaged_file_is_replaced(server, tmp_path, there):
    (tmp_path / NAME).write_bytes(there)
    assert get(tmp_path, server.mirror("one", good)) == DATA
    assert files(tmp_path) == {NAME: DATA}


def test_a_file_put_there_by_hand_is_used(server, tmp_path):
    mirror = server.mirror("one", status(404))
    with pytest.raises(DownloadError) as caught:
        get(tmp_path, mirror)
    for needed in (f"{mirror}{NAME}", f"put it at {tmp_path / NAME}", f"{len(DATA)} bytes", SHA256, "GMLIB_DATA"):
        assert needed in str(caught.value)
    assert "What is at" not in str(caught.value)
    (tmp_path / NAME).write_bytes(DATA)
    assert get(tmp_path, mirror) == DATA


def test_redirect(server, tmp_path):
    server.mirror("two", good)
    assert get(tmp_path, server.mirror("one", status(302, Location=f"/two/{NAME}"))) == DATA
    assert server.seen == ["one", "two"]


def test_rounds_and_pauses(server, tmp_path, monkeypatch):
    """Each round asks those that may do better; the pauses are between rounds, not between mirrors."""
    slept = []
    monkeypatch.setattr(download, "time", type("Clock", (), {"sleep": slept.append, "monotonic": time.monotonic}))
    one, two = server.mirror("one", status(404)), server.mirror("two", status(503), cut, good)
    assert get(tmp_path, one, two, pauses=(1.0, 4.0, 16.0)) == DATA
    assert server.seen == ["one", "two", "two", "two"] and [s for s in slept if s] == [1.0, 4.0]
    slept.clear()
    with pytest.raises(DownloadError):
        get(tmp_path / "other", one, pauses=(1.0, 4.0))
    assert not any(slept)  # nobody is left to be asked


def cut(handler, name):
    send(DATA[:150_000])(handler, name)


def test_offline(server, tmp_path, monkeypatch):
    def lookup(*args, **options):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(DownloadError, match="Temporary failure in name resolution") as caught:
        get(tmp_path, "https://one.example/", "https://two.example/")
    for mirror in ("one", "two"):
        assert str(caught.value).count(f"https://{mirror}.example/{NAME}") == 3  # tried twice, and once to do by hand
    (tmp_path / NAME).write_bytes(DATA)
    assert get(tmp_path, "https://one.example/") == DATA


def test_nobody_listens(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(DownloadError, match="Connection refused"):
            get(tmp_path, f"http://127.0.0.1:{free.getsockname()[1]}/")


@pytest.mark.parametrize("fault", [PermissionError(13, "Read-only"), OSError(28, "No space left on device")])
@pytest.mark.parametrize("method", ["mkdir", "write_bytes"])
def test_a_folder_that_cannot_be_written(server, tmp_path, monkeypatch, fault, method):
    """The file is used all the same, what was in the folder stays, and nothing is left there half written."""
    (tmp_path / NAME).write_bytes(b"what was there")
    real = Path.write_bytes

    def refuse(path, *args, **options):
        if method == "write_bytes":
            real(path, args[0][:1000])
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, refuse)
        with pytest.warns(UserWarning, match=f"could not be written.*{fault.strerror}"):
            assert get(tmp_path, server.mirror("one", good)) == DATA
    assert files(tmp_path) == {NAME: b"what was there"}
    with pytest.warns(UserWarning, match="could not be written"):
        assert get(tmp_path / NAME / "folder", server.mirror("one", good)) == DATA  # inside of a file


CHILD = """
import os, runpy, signal, sys
path, name, sha256, size, mirror, folder, die = sys.argv[1:]
if die:
    os.replace = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
data = runpy.run_path(path)["fetch"](name, sha256, int(size), [mirror], folder, pauses=())
sys.exit(len(data) != int(size))
"""


def start(folder, mirror, die=""):
    """The same in a process of its own, which a torch that need not be imported would make slow."""
    arguments = [download.__file__, NAME, SHA256, str(len(DATA)), mirror, str(folder), die]
    return subprocess.Popen([sys.executable, "-c", CHILD, *arguments])


def test_two_processes_at_once(server, tmp_path):
    """The server answers when both have asked, so that both find nothing there and both write."""
    both = threading.Barrier(2)

    def together(handler, name):
        both.wait(20)
        good(handler, name)

    mirror = server.mirror("one", together)
    assert [child.wait(30) for child in (start(tmp_path, mirror), start(tmp_path, mirror))] == [0, 0]
    assert server.seen == ["one", "one"] and files(tmp_path) == {NAME: DATA}


def test_kill_in_the_middle_of_the_download(server, tmp_path):
    halfway = threading.Event()

    def half(handler, name):
        send(DATA[:150_000], len(DATA))(handler, name)
        halfway.set()
        silent(handler, name)

    mirror = server.mirror("one", half, good)
    with start(tmp_path, mirror) as child:
        assert halfway.wait(20)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL and files(tmp_path) == {}
    assert get(tmp_path, mirror) == DATA and files(tmp_path) == {NAME: DATA}


def test_kill_before_the_file_has_its_name(server, tmp_path):
    mirror = server.mirror("one", good)
    (tmp_path / NAME).write_bytes(b"what was there")
    assert start(tmp_path, mirror, "die").wait(30) == -signal.SIGKILL
    left = files(tmp_path)
    assert left.pop(NAME) == b"what was there" and [name.endswith(".part") for name in left] == [True]
    assert get(tmp_path, mirror) == DATA and files(tmp_path)[NAME] == DATA


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("GMLIB_DATA", "~/data")
    assert cache_folder() == tmp_path / "home" / "data"
    monkeypatch.setenv("GMLIB_DATA", "")
    assert cache_folder() == tmp_path / "xdg" / "gmlib"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification
    assert cache_folder() == tmp_path / "home" / ".cache" / "gmlib"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / "home" / ".cache" / "gmlib"


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        ("name must be a file's name", {"name": "../images.gz"}),
        ("name must be a file's name", {"name": "/etc/passwd"}),
        ("name must be a file's name", {"name": ".."}),
        ("name must be a file's name", {"name": ""}),
        ("sha256 must be 64 hexadecimal digits", {"sha256": "d41d8cd98f00b204e9800998ecf8427e"}),
        ("size must be a whole number of at least 1, got 0", {"size": 0}),
        ("size must be a whole number of at least 1, got 2.5", {"size": 2.5}),
        ("mirrors must be addresses", {"mirrors": []}),
        ("mirrors must be addresses", {"mirrors": "https://one.example/"}),
        ("mirrors must be addresses", {"mirrors": ["file:///etc/"]}),
        ("mirrors must be addresses", {"mirrors": ["https://one.example"]}),
        ("timeout must be positive and finite, got 0", {"timeout": 0}),
        ("longest must be positive and finite, got nan", {"longest": float("nan")}),
        ("each of pauses must be positive and finite, got -1", {"pauses": (1, -1)}),
    ],
)
def test_bad_arguments(server, tmp_path, message, wrong):
    right = {"name": NAME, "sha256": SHA256, "size": len(DATA), "mirrors": [server.mirror("one", good)]}
    with pytest.raises(ValueError, match=message):
        fetch(**right | wrong, folder=tmp_path)
    assert server.seen == [] and files(tmp_path) == {}
