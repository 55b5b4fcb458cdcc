"""Latent variable models, the evidence lower bound, and the variational autoencoder."""

from gmlib.vae.beta import beta_tcvae_loss, beta_vae_loss
from gmlib.vae.bounds import iwae, reparameterise, sgvb_a, sgvb_b
from gmlib.vae.disentangle import (
    KLTerms,
    aggregate_kl_terms,
    kl_decomposition,
    minibatch_kl_terms,
    stratified_log_weights,
)
from gmlib.vae.estimators import reparameterisation_gradient, score_function_gradient
from gmlib.vae.gaussian import kl_gaussians, kl_to_standard_normal
from gmlib.vae.linear import LinearDecoder, LinearEncoder, LinearGaussian, ppca
from gmlib.vae.model import VAE, compiled, negative_elbo
from gmlib.vae.vq import ema_codebook, ema_update, nearest, perplexity, revive, straight_through, vq_terms
from gmlib.vae.vq_model import VQVAE, log_prob_by_enumeration, prior_loss, vq_ema_loss, vq_loss
from gmlib.vae.vq_prior import CodePrior, all_codes

__all__ = [
    "VAE",
    "VQVAE",
    "CodePrior",
    "KLTerms",
    "LinearDecoder",
    "LinearEncoder",
    "LinearGaussian",
    "aggregate_kl_terms",
    "all_codes",
    "beta_tcvae_loss",
    "beta_vae_loss",
    "compiled",
    "ema_codebook",
    "ema_update",
    "iwae",
    "kl_decomposition",
    "kl_gaussians",
    "kl_to_standard_normal",
    "log_prob_by_enumeration",
    "minibatch_kl_terms",
    "nearest",
    "negative_elbo",
    "perplexity",
    "ppca",
    "prior_loss",
    "reparameterisation_gradient",
    "reparameterise",
    "revive",
    "score_function_gradient",
    "sgvb_a",
    "sgvb_b",
    "straight_through",
    "stratified_log_weights",
    "vq_ema_loss",
    "vq_loss",
    "vq_terms",
]
