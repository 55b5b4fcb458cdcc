"""The two recurrent layers of PixelRNN: row by row with a triangle of context, diagonal by diagonal with all of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmlib.autoregressive.convolution import MaskedConv2d
from gmlib.core import check_count


def skew(x: Tensor) -> Tensor:
    """Move row r to the right by r, so that the diagonals r + c = constant become columns.

    Args:
        x: shape ``(*batch, H, W)``.

    Returns:
        Shape ``(*batch, H, W + H - 1)``, zeros where nothing came to lie.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016; in the book eq-autoregressive-skew.

    Example:
        >>> skew(torch.tensor([[1, 2], [3, 4]]))
        tensor([[1, 2, 0],
                [0, 3, 4]])
    """
    H, W = x.shape[-2:]
    return F.pad(x, (0, H)).flatten(-2)[..., :-H].unflatten(-1, (H, W + H - 1))  # eq-autoregressive-skew


def unskew(s: Tensor) -> Tensor:
    """The inverse of :func:`skew`: shape ``(*batch, H, W + H - 1)`` to ``(*batch, H, W)``.

    Raises:
        ValueError: if ``s`` is narrower than it is high.

    Example:
        >>> unskew(torch.tensor([[1, 2, 0], [0, 3, 4]]))
        tensor([[1, 2],
                [3, 4]])
    """
    H, W = s.shape[-2], s.shape[-1] - s.shape[-2] + 1
    if W < 1:
        raise ValueError(f"s must have shape (..., H, W + H - 1), got {tuple(s.shape)}")
    return F.pad(s.flatten(-2), (0, H)).unflatten(-1, (H, W + H))[..., :W]


def lstm_step(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """New hidden and cell state from the sum of what input and state say to the four gates, along axis 1.

    Args:
        gates: output, forget, input and content, one after the other, shape ``(N, 4 h, ...)``.
        c: cell state, shape ``(N, h, ...)``.

    Source: Hochreiter and Schmidhuber 1997, with forget gates; in the book eq-autoregressive-lstm.

    Example:
        >>> [t.shape for t in lstm_step(torch.zeros(5, 8, 3), torch.zeros(5, 2, 3))]
        [torch.Size([5, 2, 3]), torch.Size([5, 2, 3])]
    """
    o, f, i, g = gates.chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()  # eq-autoregressive-lstm
    return o.sigmoid() * c.tanh(), c  # eq-autoregressive-lstm


class RowLSTM(nn.Module):
    """An LSTM over rows: N serial steps. A pixel sees the triangle above it, and its row as far as one kernel reaches.

    Args:
        channels: of input, state and output.
        size: odd width of both kernels, along the row.

    Raises:
        ValueError: on an even ``size``.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016.

    Example:
        >>> RowLSTM(6)(torch.zeros(5, 6, 8, 8)).shape
        torch.Size([5, 6, 8, 8])
    """

    def __init__(self, channels: int, size: int = 3):
        super().__init__()
        if check_count(size, "size") % 2 == 0:
            raise ValueError(f"size must be odd, got {size}")
        self.reach = size // 2
        self.from_input = nn.Conv2d(channels, 4 * channels, (1, self.reach + 1))  # mask B: the pixel and those to its left
        self.from_state = nn.Conv1d(channels, 4 * channels, size, padding=self.reach, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gates = self.from_input(F.pad(x, (self.reach, 0)))
        h = c = torch.zeros_like(x[..., 0, :])
        rows = []
        for row in gates.unbind(-2):
            h, c = lstm_step(row + self.from_state(h), c)
            rows.append(h)
        return torch.stack(rows, -2)


class DiagonalLSTM(nn.Module):
    """One direction of the Diagonal BiLSTM: from the upper left corner, a diagonal at a time, H + W - 1 serial steps.

    At (r, c) it sees all pixels of rows 0 to r and columns 0 to c: the states of (r, c - 1) and (r - 1, c) lie in the column
    before, once the rows are skewed.

    Args:
        inputs, channels: of the input, and of state and output.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016.

    Example:
        >>> DiagonalLSTM(6, 4)(torch.zeros(5, 6, 8, 9)).shape
        torch.Size([5, 4, 8, 9])
    """

    def __init__(self, inputs: int, channels: int):
        super().__init__()
        self.from_input = nn.Conv2d(inputs, 4 * channels, 1)
        self.from_state = nn.Conv1d(channels, 4 * channels, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gates = skew(self.from_input(x))
        h = c = torch.zeros_like(gates[:, : gates.shape[1] // 4, :, 0])
        columns = []
        for column in gates.unbind(-1):
            h, c = lstm_step(column + self.from_state(F.pad(h, (1, 0))), c)
            columns.append(h)
        return unskew(torch.stack(columns, -1))


class DiagonalBiLSTM(nn.Module):
    """Both directions: what (r, c) sees is every pixel before it, if the second direction reads the image itself.

    The second direction starts at the upper right corner and is moved down by one row, so that it tells (r, c) of rows 0 to
    r - 1 and columns c to W - 1. It may therefore read the image without a mask. Where it reads the masked first layer, as
    many implementations do, the last pixels of the row above stay unseen.

    Args:
        channels: of the input and of the output.
        image: channels of the image, to read it itself; 0 to read the masked layer.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016.

    Example:
        >>> DiagonalBiLSTM(6, 2)(torch.zeros(5, 6, 8, 8), torch.zeros(5, 2, 8, 8)).shape
        torch.Size([5, 6, 8, 8])
    """

    def __init__(self, channels: int, image: int = 0):
        super().__init__()
        self.image = image
        self.left, self.right = DiagonalLSTM(channels, channels), DiagonalLSTM(image or channels, channels)

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        right = self.right((x if self.image else h).flip(-1)).flip(-1)
        return combine(self.left(h), right)


def combine(left: Tensor, right: Tensor) -> Tensor:
    """left + right, the latter moved down by one row: shape ``(..., H, W)``.

    Source: in the book eq-autoregressive-combine.

    Example:
        >>> combine(torch.zeros(2, 2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[0., 0.],
                [1., 2.]])
    """
    return left + F.pad(right, (0, 0, 1, 0))[..., :-1, :]  # eq-autoregressive-combine


class RecurrentNet(nn.Module):
    """PixelRNN: a convolution with mask A, residual recurrent layers, and two 1 x 1 convolutions.

    Args:
        inputs, outputs: channels of the input and of the output.
        kind: ``"row"``, ``"diagonal"``, or ``"masked diagonal"``, whose second direction reads the masked layer.
        channels: of the layers between.
        layers: how many recurrent ones.
        first: odd kernel size of the first layer.

    Raises:
        ValueError: on another ``kind`` or a count below one.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016.

    Example:
        >>> RecurrentNet(2, 17, "diagonal")(torch.zeros(7, 2, 8, 8)).shape
        torch.Size([7, 17, 8, 8])
    """

    def __init__(self, inputs: int, outputs: int, kind: str, channels: int = 16, layers: int = 1, first: int = 5):
        super().__init__()
        make = {
            "row": lambda: RowLSTM(channels),
            "diagonal": lambda: DiagonalBiLSTM(channels, inputs),
            "masked diagonal": lambda: DiagonalBiLSTM(channels),
        }
        if kind not in make:
            raise ValueError(f"kind must be one of {list(make)}, got {kind!r}")
        self.first = MaskedConv2d(inputs, check_count(channels, "channels"), first, "A")
        self.layers = nn.ModuleList(make[kind]() for _ in range(check_count(layers, "layers")))
        self.heads = nn.ModuleList([nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, outputs, 1)])

    def forward(self, x: Tensor, y: None = None) -> Tensor:
        if y is not None:
            raise ValueError("y was given to a network without a condition")
        h = self.first(x)
        for layer in self.layers:
            h = h + (layer(h) if isinstance(layer, RowLSTM) else layer(h, x))
        a, b = self.heads
        return b(F.relu(a(F.relu(h))))
