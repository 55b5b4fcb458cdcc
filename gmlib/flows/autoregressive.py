"""The masked autoregressive flow: one pass to evaluate, one pass a dimension to draw."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmlib.core import check_positive
from gmlib.nn import MaskedMLP


class MaskedAffine(nn.Module):
    """z_i = (x_i - m_i) exp(-a_i), where m_i and a_i are functions of x_1, …, x_{i-1}.

    x to z is one pass of the network; z to x takes D passes, since x_i must be known before x_{i+1} can be. The inverse
    autoregressive flow is the same layer in the other direction: quick to draw from and slow to evaluate.

    Args:
        net: a :class:`~gmlib.nn.MaskedMLP` with two outputs for each dimension: m and a.
        clamp: a is kept within it by ``clamp * tanh(a / clamp)``; positive.

    Source: Papamakarios, Pavlakou and Murray 2017; Kingma et al. 2016 for the inverse; in the book eq-flows-maf.

    Example:
        >>> layer = MaskedAffine(MaskedMLP(3, 16, per=2))
        >>> x = torch.randn(5, 3)
        >>> torch.allclose(layer.inverse(layer(x)[0])[0], x, atol=1e-4)
        True
    """

    def __init__(self, net: MaskedMLP, clamp: float = 3.0):
        super().__init__()
        self.net, self.clamp = net, check_positive(clamp, "clamp")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        m, a = self._scale_and_shift(x)
        return (x - m) * (-a).exp(), -a.sum(-1)  # eq-flows-maf

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.zeros_like(z)
        for i in self.net.order.argsort().tolist():
            m, a = self._scale_and_shift(x)
            x = x.index_copy(-1, torch.tensor([i], device=z.device), (z * a.exp() + m)[..., i : i + 1])  # eq-flows-maf-inverse
        return x, a.sum(-1)  # the last pass saw all that any a looks at

    def _scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        m, a = self.net(x).unbind(-1)
        return m, self.clamp * (a / self.clamp).tanh()
