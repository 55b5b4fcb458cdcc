"""Our WGAN-GP beside the plain loop of the tutorials: the same networks, data, batches, noise, penalty and learning rate.

No other library has a part in it: the plain loop stands below, in the manner of the many scripts for WGAN-GP that are copied
from one another. What it does and ours does not: it asks for an expanded tensor of random weights and hands
``torch.autograd.grad`` a tensor of ones and ``retain_graph``; it builds the generator's graph in the critic's step and cuts it
off; in the generator's step it computes the gradients of the critic's weights as well, which the next step discards; it
reads all losses back at each step. It is lenient: it takes its batches by index from one tensor, as ours does, and not from
a data loader, and it does not send the critic's gradients on into the generator, as some of these scripts do. What ours does
and it does not: checks of every argument, and a look now and then at whether the losses are finite.

Both draw the same numbers in the same order, so both do the same steps up to rounding, which the first contest checks; only
the time that a step takes can differ. ``fused=True`` is how this book calls PyTorch's Adam, ``fused=None`` is its
default and that of the tutorials; both loops are run with both.

Equal seconds are processor seconds. Where others use the machine too, the clock on the wall would count their work against
whoever has the turn; for one thread that waits for nothing, both clocks tell the same on a quiet machine.

The last contest is what this book does all the time: the same model from several seeds. Ours trains them at once, as
copies whose weights are one tensor; the plain loop trains one after the other, here in turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from gmlib.bench.contest import EqualSeconds, Functions
from gmlib.data import moons
from gmlib.divergences import cost_matrix
from gmlib.gan import Discriminator, Generator, critic_generator_loss, critic_loss, gradient_penalty, train_adversarially
from gmlib.nn import mlp, stacked_mlp

PEERS: tuple[str, ...] = ()
INSTALL = ""
N, HELD_OUT, LATENT, HIDDEN, BATCH, CRITIC_STEPS, LAM = 10_000, 1000, 2, 64, 128, 5, 0.1
COPIES, RATE, BETAS, EVERY, ROUNDS, SECONDS = 5, 1e-3, (0.0, 0.9), 10, 20, (1.0, 3.0, 10.0)
JOB = {
    "data": f"two moons, {N} points to train on, {HELD_OUT} held out",
    "networks": f"generator {LATENT}-{HIDDEN}-{HIDDEN}-2, critic 2-{HIDDEN}-{HIDDEN}-1, ReLU",
    "batch_size": BATCH,
    "round": f"{CRITIC_STEPS} steps of the critic, one of the generator",
    "penalty": f"weight {LAM}",
    "optimizer": f"Adam, learning rate {RATE}, betas {BETAS}",
    "score": f"exact W_1 between {HELD_OUT} generated points and the held-out ones; between two sets of data it is 0.08 or so",
}

Loop = Callable[[int, Tensor, bool | None], Iterator[Generator]]  # of a seed, the data and `fused`: yields after each round


def contests() -> Iterator[Functions | EqualSeconds]:
    """The time of some rounds, whose results agree; then distances to the data after equal seconds, of one and of several."""
    train, held_out = data()
    loops = {f"{name}, fused={fused}": (loop, fused) for name, loop in LOOPS.items() for fused in (True, None)}
    calls = {name: partial(some_rounds, loop, train, fused) for name, (loop, fused) in loops.items()}
    yield Functions("WGAN-GP", {f"{ROUNDS} rounds": ROUNDS}, calls, "plain loop, fused=None", 1e-3)
    entrants = {name: partial(endless, loop, train, fused) for name, (loop, fused) in loops.items()}
    yield EqualSeconds("WGAN-GP, W_1 to the data", entrants, partial(distance, held_out), SECONDS)
    entrants = {"gmlib, at once": partial(at_once, train), "plain loop, in turns": partial(in_turns, train)}
    title = f"{COPIES} generators from {COPIES} seeds, fused=True, mean W_1 to the data"
    yield EqualSeconds(title, entrants, partial(mean_distance, held_out), SECONDS)


def data() -> tuple[Tensor, Tensor]:
    """Points to train on and those held out."""
    x = moons(N + HELD_OUT, generator=torch.Generator().manual_seed(0))
    return x[:N], x[N:]


def players(seed: int, copies: int | None = None) -> tuple[Generator, Discriminator]:
    torch.manual_seed(seed)
    net = partial(mlp if copies is None else partial(stacked_mlp, copies), activation=nn.ReLU)
    return Generator(net(LATENT, HIDDEN, HIDDEN, 2), LATENT, copies), Discriminator(net(2, HIDDEN, HIDDEN, 1))


def some_rounds(loop: Loop, x: Tensor, fused: bool | None, n: int) -> Callable[[], Tensor]:
    """What ``n`` rounds of a loop from seed 0 lead to, the generator's weights."""

    def weights() -> Tensor:
        *_, G = islice(loop(0, x, fused), n)
        return torch.cat([p.detach().flatten() for p in G.parameters()])

    return weights


