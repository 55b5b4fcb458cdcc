"""One source of randomness for all tests of the chapter, models with weights far from where they begin, and all small images."""

import itertools

import pytest
import torch

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}


def shaken(make, scale=0.6, seed=3):
    """A model in float64 whose weights have been moved, the same each time; without gradients."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make().to(F64)
        for p in model.parameters():
            p.data.add_(scale * torch.randn_like(p))
    return model.requires_grad_(False).eval()


def all_images(levels, D):
    """Every row of D whole numbers below ``levels``."""
    return torch.tensor(list(itertools.product(range(levels), repeat=D)), dtype=F64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
