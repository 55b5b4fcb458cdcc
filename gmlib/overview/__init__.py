"""What a generative model is: joint, marginal and conditional distributions, and what each can be asked."""

from gmlib.overview.discriminant import GaussianDiscriminant, fit_gaussian_discriminant, linear_logits

__all__ = [
    "GaussianDiscriminant",
    "fit_gaussian_discriminant",
    "linear_logits",
]
