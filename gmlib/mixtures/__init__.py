"""Gaussians, mixtures of them, and EM: responsibilities, bounds that only rise, and how fast."""

from gmlib.mixtures.bernoulli import BernoulliMixture, bernoulli_em
from gmlib.mixtures.em import (
    Parameters,
    Prior,
    Step,
    bound,
    diagonal,
    e_step,
    em,
    full,
    log_joint,
    log_prior,
    m_step,
    spherical,
    tied,
)
from gmlib.mixtures.exact import em_map, em_rate
from gmlib.mixtures.gaussian import Missing, condition, em_missing, fit_gaussian, marginal
from gmlib.mixtures.starts import Fit, bic, fit, free_parameters, kmeans_plus_plus, lloyd, nearest_centre, start

__all__ = [
    "BernoulliMixture",
    "Fit",
    "Missing",
    "Parameters",
    "Prior",
    "Step",
    "bernoulli_em",
    "bic",
    "bound",
    "condition",
    "diagonal",
    "e_step",
    "em",
    "em_map",
    "em_missing",
    "em_rate",
    "fit",
    "fit_gaussian",
    "free_parameters",
    "full",
    "kmeans_plus_plus",
    "lloyd",
    "log_joint",
    "log_prior",
    "m_step",
    "marginal",
    "nearest_centre",
    "spherical",
    "start",
    "tied",
]
