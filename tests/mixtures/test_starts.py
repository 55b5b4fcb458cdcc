"""Starts by enumeration of their law, k-means by loops and scikit-learn, the whole fit by its parts, and the count of parameters."""

import itertools
import math
import warnings

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from gmlib.mixtures import (
    Parameters,
    Prior,
    bic,
    diagonal,
    em,
    fit,
    free_parameters,
    full,
    kmeans_plus_plus,
    lloyd,
    nearest_centre,
    spherical,
    start,
    tied,
)
from tests.mixtures.conftest import EXACT, F64, clusters

SHAPES = {"full": full, "tied": tied, "diag": diagonal, "spherical": spherical}


@pytest.mark.equation("eq-mixtures-plus-plus")
def test_law_of_three_centres(generator):
    """All ordered triples of five points in the plane, within 6 standard errors."""
    x = torch.tensor([[0.3, 0.0], [1.0, 0.4], [-0.5, 2.0], [3.1, 0.2], [2.7, -1.0]], dtype=F64)
    points, R = x.tolist(), 40_000
    drawn = (kmeans_plus_plus(x, 3, R, generator).unsqueeze(2) == x).all(-1)
    assert drawn.sum(-1).eq(1).all()
    counts = torch.bincount((drawn.to(torch.long).argmax(-1) * torch.tensor([25, 5, 1])).sum(1), minlength=125)
    for i, j, k in itertools.product(range(5), repeat=3):
        to_first = [math.dist(p, points[i]) ** 2 for p in points]
        to_both = [min(a, math.dist(p, points[j]) ** 2) for a, p in zip(to_first, points, strict=True)]
        p = to_first[j] / sum(to_first) * to_both[k] / sum(to_both) / 5
        assert abs(counts[25 * i + 5 * j + k] - R * p) <= 6 * math.sqrt(R * p * (1 - p)), (i, j, k)


def test_more_centres_than_different_points(generator):
    x = torch.tensor([[0.2], [0.2], [0.2], [1.7]], dtype=F64)
    centres = kmeans_plus_plus(x, 4, 50, generator)
    assert (centres == 1.7).any(1).all() and (centres == 0.2).any(1).all()
    assert kmeans_plus_plus(x.float() + 1e6, 4, 2, generator).shape == (2, 4, 1)


def test_nearest_centre_by_loops(generator):
    x, centres = (torch.randn(*n, 3, generator=generator, dtype=F64) for n in ((30,), (2, 4)))
    for c, found in zip(centres.tolist(), nearest_centre(x, centres).tolist(), strict=True):
        assert found == [min(range(4), key=lambda k: math.dist(p, c[k])) for p in x.tolist()]
    far = 10_000 + torch.arange(40).float()[:, None]  # in float32, whose squares here are multiples of 8
    assert nearest_centre(far, 10_000 + torch.tensor([[[14.0], [15.0]]]))[0].tolist() == [int(n > 14) for n in range(40)]


def one_round(points, centres):
    groups = [[] for _ in centres]
    for p in points:
        groups[min(range(len(centres)), key=lambda k: math.dist(p, centres[k]))].append(p)
    return [[sum(v) / len(g) for v in zip(*g, strict=True)] if g else c for g, c in zip(groups, centres, strict=True)]


@pytest.mark.equation("eq-mixtures-k-means")
def test_rounds_of_k_means_by_loops(generator):
    """Also with a centre that no point is near, which stays; and the mean squared distance, which falls."""
    x, centres = clusters(50, generator), 3 * torch.randn(2, 4, 3, generator=generator, dtype=F64)
    centres[0, 1] = 100
    before = math.inf
    for steps in (1, 2, 5):
        found, spread = lloyd(x, centres, steps)
        for i, expected in enumerate(centres.tolist()):
            for _ in range(steps):
                expected = one_round(x.tolist(), expected)
            torch.testing.assert_close(found[i], torch.tensor(expected, dtype=F64), **EXACT)
            by_hand = sum(min(math.dist(p, c) ** 2 for c in expected) for p in x.tolist()) / 50
            assert spread[i].item() == pytest.approx(by_hand, abs=1e-10)
        assert (found[0, 1] == 100).all() and (spread < before).all()
        before = spread + 1e-12


