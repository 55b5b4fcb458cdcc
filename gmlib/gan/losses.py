"""What the two players of a GAN minimise, as functions of the discriminator's outputs.

``real`` and ``fake`` are the outputs for real and for generated examples, before any sigmoid, shapes ``(*copies, n)`` and
``(*copies, m)``; a loss is a mean over the last axis, one value for each copy. D = sigmoid(output), but for a critic,
which has no sigmoid. Every loss is to be minimised, the discriminator's as well.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gmlib.core import check_shape


def discriminator_loss(real: Tensor, fake: Tensor, smooth: float = 1.0) -> Tensor:
    """-V(D, G), the mean of -log D over real examples and that of -log(1 - D) over generated ones, added.

    Args:
        real, fake: logits, shapes ``(*copies, n)`` and ``(*copies, m)``.
        smooth: the label of real examples, in (1/2, 1]; below 1 it is one-sided label smoothing.

    Returns:
        Nats, shape ``copies``.

    Raises:
        ValueError: on shapes that do not fit, or a label outside (1/2, 1].

    Source: Goodfellow et al. 2014; Salimans et al. 2016 for the smoothing; in the book eq-gan-logits.

    Example:
        >>> discriminator_loss(torch.zeros(3), torch.zeros(5))
        tensor(1.3863)
    """
    _check_pair(real, fake)
    if not 0.5 < smooth <= 1:
        raise ValueError(f"smooth must be in (1/2, 1], got {smooth!r}")
    # -log D = softplus(-o) and -log(1 - D) = softplus(o), without the cancellation of 1 - D
    of_real = smooth * softplus(-real) + (1 - smooth) * softplus(real)  # eq-gan-smoothing
    return of_real.mean(-1) + softplus(fake).mean(-1)  # eq-gan-logits


def saturating_loss(fake: Tensor) -> Tensor:
    """The mean of log(1 - D) over generated examples: what the generator minimises in the game itself.

    Args:
        fake: logits, shape ``(*copies, m)``.

    Returns:
        Nats, shape ``copies``, never positive.

    Raises:
        ValueError: on outputs without an axis of examples.

    Source: Goodfellow et al. 2014; in the book eq-gan-saturating.

    Example:
        >>> saturating_loss(torch.zeros(3))
        tensor(-0.6931)
    """
    return -softplus(_check(fake, "fake")).mean(-1)  # eq-gan-saturating


def nonsaturating_loss(fake: Tensor) -> Tensor:
    """The mean of -log D over generated examples.

    Args:
        fake: logits, shape ``(*copies, m)``.

    Returns:
        Nats, shape ``copies``, never negative.

    Raises:
        ValueError: on outputs without an axis of examples.

    Source: Goodfellow et al. 2014; in the book eq-gan-nonsaturating.

    Example:
        >>> nonsaturating_loss(torch.zeros(3))
        tensor(0.6931)
    """
    return softplus(-_check(fake, "fake")).mean(-1)  # eq-gan-nonsaturating


def hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's hinge loss: real outputs are pushed above 1, generated ones below -1, and no further.

    The generator that goes with it minimises :func:`critic_generator_loss`.

    Args:
        real, fake: outputs, shapes ``(*copies, n)`` and ``(*copies, m)``.

    Returns:
        Shape ``copies``.

    Raises:
        ValueError: on shapes that do not fit.

    Source: Lim and Ye 2017; Miyato et al. 2018; in the book eq-gan-hinge.

    Example:
        >>> hinge_loss(torch.tensor([3.0, 0.5]), torch.tensor([-2.0, 0.0]))
        tensor(0.7500)
    """
    _check_pair(real, fake)
    return torch.relu(1 - real).mean(-1) + torch.relu(1 + fake).mean(-1)  # eq-gan-hinge


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Minus the critic's estimate: the mean over generated examples less that over real ones.

    Args:
        real, fake: the critic's values, shapes ``(*copies, n)`` and ``(*copies, m)``.

    Returns:
        In units of the critic, shape ``copies``.

    Raises:
        ValueError: on shapes that do not fit.

    Source: Arjovsky, Chintala and Bottou 2017; in the book eq-gan-critic.

    Example:
        >>> critic_loss(torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0]))
        tensor(-2.5000)
    """
    _check_pair(real, fake)
    return fake.mean(-1) - real.mean(-1)  # eq-gan-critic


def critic_generator_loss(fake: Tensor) -> Tensor:
    """Minus the mean of the critic over generated examples.

    Args:
        fake: the critic's values, shape ``(*copies, m)``.

    Returns:
        In units of the critic, shape ``copies``.

    Raises:
        ValueError: on outputs without an axis of examples.

    Source: Arjovsky, Chintala and Bottou 2017; in the book eq-gan-critic-generator.

    Example:
        >>> critic_generator_loss(torch.tensor([1.0, 2.0]))
        tensor(-1.5000)
    """
    return -_check(fake, "fake").mean(-1)  # eq-gan-critic-generator


def _check(o: Tensor, name: str) -> Tensor:
    if check_shape(o, name).ndim == 0:
        raise ValueError(f"{name} must have shape (..., n), got ()")
    return o


def _check_pair(real: Tensor, fake: Tensor) -> None:
    if _check(real, "real").shape[:-1] != _check(fake, "fake").shape[:-1]:
        raise ValueError(f"real and fake must have the same copies, got {tuple(real.shape)} and {tuple(fake.shape)}")
