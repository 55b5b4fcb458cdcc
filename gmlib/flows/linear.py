"""Linear layers whose determinant is cheap: a unit-triangular map, an LU form, activation normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from gmlib.core import check_batch, check_count


class UnitTriangular(nn.Module):
    """z = (I + L) x with L strictly lower triangular: determinant 1. At the start it is the identity.

    With :class:`~gmlib.flows.Scaling` after it, it fits any Gaussian exactly.

    Args:
        D: the dimension.

    Source: in the book eq-flows-ldl.

    Example:
        >>> UnitTriangular(3)(torch.ones(2, 3))[1]
        tensor([0., 0.])
    """

    def __init__(self, D: int):
        super().__init__()
        self.lower = nn.Parameter(torch.zeros(check_count(D, "D"), D))

    def matrix(self) -> Tensor:
        """I + L, shape ``(D, D)``."""
        return self.lower.tril(-1) + torch.eye(len(self.lower), dtype=self.lower.dtype, device=self.lower.device)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ self.matrix().mT, x.new_zeros(x.shape[:-1])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.linalg.solve_triangular(self.matrix(), z.unsqueeze(-1), upper=False, unitriangular=True)
        return x.squeeze(-1), z.new_zeros(z.shape[:-1])


class LULinear(nn.Module):
    """z = W x on the last axis, with W = P L U: P fixed, L unit lower triangular, U upper; log|det W| is the sum of log|u_ii|.

    With channels on the last axis it is an invertible 1 x 1 convolution: one position after the other goes through the same W.

    Args:
        W: the matrix at the start, shape ``(D, D)``, far from singular; a random rotation or reflection, say.
        event_dims: how many last axes make one example: 1, or 3 for images ``(H, W, C)``.

    Raises:
        ValueError: if W is not a square matrix or is singular, up to rounding.

    Source: Kingma and Dhariwal 2018, section 3.2; in the book eq-flows-lu.

    Example:
        >>> layer = LULinear(torch.tensor([[0.0, 2.0], [3.0, 1.0]]))
        >>> round(layer(torch.zeros(2))[1].exp().item(), 4)
        6.0
    """

    def __init__(self, W: Tensor, event_dims: int = 1):
        super().__init__()
        if check_batch(W, "W").ndim != 2 or W.shape[0] != W.shape[1]:
            raise ValueError(f"W must have shape (D, D), got {tuple(W.shape)}")
        P, L, U = torch.linalg.lu(W)
        diagonal = U.diagonal()
        if (diagonal.abs() <= 10 * torch.finfo(W.dtype).eps * W.abs().max()).any():
            raise ValueError("W must not be singular")
        self.event_dims = check_count(event_dims, "event_dims")
        self.register_buffer("P", P)
        self.register_buffer("sign", diagonal.sign())
        self.log_u, self.L, self.U = nn.Parameter(diagonal.abs().log()), nn.Parameter(L.clone()), nn.Parameter(U.clone())

    def factors(self) -> tuple[Tensor, Tensor]:
        """L and U, shapes ``(D, D)``."""
        eye = torch.eye(len(self.log_u), dtype=self.L.dtype, device=self.L.device)
        return self.L.tril(-1) + eye, self.U.triu(1) + (self.sign * self.log_u.exp()).diag()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        L, U = self.factors()
        return x @ (self.P @ L @ U).mT, self._log_det(x)  # eq-flows-lu

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        L, U = self.factors()
        y = torch.linalg.solve_triangular(L, self.P.mT @ z.unsqueeze(-1), upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(U, y, upper=True).squeeze(-1), -self._log_det(z)

    def _log_det(self, x: Tensor) -> Tensor:
        batch, positions = x.shape[: x.ndim - self.event_dims], x.shape[x.ndim - self.event_dims : -1].numel()
        return (positions * self.log_u.sum()).expand(batch)


class ActNorm(nn.Module):
    """z = (x - shift) exp(log_s) on the last axis, set by the first batch so that z has mean 0 and variance 1 there.

    The first batch that goes forward sets it, in ``log_prob`` too; until then ``inverse`` is the identity.

    Args:
        D: length of the last axis: dimensions, or channels.
        event_dims: how many last axes make one example: 1, or 3 for images ``(H, W, C)``.

    Source: Kingma and Dhariwal 2018, section 3.1; in the book eq-flows-actnorm.

    Example:
        >>> layer = ActNorm(2)
        >>> z, _ = layer(torch.tensor([[1.0, 5.0], [3.0, 9.0]]))
        >>> z.mean(0).tolist()
        [0.0, 0.0]
    """

    def __init__(self, D: int, event_dims: int = 1):
        super().__init__()
        self.event_dims = check_count(event_dims, "event_dims")
        self.shift = nn.Parameter(torch.zeros(check_count(D, "D")))
        self.log_s = nn.Parameter(torch.zeros(D))
        self.register_buffer("is_set", torch.tensor(False))

    @torch.no_grad()
    def _set(self, x: Tensor) -> None:
        rows = x.reshape(-1, x.shape[-1])
        if len(rows) < 2:
            raise ValueError(f"the first batch must have two examples or more, got shape {tuple(x.shape)}")
        self.shift.copy_(rows.mean(0))
        self.log_s.copy_(-rows.std(0, correction=0).clamp(min=1e-6).log())
        self.is_set.fill_(True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if not self.is_set:
            self._set(x)
        return (x - self.shift) * self.log_s.exp(), self._log_det(x)  # eq-flows-actnorm

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z * (-self.log_s).exp() + self.shift, -self._log_det(z)

    def _log_det(self, x: Tensor) -> Tensor:
        batch, positions = x.shape[: x.ndim - self.event_dims], x.shape[x.ndim - self.event_dims : -1].numel()
        return (positions * self.log_s.sum()).expand(batch)


class PixelCDF(nn.Module):
    """Each pixel through its own distribution function, made from counts, then the logit: z is logistic, pixel by pixel.

    Between the edges of its levels a pixel's distribution function is linear, so that its density is a histogram. Alone
    before a standard logistic law it is exactly the model of independent pixel histograms.

    Args:
        counts: how often each pixel has each level, each positive (add a little), shape ``(D, levels)``. Pixel values
            lie in [0, 1), level k on [k, k + 1) / levels; elsewhere the density is 0.

    Raises:
        ValueError: if a count is not positive.

    Source: in the book eq-flows-pixel-cdf.

    Example:
        >>> layer = PixelCDF(torch.tensor([[1.0, 3.0]]))
        >>> z, log_det = layer(torch.tensor([[0.5]]))
        >>> z.sigmoid()
        tensor([[0.2500]])
    """

    def __init__(self, counts: Tensor):
        super().__init__()
        if check_batch(counts, "counts").ndim != 2 or (counts <= 0).any():
            raise ValueError(f"counts must be positive, of shape (D, levels), got shape {tuple(counts.shape)}")
        mass = counts / counts.sum(-1, keepdim=True)
        self.register_buffer("mass", mass)
        self.register_buffer("below", pad(mass.cumsum(-1), (1, 0))[:, :-1].contiguous())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        levels = self.mass.shape[-1]
        k = (x * levels).long().clamp(0, levels - 1)
        mass, below = self._at(k)
        u = (below + mass * (x * levels - k)).clamp(*_open(x))
        log_det = (mass * levels).log() - u.log() - (-u).log1p()  # eq-flows-pixel-cdf
        log_det = torch.where((x >= 0) & (x < 1), log_det, -torch.inf)
        return torch.logit(u), log_det.sum(-1)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        levels = self.mass.shape[-1]
        u = z.sigmoid().clamp(*_open(z))
        k = torch.searchsorted(self.below, u.reshape(-1, u.shape[-1]).mT.contiguous(), right=True).mT.reshape(u.shape) - 1
        mass, below = self._at(k)
        log_det = (mass * levels).log() - u.log() - (-u).log1p()
        x = (k + ((u - below) / mass).clamp(0, 1 - torch.finfo(z.dtype).eps)) / levels
        return x.clamp(max=1 - torch.finfo(z.dtype).eps), -log_det.sum(-1)  # not rounded up to 1, where the density is 0

    def _at(self, k: Tensor) -> tuple[Tensor, Tensor]:
        rows = torch.arange(len(self.mass), device=k.device)
        return self.mass[rows, k], self.below[rows, k]


def _open(x: Tensor) -> tuple[float, float]:
    """The least and the greatest number of the open interval (0, 1) that the logit can take."""
    return torch.finfo(x.dtype).tiny, 1 - torch.finfo(x.dtype).eps
