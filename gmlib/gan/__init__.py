"""Generative adversarial networks: losses, penalties, the training loop, and the games that are known exactly."""

from gmlib.gan.games import alternating_steps, dirac_gan, simultaneous_steps, trajectory
from gmlib.gan.losses import (
    critic_generator_loss,
    critic_loss,
    discriminator_loss,
    hinge_loss,
    nonsaturating_loss,
    saturating_loss,
)
from gmlib.gan.model import Discriminator, Generator
from gmlib.gan.optimum import optimal_discriminator, value
from gmlib.gan.penalised import Penalised, penalised_normals, penalised_points
from gmlib.gan.penalties import (
    SpectralNorm,
    clip_weights,
    gradient_norms,
    gradient_penalty,
    interpolates,
    r1_penalty,
    spectral_normalise,
)
from gmlib.gan.training import train_adversarially

__all__ = [
    "Discriminator",
    "Generator",
    "Penalised",
    "SpectralNorm",
    "alternating_steps",
    "clip_weights",
    "critic_generator_loss",
    "critic_loss",
    "dirac_gan",
    "discriminator_loss",
    "gradient_norms",
    "gradient_penalty",
    "hinge_loss",
    "interpolates",
    "nonsaturating_loss",
    "optimal_discriminator",
    "penalised_normals",
    "penalised_points",
    "r1_penalty",
    "saturating_loss",
    "simultaneous_steps",
    "spectral_normalise",
    "train_adversarially",
    "trajectory",
    "value",
]
