"""Divergences and distances between laws, optimal transport, and the calculus of variations."""

from gmlib.divergences.f_divergences import (
    CHI2,
    GAN,
    HELLINGER,
    JS,
    KL,
    REVERSE_KL,
    TV,
    FDivergence,
    donsker_varadhan,
    f_divergence,
    fenchel_bound,
)
from gmlib.divergences.finite import entropy, js, kl, total_variation
from gmlib.divergences.gaussian import Regularised, entropic_normals, wasserstein1_normals, wasserstein2_gaussians
from gmlib.divergences.sinkhorn import Entropic, sinkhorn, sinkhorn_divergence
from gmlib.divergences.transport import Transport, cost_matrix, exact_transport, sliced_wasserstein, wasserstein_1d
from gmlib.divergences.variational import MaxEntropy, functional_derivative, max_entropy

__all__ = [
    "CHI2",
    "GAN",
    "HELLINGER",
    "JS",
    "KL",
    "REVERSE_KL",
    "TV",
    "Entropic",
    "FDivergence",
    "MaxEntropy",
    "Regularised",
    "Transport",
    "cost_matrix",
    "donsker_varadhan",
    "entropic_normals",
    "entropy",
    "exact_transport",
    "f_divergence",
    "fenchel_bound",
    "functional_derivative",
    "js",
    "kl",
    "max_entropy",
    "sinkhorn",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "total_variation",
    "wasserstein1_normals",
    "wasserstein2_gaussians",
    "wasserstein_1d",
]
