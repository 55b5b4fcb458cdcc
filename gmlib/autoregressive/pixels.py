"""A model of images from a causal network and a head: exact log-probability in one pass, exact draws pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gmlib.autoregressive.heads import Categorical, LogisticMixture
from gmlib.core import check_batch, check_count


class PixelModel(nn.Module):
    """p(x) as a product over pixels in raster order: left to right, then the next row.

    An image is one row of C H W whole numbers, channel after channel, as :func:`gmlib.data.digits` gives them. The network
    gets it scaled to [-1, 1], with one more channel of ones, by which it can tell the image from the zeros beyond its edge.

    Args:
        net: maps ``(N, C + 1, H, W)`` and a condition, or ``None``, to ``(N, head.outputs, H, W)``; at each pixel it depends
            on the pixels before only.
        shape: (C, H, W).
        head: what the outputs mean.

    Raises:
        ValueError: on a ``shape`` that is none, or has other channels than the head.

    Source: in the book eq-autoregressive-image.

    Example:
        >>> from gmlib.autoregressive import PlainNet
        >>> model = PixelModel(PlainNet(2, 17), (1, 8, 8), Categorical(17))
        >>> model.log_prob(torch.zeros(5, 64)).shape, model.sample((3,)).shape
        (torch.Size([5]), torch.Size([3, 64]))
    """

    def __init__(self, net: nn.Module, shape: tuple[int, int, int], head: Categorical | LogisticMixture):
        super().__init__()
        for n in shape:
            check_count(n, "each size of shape")
        if len(shape) != 3 or shape[0] != head.channels:
            raise ValueError(f"shape must be (C, H, W) with C = {head.channels} as in head, got {shape}")
        self.net, self.shape, self.head = net, tuple(shape), head

    @property
    def size(self) -> int:
        """C H W, the numbers that make an image."""
        C, H, W = self.shape
        return C * H * W

    def check(self, x: Tensor) -> Tensor:
        """Images of shape ``(*batch, C H W)`` as ``(N, C, H, W)``.

        Raises:
            ValueError: on another shape, or values that are not whole numbers from 0 to levels - 1.
        """
        check_batch(x, "x", self.size)
        if x.min() < 0 or x.max() > self.head.levels - 1 or (x != x.round()).any():
            raise ValueError(f"x must hold whole numbers from 0 to {self.head.levels - 1}")
        return x.reshape(-1, *self.shape)

    def inputs(self, images: Tensor) -> Tensor:
        """What the network gets, shape ``(N, C + 1, H, W)``."""
        return torch.cat([2 * images / (self.head.levels - 1) - 1, torch.ones_like(images[:, :1])], 1)

    def pixel_log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The logarithm of each conditional, shape ``(*batch, H, W)``."""
        images = self.check(x)
        return self.head.log_prob(self.net(self.inputs(images), y), images).reshape(*x.shape[:-1], *self.shape[1:])

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Exact log-mass of images ``(*batch, C H W)``, given the condition ``y`` of the network if it has one."""
        return self.pixel_log_prob(x, y).sum((-2, -1))  # eq-autoregressive-image

    def sample(
        self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None, y: Tensor | None = None
    ) -> Tensor:
        """Exact draws, shape ``(*sample_shape, C H W)``: a whole pass of the network for each pixel."""
        images = next(self.net.parameters()).new_zeros(*sample_shape, self.size).reshape(-1, *self.shape)
        return self.fill(images, self.places(), generator, y).reshape(*sample_shape, self.size)

    def complete(self, x: Tensor, known: int, generator: torch.Generator | None = None, y: Tensor | None = None) -> Tensor:
        """Keep the first ``known`` pixels of each image in raster order and draw the others: exact draws given these.

        Raises:
            ValueError: on a ``known`` that is not a whole number of at least 1 and below the number of pixels.
        """
        if check_count(known, "known") >= len(self.places()):
            raise ValueError(f"known must be below {len(self.places())}, the number of pixels, got {known}")
        return self.fill(self.check(x).clone(), self.places()[known:], generator, y).reshape(x.shape)

    def places(self) -> list[tuple[int, int]]:
        """All pixels (row, column) in raster order."""
        return [(r, c) for r in range(self.shape[1]) for c in range(self.shape[2])]

    @torch.no_grad()
    def fill(
        self, images: Tensor, places: Iterable[tuple[int, int]], generator: torch.Generator | None = None, y: Tensor | None = None
    ) -> Tensor:
        """Draw the pixels at ``places``, in that order, into images ``(N, C, H, W)``, in place."""
        for r, c in places:
            images[:, :, r, c] = self.head.sample(self.net(self.inputs(images), y)[:, :, r, c], generator)
        return images


def negative_log_prob(model: nn.Module, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of every model of this chapter: the mean of -log p(x), in nats an example.

    Example:
        >>> from gmlib.autoregressive import BinaryModel, Logistic
        >>> negative_log_prob(BinaryModel(Logistic(3), 3), torch.zeros(5, 3))[0].item() / 3  # log 2
        0.6931471824645996
    """
    return -model.log_prob(x).mean(), {}


