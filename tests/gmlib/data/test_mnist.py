"""MNIST and Fashion-MNIST, as a server on this machine gives them: files of the true form and size, made here."""

import gzip
import hashlib
import importlib
import io
import struct
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from gmlib import data
from gmlib.data.download import DownloadError
from gmlib.data.mnist import read_idx

module = importlib.import_module("gmlib.data.mnist")  # the package has a function of that name
LOADERS = {"mnist": ("MNIST", data.mnist), "fashion-mnist": ("FASHION", data.fashion_mnist)}


def idx(array, magic=8):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, magic, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(scope="module")
def made():
    """Image number i begins with the two bytes of i, and its label is i modulo 10; test images are marked by a 255."""
    files = {}
    for name, n in (("train", 60_000), ("t10k", 10_000)):
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 0, :2] = np.stack(np.divmod(np.arange(n), 256), 1)
        images[:, 27, 27] = 255 * (name == "t10k")
        files[f"{name}-images-idx3-ubyte.gz"] = gzip.compress(idx(images), 1)
        files[f"{name}-labels-idx1-ubyte.gz"] = gzip.compress(idx((np.arange(n) % 10).astype(np.uint8)), 1)
    return files


@pytest.fixture
def serve(server, monkeypatch, tmp_path):
    """Let the loaders expect these files, from the server alone; returns what has been asked for."""
    monkeypatch.setenv("GMLIB_DATA", str(tmp_path / "cache"))

    def answer(files, expected=None):
        asked = []

        def send(handler, name):
            asked.append(name)
            handler.head(200, Content_Length=len(files[name]))
            handler.wfile.write(files[name])

        wanted = [(expected or files)[name] for name in module.SHAPES]
        for prefix, mirror in (("MNIST", "digits"), ("FASHION", "clothes")):
            table = tuple((len(f), hashlib.sha256(f).hexdigest()) for f in wanted)
            monkeypatch.setattr(module, f"{prefix}_FILES", table)
            monkeypatch.setattr(module, f"{prefix}_MIRRORS", (server.mirror(mirror, send),))
        return asked

    return answer


@pytest.mark.parametrize("name", LOADERS)
def test_parts(serve, made, name, tmp_path, server):
    asked, load = serve(made), LOADERS[name][1]
    parts = load()
    assert asked == list(module.SHAPES) and set(server.seen) == {"digits" if name == "mnist" else "clothes"}
    assert sorted(p.name for p in (tmp_path / "cache" / name).iterdir()) == sorted(made)
    for part, first, mark, n in zip(parts, (0, 50_000, 0), (0, 0, 255), (50_000, 10_000, 10_000), strict=True):
        assert part.x.shape == (n, 784) and part.x.dtype == torch.float32 and part.y.dtype == torch.long
        number = part.x[:, 0] * 256 + part.x[:, 1]
        assert torch.equal(number, torch.arange(first, first + n, dtype=torch.float32))
        assert torch.equal(part.y, number.long() % 10)
        assert (part.x[:, 783] == mark).all() and (part.x[:, 2:783] == 0).all()
    asked.clear()
    again = load(folder=tmp_path / "cache", dtype=torch.float64)
    assert again.test.x.dtype == torch.float64 and torch.equal(again.test.x, parts.test.x.double()) and asked == []


@pytest.mark.parametrize("name", LOADERS)
def test_the_true_hashes_refuse_other_files(serve, name, monkeypatch, tmp_path):
    """With the tables as they stand in the library, a file of the right length and another content is not accepted."""
    prefix, load = LOADERS[name]
    table = getattr(module, f"{prefix}_FILES")
    serve({file: bytes(size) for file, (size, _) in zip(module.SHAPES, table, strict=True)})
    monkeypatch.setattr(module, f"{prefix}_FILES", table)
    with pytest.raises(DownloadError, match=f"another file: its SHA-256(?s:.*){table[0][1]}"):
        load()
    assert not list(tmp_path.rglob("*.gz"))


def test_tables():
    """Eight files, eight hashes, two addresses each on two hosts; the sizes add up to what the docstrings say."""
    tables = [module.MNIST_FILES, module.FASHION_FILES]
    assert len({sha256 for table in tables for _, sha256 in table}) == 8
    assert all(len(table) == len(module.SHAPES) for table in tables)
    assert [round(sum(size for size, _ in table) / 1e6, 1) for table in tables] == [11.6, 30.9]
    for mirrors in (module.MNIST_MIRRORS, module.FASHION_MIRRORS):
        assert len({m.split("/")[2] for m in mirrors}) == 2 and all(m.endswith("/") for m in mirrors)


