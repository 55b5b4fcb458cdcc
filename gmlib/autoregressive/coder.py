"""An arithmetic coder in whole numbers: what a likelihood is for. It turns an image into about -log2 p(x) bits, and back."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gmlib.autoregressive.cached import PixelCache
from gmlib.autoregressive.pixels import PixelModel
from gmlib.core import check_batch, check_count

BITS = 32
TOP, HALF, QUARTER = 2**BITS - 1, 2 ** (BITS - 1), 2 ** (BITS - 2)


def frequencies(p: Tensor, bits: int = 16) -> Tensor:
    """Probabilities as whole numbers of at least 1 that sum to 2^bits: the law that the coder uses.

    Args:
        p: shape ``(*batch, L)``, summing to one along the last axis.
        bits: at most 28, so that the range of 32 bits can always be divided; 2^bits must be at least L.

    Raises:
        ValueError: on ``bits`` out of range, or what are no probabilities.

    Source: in the book eq-autoregressive-frequencies.

    Example:
        >>> frequencies(torch.tensor([0.7, 0.3, 0.0]), bits=4)
        tensor([11,  4,  1])
    """
    check_batch(p, "p")
    L = p.shape[-1]
    if check_count(bits, "bits") > BITS - 4 or 2**bits < L:
        raise ValueError(f"bits must be from log2 of the {L} values to {BITS - 4}, got {bits}")
    if (p < 0).any() or (p.sum(-1) - 1).abs().max() > 1e-4:
        raise ValueError("p must be non-negative and sum to one along the last axis")
    n = ((2**bits - L) * p.double()).floor().long() + 1  # eq-autoregressive-frequencies
    rest = 2**bits - n.sum(-1, keepdim=True)
    return n.scatter_add(-1, n.argmax(-1, keepdim=True), rest)


class Encoder:
    """Narrow an interval of whole numbers by one symbol after the other, and write the bits on which its ends agree.

    Source: Witten, Neal and Cleary 1987; in the book eq-autoregressive-interval.

    Example:
        >>> encoder = Encoder()
        >>> for symbol in (0, 2, 0): encoder.put([11, 4, 1], symbol)
        >>> encoder.finish()
        [1, 0, 1, 0, 1, 0]
    """

    def __init__(self):
        self.low, self.high, self.pending, self.bits = 0, TOP, 0, []

    def put(self, n: list[int], symbol: int) -> None:
        """Code ``symbol``, where symbol k has the share n[k] of sum(n)."""
        self.low, self.high = narrow(self.low, self.high, n, symbol)
        while True:
            if self.high < HALF:
                self._write(0)
            elif self.low >= HALF:
                self._write(1)
                self.low, self.high = self.low - HALF, self.high - HALF
            elif self.low >= QUARTER and self.high < 3 * QUARTER:  # the ends straddle the middle: the next bit settles this one
                self.pending += 1
                self.low, self.high = self.low - QUARTER, self.high - QUARTER
            else:
                return
            self.low, self.high = 2 * self.low, 2 * self.high + 1

    def finish(self) -> list[int]:
        """All bits; any that follow leave the message as it is."""
        self.pending += 1
        self._write(int(self.low >= QUARTER))
        return self.bits

    def _write(self, bit: int) -> None:
        self.bits += [bit] + [1 - bit] * self.pending
        self.pending = 0


class Decoder:
    """Follow the same intervals and say, each time, in whose share the bits lie.

    Args:
        bits: what :meth:`Encoder.finish` gave.

    Raises:
        ValueError: on what are no bits.

    Source: Witten, Neal and Cleary 1987.

    Example:
        >>> decoder = Decoder([1, 0, 1, 0, 1, 0])
        >>> [decoder.get([11, 4, 1]) for _ in range(3)]
        [0, 2, 0]
    """

    def __init__(self, bits: list[int]):
        if wrong := [bit for bit in bits if bit not in (0, 1)]:
            raise ValueError(f"bits must be zeros and ones, got {wrong[0]}")
        self.left: Iterator[int] = iter(bits)
        self.low, self.high, self.value = 0, TOP, 0
        for _ in range(BITS):
            self.value = 2 * self.value + next(self.left, 0)

    def get(self, n: list[int]) -> int:
        """The next symbol, where symbol k has the share n[k] of sum(n)."""
        total = sum(n)
        place = ((self.value - self.low + 1) * total - 1) // (self.high - self.low + 1)
        symbol, end = 0, n[0]
        while end <= place:
            symbol += 1
            end += n[symbol]
        self.low, self.high = narrow(self.low, self.high, n, symbol)
        while True:
            if self.high < HALF:
                shift = 0
            elif self.low >= HALF:
                shift = HALF
            elif self.low >= QUARTER and self.high < 3 * QUARTER:
                shift = QUARTER
            else:
                return symbol
            self.low, self.high = 2 * (self.low - shift), 2 * (self.high - shift) + 1
            self.value = 2 * (self.value - shift) + next(self.left, 0)


def narrow(low: int, high: int, n: list[int], symbol: int) -> tuple[int, int]:
    """The part of the whole numbers low, …, high that is the symbol's.

    Raises:
        ValueError: on shares ``n`` below 1, with a sum of more than 2^28, or none for the symbol.

    Source: Witten, Neal and Cleary 1987; in the book eq-autoregressive-interval.

    Example:
        >>> narrow(0, 15, [11, 4, 1], 1)
        (11, 14)
    """
    size, total, before = high - low + 1, sum(n), sum(n[:symbol])
    if min(n) < 1 or total > 2 ** (BITS - 4):
        raise ValueError(f"n must be positive and sum to at most {2 ** (BITS - 4)}, got {n}")
    if not 0 <= symbol < len(n):
        raise ValueError(f"symbol must be from 0 to {len(n) - 1}, got {symbol}")
    return low + size * before // total, low + size * (before + n[symbol]) // total - 1  # eq-autoregressive-interval


@torch.no_grad()
def compress(model: PixelModel, x: Tensor, bits: int = 16) -> list[list[int]]:
    """Each image as a list of bits, at most 2 longer than -log2 of its probability under the quantised law, but for rounding.

    Args:
        model: of grey images, with a network that :class:`~gmlib.autoregressive.PixelCache` takes.
        x: shape ``(*batch, H W)``; the list runs through the batch in its order.
        bits: see :func:`frequencies`.

    Raises:
        ValueError: on images that are none of the model's, or have several channels.

    Example:
        >>> from gmlib.autoregressive import Categorical, PlainNet
        >>> model = PixelModel(PlainNet(2, 17), (1, 8, 8), Categorical(17))
        >>> x = torch.randint(17, (2, 64)).float()
        >>> torch.equal(decompress(model, compress(model, x)), x)
        True
    """
    images = model.check(x)
    encoders = [Encoder() for _ in images]
    for (r, c), cache, n in _tables(model, len(images), bits):
        for encoder, row, symbol in zip(encoders, n, images[:, 0, r, c].long().tolist()):
            encoder.put(row, symbol)
        cache.put(r, c, images[:, :, r, c])
    return [encoder.finish() for encoder in encoders]


@torch.no_grad()
def decompress(model: PixelModel, codes: list[list[int]], bits: int = 16) -> Tensor:
    """The images whose codes one call of :func:`compress` made with the same model and ``bits``, shape ``(N, H W)``.

    Both go through the same cache, with as many images at once, so that the tables agree to the last digit; a table that
    differs in one number can lead to another image. So give it all the codes of that call: products over another number of
    images may be rounded in another way, and so may those of another machine.
    """
    decoders = [Decoder(code) for code in codes]
    images = next(model.net.parameters()).new_zeros(len(codes), *model.shape)
    for (r, c), cache, n in _tables(model, len(codes), bits):
        images[:, 0, r, c] = images.new_tensor([decoder.get(row) for decoder, row in zip(decoders, n)])
        cache.put(r, c, images[:, :, r, c])
    return images.flatten(1)


def _tables(model: PixelModel, N: int, bits: int) -> Iterator[tuple[tuple[int, int], PixelCache, list[list[int]]]]:
    """At each pixel the frequencies of its levels, for each image; the caller puts the pixel into the cache."""
    if model.shape[0] != 1:
        raise ValueError(f"model must be of grey images, got {model.shape[0]} channels")
    cache = PixelCache(model, N)
    for place in model.places():
        yield place, cache, frequencies(model.head.probs(cache.outputs(*place)), bits).tolist()
