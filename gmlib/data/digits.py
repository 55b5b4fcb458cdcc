"""The 8x8 handwritten digits that ship with scikit-learn, always split in the same way."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gmlib.core import check_batch, check_count

LEVELS = 17  # a pixel is a whole number from 0 to 16


class Split(NamedTuple):
    """``x``: grey levels 0..16 as floats, shape ``(N, 64)``; ``y``: the digit, shape ``(N,)``."""

    x: Tensor
    y: Tensor


class Digits(NamedTuple):
    """1,297 images to train on, 250 to choose by, 250 to report on."""

    train: Split
    validation: Split
    test: Split


def digits(dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Digits:
    """The digits, in a fixed train/validation/test split.

    The order comes from NumPy's legacy generator, whose stream is frozen, so the split is the
    same on every machine and with every version.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998; the 1,797 images that scikit-learn carries.

    Example:
        >>> [len(part.x) for part in digits()]
        [1297, 250, 250]
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(images))
    x = torch.as_tensor(images[order], dtype=dtype, device=device)
    y = torch.as_tensor(labels[order], dtype=torch.long, device=device)
    sizes = [len(x) - 500, 250, 250]
    return Digits(*(Split(a, b) for a, b in zip(x.split(sizes), y.split(sizes), strict=True)))


def binarise(x: Tensor, levels: int = LEVELS) -> Tensor:
    """Grey levels 0..levels-1 to black and white: 1 above the middle of the range, else 0.

    Args:
        x: any shape.
        levels: 17 for :func:`digits`, 256 for MNIST.

    Raises:
        ValueError: if ``x`` is outside 0..levels-1 or holds a NaN.

    Example:
        >>> binarise(torch.tensor([0.0, 8.0, 9.0, 16.0]))
        tensor([0., 0., 1., 1.])
    """
    return (_check_levels(x, levels) > (levels - 1) / 2).to(x.dtype)


def dequantise(x: Tensor, generator: torch.Generator | None = None, levels: int = LEVELS) -> Tensor:
    """Grey levels 0..levels-1 to [0, 1): ``(x + u) / levels`` with u uniform on [0, 1).

    A density model of the result bounds a model of the levels: for an image of D pixels, the mean
    over u of the log-density, minus D log levels, is at most the log-probability of its levels.

    Args:
        x: any shape.
        generator: on the device of x.
        levels: 17 for :func:`digits`, 256 for MNIST.

    Raises:
        ValueError: if ``x`` is outside 0..levels-1 or holds a NaN.

    Example:
        >>> 16 / 17 <= dequantise(torch.tensor([16.0])).item() < 1
        True
    """
    u = torch.rand(_check_levels(x, levels).shape, generator=generator, dtype=x.dtype, device=x.device)
    return ((x + u) / levels).clamp(max=1 - torch.finfo(x.dtype).eps)


def _check_levels(x: Tensor, levels: int) -> Tensor:
    check_batch(x, "x")
    check_count(levels, "levels")
    if x.min() < 0 or x.max() > levels - 1:
        raise ValueError(f"x must hold grey levels 0 to {levels - 1}, got {x.min().item()} to {x.max().item()}")
    return x
