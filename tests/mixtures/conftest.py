"""One source of randomness for all tests of the chapter, and parameters far from any special value."""

import pytest
import torch

from gmlib.mixtures import Parameters

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-10}


def covariances(*shape, D, generator):
    """Positive definite and full, different everywhere."""
    A = torch.randn(*shape, D, D, generator=generator, dtype=F64)
    return A @ A.mT / D + 0.3 * torch.eye(D, dtype=F64)


def parameters(R, K, D, generator):
    pi = torch.rand(R, K, generator=generator, dtype=F64) + 0.2
    mu = 2 * torch.randn(R, K, D, generator=generator, dtype=F64)
    return Parameters(pi / pi.sum(1, keepdim=True), mu, covariances(R, K, D=D, generator=generator))


def clusters(N, generator, K=4, D=3):
    """Points around K centres, all stretched alike."""
    centres, stretch = (3 * torch.randn(n, D, generator=generator, dtype=F64) for n in (K, D))
    points = torch.randn(N, D, generator=generator, dtype=F64) @ stretch / 3
    return points + centres[torch.randint(K, (N,), generator=generator)]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
