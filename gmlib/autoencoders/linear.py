"""The linear autoencoder and principal component analysis."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count, check_positive


class PCA(NamedTuple):
    """``mean``: shape ``(D,)``; ``components``: the k directions of largest variance, one a row, shape ``(k, D)``; ``variances``:
    all D of them, falling."""

    mean: Tensor
    components: Tensor
    variances: Tensor

    def reconstruct(self, x: Tensor) -> Tensor:
        """The nearest point of the plane through the mean: shape ``(*batch, D)`` to the same."""
        check_batch(x, "x", len(self.mean))  # a column would be spread over all D dimensions
        return (x - self.mean) @ self.components.T @ self.components + self.mean  # eq-autoencoders-pca


def pca(x: Tensor, k: int) -> PCA:
    """Principal components of examples, by the eigenvectors of their covariance (divided by N).

    No linear autoencoder with a code of k numbers has a smaller mean squared error; the subspace is unique where
    variance k is larger than variance k + 1, and a direction's sign never is.

    Args:
        x: shape ``(N, D)``, N at least 2.
        k: at most D.

    Raises:
        ValueError: on another shape or a ``k`` out of range.

    Source: Baldi and Hornik 1989; in the book eq-autoencoders-pca.

    Example:
        >>> found = pca(torch.tensor([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]]), 1)
        >>> found.reconstruct(torch.tensor([3.0, 1.0]))
        tensor([2., 2.])
    """
    check_batch(x, "x")
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"x must have shape (N, D) with N at least 2, got {tuple(x.shape)}")
    if check_count(k, "k") > x.shape[1]:
        raise ValueError(f"k must be at most D = {x.shape[1]}, got {k}")
    mean = x.mean(0)
    variances, axes = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    return PCA(mean, axes.flip(1).T[:k], variances.flip(0).clamp(min=0))


def linear_loss(W: Tensor, V: Tensor, C: Tensor, weight: float = 0.0) -> Tensor:
    """E||x - V W x||^2 for centred x with covariance C, and ``weight`` (||W||_F^2 + ||V||_F^2).

    Args:
        W: the encoder, shape ``(k, D)``.
        V: the decoder, shape ``(D, k)``.
        C: shape ``(D, D)``.
        weight: of the decay; with it, the best V has the principal directions for its left singular vectors.

    Source: in the book eq-autoencoders-linear; Kunin et al. 2019 for the decay, eq-autoencoders-decay.

    Example:
        >>> linear_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0], [0.0]]), torch.diag(torch.tensor([3.0, 2.0])))
        tensor(2.)
    """
    k, D = W.shape
    check_batch(V, "V", D, k)
    check_batch(C, "C", D, D)
    A = torch.eye(D, dtype=C.dtype, device=C.device) - V @ W
    loss = (A @ C * A).sum()  # eq-autoencoders-linear
    return loss + weight * (W.square().sum() + V.square().sum()) if weight else loss  # eq-autoencoders-decay


def decayed_singular_values(variances: Tensor, weight: float) -> Tensor:
    """Those of the best W and V under the decay: sqrt(1 - weight / variance), and 0 where the variance is no larger.

    A variance that rounding made negative counts as 0.

    Source: Kunin et al. 2019; in the book eq-autoencoders-decay.

    Example:
        >>> decayed_singular_values(torch.tensor([0.8, 0.2, 0.05]), 0.1)
        tensor([0.9354, 0.7071, 0.0000])
    """
    check_positive(weight, "weight")
    return (1 - weight / check_batch(variances, "variances").clamp(min=0)).clamp(min=0).sqrt()  # eq-autoencoders-decay


def subspace_angle(A: Tensor, B: Tensor) -> Tensor:
    """The largest angle between the spans of the columns of A and of B, in radians: the worst of the best matches.

    Args:
        A, B: shape ``(D, k)``, independent columns.

    Source: in the book eq-autoencoders-angle; as ``scipy.linalg.subspace_angles``.

    Example:
        >>> subspace_angle(torch.tensor([[1.0], [0.0]]), torch.tensor([[1.0], [1.0]]))
        tensor(0.7854)
    """
    check_batch(A, "A")
    check_batch(B, "B", *A.shape)
    Q, P = torch.linalg.qr(A).Q, torch.linalg.qr(B).Q
    sine = torch.linalg.matrix_norm(P - Q @ (Q.T @ P), 2)  # small angles by their sine, which keeps their digits
    return torch.asin(sine.clamp(max=1))  # eq-autoencoders-angle
