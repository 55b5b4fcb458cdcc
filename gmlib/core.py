"""What a model can do, how a number about it is reported, and how bad input is refused.

A capability is a method, and each name means one thing throughout the book. All values are in
nats. The protocols below can be used with ``isinstance``; PyTorch's own distributions satisfy
``HasLogProb`` and ``CanSample``, so they can serve as oracles in tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from torch import Tensor

Kind = Literal["exact", "lower", "upper", "unbiased"]


@runtime_checkable
class CanSample(Protocol):
    """Draws from the model. The docstring of ``sample`` says whether they are exact."""

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor: ...


@runtime_checkable
class HasLogProb(Protocol):
    """Exact log-density or log-mass, one value for each element of the batch."""

    def log_prob(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class HasElbo(Protocol):
    """An unbiased draw of a lower bound on log p(x), one value for each element of the batch."""

    def elbo(self, x: Tensor, num_samples: int = 1) -> Tensor: ...


@runtime_checkable
class HasScore(Protocol):
    """Gradient of log p with respect to x, with the shape of x."""

    def score(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class CanEstimateLogProb(Protocol):
    """A value about log p(x) that says what it is and how uncertain it is."""

    def estimate_log_prob(self, x: Tensor, num_samples: int) -> Estimate: ...


@dataclass(frozen=True)
class Estimate:
    """A number (or one for each element of a batch), what it is, and its standard error.

    Args:
        value: in nats.
        kind: what the expectation of ``value`` is: ``"exact"``; a ``"lower"`` or ``"upper"``
            bound of the quantity; or the quantity itself (``"unbiased"``).
        standard_error: same shape as ``value``, or ``None`` where there is none.

    Example:
        >>> Estimate(torch.tensor(-3.25), "lower", torch.tensor(0.01))
        -3.2500 ± 0.0100 (lower)
    """

    value: Tensor
    kind: Kind
    standard_error: Tensor | None = None

    def __post_init__(self):
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {get_args(Kind)}, got {self.kind!r}")
        if self.standard_error is not None and self.standard_error.shape != self.value.shape:
            raise ValueError(
                f"standard_error has shape {tuple(self.standard_error.shape)}, "
                f"value has shape {tuple(self.value.shape)}"
            )

    def __repr__(self) -> str:
        if self.value.ndim:
            return f"Estimate(kind={self.kind!r}, shape={tuple(self.value.shape)})"
        spread = "" if self.standard_error is None else f" ± {self.standard_error.item():.4f}"
        return f"{self.value.item():.4f}{spread} ({self.kind})"


def check_batch(x: Tensor, name: str, *event_shape: int) -> Tensor:
    """Return ``x`` if it is a usable batch, else say what is wrong with it.

    Args:
        x: any floating-point tensor of shape ``(*batch, *event_shape)``.
        name: the argument's name, for the message.
        event_shape: the sizes that the last axes must have.

    Raises:
        ValueError: if ``x`` is not a floating-point tensor, is empty, has other last axes,
            or holds a NaN.

    Example:
        >>> check_batch(torch.zeros(5, 3), "x", 3).shape
        torch.Size([5, 3])
    """
    check_shape(x, name, *event_shape)
    if x.isnan().any():
        raise ValueError(f"{name} holds {int(x.isnan().sum())} NaN")
    return x


def check_shape(x: Tensor, name: str, *event_shape: int) -> Tensor:
    """The part of :func:`check_batch` that does not read the values (no wait on a GPU)."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise ValueError(f"{name} must be a floating-point tensor, got {_describe(x)}")
    n = len(event_shape)
    if x.ndim < n or tuple(x.shape[x.ndim - n :]) != event_shape:
        raise ValueError(f"{name} must have shape (..., {', '.join(map(str, event_shape))}), got {tuple(x.shape)}")
    if x.numel() == 0:
        raise ValueError(f"{name} is empty: its shape is {tuple(x.shape)}")
    return x


def check_positive(value: float | Tensor, name: str) -> float | Tensor:
    """Return ``value`` if all of it is positive and finite, else raise a ``ValueError``.

    Example:
        >>> check_positive(0.5, "sigma")
        0.5
    """
    if isinstance(value, (int, float)):  # no tensor for a number: this is called at each step
        fine = 0 < value < math.inf
    else:
        v = torch.as_tensor(value)
        fine = bool(((v > 0) & v.isfinite()).all())
    if not fine:
        raise ValueError(f"{name} must be positive and finite, got {_describe(value)}")
    return value


def check_count(n: int, name: str) -> int:
    """Return ``n`` if it is a whole number of at least one, else raise a ``ValueError``.

    Example:
        >>> check_count(3, "num_samples")
        3
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {n!r}")
    return n


def as_float64(x: Tensor) -> Tensor:
    """``x`` in float64: on its device, or on the CPU where the device has none (Apple's ``mps``)."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def _describe(x: object) -> str:
    if isinstance(x, Tensor):
        return f"a tensor of dtype {x.dtype} and shape {tuple(x.shape)}" if x.ndim else f"{x.item()!r}"
    return repr(x)
