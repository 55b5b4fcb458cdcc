"""Flows on images ``(H, W, C)``: squeezing, factoring out, and the steps of Glow."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmlib.core import check_count, check_positive
from gmlib.flows.linear import ActNorm, LULinear


class Squeeze(nn.Module):
    """Each 2 x 2 block of pixels becomes one pixel with four times the channels: a permutation, determinant 1.

    Source: Dinh, Sohl-Dickstein and Bengio 2017, section 3.6.

    Example:
        >>> Squeeze()(torch.arange(4.0).reshape(1, 2, 2, 1))[0].flatten()
        tensor([0., 1., 2., 3.])
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        *batch, H, W, C = x.shape
        if H % 2 or W % 2:
            raise ValueError(f"x must have even height and width, got {H} and {W}")
        z = x.reshape(*batch, H // 2, 2, W // 2, 2, C).transpose(-3, -4)
        return z.reshape(*batch, H // 2, W // 2, 4 * C), x.new_zeros(batch)  # eq-flows-squeeze

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        *batch, h, w, C = z.shape
        x = z.reshape(*batch, h, w, 2, 2, C // 4).transpose(-3, -4)
        return x.reshape(*batch, 2 * h, 2 * w, C // 4), z.new_zeros(batch)


class ChannelCoupling(nn.Module):
    """An affine coupling of channels: the first half passes, and through convolutions scales and shifts the other half.

    Args:
        C: channels, even.
        hidden: channels of the convolutions between.
        clamp: see :class:`~gmlib.flows.AffineCoupling`.

    Raises:
        ValueError: on an odd number of channels.

    Source: Kingma and Dhariwal 2018, section 3.3; in the book eq-flows-affine.

    Example:
        >>> ChannelCoupling(4, 8)(torch.randn(5, 2, 2, 4))[1].tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0]
    """

    def __init__(self, C: int, hidden: int, clamp: float = 2.0):
        super().__init__()
        if check_count(C, "C") % 2:
            raise ValueError(f"C must be even, got {C}")
        self.clamp = check_positive(clamp, "clamp")
        last = nn.Conv2d(check_count(hidden, "hidden"), C, 3, padding=1)
        nn.init.zeros_(last.weight), nn.init.zeros_(last.bias)
        self.net = nn.Sequential(
            nn.Conv2d(C // 2, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, hidden, 1), nn.ReLU(), last
        )

    def _scale_and_shift(self, a: Tensor) -> tuple[Tensor, Tensor]:
        h = a.movedim(-1, -3)
        h = self.net(h.reshape(-1, *h.shape[-3:])).reshape(*h.shape[:-3], -1, *h.shape[-2:])
        s, t = h.movedim(-3, -1).chunk(2, -1)
        return self.clamp * (s / self.clamp).tanh(), t  # eq-flows-clamp

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x.chunk(2, -1)
        s, t = self._scale_and_shift(a)
        return torch.cat([a, b * s.exp() + t], -1), s.sum((-3, -2, -1))  # eq-flows-affine

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        a, b = z.chunk(2, -1)
        s, t = self._scale_and_shift(a)
        return torch.cat([a, (b - t) * (-s).exp()], -1), -s.sum((-3, -2, -1))


class Glow(nn.Module):
    """The multi-scale layer of Glow: squeeze, some steps, put half of the channels aside, and again; z is flat.

    A step is activation normalisation, an invertible 1 x 1 convolution and a coupling of channels.

    Args:
        side: height and width of the images, divisible by ``2 ** levels``.
        levels, steps: how often it squeezes, and how many steps it takes each time.
        hidden: channels of the couplings' convolutions.
        channels: of the images.
        generator: for the rotations at which the convolutions start.

    Raises:
        ValueError: on a side that does not fit.

    Source: Kingma and Dhariwal 2018; Dinh, Sohl-Dickstein and Bengio 2017 for the scales; in the book eq-flows-multiscale.

    Example:
        >>> layer = Glow(side=4, levels=2, steps=1, hidden=8)
        >>> layer(torch.randn(5, 16))[0].shape
        torch.Size([5, 16])
    """

    def __init__(
        self, side: int, levels: int, steps: int, hidden: int, channels: int = 1, generator: torch.Generator | None = None
    ):
        super().__init__()
        if check_count(side, "side") % 2 ** check_count(levels, "levels"):
            raise ValueError(f"side must be divisible by {2**levels}, got {side}")
        self.shape, self.squeeze, self.levels, C = (side, side, channels), Squeeze(), nn.ModuleList(), channels
        for level in range(levels):
            C *= 4
            layers: list[nn.Module] = []
            for _ in range(check_count(steps, "steps")):
                rotation = torch.linalg.qr(torch.randn(C, C, generator=generator))[0]
                layers += [ActNorm(C, event_dims=3), LULinear(rotation, event_dims=3), ChannelCoupling(C, hidden)]
            self.levels.append(nn.ModuleList(layers))
            C = C // 2 if level < levels - 1 else C

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Flat images ``(*batch, D)`` to flat z."""
        x, total, aside = x.unflatten(-1, self.shape), 0.0, []
        for i, layers in enumerate(self.levels):
            x, _ = self.squeeze(x)
            for layer in layers:
                x, log_det = layer(x)
                total = total + log_det
            if i < len(self.levels) - 1:
                x, done = x.chunk(2, -1)
                aside.append(done.flatten(-3))
        return torch.cat([*aside, x.flatten(-3)], -1), total  # eq-flows-multiscale

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        H, W, C = self.shape
        shapes = []
        for i in range(len(self.levels)):
            H, W, C = H // 2, W // 2, 4 * C
            C = C // 2 if i < len(self.levels) - 1 else C
            shapes.append((H, W, C))
        parts, total = list(z.split([h * w * c for h, w, c in shapes], -1)), 0.0
        x = None
        for part, shape, layers in zip(reversed(parts), reversed(shapes), reversed(self.levels), strict=True):
            part = part.unflatten(-1, shape)
            x = part if x is None else torch.cat([x, part], -1)
            for layer in reversed(layers):
                x, log_det = layer.inverse(x)
                total = total + log_det
            x, _ = self.squeeze.inverse(x)
        return x.flatten(-3), total
