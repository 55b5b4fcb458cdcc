"""Scores and calibration, against scikit-learn, enumeration and cases worked by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn import metrics
from sklearn.calibration import calibration_curve

from gmlib.overview import brier, calibrated_error, expected_calibration_error, log_loss, reliability

close = dict(rtol=0, atol=1e-9)
exactly = dict(rtol=0, atol=1e-12)
F64 = torch.float64


def t(*values):
    return torch.tensor(values, dtype=F64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def stated(generator):
    """Probabilities of four classes for 300 examples, and classes drawn from flatter ones."""
    log_prob = (2 * torch.randn(300, 4, generator=generator, dtype=F64)).log_softmax(1)
    return log_prob, torch.multinomial((0.5 * log_prob).softmax(1), 1, generator=generator)[:, 0]


@pytest.mark.equation("eq-overview-scores")
def test_scores_against_scikit_learn(stated):
    log_prob, y = stated
    theirs = metrics.log_loss(y.numpy(), log_prob.exp().numpy())
    assert log_loss(log_prob, y).mean().item() == pytest.approx(theirs, abs=1e-9)
    two = torch.stack([log_prob[:, 0], (-log_prob[:, 0].exp()).log1p()], 1)
    theirs = metrics.brier_score_loss((y == 0).numpy(), log_prob[:, 0].exp().numpy())  # half of ours
    assert brier(two, (y != 0).long()).mean().item() == pytest.approx(2 * theirs, abs=1e-9)
    rows = zip(log_prob.exp().tolist(), y.tolist(), strict=True)
    by_hand = [sum((p - (c == k)) ** 2 for c, p in enumerate(row)) for row, k in rows]
    torch.testing.assert_close(brier(log_prob, y), t(*by_hand), **close)


@pytest.mark.equation("eq-overview-scores")
def test_extreme_probabilities():
    certain = t([1.0, 0.0], [0.0, 1.0]).log()
    assert log_loss(certain, torch.tensor([0, 0])).tolist() == [0.0, math.inf]
    assert brier(certain, torch.tensor([0, 0])).tolist() == [0.0, 2.0]
    assert expected_calibration_error(certain, torch.tensor([0, 0])).item() == 0.5


@pytest.mark.equation("eq-overview-ece")
@pytest.mark.parametrize("bins", [1, 5, 15])
def test_reliability_against_scikit_learn(stated, bins):
    log_prob, y = stated
    confidence, correct = log_prob.exp().max(1).values.numpy(), (log_prob.argmax(1) == y).numpy()
    ours = reliability(log_prob, y, bins)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=bins)
    some = (ours.count > 0).numpy()
    np.testing.assert_allclose(ours.accuracy.numpy()[some], accuracy, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.confidence.numpy()[some], mean, rtol=0, atol=1e-12)
    assert ours.accuracy[~torch.tensor(some)].isnan().all() and ours.count.sum() == 300
    weighted = t((ours.count.numpy()[some] / 300 * np.abs(accuracy - mean)).sum())[0]
    torch.testing.assert_close(expected_calibration_error(log_prob, y, bins), weighted, **exactly)
    assert expected_calibration_error(log_prob, y, bins) > 0.05


@pytest.mark.equation("eq-overview-ece")
def test_calibration_error_by_hand():
    """Two bins: two of three right at 0.8, one of two right at 0.5, the edge in the lower bin."""
    log_prob = t([0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [0.5, 0.5], [0.5, 0.5]).log()
    y = torch.tensor([0, 0, 0, 0, 1])
    expected = 3 / 5 * abs(2 / 3 - 0.8) + 2 / 5 * abs(1 / 2 - 0.5)
    assert expected_calibration_error(log_prob, y, 2).item() == pytest.approx(expected, abs=1e-12)
    assert reliability(log_prob, y, 2).count.tolist() == [2, 3]
    together = abs(3 / 5 - (3 * 0.8 + 2 * 0.5) / 5)
    assert expected_calibration_error(log_prob, y, 1).item() == pytest.approx(together, abs=1e-12)


@pytest.mark.equation("eq-overview-ece-floor")
@pytest.mark.parametrize("bins", [1, 4])
def test_error_of_a_calibrated_model_by_enumeration(bins, generator):
    """Ten predictions: all 1,024 ways to be right or wrong, each with its probability. False alarm 2e-9."""
    p = 0.5 + 0.5 * torch.rand(10, generator=generator, dtype=F64)
    log_prob = torch.stack([p, 1 - p], 1).log()
    exact = 0.0
    for right in itertools.product([True, False], repeat=10):
        mass = torch.where(torch.tensor(right), p, 1 - p).prod()
        y = torch.tensor([0 if r else 1 for r in right])
        exact += mass * expected_calibration_error(log_prob, y, bins)
    estimate = calibrated_error(log_prob, bins, 20_000, generator)
    assert abs(estimate.value - exact) < 6 * estimate.standard_error
    assert estimate.kind == "unbiased" and exact > 0.05 and estimate.standard_error < 0.002


@pytest.mark.equation("eq-overview-ece-floor")
def test_error_of_a_calibrated_model_falls_with_the_number_of_examples(generator):
    """One bin, probability p: the mean deviation of a binomial frequency, in closed form (de Moivre)."""
    for n in (5, 50):
        p, k = 0.7, math.floor(n * 0.7) + 1
        exact = 2 * k * math.comb(n, k) * p**k * (1 - p) ** (n - k + 1) / n
        estimate = calibrated_error(t([p, 1 - p]).log().expand(n, 2), 1, 20_000, generator)
        assert abs(estimate.value - exact) < 6 * estimate.standard_error
        assert exact == pytest.approx(math.sqrt(2 * p * (1 - p) / (math.pi * n)), rel=0.08)


fine, y = t([0.5, 0.5]).log(), torch.tensor([0])
BAD = {
    "log_prob must have shape (N, C), got (2,)": lambda: log_loss(fine[0], y),
    "log_prob must sum to one": lambda: log_loss(t([0.5, 0.5]), y),
    "log_prob holds 1 NaN": lambda: brier(t([math.nan, 0.0]), y),
    "log_prob is empty": lambda: brier(fine[:0], y[:0]),
    "y must hold classes 0 to 1, got 2 to 2": lambda: brier(fine, y + 2),
    "y must have shape (1,), got (2,)": lambda: reliability(fine, y.repeat(2)),
    "bins must be a whole number of at least 1, got 0": lambda: reliability(fine, y, 0),
    "bins must be a whole number of at least 1, got 2.0": lambda: expected_calibration_error(fine, y, 2.0),
    "y must be a tensor of whole numbers": lambda: expected_calibration_error(fine, y.double()),
    "draws must be a whole number of at least 2, got 1": lambda: calibrated_error(fine, draws=1),
}


@pytest.mark.parametrize(("message", "call"), BAD.items(), ids=BAD.keys())
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)
