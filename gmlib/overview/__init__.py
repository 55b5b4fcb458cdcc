"""What a generative model is: joint, marginal and conditional distributions, and what each can be asked."""

from gmlib.overview.calibration import (
    Reliability,
    brier,
    calibrated_error,
    expected_calibration_error,
    log_loss,
    reliability,
)
from gmlib.overview.conditional import (
    class_weights,
    implied_prior,
    log_conditional,
    marginal_from_conditionals,
    sample_conditional,
)
from gmlib.overview.decisions import error_with_labels, rejection_threshold
from gmlib.overview.discriminant import GaussianDiscriminant, fit_gaussian_discriminant, linear_logits
from gmlib.overview.naive_bayes import BernoulliNaiveBayes, fit_bernoulli_naive_bayes

__all__ = [
    "BernoulliNaiveBayes",
    "GaussianDiscriminant",
    "Reliability",
    "brier",
    "calibrated_error",
    "class_weights",
    "error_with_labels",
    "expected_calibration_error",
    "fit_bernoulli_naive_bayes",
    "fit_gaussian_discriminant",
    "implied_prior",
    "linear_logits",
    "log_conditional",
    "log_loss",
    "marginal_from_conditionals",
    "rejection_threshold",
    "reliability",
    "sample_conditional",
]
