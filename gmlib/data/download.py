"""Files from the network, of which nothing is used before its SHA-256 has been compared.

A file is held in memory while it arrives, so what is checked is what is used; this suits files of
some tens of megabytes. It is kept in a folder, and next time no network is needed.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import secrets
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

PART = 1 << 16  # bytes asked for at a time
TRANSIENT = {408, 425, 429}  # of the codes below 500, those that may be gone a moment later


class DownloadError(OSError):
    """A file could not be had. The message says what was tried, and what to do by hand."""


class _Refused(Exception):
    """The server answers, but not with the file: asking once more would not help."""


def cache_folder() -> Path:
    """Where downloads are kept: ``$GMLIB_DATA``, else ``gmlib`` in ``$XDG_CACHE_HOME``, else ``~/.cache/gmlib``.

    Example:
        >>> cache_folder().is_absolute()
        True
    """
    if own := os.environ.get("GMLIB_DATA"):
        return Path(own).expanduser().absolute()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "gmlib"


def fetch(
    name: str,
    sha256: str,
    size: int,
    mirrors: Sequence[str],
    folder: str | Path,
    *,
    timeout: float = 20.0,
    longest: float = 600.0,
    pauses: Sequence[float] = (1.0, 4.0),
) -> bytes:
    """The bytes of a file: from ``folder`` if they are there and right, else from the first mirror that has them.

    The mirrors are asked in turn, and after each pause once more those whose failure may have passed. What
    arrives is written under another name and renamed, so a file in ``folder`` is whole, even where
    several processes download it at once or one is killed. A wrong file in ``folder`` is not used; it is
    replaced when the right one has arrived, and not before. Where ``folder`` cannot be written, a
    warning says so and the bytes are returned all the same.

    Args:
        name: the file's name, in ``folder`` and at each mirror.
        sha256: its SHA-256, as 64 hexadecimal digits.
        size: its length in bytes; nothing longer is read.
        mirrors: addresses of folders that hold the file, each ending in a slash.
        folder: where the file is kept; made where it does not exist.
        timeout: seconds to wait for a connection, and for each next part of an answer.
        longest: seconds that the file itself may take to arrive from one mirror.
        pauses: seconds to wait before each further round of the mirrors.

    Raises:
        ValueError: on an argument that is not as said above.
        DownloadError: where no mirror gave the file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "abc.txt").write_bytes(b"abc")  # it is there already, so nobody is asked
        >>> fetch("abc.txt", hashlib.sha256(b"abc").hexdigest(), 3, ["https://example.org/"], folder)
        b'abc'
    """
    _check(name, sha256, size, mirrors, timeout, longest, pauses)
    path = Path(folder).absolute() / name
    if (kept := _kept(path, size)) is not None and _is(kept, sha256):
        return kept
    failures, left = [], list(mirrors)
    for pause in (0.0, *pauses):
        time.sleep(pause if left else 0.0)
        for mirror in tuple(left):
            try:
                data = _download(mirror + name, sha256, size, timeout, longest)
            except (OSError, ValueError, http.client.HTTPException, _Refused) as error:
                failures.append(f"{mirror}{name}: {str(error) or type(error).__name__}")
                if isinstance(error, _Refused):
                    left.remove(mirror)
            else:
                _keep(path, data)
                return data
    raise DownloadError(_message(path, sha256, size, mirrors, failures))


def _is(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def _kept(path: Path, size: int) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size == size else None
    except OSError:
        return None


def _download(url: str, sha256: str, size: int, timeout: float, longest: float) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "generative-models-book"})
    data, end = bytearray(), time.monotonic() + longest
    bar = tqdm(total=size, desc=url.rpartition("/")[2], unit="B", unit_scale=True, delay=2, leave=False)
    try:
        with bar, urllib.request.urlopen(request, timeout=timeout) as response:
            while len(data) <= size and (part := response.read1(PART)):
                data += part
                bar.update(len(part))
                if time.monotonic() > end:
                    raise TimeoutError(f"only {len(data)} of {size} bytes after {longest} seconds")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code < 500 and error.code not in TRANSIENT:
            raise _Refused(str(error)) from None
        raise
    if _is(data, sha256):
        return bytes(data)
    if data.lstrip()[:1] == b"<":
        raise _Refused("a web page in place of the file (is there a page to log in to this network?)")
    if len(data) < size:
        raise ConnectionError(f"it ended after {len(data)} of {size} bytes")
    raise _Refused("longer than the file" if len(data) > size else "another file: its SHA-256 is not the expected one")


def _keep(path: Path, data: bytes) -> None:
    """Write under another name in the same folder and rename, which either happens or does not."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(f"{path} could not be written, and will be downloaded again next time: {error}", stacklevel=3)


def _message(path: Path, sha256: str, size: int, mirrors: Sequence[str], failures: Sequence[str]) -> str:
    lines = [f"{path.name} could not be downloaded. Tried, in this order:", *failures]
    lines += ["To do it by hand, download it where there is a network, from one of", *(m + path.name for m in mirrors)]
    lines += [f"and put it at {path}", f"It has {size} bytes, and its SHA-256 is {sha256}"]
    if os.path.lexists(path):
        lines += [f"What is at {path} now is not that file, or cannot be read; it was left as it is."]
    return "\n  ".join([*lines, "The environment variable GMLIB_DATA names another folder for such files."])


def _check(name, sha256, size, mirrors, timeout, longest, pauses) -> None:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"name must be a file's name, without folders, got {name!r}")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"sha256 must be 64 hexadecimal digits, in lower case, got {sha256!r}")
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"size must be a whole number of at least 1, got {size!r}")
    if not mirrors or not all(re.fullmatch(r"https?://\S+/", m) for m in mirrors):
        raise ValueError(f"mirrors must be addresses that begin with http and end with a slash, got {mirrors!r}")
    for argument, value in [("timeout", timeout), ("longest", longest), *(("each of pauses", p) for p in pauses)]:
        if not 0 < value < float("inf"):
            raise ValueError(f"{argument} must be positive and finite, got {value!r}")
