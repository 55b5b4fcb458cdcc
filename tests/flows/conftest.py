"""One source of randomness for all tests of the chapter, and layers with weights that are far from the identity."""

import pytest
import torch

from gmlib import flows
from gmlib.nn import MaskedMLP, mlp

F64 = torch.float64
PASSES = torch.tensor([True, False, False, True, False])


class Field(torch.nn.Module):
    def __init__(self, D):
        super().__init__()
        self.net = mlp(D + 1, 16, D)

    def forward(self, x, t):
        return self.net(torch.cat([x, t.expand(*x.shape[:-1], 1)], -1))


LAYERS = {
    "additive": lambda: flows.AdditiveCoupling(PASSES, mlp(2, 8, 3)),
    "affine": lambda: flows.AffineCoupling(PASSES, mlp(2, 8, 6), clamp=1.7),
    "spline": lambda: flows.SplineCoupling(PASSES, mlp(2, 8, 3 * 14), bins=5, bound=1.3),
    "scaling": lambda: flows.Scaling(torch.randn(5)),
    "triangular": lambda: flows.UnitTriangular(5),
    "LU": lambda: flows.LULinear(torch.randn(5, 5)),
    "normalisation": lambda: flows.ActNorm(5),
    "masked": lambda: flows.MaskedAffine(MaskedMLP(5, 16, 16, per=2, order=torch.tensor([2, 0, 1, 4, 3])), clamp=1.4),
    "continuous": lambda: flows.Continuous(Field(5), steps=40),
    "composed": lambda: flows.Compose([flows.Scaling(torch.randn(5)), flows.AffineCoupling(PASSES, mlp(2, 8, 6))]),
}


def made(name):
    """A layer in float64 whose weights have been shaken, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        layer = LAYERS[name]().to(F64)
        if name == "normalisation":
            layer(torch.randn(9, 5, dtype=F64))
        for p in layer.parameters():
            p.data.add_(0.3 * torch.randn_like(p))
    return layer


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
