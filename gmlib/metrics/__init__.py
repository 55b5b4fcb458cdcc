"""How results are reported, and how samples are judged: averages, bits, information, two-sample statistics, modes."""

from gmlib.metrics.information import mutual_information, mutual_information_gap
from gmlib.metrics.report import average, bits_per_dim, in_batches
from gmlib.metrics.samples import Modes, TwoSample, classifier_two_sample_test, count_modes, mmd2

__all__ = [
    "Modes",
    "TwoSample",
    "average",
    "bits_per_dim",
    "classifier_two_sample_test",
    "count_modes",
    "in_batches",
    "mmd2",
    "mutual_information",
    "mutual_information_gap",
]
