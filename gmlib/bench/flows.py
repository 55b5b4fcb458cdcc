"""Our couplings beside zuko's: the same networks, data, batches, training loop and learning rate; only the flows differ.

Eight couplings in alternating dimensions of the plane, either rational-quadratic splines or affine maps, each with a network
of two hidden layers of 64 units. zuko's are its ``NICE`` (alias ``RealNVP``), the spline ones with its
``MonotonicRQSTransform`` for univariate map; with these arguments both sides have the same number of parameters, which the
tables give. zuko 1.6 has no trainer: its tutorials minimise ``-flow().log_prob(x).mean()`` in a loop of one's own, and here
both sides are trained by :func:`gmlib.train.train`, with PyTorch's Adam, ``fused=True``. So what is compared is
``log_prob``, forward and backward. Both begin with the default weights of their own linear layers, which follow the same
law. ``compiled`` is the whole loss through ``torch.compile``, for either side; the first epoch of the first run holds the
time to compile.

Where they differ: how a share of the width, a slope or a scale is kept off zero. zuko bends the raw number softly so that
its exponential stays above 1e-3; we add 1e-3 to shares and slopes (softplus where zuko has exp), and bend the logarithm of
an affine scale by tanh within the same bounds. zuko builds an object of ``torch.distributions`` and one transform for each
layer anew at each step, ours calls layers.

The score is KL(p || p_theta), the mean of log p(x) - log p_theta(x) over held-out points: the density that the points come
from is known, so 0 is perfect. The couplings' support is the plane and the checkerboard's is eight squares; so its KL
falls slowly.

The peer comes with ``pip install -e ".[bench-flows]"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from gmlib.bench import peer
from gmlib.bench.contest import EqualSeconds, Epochs
from gmlib.bench.vae import can_compile
from gmlib.data import checkerboard, checkerboard_log_prob, moons, moons_log_prob
from gmlib.flows import AffineCoupling, Flow, SplineCoupling, StandardNormal, alternating
from gmlib.nn import mlp
from gmlib.train import Loss, train

PEERS = ("zuko",)
INSTALL = 'pip install -e ".[bench-flows]"'
LAYERS, HIDDEN, BINS, BOUND, SLOPE = 8, (64, 64), 8, 5.0, 1e-3
N, TEST, BATCH, RATE, EPOCHS, EVERY, SECONDS = 51_200, 20_000, 512, 2e-3, 10, 5, (2.0, 6.0, 20.0)
TARGETS = {"checkerboard": (checkerboard, checkerboard_log_prob), "two moons": (moons, moons_log_prob)}
JOB = {
    "data": f"{' and '.join(TARGETS)}, {N} points to train on, {TEST} held out",
    "flows": f"{LAYERS} couplings with networks 1-64-64-k, ReLU; spline: {BINS} bins on ±{BOUND:g}",
    "batch_size": BATCH,
    "optimizer": f"Adam, fused=True, learning rate {RATE}",
    "score": "KL of the model from the density that the points come from, in nats, on held-out points; the lower the better",
    "epochs": EPOCHS,
}

Build = Callable[[], nn.Module]  # a flow with default weights


def contests() -> Iterator[Epochs | EqualSeconds]:
    """An epoch of each kind of coupling on each target, compiled and plain; then the KL after as many seconds for each."""
    sides = {"gmlib": OURS} | ({"zuko": ZUKO} if peer("zuko", INSTALL) else {})
    quick = can_compile()
    for target in TARGETS:
        x, score = points(target)
        for kind in OURS:
            entrants = {}
            for side, builds in sides.items():
                if quick:
                    entrants[f"{side}, compiled"] = partial(by_epoch, builds[kind], torch.compile(minus_log_prob), x, EPOCHS)
                entrants[side] = partial(by_epoch, builds[kind], minus_log_prob, x, EPOCHS)
            torch.compiler.reset()  # what an earlier contest compiled
            yield Epochs(f"{kind}, {target}", entrants, lambda model, score=score: {"KL": score(model)}, "zuko", EPOCHS)
    for target in TARGETS:
        x, score = points(target)
        entrants = {f"{side}, {kind}": partial(endless, builds[kind], x) for kind in OURS for side, builds in sides.items()}
        yield EqualSeconds(f"KL, {target}", entrants, score, SECONDS)


def points(target: str) -> tuple[Tensor, Callable[[nn.Module], float]]:
    """Points to train on, and the score of a model: its KL on those held out."""
    draw, log_p = TARGETS[target]
    x = draw(N + TEST, generator=torch.Generator().manual_seed(0))
    held_out = x[N:]
    return x[:N], partial(kl, held_out, log_p(held_out.double()))


@torch.no_grad()
def kl(x: Tensor, log_p: Tensor, model: nn.Module) -> float:
    """The mean of log p(x) - log p_theta(x), whose expectation is KL(p || p_theta)."""
    return (log_p - model.log_prob(x).double()).mean().item()


def ours(make: Callable[[Tensor], nn.Module]) -> Flow:
    return Flow([make(passes) for passes in alternating(2, LAYERS)], StandardNormal(2))


def our_affine() -> Flow:
    return ours(lambda passes: AffineCoupling(passes, mlp(1, *HIDDEN, 2, activation=nn.ReLU), clamp=-math.log(SLOPE)))


def our_splines() -> Flow:
    return ours(lambda passes: SplineCoupling(passes, mlp(1, *HIDDEN, 3 * BINS - 1, activation=nn.ReLU), BINS, BOUND))


class ZukoView(nn.Module):
    """A flow of zuko, which gives a distribution when it is called, as a model with ``log_prob``."""

    def __init__(self, flow: nn.Module):
        super().__init__()
        self.flow = flow

    def log_prob(self, x: Tensor) -> Tensor:
        return self.flow().log_prob(x)


def zuko_affine() -> ZukoView:
    from zuko.flows import RealNVP

    return ZukoView(RealNVP(2, transforms=LAYERS, hidden_features=HIDDEN))


def zuko_splines() -> ZukoView:
    from zuko.flows import NICE
    from zuko.transforms import MonotonicRQSTransform

    univariate = partial(MonotonicRQSTransform, bound=BOUND, slope=SLOPE)
    shapes = [(BINS,), (BINS,), (BINS - 1,)]
    return ZukoView(NICE(2, transforms=LAYERS, hidden_features=HIDDEN, univariate=univariate, shapes=shapes))


OURS: dict[str, Build] = {"spline couplings": our_splines, "affine couplings": our_affine}
ZUKO: dict[str, Build] = {"spline couplings": zuko_splines, "affine couplings": zuko_affine}


def minus_log_prob(model: nn.Module, x: Tensor, generator: torch.Generator | None) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of either side."""
    return -model.log_prob(x).mean(), {}


def steps(build: Build, loss: Loss, x: Tensor, epochs: int, seed: int) -> Iterator[tuple[nn.Module, int]]:
    """Train a new flow; yield it after each step, with the number of steps."""
    torch.manual_seed(seed)
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    generator = torch.Generator().manual_seed(seed)
    for step in train(model, loss, x, epochs=epochs, batch_size=BATCH, optimizer=optimizer, generator=generator):
        yield model, step.step


def by_epoch(build: Build, loss: Loss, x: Tensor, epochs: int, seed: int) -> Iterator[nn.Module]:
    """The flow after each epoch."""
    for model, step in steps(build, loss, x, epochs, seed):
        if step % math.ceil(len(x) / BATCH) == 0:
            yield model


def endless(build: Build, x: Tensor, seed: int) -> Iterator[nn.Module]:
    """The flow after each ``EVERY`` steps, without end."""
    for model, step in steps(build, minus_log_prob, x, 10**6, seed):
        if step % EVERY == 0:
            yield model
