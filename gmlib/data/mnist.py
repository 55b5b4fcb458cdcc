"""MNIST and Fashion-MNIST, downloaded once: 28x28 images of ten classes, always split in the same way."""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from gmlib.data.digits import Split
from gmlib.data.download import cache_folder, fetch

SHAPES = {
    "train-images-idx3-ubyte.gz": (60_000, 28, 28),
    "train-labels-idx1-ubyte.gz": (60_000,),
    "t10k-images-idx3-ubyte.gz": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte.gz": (10_000,),
}

TRAIN = 50_000  # the rest of the 60,000 is for validation

# Length and SHA-256, in the order of SHAPES. Three sources say the same of all four files:
# huggingface/datasets, datasets/mnist/dataset_infos.json at 040102f; tensorflow/datasets,
# url_checksums/mnist.txt at 31f1255; pytorch/vision, prototype/datasets/_builtin/mnist.py at 01c11a0 (SHA-256 only).
MNIST_FILES = (
    (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",  # torchvision's
    "https://storage.googleapis.com/cvdf-datasets/mnist/",  # TensorFlow's
)

# The same three (huggingface/datasets, datasets/fashion_mnist/dataset_infos.json at 040102f; tensorflow/datasets,
# url_checksums/fashion_mnist.txt at 333639b; pytorch/vision as above), and keras-team/keras at 75565fb.
FASHION_FILES = (
    (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)
FASHION_MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # Keras's
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # the authors' own, which has no https
)


class MNIST(NamedTuple):
    """50,000 images to train on, 10,000 to choose by, 10,000 to report on.

    Each part holds ``x``, grey levels 0..255 as floats, shape ``(N, 784)``, 0 where nothing is drawn,
    and ``y``, the class, shape ``(N,)``.
    """

    train: Split
    validation: Split
    test: Split


def mnist(
    folder: str | Path | None = None, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> MNIST:
    """The handwritten digits of MNIST, in a fixed train/validation/test split.

    The last 10,000 of the 60,000 training images are set aside for validation, as is customary.
    The first call downloads 11.6 MB; later calls need no network.

    Args:
        folder: where the files are kept, in a folder ``mnist``; where ``None``, that is ``$GMLIB_DATA``, or else
            ``~/.cache/gmlib`` (see :func:`~gmlib.data.download.cache_folder`).
        dtype: of the images, a floating-point type.
        device: of the images and of the labels.

    Raises:
        ValueError: on a ``dtype`` that is not one of floating-point numbers.
        gmlib.data.download.DownloadError: where a file is not there and cannot be had; the
            message says how to put it there by hand.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document
    recognition, Proceedings of the IEEE 86, 1998.

    Example:
        >>> [len(part.x) for part in mnist()]  # doctest: +SKIP
        [50000, 10000, 10000]
    """
    return _load("mnist", MNIST_FILES, MNIST_MIRRORS, folder, dtype, device)


def fashion_mnist(
    folder: str | Path | None = None, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> MNIST:
    """The articles of clothing of Fashion-MNIST, made to take the place of MNIST: same sizes, same split.

    The first call downloads 30.9 MB. The classes: 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress, 4 coat,
    5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.

    Args, Raises: as :func:`mnist`; the folder is called ``fashion-mnist``.

    Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms, arXiv:1708.07747, 2017.

    Example:
        >>> fashion_mnist().test.x.shape  # doctest: +SKIP
        torch.Size([10000, 784])
    """
    return _load("fashion-mnist", FASHION_FILES, FASHION_MIRRORS, folder, dtype, device)


def read_idx(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The array of bytes in a gzipped IDX file, if that is exactly an array of bytes of this shape.

    Everything happens in memory, and nothing past the expected length is unpacked.

    Raises:
        ValueError: on a shape without a positive size; on data that are no whole gzip file; on a type, a
            number of axes, a size or a length other than expected.

    Example:
        >>> read_idx(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])), (3,)).tolist()
        [7, 8, 9]
    """
    if not shape or min(shape) < 1:
        raise ValueError(f"shape must hold positive sizes, got {shape}")
    header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)  # 8 stands for unsigned bytes
    size = len(header) + math.prod(shape)
    try:
        content = gzip.GzipFile(fileobj=io.BytesIO(data)).read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"data must be a whole gzip file: {error}") from None
    if not content.startswith(header):
        start = content[: len(header)].hex(" ")
        raise ValueError(f"data must begin with {header.hex(' ')} (bytes, of shape {shape}), got {start}")
    if len(content) != size:
        got = "more" if len(content) > size else len(content)
        raise ValueError(f"data must hold {size} bytes when unpacked, got {got}")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def _load(name, files, mirrors, folder, dtype, device) -> MNIST:
    if not dtype.is_floating_point:
        raise ValueError(f"dtype must be a floating-point type, got {dtype}")
    folder = (cache_folder() if folder is None else Path(folder)) / name
    x, y, x_test, y_test = (
        torch.tensor(read_idx(fetch(file, sha256, size, mirrors, folder), shape), device=device)
        for (file, shape), (size, sha256) in zip(SHAPES.items(), files, strict=True)
    )
    parts = (x[:TRAIN], y[:TRAIN]), (x[TRAIN:], y[TRAIN:]), (x_test, y_test)
    return MNIST(*(Split(x.flatten(1).to(dtype), y.long()) for x, y in parts))
