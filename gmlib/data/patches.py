"""Small pieces of the two photographs that scikit-learn carries, grey or in colour."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from gmlib.core import check_count

TRAIN = 480  # columns of each photograph to train on; the 160 to the right of them are held out


def patches(
    n: int,
    side: int = 8,
    colour: bool = False,
    held_out: bool = False,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Patches cut at random from a photograph of a Chinese temple and one of a flower, 427 x 640 pixels each.

    Those held out come from the right quarter of each photograph, so that no pixel is in both sets. Patches of one set may
    overlap. Grey is 0.299 R + 0.587 G + 0.114 B, rounded.

    Args:
        n: how many.
        side: of each, at most 160.
        colour: three channels, one after the other, instead of one.
        held_out: cut from the part that is not for training.
        generator: of the places; on the CPU.
        dtype: of the result.

    Returns:
        Whole numbers from 0 to 255, shape ``(n, C side side)``, C = 1 or 3.

    Raises:
        ValueError: on a count below one, or a ``side`` above 160.

    Source: scikit-learn's ``load_sample_images``: china.jpg by Danielle Buma and flower.jpg by Pearl Malek, CC BY 2.0.

    Example:
        >>> patches(5).shape, patches(5, side=4, colour=True).shape
        (torch.Size([5, 64]), torch.Size([5, 48]))
    """
    check_count(n, "n")
    images = _photographs()[..., TRAIN:] if held_out else _photographs()[..., :TRAIN]
    H, W = images.shape[-2:]
    if check_count(side, "side") > 640 - TRAIN:
        raise ValueError(f"side must be at most {640 - TRAIN}, got {side}")
    if not colour:
        images = (images * images.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True).round()
    which, row, column = (torch.randint(m, (n, 1, 1, 1), generator=generator) for m in (2, H - side + 1, W - side + 1))
    channel = torch.arange(images.shape[1])[:, None, None]
    step = torch.arange(side)
    return images[which, channel, row + step[:, None], column + step].flatten(1).to(dtype)


@cache
def _photographs() -> Tensor:
    """Shape ``(2, 3, 427, 640)``, 0 to 255."""
    from sklearn.datasets import load_sample_images

    return torch.from_numpy(np.stack(load_sample_images().images)).permute(0, 3, 1, 2).double()