@pytest.mark.equation("eq-mixtures-k-means")
def test_k_means_equals_scikit_learn(generator):
    x = clusters(300, generator)
    centres = kmeans_plus_plus(x, 4, 1, generator)
    found, spread = lloyd(x, centres, 60)
    theirs = KMeans(4, init=centres[0].numpy(), n_init=1, max_iter=60, tol=0, algorithm="lloyd").fit(x.numpy())
    torch.testing.assert_close(found[0], torch.from_numpy(theirs.cluster_centers_), **EXACT)
    assert spread.item() == pytest.approx(theirs.inertia_ / 300, abs=1e-9)


def test_k_means_in_float32_far_from_zero():
    x = 10_000 + torch.tensor([[0.0], [1.0], [2.0], [50.0]])
    centres, spread = lloyd(x, 10_000 + torch.tensor([[[3.0], [40.0]]]), 3)
    assert centres.flatten().tolist() == [10_001, 10_050] and spread.item() == pytest.approx(0.5, rel=1e-6)


def test_k_means_is_the_limit_of_em_with_one_small_variance(generator):
    """One step: the means of EM with the variance s2 for all come to those of k-means, not before."""
    x = clusters(80, generator)
    centres = kmeans_plus_plus(x, 4, 1, generator)
    means, _ = lloyd(x, centres, 1)
    gap = []
    for s2 in (1.0, 0.1, 1e-4):
        theta = Parameters(torch.full((1, 4), 0.25, dtype=F64), centres, (s2 * torch.eye(3, dtype=F64)).expand(1, 4, 3, 3))
        *_, step = em(x, theta, 1)
        gap.append((step.theta.mu - means).abs().max().item())
    assert gap[0] > gap[1] > 1e-6 > gap[2]


def test_start_by_loops(generator):
    """Its means are those of the groups around k-means++ centres, of the same random numbers."""
    x = clusters(40, generator)
    theta = start(x, 3, 2, torch.Generator().manual_seed(5))
    centres = kmeans_plus_plus(x, 3, 2, torch.Generator().manual_seed(5))
    for i, c in enumerate(centres.tolist()):
        group = torch.tensor([min(range(3), key=lambda k: math.dist(p, c[k])) for p in x.tolist()])
        within = torch.zeros(3, 3, dtype=F64)
        for k in range(3):
            own = x[group == k]
            assert theta.pi[i, k].item() == pytest.approx(len(own) / 40, abs=1e-12)
            torch.testing.assert_close(theta.mu[i, k], own.mean(0), **EXACT)
            within += (own - own.mean(0)).T @ (own - own.mean(0)) / 40
        torch.testing.assert_close(theta.Sigma[i], within.expand(3, 3, 3), **EXACT)


# The whole fit.


@pytest.mark.parametrize("prior", [None, Prior(0.5, 5.0)], ids=["likelihood", "prior"])
def test_fit_is_the_best_of_its_restarts(prior, generator):
    x = clusters(120, generator)
    found = fit(x, 5, restarts=6, steps=15, tolerance=0.0, prior=prior, shape=diagonal, generator=torch.Generator().manual_seed(3))
    *_, last = em(x, start(x, 5, 6, torch.Generator().manual_seed(3)), 15, diagonal, prior)
    best = last.log_prob.argmax()
    assert torch.equal(found.of_restarts, last.log_prob) and found.log_prob == last.log_prob.max() > last.log_prob.min() + 0.001
    assert torch.equal(found.mixture.mu, last.theta.mu[best]) and torch.equal(found.mixture.Sigma, last.theta.Sigma[best])
    assert found.log_prob.item() == pytest.approx(found.mixture.log_prob(x).mean().item(), abs=1e-11)