def endless(loop: Loop, x: Tensor, fused: bool | None, seed: int) -> Iterator[Generator]:
    """The generator after each ``EVERY`` rounds."""
    yield from islice(loop(seed, x, fused), EVERY - 1, None, EVERY)


def at_once(x: Tensor, seed: int) -> Iterator[Generator]:
    """Ours, with copies: their weights are one tensor."""
    yield from islice(ours(seed, x, True, COPIES), EVERY - 1, None, EVERY)


def in_turns(x: Tensor, seed: int) -> Iterator[list[Generator]]:
    """As many runs of the plain loop, two rounds of each in turns."""
    runs = [plain(COPIES * seed + k, x, True) for k in range(COPIES)]
    while True:
        yield [list(islice(run, 2))[-1] for run in runs]


def distance(held_out: Tensor, G: Generator) -> float:
    """Exact W_1 between as many generated points as held-out ones, from the same noise each time; of copies the mean."""
    x = G.sample((len(held_out),), torch.Generator().manual_seed(1)).double().reshape(-1, *held_out.shape)
    costs = [cost_matrix(of_one, held_out.double(), p=1).numpy() for of_one in x]
    return sum(C[linear_sum_assignment(C)].mean().item() for C in costs) / len(costs)


def mean_distance(held_out: Tensor, Gs: Generator | list[Generator]) -> float:
    """The mean of the distances of several generators, copies or a list."""
    Gs = Gs if isinstance(Gs, list) else [Gs]
    return sum(distance(held_out, G) for G in Gs) / len(Gs)


def ours(seed: int, x: Tensor, fused: bool | None, copies: int | None = None) -> Iterator[Generator]:
    G, D = players(seed, copies)
    axes = 1 if copies is None else 2
    generator = torch.Generator().manual_seed(seed)
    for _ in train_adversarially(
        G,
        D,
        x,
        steps=10**9,
        batch_size=BATCH,
        d_steps=CRITIC_STEPS,
        d_loss=critic_loss,
        g_loss=critic_generator_loss,
        penalty=lambda f, real, fake, generator: LAM * gradient_penalty(f, real, fake, axes, generator),
        d_optimizer=torch.optim.Adam(D.parameters(), lr=RATE, betas=BETAS, fused=fused),
        g_optimizer=torch.optim.Adam(G.parameters(), lr=RATE, betas=BETAS, fused=fused),
        generator=generator,
    ):
        yield G


def plain(seed: int, x: Tensor, fused: bool | None) -> Iterator[Generator]:
    """The loop of the tutorials."""
    G, D = players(seed)
    generator = torch.Generator().manual_seed(seed)
    optimizer_D = torch.optim.Adam(D.parameters(), lr=RATE, betas=BETAS, fused=fused)
    optimizer_G = torch.optim.Adam(G.parameters(), lr=RATE, betas=BETAS, fused=fused)
    history = []
    while True:
        for _ in range(CRITIC_STEPS):
            real = x[torch.randint(len(x), (BATCH,), generator=generator)]
            optimizer_D.zero_grad()
            z = torch.randn(BATCH, LATENT, generator=generator)
            fake = G(z).detach()
            d_real = D(real).mean()
            d_fake = D(fake).mean()
            penalty = compute_gradient_penalty(D, real, fake, generator)
            d_loss = d_fake - d_real + LAM * penalty
            d_loss.backward()
            optimizer_D.step()
            wasserstein = d_real - d_fake
            losses = {"D": d_loss.item(), "W": wasserstein.item(), "penalty": penalty.item()}
        optimizer_G.zero_grad()
        z = torch.randn(BATCH, LATENT, generator=generator)
        g_loss = -D(G(z)).mean()
        g_loss.backward()
        optimizer_G.step()
        history.append(losses | {"G": g_loss.item()})
        yield G


def compute_gradient_penalty(D: nn.Module, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    alpha = torch.rand(real.shape[0], 1, generator=generator).expand_as(real)
    between = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    d_between = D(between)
    ones = torch.ones_like(d_between)
    gradients = torch.autograd.grad(
        outputs=d_between, inputs=between, grad_outputs=ones, create_graph=True, retain_graph=True, only_inputs=True
    )[0]
    return ((gradients.view(gradients.shape[0], -1).norm(2, dim=1) - 1) ** 2).mean()


LOOPS: dict[str, Loop] = {"gmlib": ours, "plain loop": plain}
