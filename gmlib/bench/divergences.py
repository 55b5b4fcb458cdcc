"""Our Sinkhorn beside POT's, and our W_1 on the line beside SciPy's and POT's, on the same inputs to the same accuracy.

POT stops when the Euclidean norm of the error of a marginal is small, ours when its sum is. Here POT's limit is ours over the
root of the number of points, which is the same for an error that is spread evenly. POT's is its default method,
which does not bear an entropic weight that is small beside the costs. All in float64.

The peer is installed with ``pip install -e ".[bench-divergences]"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from gmlib.bench import peer
from gmlib.bench.contest import Functions
from gmlib.divergences import cost_matrix, sinkhorn, wasserstein_1d

PEERS = ("POT",)
INSTALL = 'pip install -e ".[bench-divergences]"'
POINTS, ETA, TOLERANCE, LINE = (500, 2000), 0.1, 1e-6, (10_000, 1_000_000)
JOB = {
    "Sinkhorn": f"Gaussian points in the plane, means 1.4 apart; squared distance, entropic weight {ETA}, marginal within {TOLERANCE}",
    "W_1": "weighted Gaussian points on the line",
}


def contests() -> Iterator[Functions]:
    here = peer("ot", INSTALL)
    entrants = {"gmlib": ours} | ({"POT": pot} if here else {})
    yield Functions("Sinkhorn", {f"{n} × {n}": plane(n) for n in POINTS}, entrants, "POT", 1e-5)
    entrants = {"gmlib": line_ours, "SciPy": line_scipy} | ({"POT": line_pot} if here else {})
    yield Functions("W_1 on the line", {f"{n:,} points each": line(n) for n in LINE}, entrants, "SciPy", 1e-9)


def plane(n: int) -> tuple[Tensor, Tensor]:
    """Costs between two clouds, and even weights."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, n, 2, generator=generator, dtype=torch.float64)
    return cost_matrix(x, y + 1), torch.full((n,), 1 / n, dtype=torch.float64)


def ours(given: tuple[Tensor, Tensor]) -> Callable[[], Tensor]:
    C, a = given
    return lambda: sinkhorn(C, a, a, ETA, TOLERANCE).transport


def pot(given: tuple[Tensor, Tensor]) -> Callable[[], float]:
    import ot

    C, a = (t.numpy() for t in given)
    stop = TOLERANCE / len(a) ** 0.5
    return lambda: (ot.sinkhorn(a, a, C, ETA, stopThr=stop, numItermax=10_000) * C).sum()


def line(n: int) -> tuple[Tensor, ...]:
    """Points and weights of two laws on the line."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, n, generator=generator, dtype=torch.float64)
    a, b = torch.rand(2, n, generator=generator, dtype=torch.float64)
    return x, 1.5 * y + 0.3, a / a.sum(), b / b.sum()


def line_ours(given: tuple[Tensor, ...]) -> Callable[[], Tensor]:
    return lambda: wasserstein_1d(*given)


def line_scipy(given: tuple[Tensor, ...]) -> Callable[[], float]:
    given = [t.numpy() for t in given]
    return lambda: wasserstein_distance(*given)


def line_pot(given: tuple[Tensor, ...]) -> Callable[[], float]:
    import ot

    given = [t.numpy() for t in given]
    return lambda: ot.wasserstein_1d(*given)