def test_fit_stops_when_no_restart_gains(generator):
    x = clusters(120, generator)
    tolerance = 1e-4
    found = fit(x, 3, restarts=4, steps=100, tolerance=tolerance, generator=torch.Generator().manual_seed(3))
    values = torch.stack([s.log_prob for s in em(x, start(x, 3, 4, torch.Generator().manual_seed(3)), 100)])
    small = (values.diff(dim=0).abs() <= tolerance).all(1)
    first = small.to(torch.long).argmax().item()
    assert 3 < first < 99 and torch.equal(found.of_restarts, values[first + 1])


def test_fit_without_the_restarts_that_broke_down():
    """Four components on 30 points: some restarts fall into an infinity, and the best of the others is kept."""
    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    found = fit(x, 4, restarts=20, steps=60, tolerance=1e-9, generator=torch.Generator().manual_seed(0))
    assert 0 < found.of_restarts.isnan().sum() < 20
    assert found.log_prob == found.of_restarts[~found.of_restarts.isnan()].max()


def test_fit_of_one_component(generator):
    x = clusters(50, generator)
    found = fit(x, 1, restarts=2, generator=generator)
    torch.testing.assert_close(found.mixture.Sigma[0], torch.cov(x.T, correction=0), **EXACT)


@pytest.mark.equation("eq-mixtures-bic")
@pytest.mark.parametrize("name", SHAPES)
def test_bic_equals_scikit_learn(name, generator):
    x = clusters(90, generator)
    theirs = GaussianMixture(3, covariance_type=name, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(x.numpy())
    free = free_parameters(3, 3, SHAPES[name])
    assert bic(torch.tensor(theirs.score(x.numpy()), dtype=F64), free, 90).item() == pytest.approx(theirs.bic(x.numpy()), abs=1e-8)


@pytest.mark.equation("eq-mixtures-bic")
def test_free_parameters_by_hand():
    """K = 3, D = 4: two weights, twelve means, and the entries of the covariances."""
    assert [free_parameters(3, 4, s) for s in SHAPES.values()] == [2 + 12 + 30, 2 + 12 + 10, 2 + 12 + 12, 2 + 12 + 3]
    assert free_parameters(3, 4) == 44


X = torch.arange(6.0).reshape(3, 2)
CASES = {
    "N at least K = 4, got (3, 2)": lambda: kmeans_plus_plus(X, 4),
    "N at least K = 4, got (3, 2) ": lambda: start(X, 4),
    "N at least K = 4, got (3, 2)  ": lambda: fit(X, 4),
    "x must have shape (N, D) with N at least K = 1, got (3,)": lambda: kmeans_plus_plus(X[:, 0], 1),
    "K must be a whole number of at least 1, got 0": lambda: kmeans_plus_plus(X, 0),
    "K must be a whole number of at least 1, got 2.0": lambda: fit(X, 2.0),
    "restarts must be a whole number of at least 1, got 0": lambda: start(X, 2, 0),
    "x holds 1 NaN": lambda: fit(torch.tensor([[0.0], [math.nan]]), 1),
    "all 3 restarts broke down": lambda: fit(torch.ones(5, 2), 2, restarts=3),
    "x must have shape (..., 3), got (3, 2)": lambda: nearest_centre(X, torch.zeros(1, 2, 3)),
    "x must have shape (N, D) and centres (R, K, D), got (3, 2) and (4, 2)": lambda: nearest_centre(X, torch.zeros(4, 2)),
    "steps must be a whole number of at least 1, got 0": lambda: lloyd(X, X[None], 0),
    "and centres (R, K, D), got (3, 2) and (3, 2)": lambda: lloyd(X, X, 2),
    "shape must be full, tied, diagonal or spherical, got <built-in": lambda: free_parameters(3, 4, max),
    "D must be a whole number of at least 1, got 0": lambda: free_parameters(3, 0),
    "N must be a whole number of at least 1, got 0": lambda: bic(torch.zeros(()), 5, 0),
    "free must be a whole number of at least 1, got 2.5": lambda: bic(torch.zeros(()), 2.5, 10),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
