"""Priors over codes: c = (c_1, ..., c_L), each c_l one of the whole numbers 0, ..., K - 1. Values are in nats."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmlib.core import check_count

MOST = 2**20  # codes that may be listed at once


def check_codes(c: Tensor, positions: int, size: int) -> Tensor:
    """Return ``c`` if it is a batch of codes, shape ``(*batch, positions)``, each entry below ``size``.

    Raises:
        ValueError: if ``c`` does not hold integers, is empty, has another last axis, or an entry is out of range.

    Example:
        >>> check_codes(torch.tensor([[0, 3]]), 2, 4)
        tensor([[0, 3]])
    """
    if not isinstance(c, Tensor) or c.dtype != torch.long:
        raise ValueError(f"codes must be a tensor of dtype torch.int64, got {getattr(c, 'dtype', type(c).__name__)}")
    if c.ndim == 0 or c.shape[-1] != positions or c.numel() == 0:
        raise ValueError(f"codes must have shape (..., {positions}) and not be empty, got {tuple(c.shape)}")
    if c.min() < 0 or c.max() >= size:
        raise ValueError(f"codes must be from 0 to {size - 1}, got {c.min().item()} to {c.max().item()}")
    return c


def all_codes(positions: int, size: int, device: torch.device | str = "cpu") -> Tensor:
    """Every code once, in lexicographic order: shape ``(size ** positions, positions)``.

    Raises:
        ValueError: on counts below one, or where there are more than 2 ** 20 codes.

    Example:
        >>> all_codes(2, 2)
        tensor([[0, 0],
                [0, 1],
                [1, 0],
                [1, 1]])
    """
    if check_count(size, "size") ** check_count(positions, "positions") > MOST:
        raise ValueError(f"{size} ** {positions} codes are too many to list: the most is {MOST}")
    return torch.cartesian_prod(*[torch.arange(size, device=device)] * positions).reshape(-1, positions)


class CodePrior(nn.Module):
    """p(c) as a product of conditionals p(c_l | c_1, ..., c_{l-1}), by an MLP whose weights are masked.

    With ``hidden=0`` there is no MLP, and the positions are independent. The logits start at zero,
    so every prior starts as the uniform one. ``log_prob`` and ``sample`` are exact.

    Args:
        positions: L.
        size: K, how many code vectors there are.
        hidden: width of the hidden layer for each position.

    Raises:
        ValueError: on ``positions`` or ``size`` below one, or a negative ``hidden``.

    Source: van den Oord, Vinyals and Kavukcuoglu 2017, section 3.3 (a prior fitted after training); the masks
    are those of Germain et al. 2015 in their plainest form. In the book eq-vae-vq-prior.

    Example:
        >>> prior = CodePrior(4, 8, hidden=16)
        >>> round(prior.log_prob(torch.tensor([0, 1, 2, 7])).item(), 4)  # -4 log 8
        -8.3178
        >>> prior.sample((5,)).shape
        torch.Size([5, 4])
    """

    def __init__(self, positions: int, size: int, hidden: int = 0):
        super().__init__()
        self.positions, self.size = check_count(positions, "positions"), check_count(size, "size")
        self.bias = nn.Parameter(torch.zeros(positions, size))
        self.hidden = hidden and check_count(hidden, "hidden")
        if self.hidden:
            self.first = nn.Linear(positions * size, positions * hidden)
            self.last = nn.Parameter(torch.zeros(positions * size, positions * hidden))
            before = torch.ones(positions, positions).tril(-1)  # row l: the positions before l
            self.register_buffer("first_mask", _blocks(before, hidden, size))
            self.register_buffer("last_mask", _blocks(torch.ones(positions, positions).tril(), size, hidden))

    def logits(self, one_hot: Tensor) -> Tensor:
        """Logits of each conditional, shape ``(*batch, L, K)``; row l depends on the rows before l only.

        Args:
            one_hot: the code with a 1 where c_l = k, shape ``(*batch, L, K)``.
        """
        if not self.hidden:
            return self.bias.expand_as(one_hot)
        h = F.linear(one_hot.flatten(-2), self.first.weight * self.first_mask, self.first.bias).tanh()
        return F.linear(h, self.last * self.last_mask).unflatten(-1, one_hot.shape[-2:]) + self.bias

    def log_prob(self, codes: Tensor) -> Tensor:
        """Exact log-mass of ``codes``, shape ``(*batch, L)``; returns shape ``batch``.

        Raises:
            ValueError: on what is no batch of codes.

        Source: in the book eq-vae-vq-prior.
        """
        return self._log_prob(check_codes(codes, self.positions, self.size))

    @torch.no_grad()
    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws, one position after the other; shape ``(*sample_shape, L)``."""
        one_hot = self.bias.new_zeros(*sample_shape, self.positions, self.size)
        codes = torch.zeros(one_hot.shape[:-1], dtype=torch.long, device=one_hot.device)
        for i in range(self.positions):
            p = self.logits(one_hot)[..., i, :].softmax(-1)  # eq-vae-vq-prior
            codes[..., i] = torch.multinomial(p.reshape(-1, self.size), 1, generator=generator).reshape(sample_shape)
            one_hot[..., i, :] = F.one_hot(codes[..., i], self.size)
        return codes

    def _log_prob(self, codes: Tensor) -> Tensor:
        log_p = self.logits(F.one_hot(codes, self.size).to(self.bias.dtype)).log_softmax(-1)
        return log_p.gather(-1, codes.unsqueeze(-1)).sum((-2, -1))  # eq-vae-vq-prior


def _blocks(mask: Tensor, rows: int, columns: int) -> Tensor:
    return mask.repeat_interleave(rows, 0).repeat_interleave(columns, 1)
