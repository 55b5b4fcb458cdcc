"""One source of randomness, and the mixture on the line from which every exact value of the chapter comes."""

import pytest
import torch

from gmlib.diffusion import DiffusedMixture, Schedule
from gmlib.targets import GaussianMixture

F64 = torch.float64
BETA = torch.tensor([0.05, 0.11, 0.08, 0.19, 0.23, 0.31, 0.42], dtype=F64)
PI, MU, SIGMA = (0.35, 0.65), (-1.3, 0.9), (0.3, 0.45)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def schedule():
    return Schedule(BETA)


@pytest.fixture
def line():
    """The mixture on the line, diffused."""
    variance = torch.tensor(SIGMA, dtype=F64).square()
    return DiffusedMixture(
        GaussianMixture(torch.tensor(PI, dtype=F64), torch.tensor(MU, dtype=F64)[:, None], variance[:, None, None])
    )


@pytest.fixture
def plane():
    """A mixture on the plane whose components lean in different directions."""
    A = torch.tensor([[[0.9, 0.3], [-0.2, 0.4]], [[0.5, -0.7], [0.1, 0.3]]], dtype=F64)
    mu = torch.tensor([[1.1, -0.4], [-0.8, 0.6]], dtype=F64)
    return DiffusedMixture(GaussianMixture(torch.tensor([0.3, 0.7], dtype=F64), mu, A @ A.mT))
