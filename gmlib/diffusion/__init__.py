"""Diffusion models: noise added step by step, and a network that learns the way back."""

from gmlib.diffusion.bound import best_variance, binned_log_prob, end_kl, noise_weight, step_kl, weight_of_x0
from gmlib.diffusion.continuous import flow_field, flow_log_prob, noise_variance, reverse_sde
from gmlib.diffusion.exact import DiffusedMixture, exact_denoiser
from gmlib.diffusion.forward import noised, posterior, step_beta, step_beta_tilde
from gmlib.diffusion.model import Diffusion, class_loss, labelled, simple_loss
from gmlib.diffusion.nets import TimeMLP, UNet, time_features
from gmlib.diffusion.parameterisation import DATA, NOISE, VELOCITY, Parameterisation, noise_from_x0
from gmlib.diffusion.sampling import ancestral, langevin, spaced
from gmlib.diffusion.schedule import Schedule, cosine, linear

__all__ = [
    "DATA",
    "NOISE",
    "VELOCITY",
    "DiffusedMixture",
    "Diffusion",
    "Parameterisation",
    "Schedule",
    "TimeMLP",
    "UNet",
    "ancestral",
    "best_variance",
    "binned_log_prob",
    "class_loss",
    "cosine",
    "end_kl",
    "exact_denoiser",
    "flow_field",
    "flow_log_prob",
    "labelled",
    "langevin",
    "linear",
    "noise_from_x0",
    "noise_variance",
    "noise_weight",
    "noised",
    "posterior",
    "reverse_sde",
    "simple_loss",
    "spaced",
    "step_beta",
    "step_beta_tilde",
    "step_kl",
    "time_features",
    "weight_of_x0",
]
