"""Exact optimal transport: on the line by sorting, in any space as a linear programme, and by projection to lines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, kron, vstack
from torch import Tensor

from gmlib.core import check_batch, check_positive
from gmlib.divergences.finite import check_law


def wasserstein_1d(x: Tensor, y: Tensor, a: Tensor | None = None, b: Tensor | None = None, p: float = 1.0) -> Tensor:
    """W_p^p between two laws on finitely many points of the line; for p = 1, W_1 itself.

    For p = 1 it is the area between the distribution functions, for others the mean of ``|difference|^p`` of the quantile
    functions. Sums run in float64, so a device without it is not served.

    Args:
        x, y: points in any order, shapes ``(*batch, n)`` and ``(*batch, m)``.
        a, b: their probabilities, same shapes; without them, each point counts the same.
        p: at least 1.

    Returns:
        Shape ``batch``, in units of x to the power p. Differentiable by x and y.

    Raises:
        ValueError: on a NaN, probabilities that are no law, shapes that do not fit, or p below 1.

    Source: Peyré and Cuturi 2019, section 2.6.

    Example:
        >>> wasserstein_1d(torch.tensor([0.0, 1.0]), torch.tensor([5.0, 6.0, 5.0, 6.0]))
        tensor(5.)
    """
    (x, a), (y, b) = _weighted(x, a, "x", "a"), _weighted(y, b, "y", "b")
    if x.shape[:-1] != y.shape[:-1]:
        raise ValueError(f"x and y must have the same batch, got {tuple(x.shape)} and {tuple(y.shape)}")
    if not p >= 1:
        raise ValueError(f"p must be at least 1, got {p!r}")
    return _area_between_cdfs(x, y, a, b) if p == 1 else _quantile_cost(x, y, a, b, p)


def _area_between_cdfs(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    values, mass = torch.cat([x, y], -1), torch.cat([a, -b], -1)
    order = _argsort(values)
    values, mass = values.gather(-1, order), mass.gather(-1, order)
    return (mass.cumsum(-1)[..., :-1].abs() * values.diff()).sum(-1).to(x.dtype)  # eq-divergences-cdf


def _quantile_cost(x: Tensor, y: Tensor, a: Tensor, b: Tensor, p: float) -> Tensor:
    """Both quantile functions are constant between neighbouring levels of either distribution function."""
    i, j = _argsort(x), _argsort(y)
    F, G = a.gather(-1, i).cumsum(-1), b.gather(-1, j).cumsum(-1)
    levels = torch.cat([F, G], -1).sort(-1).values
    widths = levels.diff(prepend=torch.zeros_like(levels[..., :1]))
    middle = levels - widths / 2
    at = torch.searchsorted(F, middle).clamp(max=x.shape[-1] - 1), torch.searchsorted(G, middle).clamp(max=y.shape[-1] - 1)
    gaps = x.gather(-1, i.gather(-1, at[0])) - y.gather(-1, j.gather(-1, at[1]))
    return (widths * gaps.abs() ** p).sum(-1).to(x.dtype)  # eq-divergences-quantile


def sliced_wasserstein(
    x: Tensor, y: Tensor, directions: Tensor, a: Tensor | None = None, b: Tensor | None = None, p: float = 2.0
) -> Tensor:
    """The mean over directions of W_p^p between the projections; with draws of directions, unbiased for SW_p^p.

    Args:
        x, y: points, shapes ``(n, d)`` and ``(m, d)``.
        directions: unit vectors, shape ``(L, d)``.
        a, b: probabilities, shapes ``(n,)`` and ``(m,)``; without them, each point counts the same.
        p: at least 1.

    Raises:
        ValueError: on shapes that do not fit, a NaN, probabilities that are no law, or directions of another length.

    Source: Bonneel et al. 2015.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
        >>> sliced_wasserstein(x, x + 3, torch.eye(2))
        tensor(9.)
    """
    if check_batch(x, "x").ndim != 2:
        raise ValueError(f"x must have shape (n, d), got {tuple(x.shape)}")
    check_batch(y, "y", *y.shape[:-1], x.shape[1])
    check_batch(directions, "directions", *directions.shape[:-1], x.shape[1])
    if not torch.allclose(directions.norm(dim=-1), directions.new_ones(()), atol=1e-4):
        raise ValueError("directions must be unit vectors")
    lines = len(directions)
    a, b = (None if w is None else w.expand(lines, -1) for w in (a, b))
    return wasserstein_1d(directions @ x.mT, directions @ y.mT, a, b, p).mean()  # eq-divergences-sliced


class Transport(NamedTuple):
    """An optimal plan and its certificate.

    Args:
        value: the least mean cost, equal to ``(a * u).sum() + (b * v).sum()``.
        plan: shape ``(n, m)``, with marginals a and b.
        u, v: potentials, shapes ``(n,)`` and ``(m,)``, with u_i + v_j at most C_ij.
    """

    value: Tensor
    plan: Tensor
    u: Tensor
    v: Tensor


def exact_transport(C: Tensor, a: Tensor, b: Tensor) -> Transport:
    """The plan of least mean cost with marginals a and b, as a linear programme (SciPy's HiGHS), in float64.

    Time and memory grow fast: a few hundred points a side.

    Args:
        C: costs, shape ``(n, m)``, finite.
        a, b: probabilities, shapes ``(n,)`` and ``(m,)``.

    Raises:
        ValueError: on shapes that do not fit, a cost that is not finite, or probabilities that are no law.

    Source: Kantorovich 1942; Peyré and Cuturi 2019, chapter 3.

    Example:
        >>> half = torch.tensor([0.5, 0.5])
        >>> exact_transport(torch.tensor([[3.0, 1.0], [2.0, 7.0]]), half, half).value
        tensor(1.5000)
    """
    if check_batch(C, "C").ndim != 2 or not C.isfinite().all():
        raise ValueError(f"C must be a finite matrix, got shape {tuple(C.shape)}")
    n, m = C.shape
    check_law(a, "a", n)
    check_law(b, "b", m)
    rows = kron(eye_array(n), csr_array(np.ones((1, m))))
    columns = kron(csr_array(np.ones((1, n))), eye_array(m))
    a64, b64 = (w.detach().cpu().double().numpy() for w in (a, b))
    marginals = np.concatenate([a64, b64 * (a64.sum() / b64.sum())])  # their sums agree to the last bit
    done = linprog(C.detach().cpu().double().numpy().ravel(), A_eq=vstack([rows, columns]), b_eq=marginals, method="highs")  # eq-divergences-primal
    if not done.success:
        raise ValueError(f"no plan was found: {done.message}")
    u, v = np.split(done.eqlin.marginals, [n])
    found = done.fun, done.x.reshape(n, m), u, v
    return Transport(*(torch.as_tensor(part, dtype=C.dtype, device=C.device) for part in found))


def cost_matrix(x: Tensor, y: Tensor, p: float = 2.0) -> Tensor:
    """Costs ``|x_i - y_j|^p`` of points ``(*batch, n, d)`` and ``(*batch, m, d)``: shape ``(*batch, n, m)``.

    Raises:
        ValueError: on shapes that do not fit, a NaN, or p that is not positive.

    Example:
        >>> cost_matrix(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0]]))
        tensor([[9.],
                [4.]])
    """
    if check_batch(x, "x").ndim < 2:
        raise ValueError(f"x must have shape (..., n, d), got {tuple(x.shape)}")
    check_batch(y, "y", *y.shape[-2:-1], x.shape[-1])
    check_positive(p, "p")
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist") ** p


def _weighted(x: Tensor, a: Tensor | None, x_name: str, a_name: str) -> tuple[Tensor, Tensor]:
    if check_batch(x, x_name).ndim == 0:
        raise ValueError(f"{x_name} must have shape (..., n), got ()")
    if a is None:
        return x, torch.full(x.shape, 1 / x.shape[-1], dtype=torch.float64, device=x.device)
    check_law(a, a_name, *x.shape)
    a = a.double()
    return x, a / a.sum(-1, keepdim=True)


def _argsort(x: Tensor) -> Tensor:
    """On the CPU by NumPy, whose sort of a long row is some times as fast."""
    if x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(np.argsort(x.detach().numpy(), axis=-1))
    return x.argsort(-1)
