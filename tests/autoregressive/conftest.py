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


def assert_law(drawn, support, p):
    """How often each row of ``support`` was drawn, within 6 standard errors and 12 draws, which is for the rare ones."""
    n, seen = len(drawn), (drawn.unsqueeze(1) == support).all(-1).sum(0)
    assert seen.sum() == n
    assert ((seen - n * p).abs() <= 6 * (n * p * (1 - p)).sqrt() + 12).all(), f"{seen.tolist()} for {(n * p).tolist()}"


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
