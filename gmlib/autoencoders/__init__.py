"""Autoencoders: a bottleneck, noise or a penalty in the place of the identity, and what each makes the code learn."""

from gmlib.autoencoders.denoise import (
    best_denoiser,
    corrupt_and_decode,
    mean_chain_variance,
    posterior_draw,
    residual_score,
    smoothed,
)
from gmlib.autoencoders.linear import PCA, decayed_singular_values, linear_loss, pca, subspace_angle
from gmlib.autoencoders.model import (
    Autoencoder,
    contractive_loss,
    denoising_loss,
    mean_activation_loss,
    reconstruction_loss,
    sparse_loss,
    squared_error,
)
from gmlib.autoencoders.penalties import jacobian_penalty, kl_sparsity, sigmoid_contraction
from gmlib.autoencoders.sparse import SparseCoder, dead_units, matched_cosines, revive

__all__ = [
    "PCA",
    "Autoencoder",
    "SparseCoder",
    "best_denoiser",
    "contractive_loss",
    "corrupt_and_decode",
    "dead_units",
    "decayed_singular_values",
    "denoising_loss",
    "jacobian_penalty",
    "kl_sparsity",
    "linear_loss",
    "matched_cosines",
    "mean_activation_loss",
    "mean_chain_variance",
    "pca",
    "posterior_draw",
    "reconstruction_loss",
    "residual_score",
    "revive",
    "sigmoid_contraction",
    "smoothed",
    "sparse_loss",
    "squared_error",
    "subspace_angle",
]
