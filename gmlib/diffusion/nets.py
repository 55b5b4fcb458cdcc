"""Two small networks of (x_t, t, y): an MLP for points, a U-Net for images. The time is t / T, between 0 and 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gmlib.core import check_count


def time_features(t: Tensor, pairs: int = 16, highest: float = 1000.0) -> Tensor:
    """Sines and cosines of t at ``pairs`` frequencies from 1 to ``highest``, shape ``(N, 2 pairs)``.

    Neighbouring times look alike to the low frequencies and different to the high ones.

    Source: Vaswani et al. 2017, for positions; Ho, Jain and Abbeel 2020.

    Example:
        >>> time_features(torch.tensor([0.0, 0.25]), pairs=2, highest=10).shape
        torch.Size([2, 4])
    """
    w = torch.logspace(0, math.log10(highest), check_count(pairs, "pairs"), dtype=t.dtype, device=t.device)
    angles = t[:, None] * w
    return torch.cat([angles.sin(), angles.cos()], 1)


class Condition(nn.Module):
    """One vector for each example that says which time it is and, where there are classes, which class.

    Args:
        size: of the vector.
        classes: how many; 0 for a model without. One more row stands for "no class given".
    """

    def __init__(self, size: int, classes: int = 0):
        super().__init__()
        check_count(size, "size")
        self.time = nn.Sequential(nn.Linear(32, size), nn.SiLU(), nn.Linear(size, size))
        self.classes = nn.Embedding(classes + 1, size) if classes else None

    def forward(self, t: Tensor, y: Tensor | None) -> Tensor:
        """t of shape ``(N,)`` and labels of that shape, or ``None``: shape ``(N, size)``."""
        c = self.time(time_features(t))
        if self.classes is None:
            if y is not None:
                raise ValueError("y was given to a network without classes")
            return F.silu(c)
        none = self.classes.num_embeddings - 1
        y = torch.full_like(t, none, dtype=torch.long) if y is None else y
        return F.silu(c + self.classes(y))


class TimeMLP(nn.Module):
    """Points in D dimensions: residual layers, each of which adds what the time says.

    Args:
        D: dimensions.
        hidden: width.
        layers: residual layers.
        classes: how many; 0 for a model without.

    Raises:
        ValueError: on a count below one.

    Example:
        >>> TimeMLP(2)(torch.zeros(7, 2), torch.rand(7)).shape
        torch.Size([7, 2])
    """

    def __init__(self, D: int, hidden: int = 128, layers: int = 3, classes: int = 0):
        super().__init__()
        for n, name in ((D, "D"), (hidden, "hidden"), (layers, "layers")):
            check_count(n, name)
        self.condition = Condition(64, classes)
        self.first = nn.Linear(D, hidden)
        self.shifts = nn.ModuleList(nn.Linear(64, hidden) for _ in range(layers))
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers))
        self.last = nn.Linear(hidden, D)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """x of shape ``(N, D)``, t of ``(N,)`` in [0, 1], labels of ``(N,)`` or ``None``: shape ``(N, D)``."""
        c, h = self.condition(t, y), self.first(x)
        for shift, layer in zip(self.shifts, self.layers, strict=True):
            h = h + layer(F.silu(h + shift(c)))
        return self.last(F.silu(h))


class Block(nn.Module):
    """Normalise, bend, convolve, and add to what came in; time and class scale and shift what is normalised.

    Its last weights begin at 0, so that at first it adds nothing.
    """

    def __init__(self, channels: int, condition: int):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, channels), nn.GroupNorm(8, channels)
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.modulation = nn.Linear(condition, 2 * channels)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulation(c)[..., None, None].chunk(2, 1)
        return x + self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))


class UNet(nn.Module):
    """Down to coarse images and up again, with a bridge at each size: where things are comes across, what they are from below.

    Args:
        side: of a square image in grey, a multiple of 2 for each width after the first.
        widths: channels at each size, multiples of 8; the size is halved from one to the next.
        classes: how many; 0 for a model without.
        condition: size of what is known of time and class.

    Raises:
        ValueError: on a side that cannot be halved so often, or a width that is no multiple of 8.

    Source: Ronneberger, Fischer and Brox 2015; Ho, Jain and Abbeel 2020.

    Example:
        >>> net = UNet(8, (16, 32), classes=10)
        >>> net(torch.zeros(5, 64), torch.rand(5), torch.arange(5)).shape
        torch.Size([5, 64])
    """

    def __init__(self, side: int, widths: tuple[int, ...] = (16, 32), classes: int = 0, condition: int = 64):
        super().__init__()
        smallest, rest = divmod(check_count(side, "side"), 2 ** (len(widths) - 1))
        if rest or not smallest:
            raise ValueError(f"side must be a multiple of {2 ** (len(widths) - 1)}, got {side}")
        if not widths or any(check_count(w, "each width") % 8 for w in widths):
            raise ValueError(f"widths must be multiples of 8, got {widths}")
        self.side = side
        self.condition = Condition(condition, classes)
        self.first = nn.Conv2d(1, widths[0], 3, padding=1)
        self.places = nn.ParameterList(torch.zeros(w, side >> i, side >> i) for i, w in enumerate(widths))
        self.down = nn.ModuleList(Block(w, condition) for w in widths[:-1])
        self.coarser = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in zip(widths, widths[1:], strict=False))
        self.middle = Block(widths[-1], condition)
        self.finer = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(Block(w, condition) for w in widths[:-1])
        self.last = nn.Sequential(nn.GroupNorm(8, widths[0]), nn.SiLU(), nn.Conv2d(widths[0], 1, 3, padding=1))
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """x of shape ``(N, side * side)``, t of ``(N,)`` in [0, 1], labels of ``(N,)`` or ``None``: the shape of x."""
        c = self.condition(t, y)
        h = x.reshape(-1, 1, self.side, self.side).contiguous(memory_format=torch.channels_last)
        h = self.first(h) + self.places[0]
        bridges = []
        for i, (block, coarser) in enumerate(zip(self.down, self.coarser, strict=True), 1):
            h = block(h, c)
            bridges.append(h)
            h = coarser(h) + self.places[i]
        h = self.middle(h, c)
        for block, finer, bridge in zip(reversed(self.up), reversed(self.finer), reversed(bridges), strict=True):
            h = block(finer(h) + bridge, c)
        return self.last(h).flatten(1)