def negative_class_log_prob(
    model: nn.Module, batch: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The mean of -log p(x | y): each row of ``batch`` holds x, then its label y.

    Example:
        >>> from gmlib.autoregressive import Categorical, PixelModel, PlainNet
        >>> model = PixelModel(PlainNet(2, 17, classes=10), (1, 8, 8), Categorical(17))
        >>> negative_class_log_prob(model, torch.zeros(5, 65))[0].shape
        torch.Size([])
    """
    return -model.log_prob(batch[:, :-1], batch[:, -1].long()).mean(), {}


class Multiscale(nn.Module):
    """First every second pixel of every second row, as a small image; then the others, given these.

    The small image is a part of the pixels, and no average of them, so the two log-probabilities add up to one of the image.

    Args:
        small: a model of images (C, H / 2, W / 2).
        large: a model of images (C, H, W) whose network is told maps of C + 1 planes: the known pixels, scaled, and where they are.

    Raises:
        ValueError: on shapes or levels that do not fit.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016; in the book eq-autoregressive-multiscale.

    Example:
        >>> from gmlib.autoregressive import GatedNet
        >>> small = PixelModel(GatedNet(2, 17, sizes=(5, 3)), (1, 4, 4), Categorical(17))
        >>> large = PixelModel(GatedNet(2, 17, planes=2), (1, 8, 8), Categorical(17))
        >>> Multiscale(small, large).log_prob(torch.zeros(5, 64)).shape
        torch.Size([5])
    """

    def __init__(self, small: PixelModel, large: PixelModel):
        super().__init__()
        C, H, W = large.shape
        if H % 2 or W % 2 or small.shape != (C, H // 2, W // 2):
            raise ValueError(f"small must have shape {(C, H // 2, W // 2)} and large even sides, got {small.shape}, {large.shape}")
        if small.head.levels != large.head.levels:
            raise ValueError(f"small must have {large.head.levels} levels as large, got {small.head.levels}")
        self.small, self.large = small, large

    def known(self, small: Tensor) -> Tensor:
        """The map that the large model is told: zeros but at the known pixels, shape ``(N, C + 1, H, W)``."""
        y = small.new_zeros(len(small), self.large.shape[0] + 1, *self.large.shape[1:])
        y[..., ::2, ::2] = self.small.inputs(small)
        return y

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-mass of images ``(*batch, C H W)``."""
        images = self.large.check(x)
        y = self.known(images[..., ::2, ::2])
        others = (self.large.pixel_log_prob(images.flatten(1), y) * (1 - y[:, -1])).sum((1, 2))
        of_small = self.small.log_prob(images[..., ::2, ::2].flatten(1))
        return (of_small + others).reshape(x.shape[:-1])  # eq-autoregressive-multiscale

    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws, shape ``(*sample_shape, C H W)``: the small image, then a pass of the large network for each other pixel."""
        small = self.small.sample((math.prod(sample_shape),), generator).reshape(-1, *self.small.shape)
        images = small.new_zeros(len(small), *self.large.shape)
        images[..., ::2, ::2] = small
        others = [(r, c) for r, c in self.large.places() if r % 2 or c % 2]
        return self.large.fill(images, others, generator, self.known(small)).reshape(*sample_shape, self.large.size)
