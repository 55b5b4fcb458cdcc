"""One source of randomness for all tests of the chapter."""

import pytest
import torch


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
