"""Sampling that computes only what changes: each layer at each pixel once, when the pixel's turn has come."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmlib.autoregressive.convolution import PlainNet
from gmlib.autoregressive.pixels import PixelModel


class PixelCache:
    """What each layer of a :class:`~gmlib.autoregressive.PlainNet` has made so far, for a batch of images that grows pixel by pixel.

    Ask for the outputs of a pixel with :meth:`outputs`, then say with :meth:`put` what it became; in raster order, each once.
    A layer looks only at pixels that are done, so nothing that was made is ever made again.

    Args:
        model: with a :class:`~gmlib.autoregressive.PlainNet` that is told nothing, or the class.
        N: images.
        y: labels, shape ``(N,)``, or ``None``.

    Raises:
        ValueError: if the network is none of these.

    Source: Ramachandran et al. 2017.

    Example:
        >>> from gmlib.autoregressive import Categorical
        >>> model = PixelModel(PlainNet(2, 17), (1, 8, 8), Categorical(17))
        >>> PixelCache(model, 5).outputs(0, 0).shape
        torch.Size([5, 17])
    """

    def __init__(self, model: PixelModel, N: int, y: Tensor | None = None):
        net = model.net
        if not isinstance(net, PlainNet) or any(c.planes is not None for c in net.conditions):
            raise ValueError("model must have a PlainNet that is told no map")
        self.model, self.net = model, net
        like = net.first.weight
        self.convs = [net.first, *net.blocks]
        self.told = [c(y) if y is None and c.classes is None else c(y)[..., 0, 0] for c in net.conditions]
        self.reach = [conv.kernel_size[0] // 2 for conv in self.convs]
        self.taps = [(conv.mask.nonzero() - k).tolist() for conv, k in zip(self.convs, self.reach)]
        self.weights = [conv.weight[:, :, conv.mask.bool()].permute(2, 1, 0).flatten(0, 1) for conv in self.convs]
        self.biases = [conv.bias for conv in self.convs]
        _, H, W = model.shape
        self.seen = [  # what each layer looks at, with the zeros beyond the edges: positions first, so that one pixel is one block
            like.new_zeros(H + k, W + 2 * k, N, conv.in_channels) for conv, k in zip(self.convs, self.reach)
        ]

    def outputs(self, r: int, c: int) -> Tensor:
        """The network's outputs at row r, column c, shape ``(N, outputs)``."""
        h: Tensor | None = None
        for i, (seen, k) in enumerate(zip(self.seen, self.reach)):
            if h is not None:
                seen[r + k, c + k] = self.net.activation(h)
            values = torch.cat([seen[r + k + dr, c + k + dc] for dr, dc in self.taps[i]], 1)
            made = torch.addmm(self.biases[i], values, self.weights[i]) + self.told[i] + self._position(i, r, c)
            h = made if h is None else h + made
        for conv in self.net.heads:
            h = torch.addmm(conv.bias, self.net.activation(h), conv.weight[:, :, 0, 0].T)
        return h + self._position(-1, r, c)

    def put(self, r: int, c: int, x: Tensor) -> None:
        """The pixel at row r, column c became x, shape ``(N, C)``."""
        k = self.reach[0]
        self.seen[0][r + k, c + k] = self.model.inputs(x[..., None, None])[..., 0, 0]

    def _position(self, i: int, r: int, c: int) -> Tensor | float:
        return self.net.positions[i][:, r, c] if len(self.net.positions) else 0.0


@torch.no_grad()
def cached_sample(
    model: PixelModel, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None, y: Tensor | None = None
) -> Tensor:
    """The draws of ``model.sample`` from the same generator, at the cost of about one pass of the network.

    Args:
        model: with a network that :class:`PixelCache` takes.
        sample_shape, generator, y: as in :meth:`PixelModel.sample`.

    Returns:
        Shape ``(*sample_shape, C H W)``. Logits differ from those of a whole pass by rounding.

    Source: Ramachandran et al. 2017; in the book eq-autoregressive-cost.

    Example:
        >>> from gmlib.autoregressive import Categorical
        >>> model = PixelModel(PlainNet(2, 17), (1, 8, 8), Categorical(17))
        >>> cached_sample(model, (5,)).shape
        torch.Size([5, 64])
    """
    N = math.prod(sample_shape)
    cache = PixelCache(model, N, y)
    images = next(model.net.parameters()).new_zeros(N, *model.shape)
    for r, c in model.places():
        images[:, :, r, c] = model.head.sample(cache.outputs(r, c), generator)
        cache.put(r, c, images[:, :, r, c])
    return images.reshape(*sample_shape, model.size)
