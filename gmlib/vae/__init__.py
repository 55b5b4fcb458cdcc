"""Latent variable models, the evidence lower bound, and the variational autoencoder."""

from gmlib.vae.bounds import iwae, reparameterise, sgvb_a, sgvb_b
from gmlib.vae.disentangle import (
    KLTerms,
    aggregate_kl_terms,
    beta_tcvae_loss,
    beta_vae_loss,
    kl_decomposition,
    minibatch_kl_terms,
    stratified_log_weights,
)
from gmlib.vae.estimators import reparameterisation_gradient, score_function_gradient
from gmlib.vae.gaussian import kl_gaussians, kl_to_standard_normal
from gmlib.vae.linear import LinearDecoder, LinearEncoder, LinearGaussian, ppca
from gmlib.vae.model import VAE, negative_elbo

__all__ = [
    "VAE",
    "KLTerms",
    "LinearDecoder",
    "LinearEncoder",
    "LinearGaussian",
    "aggregate_kl_terms",
    "beta_tcvae_loss",
    "beta_vae_loss",
    "iwae",
    "kl_decomposition",
    "kl_gaussians",
    "kl_to_standard_normal",
    "minibatch_kl_terms",
    "negative_elbo",
    "ppca",
    "reparameterisation_gradient",
    "reparameterise",
    "score_function_gradient",
    "sgvb_a",
    "sgvb_b",
    "stratified_log_weights",
]
