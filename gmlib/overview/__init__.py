"""What a generative model is: joint, marginal and conditional distributions, and what each can be asked."""

from gmlib.overview.calibration import (
    Reliability,
    brier,
    calibrated_error,
    expected_calibration_error,
    log_loss,
    reliability,
)
from gmlib.overview.discriminant import GaussianDiscriminant, fit_gaussian_discriminant, linear_logits
from gmlib.overview.naive_bayes import BernoulliNaiveBayes, fit_bernoulli_naive_bayes

__all__ = [
    "BernoulliNaiveBayes",
    "GaussianDiscriminant",
    "Reliability",
    "brier",
    "calibrated_error",
    "expected_calibration_error",
    "fit_bernoulli_naive_bayes",
    "fit_gaussian_discriminant",
    "linear_logits",
    "log_loss",
    "reliability",
]
