"""Convolutions that see only the pixels before: masks, a plain stack, and the gated pair of stacks without a blind spot."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmlib.core import check_count


def kernel_mask(height: int, width: int, kind: str) -> Tensor:
    """Ones where a kernel may see, in raster order: ``"A"`` all before the centre, ``"B"`` the centre too.

    Args:
        height, width: odd numbers.
        kind: ``"A"`` for the first layer, whose input is the image; ``"B"`` for the others.

    Returns:
        Shape ``(height, width)``.

    Raises:
        ValueError: on a size that is not odd, or another ``kind``.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016; in the book eq-autoregressive-masks.

    Example:
        >>> kernel_mask(3, 3, "A")
        tensor([[1., 1., 1.],
                [1., 0., 0.],
                [0., 0., 0.]])
    """
    for n, name in ((height, "height"), (width, "width")):
        if check_count(n, name) % 2 == 0:
            raise ValueError(f"{name} must be odd, so that the kernel has a centre, got {n}")
    if kind not in ("A", "B"):
        raise ValueError(f"kind must be 'A' or 'B', got {kind!r}")
    place = torch.arange(height * width)
    centre = height * width // 2
    return (place < centre + (kind == "B")).float().reshape(height, width)  # eq-autoregressive-masks


class MaskedConv2d(nn.Conv2d):
    """A convolution, padded to keep the size, whose kernel is multiplied by :func:`kernel_mask`.

    Example:
        >>> MaskedConv2d(2, 5, 3, "A")(torch.zeros(7, 2, 8, 8)).shape
        torch.Size([7, 5, 8, 8])
    """

    def __init__(self, inputs: int, outputs: int, size: int, kind: str):
        super().__init__(inputs, outputs, size, padding=size // 2)
        self.register_buffer("mask", kernel_mask(size, size, kind))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.mask * self.weight, self.bias, padding=self.padding)


class Condition(nn.Module):
    """What a net is told beside the pixels before, as something to add to a layer: a class, or a map of known values.

    Args:
        outputs: channels of that layer.
        classes: the condition is a label, shape ``(N,)``, 0 to classes - 1.
        planes: the condition is a map, shape ``(N, planes, H, W)``, all of which is seen from everywhere near.

    Raises:
        ValueError: when it is told of both; called with a condition of another kind, without one, or with one where there is none.
    """

    def __init__(self, outputs: int, classes: int = 0, planes: int = 0):
        super().__init__()
        if classes and planes:
            raise ValueError(f"classes and planes exclude each other, got {classes} and {planes}")
        self.classes = nn.Embedding(classes, outputs) if classes else None
        self.planes = nn.Conv2d(planes, outputs, 5, padding=2) if planes else None

    def forward(self, y: Tensor | None) -> Tensor | float:
        if self.classes is not None:
            if y is None or y.dtype != torch.long or y.ndim != 1:
                raise ValueError("y must hold a label for each example, shape (N,), dtype torch.int64")
            return self.classes(y)[..., None, None]
        if self.planes is not None:
            if y is None or y.ndim != 4:
                raise ValueError("y must be a map for each example, shape (N, planes, H, W)")
            return self.planes(y)
        if y is not None:
            raise ValueError("y was given to a network without a condition")
        return 0.0


class PlainNet(nn.Module):
    """The PixelCNN: one convolution with mask A, residual ones with mask B, and two 1 x 1.

    However many the layers, it has a blind spot to the right above each pixel.

    Args:
        inputs, outputs: channels of the input and of the output.
        channels: of the layers between.
        layers: how many with mask B; 0 for a single masked layer.
        first, size: odd kernel sizes of the first layer and of the others.
        classes, planes: what it is told beside, see :class:`Condition`.
        positions: (H, W), to give each layer and the output a bias for each position; shared by all positions without it.
        activation: a function.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016.

    Example:
        >>> PlainNet(2, 17)(torch.zeros(7, 2, 8, 8)).shape
        torch.Size([7, 17, 8, 8])
    """

    def __init__(
        self, inputs: int, outputs: int, channels: int = 32, layers: int = 4, first: int = 5, size: int = 3,
        classes: int = 0, planes: int = 0, positions: tuple[int, int] | None = None, activation=F.relu,
    ):  # fmt: skip
        super().__init__()
        self.activation = activation
        self.first = MaskedConv2d(inputs, channels, first, "A")
        self.blocks = nn.ModuleList(MaskedConv2d(channels, channels, size, "B") for _ in range(layers))
        self.heads = nn.ModuleList([nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, outputs, 1)])
        self.conditions = nn.ModuleList(Condition(channels, classes, planes) for _ in range(layers + 1))
        widths = [channels] * (layers + 1) + [outputs] if positions else []
        self.positions = nn.ParameterList(torch.zeros(n, *positions) for n in widths)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.first(x) + self.conditions[0](y) + self._position(0)
        for i, conv in enumerate(self.blocks, 1):
            h = h + conv(self.activation(h)) + self.conditions[i](y) + self._position(i)
        a, b = self.heads
        return b(self.activation(a(self.activation(h)))) + self._position(-1)

    def _position(self, i: int) -> Tensor | float:
        return self.positions[i] if len(self.positions) else 0.0


class GatedLayer(nn.Module):
    """One layer of the gated PixelCNN: the stack of the rows above, and the stack of the row's pixels to the left.

    The vertical stack looks at rows up to its own; on its way to the horizontal stack it is moved down by one row, so that
    this one learns of the rows above only. Both end in tanh(a) sigmoid(b).

    Args:
        inputs, channels: of input and output.
        size: odd kernel size.
        kind: ``"A"`` for the first layer: the horizontal stack leaves the pixel itself out.
        classes, planes: see :class:`Condition`.
        dropout: probability that a channel's value is put to 0 in training.

    Source: van den Oord et al. 2016, Conditional image generation; in the book eq-autoregressive-gate.
    """

    def __init__(self, inputs: int, channels: int, size: int, kind: str, classes: int = 0, planes: int = 0, dropout: float = 0.0):
        super().__init__()
        mask = kernel_mask(size, size, kind)  # refuses even sizes and other kinds
        if kind == "A" and size == 1:
            raise ValueError("size must be at least 3 with kind 'A', got 1: there is nothing to the left")
        self.reach, self.kind = size // 2, kind
        self.down = nn.Conv2d(inputs, 2 * channels, (self.reach + 1, size))
        self.right = nn.Conv2d(inputs, 2 * channels, (1, int(mask[self.reach].sum())))
        self.across = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        self.condition = Condition(2 * channels, classes, planes)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, v: Tensor, h: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        k, c = self.reach, self.condition(y)
        below = self.down(F.pad(v, (k, k, k, 0)))
        above = F.pad(below, (0, 0, 1, 0))[..., :-1, :]
        row = F.pad(h, (k, 0, 0, 0))
        row = self.right(row[..., :-1] if self.kind == "A" else row)
        gated = self.dropout(self.out(gate(row + self.across(above) + c)))
        return gate(below + c), gated if self.kind == "A" else h + gated


def gate(x: Tensor) -> Tensor:
    """tanh of the first half of the channels times the sigmoid of the second.

    Source: van den Oord et al. 2016; in the book eq-autoregressive-gate.

    Example:
        >>> gate(torch.zeros(5, 6, 8, 8)).shape
        torch.Size([5, 3, 8, 8])
    """
    a, b = x.chunk(2, dim=1)
    return a.tanh() * b.sigmoid()  # eq-autoregressive-gate


class GatedNet(nn.Module):
    """The gated PixelCNN: two stacks, no blind spot where the kernels together reach far enough.

    Every earlier pixel is seen where the sum over layers of (size // 2) is at least the image's side minus one.

    Args:
        inputs, outputs: channels of the input and of the output.
        channels: of the layers between.
        sizes: odd kernel sizes, one a layer.
        classes, planes: what it is told beside, see :class:`Condition`.
        dropout: see :class:`GatedLayer`.
        short_cuts: the layers of the second half also get what those of the first half made, the last the first.

    Source: van den Oord et al. 2016, Conditional image generation; Salimans et al. 2017 for dropout and short cuts.

    Example:
        >>> GatedNet(2, 17)(torch.zeros(7, 2, 8, 8)).shape
        torch.Size([7, 17, 8, 8])
    """

    def __init__(
        self, inputs: int, outputs: int, channels: int = 16, sizes: tuple[int, ...] = (7, 3, 3, 3, 3),
        classes: int = 0, planes: int = 0, dropout: float = 0.0, short_cuts: bool = False,
    ):  # fmt: skip
        super().__init__()
        if not sizes:
            raise ValueError("sizes must hold at least one kernel size, got none")
        self.layers = nn.ModuleList(
            GatedLayer(channels if i else inputs, channels, k, "B" if i else "A", classes, planes, dropout)
            for i, k in enumerate(sizes)
        )
        self.heads = nn.ModuleList([nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, outputs, 1)])
        self.short_cuts = short_cuts

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        v = h = x
        made: list[tuple[Tensor, Tensor]] = []
        for i, layer in enumerate(self.layers):
            partner = len(self.layers) - 1 - i
            if self.short_cuts and partner < i - 1:  # not the layer itself, nor the one just before
                v, h = v + made[partner][0], h + made[partner][1]
            v, h = layer(v, h, y)
            made.append((v, h))
        a, b = self.heads
        return b(F.relu(a(F.relu(h))))
