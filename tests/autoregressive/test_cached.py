"""The cache against whole passes of the network: the same logits at each pixel, the same images from the same random numbers."""

import math

import pytest
import torch
import torch.nn.functional as F

from gmlib.autoregressive import Categorical, GatedNet, LogisticMixture, PixelCache, PixelModel, PlainNet, cached_sample
from tests.autoregressive.conftest import EXACT, F64, shaken

GREY, RGB = Categorical(5), LogisticMixture(5, 2, 3)
MODELS = {
    "three by five": lambda: PixelModel(PlainNet(2, 5, 7, layers=2, first=3), (1, 3, 5), GREY),
    "large first kernel": lambda: PixelModel(PlainNet(2, 5, 7, layers=2, first=7, size=5), (1, 5, 4), GREY),
    "one layer": lambda: PixelModel(PlainNet(2, 5, 7, layers=0, first=5), (1, 4, 4), GREY),
    "positions": lambda: PixelModel(PlainNet(2, 5, 7, layers=2, positions=(3, 4)), (1, 3, 4), GREY),
    "smooth": lambda: PixelModel(PlainNet(2, 5, 7, layers=1, activation=F.silu), (1, 3, 4), GREY),
    "colour": lambda: PixelModel(PlainNet(4, RGB.outputs, 7, layers=2, first=3), (3, 3, 4), RGB),
}
CLASSES = {
    "classes": lambda: PixelModel(PlainNet(2, 5, 7, layers=2, classes=3), (1, 3, 4), GREY),
    "classes and positions": lambda: PixelModel(PlainNet(2, 5, 7, layers=1, classes=3, positions=(3, 4)), (1, 3, 4), GREY),
}
ALL = MODELS | CLASSES


def told(name, n):
    return torch.arange(n) % 3 if name in CLASSES else None


@pytest.mark.equation("eq-autoregressive-cost")
@pytest.mark.parametrize("name", ALL)
def test_outputs_are_those_of_a_whole_pass(name, generator):
    """At each pixel, before the pixels after it are put."""
    model, y = shaken(ALL[name], scale=0.5), told(name, 4)
    C, H, W = model.shape
    images = torch.randint(5, (4, C, H, W), generator=generator).to(F64)
    whole, cache = model.net(model.inputs(images), y), PixelCache(model, 4, y)
    for r, c in model.places():
        torch.testing.assert_close(cache.outputs(r, c), whole[:, :, r, c], **EXACT)
        cache.put(r, c, images[:, :, r, c])
    assert whole.std() > 0.2


@pytest.mark.equation("eq-autoregressive-cost")
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_draws_are_those_of_the_model(name, shape):
    model, y = shaken(ALL[name], scale=0.3), told(name, math.prod(shape))
    cached, naive = (f(shape, torch.Generator().manual_seed(6), y) for f in (lambda *a: cached_sample(model, *a), model.sample))
    assert torch.equal(cached, naive) and cached.shape == (*shape, model.size) and (shape == () or cached.unique().numel() > 2)
    assert not cached.requires_grad and cached.dtype == F64


@pytest.mark.equation("eq-autoregressive-cost")
def test_a_pixel_costs_a_product_a_layer(monkeypatch):
    """Each layer at each pixel once, on the taps that its mask leaves: 4 or 5 of 9, and the two layers without a neighbour."""
    model, seen, product = shaken(MODELS["three by five"]), [], torch.addmm
    monkeypatch.setattr(torch, "addmm", lambda bias, a, b: (seen.append(tuple(b.shape)), product(bias, a, b))[1])
    cached_sample(model, (2,))
    assert seen == [(4 * 2, 7), (5 * 7, 7), (5 * 7, 7), (7, 7), (7, 5)] * 15


def gated():
    return PixelModel(GatedNet(2, 5), (1, 4, 4), GREY)


WITH_MAP = PixelModel(PlainNet(2, 5, planes=2), (1, 4, 4), GREY)
LABEL = torch.zeros(2, dtype=torch.long)
CASES = {
    "model must have a PlainNet that is told no map": lambda: PixelCache(gated(), 2),
    "model must have a PlainNet that is told no map ": lambda: PixelCache(WITH_MAP, 2),
    "model must have a PlainNet that is told no map  ": lambda: cached_sample(gated(), (2,)),
    "y was given to a network without a condition": lambda: PixelCache(MODELS["positions"](), 2, LABEL),
    "y must hold a label for each example, shape (N,)": lambda: cached_sample(CLASSES["classes"](), (2,)),
    "y must hold a label for each example, shape (N,) ": lambda: cached_sample(CLASSES["classes"](), (2,), y=LABEL.float()),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