def test_a_failure_keeps_what_has_come(serve, made, tmp_path):
    """The third file is refused: the first two stay, and are not asked for again."""
    broken = made | {"t10k-images-idx3-ubyte.gz": b"<html>log in</html>"}
    asked = serve(broken, expected=made)
    with pytest.raises(DownloadError, match="t10k-images-idx3-ubyte.gz could not be downloaded"):
        data.mnist()
    assert len(asked) == 3 and len(list((tmp_path / "cache").rglob("*.gz"))) == 2
    broken.update(made)
    asked.clear()
    assert len(data.mnist().test.x) == 10_000 and asked == list(module.SHAPES)[2:]


def escaping_tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in ("../../escaped", "/tmp/escaped"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../.."
        tar.addfile(link)
    return out.getvalue()


def escaping_zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../escaped", "evil")
    return out.getvalue()


@pytest.mark.parametrize("archive", [escaping_tar, escaping_zip])
def test_an_archive_that_tries_to_escape(serve, made, archive, tmp_path):
    """Even if its hash were the expected one: no archive is ever unpacked, and it is not an IDX file."""
    serve(made | {"train-images-idx3-ubyte.gz": archive()})
    with pytest.raises(ValueError, match="data must be"):
        data.mnist()
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["train-images-idx3-ubyte.gz"]


def test_a_name_inside_a_gzip_file_is_not_used(serve, made, tmp_path):
    out = io.BytesIO()
    with gzip.GzipFile("escaped", "wb", fileobj=out) as file:
        file.write(gzip.decompress(made["t10k-labels-idx1-ubyte.gz"]))
    named = out.getvalue().replace(b"escaped\0", b"../../escaped\0")
    assert len(named) == len(out.getvalue()) + 6
    serve(made | {"t10k-labels-idx1-ubyte.gz": named})
    assert len(data.mnist().test.y) == 10_000
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == sorted(made)


def test_dtype_is_checked_before_anything_is_downloaded(serve, made):
    asked = serve(made)
    for load in (data.mnist, data.fashion_mnist):
        with pytest.raises(ValueError, match="dtype must be a floating-point type, got torch.uint8"):
            load(dtype=torch.uint8)
    assert asked == []


ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
WHOLE = gzip.compress(idx(ARRAY))


def test_read_idx():
    assert np.array_equal(read_idx(WHOLE, (2, 3, 4)), ARRAY)
    middle = len(idx(ARRAY)) // 2
    parts = gzip.compress(idx(ARRAY)[:middle]) + gzip.compress(idx(ARRAY)[middle:])  # as gzip allows
    assert np.array_equal(read_idx(parts, (2, 3, 4)), ARRAY)


BAD = {
    "type": gzip.compress(idx(ARRAY, magic=13)),
    "axes": gzip.compress(idx(ARRAY.reshape(6, 4))),
    "first size": gzip.compress(idx(ARRAY.reshape(4, 3, 2))),
    "last size": gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 3, 5) + ARRAY.tobytes()),
    "zero byte": gzip.compress(b"\1" + idx(ARRAY)[1:]),
    "little-endian": gzip.compress(struct.pack("<BBBB3I", 0, 0, 8, 3, 2, 3, 4) + ARRAY.tobytes()),
    "one byte short": gzip.compress(idx(ARRAY)[:-1]),
    "one byte long": gzip.compress(idx(ARRAY) + b"\0"),
    "empty": gzip.compress(b""),
    "nothing": b"",
    "not gzip": idx(ARRAY),
    "cut": WHOLE[:-9],
    "no checksum": WHOLE[:-8],
    "wrong checksum": WHOLE[:-8] + bytes(8),
    "damaged": WHOLE[:20] + bytes([WHOLE[20] ^ 255]) + WHOLE[21:],
    "trailing": WHOLE + b"x",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=[name.replace(" ", "-") for name in BAD])
def test_read_idx_refuses(bad):
    with pytest.raises(ValueError, match="data must"):
        read_idx(bad, (2, 3, 4))


@pytest.mark.parametrize("shape", [(), (0,), (3, -1)])
def test_read_idx_refuses_a_shape(shape):
    with pytest.raises(ValueError, match="shape must hold positive sizes"):
        read_idx(WHOLE, shape)


def test_a_bomb_is_not_unpacked():
    """64 MB of zeros behind the array, in 64 kB: a small part of it is unpacked, and refused."""
    bomb = gzip.compress(idx(ARRAY) + bytes(1 << 26))
    assert len(bomb) < 1 << 17
    tracemalloc.start()
    with pytest.raises(ValueError, match="got more"):
        read_idx(bomb, (2, 3, 4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 22
