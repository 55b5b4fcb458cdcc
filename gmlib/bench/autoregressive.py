"""Sampling with a cache beside a whole pass for each pixel; and each network of the chapter beside the plain masked convolution.

There is no peer: what is compared are two ways to draw the same images from the same random numbers, and then what each
improvement costs in time and brings in bits per dimension. All train on the same batches for as many epochs, by Adam with one
cycle of the learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from gmlib.autoregressive import (
    Categorical,
    GatedNet,
    LogisticMixture,
    Multiscale,
    PixelModel,
    PlainNet,
    RecurrentNet,
    cached_sample,
    negative_class_log_prob,
    negative_log_prob,
)
from gmlib.bench.contest import Epochs, Functions
from gmlib.data import digits
from gmlib.metrics import average, bits_per_dim
from gmlib.train import train

PEERS = ()
INSTALL = ""
LEVELS, SIDES, IMAGES, EPOCHS, BATCH, RATE = 17, (8, 16, 28), 100, 20, 50, 1e-2
JOB = {
    "sampling": f"{IMAGES} images of {LEVELS} levels by four masked 3 x 3 layers of 32 channels, untrained, the same random numbers",
    "training": f"1,297 digits, 8 x 8; batches of {BATCH}, Adam, one cycle of the learning rate up to {RATE}",
    "score": "bits per dimension of the 250 test digits, given the class where the network is told it",
}


def contests() -> Iterator[Epochs | Functions]:
    """The time to draw images of three sizes; then the time of an epoch and the bits per dimension of each network."""
    inputs = {f"{side} × {side}": side for side in SIDES}
    yield Functions(f"{IMAGES} images", inputs, {"cached": by_cache, "naive": by_passes}, "naive", 0)
    trainers = {name: partial(by_epoch, make, "class" in name) for name, make in models().items()}
    yield Epochs("Networks on the digits", trainers, score, "plain", EPOCHS)


def model_to_draw_from(side: int) -> PixelModel:
    torch.manual_seed(0)
    return PixelModel(PlainNet(2, LEVELS, 32, 3, first=3), (1, side, side), Categorical(LEVELS)).eval()


def by_cache(side: int) -> Callable[[], Tensor]:
    model = model_to_draw_from(side)
    return lambda: cached_sample(model, (IMAGES,), torch.Generator().manual_seed(1))


def by_passes(side: int) -> Callable[[], Tensor]:
    model = model_to_draw_from(side)
    return lambda: model.sample((IMAGES,), torch.Generator().manual_seed(1))


def models() -> dict[str, Callable[[], nn.Module]]:
    """What is trained, each with fresh weights; "class" in a name says that it is told the class."""
    levels, shape, mixture = Categorical(LEVELS), (1, 8, 8), LogisticMixture(LEVELS, 5)

    def gated(head=levels, **options) -> Callable[[], PixelModel]:
        return lambda: PixelModel(GatedNet(2, head.outputs, **options), shape, head)

    def multiscale() -> Multiscale:
        small = PixelModel(GatedNet(2, LEVELS, sizes=(5, 3, 3)), (1, 4, 4), levels)
        return Multiscale(small, PixelModel(GatedNet(2, LEVELS, planes=2), shape, levels))

    return {
        "plain": lambda: PixelModel(PlainNet(2, LEVELS), shape, levels),
        "gated": gated(),
        "gated, class": gated(classes=10),
        "gated, logistics": gated(mixture),
        "gated, short cuts": gated(short_cuts=True),
        "gated, dropout": gated(dropout=0.1),
        "gated, multi-scale": multiscale,
        "Row LSTM": lambda: PixelModel(RecurrentNet(2, LEVELS, "row", 24, 2), shape, levels),
        "Diagonal BiLSTM": lambda: PixelModel(RecurrentNet(2, LEVELS, "diagonal", 16), shape, levels),
    }


def by_epoch(make: Callable[[], nn.Module], told: bool, seed: int) -> Iterator[nn.Module]:
    """The model after each epoch."""
    torch.manual_seed(seed)
    model, part = make(), digits().train
    model.told = told
    x = torch.cat([part.x, part.y[:, None].to(part.x)], 1) if told else part.x
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    steps = -(-len(x) // BATCH)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps + 1)
    loss = negative_class_log_prob if told else negative_log_prob
    generator = torch.Generator().manual_seed(seed)
    for step in train(model, loss, x, epochs=EPOCHS, batch_size=BATCH, optimizer=optimizer, generator=generator):
        cycle.step()
        if step.step % steps == 0:
            yield model


@torch.no_grad()
def score(model: nn.Module) -> dict[str, float]:
    """Bits per dimension of the test digits."""
    part = digits().test
    log_p = model.eval().log_prob(part.x, part.y) if model.told else model.eval().log_prob(part.x)
    return {"bits/dim": bits_per_dim(average(log_p, "exact").value, 64).item()}
