"""EM for a mixture of Gaussians beside scikit-learn's: same examples, same starts, full covariances, as many rounds; in float64.

Both sides add nothing to the variances (``reg_covar=0``), never stop early (``tol=0``), and end with one more E-step: scikit-learn
for its labels, ours for the likelihood of the last parameters. Before anything is timed, the weights, means and covariances after
the last round are seen to agree, and so is the mean log-likelihood that scikit-learn keeps, that of the parameters before this
round. The threads of scikit-learn's matrix products are as many as PyTorch's. Times are those of the processor, which do not count
what else the machine does.

scikit-learn computes one component after the other, and here one start after the other. Ours does all starts and components in one
matrix product, for as many examples at a time as stay in the processor's cache.

The peer is among gmlib's own dependencies: there is nothing to install.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from time import process_time
from typing import NamedTuple

import torch
from torch import Tensor

from gmlib.bench.contest import Functions
from gmlib.mixtures import Parameters, em, start

PEERS = ()
INSTALL = ""
LARGE, FEW, SMALL, MANY = (200_000, 16, 10, 1), 5, (2000, 2, 5, 20), 20  # N, D, K and starts; rounds
JOB = {
    "data": "Gaussian clusters of different shapes, one for each component; float64",
    "start": "k-means++ centres and one covariance for all, the same for both sides",
    "time": "of the processor",
    "peer": f"scikit-learn {version('scikit-learn')}",
}


class Job(NamedTuple):
    """Examples ``(N, D)``, where EM begins, and how many rounds it does."""

    x: Tensor
    theta: Parameters
    rounds: int


def contests() -> Iterator[Functions]:
    """Much data from one start; then little data from many."""
    for (N, D, K, starts), rounds in ((LARGE, FEW), (SMALL, MANY)):
        size = f"{N:,} × {D}, K = {K}, {starts} {'start' if starts == 1 else 'starts'}"
        entrants = {"gmlib": ours, "scikit-learn": theirs}
        inputs = {size: job(N, D, K, starts, rounds)}
        yield Functions(f"{rounds} rounds of EM", inputs, entrants, "scikit-learn", 1e-8, flat, process_time)


def job(N: int, D: int, K: int, starts: int, rounds: int) -> Job:
    generator = torch.Generator().manual_seed(0)
    centres = 3 * torch.randn(K, D, generator=generator, dtype=torch.float64)
    maps = torch.randn(K, D, D, generator=generator, dtype=torch.float64) / D**0.5 + torch.eye(D, dtype=torch.float64)
    z = torch.randn(K, -(-N // K), D, generator=generator, dtype=torch.float64)
    x = (centres[:, None] + z @ maps.mT).reshape(-1, D)[torch.randperm(z[..., 0].numel(), generator=generator)[:N]]
    return Job(x, start(x, K, starts, generator), rounds)


def flat(found: tuple[Parameters, Tensor]) -> Tensor:
    """Parameters after the last round, and log-likelihoods before it, in one vector."""
    theta, log_p = found
    return torch.cat([t.flatten() for t in (*theta, log_p)])


def ours(given: Job) -> Callable[[], tuple[Parameters, Tensor]]:
    x, theta, rounds = given

    def run() -> tuple[Parameters, Tensor]:
        *_, before, last = em(x, theta, rounds)
        return last.theta, before.log_prob

    return run


def theirs(given: Job) -> Callable[[], tuple[Parameters, Tensor]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    x, (pi, mu, Sigma), rounds = given
    x, begins = x.numpy(), [[t.numpy() for t in one] for one in zip(pi, mu, torch.linalg.inv(Sigma), strict=True)]

    def fit(pi, mu, precisions) -> GaussianMixture:
        options = {"weights_init": pi, "means_init": mu, "precisions_init": precisions}
        return GaussianMixture(len(pi), max_iter=rounds, tol=0, reg_covar=0, **options).fit(x)

    def run() -> tuple[Parameters, Tensor]:
        with threadpool_limits(torch.get_num_threads(), "blas"), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits = [fit(*begin) for begin in begins]
        found = ([getattr(f, name) for f in fits] for name in ("weights_", "means_", "covariances_", "lower_bound_"))
        pi, mu, Sigma, log_p = (torch.stack([torch.as_tensor(value) for value in values]) for values in found)
        return Parameters(pi, mu, Sigma), log_p

    return run
