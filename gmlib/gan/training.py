"""One training loop for every GAN: a generator that yields after each round of the two players."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from tqdm.auto import tqdm

from gmlib.core import check_batch, check_count
from gmlib.gan.model import Discriminator, Generator
from gmlib.train import Step

Penalty = Callable[[Discriminator, Tensor, Tensor, torch.Generator | None], Tensor]
CHECK_EVERY = 100  # rounds between two looks at whether the losses are finite: each look waits for a GPU


def train_adversarially(
    G: Generator,
    D: Discriminator,
    data: Tensor,
    *,
    steps: int,
    batch_size: int,
    d_loss: Callable[[Tensor, Tensor], Tensor],
    g_loss: Callable[[Tensor], Tensor],
    d_optimizer: torch.optim.Optimizer,
    g_optimizer: torch.optim.Optimizer,
    d_steps: int = 1,
    g_steps: int = 1,
    penalty: Penalty | None = None,
    constrain: Callable[[Discriminator], None] | None = None,
    generator: torch.Generator | None = None,
    resume: Step | None = None,
) -> Iterator[Step]:
    """Train both players in turns, and yield after each round: ``d_steps`` of the discriminator, then ``g_steps`` of the generator.

    Each step draws a new batch, with replacement, and new noise. The generator's step computes no gradients of the
    discriminator's weights, nor the discriminator's of the generator's. With copies, every copy sees data and noise of its
    own, and their losses are added, so that with Adam or RMSProp each trains as it would alone.
    An average of the generator's weights is the caller's, as for every loop: :func:`gmlib.train.ema`.

    Args:
        G, D: the players, put into training mode; ``D`` is a critic where the losses are a critic's.
        data: real examples, shape ``(N, *event)``, on the players' device.
        steps: rounds in all, those before ``resume`` too.
        batch_size: examples of either kind in each step.
        d_loss: of the outputs for real and generated examples, to be minimised: :func:`~gmlib.gan.discriminator_loss`, ….
        g_loss: of the outputs for generated examples, to be minimised: :func:`~gmlib.gan.nonsaturating_loss`, ….
        d_optimizer, g_optimizer: any PyTorch optimisers of either player's parameters.
        d_steps, g_steps: steps of each player in a round.
        penalty: of ``(D, real, fake, generator)``, added to the discriminator's loss, its weight included.
        constrain: called on ``D`` after each of its steps: clipping, say.
        generator: source of batches and noise, on the players' device.
        resume: the step after which to go on: see :func:`gmlib.checkpoint.load`.

    Yields:
        A :class:`~gmlib.train.Step`: ``loss`` is the discriminator's, without the penalty; ``terms`` holds the generator's as
        ``"generator"`` and the penalty as ``"penalty"``. With copies, each has shape ``(copies,)``.

    Raises:
        ValueError: when the first round is asked for, on data that are empty or hold a NaN, counts below one, or a ``resume`` that
            is no step.
        FloatingPointError: when a loss is no longer finite; it is looked at every 100 rounds and at the end.

    Source: Goodfellow et al. 2014, algorithm 1; Arjovsky, Chintala and Bottou 2017, algorithm 1.

    Example:
        >>> from gmlib.gan import critic_generator_loss, critic_loss, clip_weights
        >>> from gmlib.nn import mlp
        >>> G, D = Generator(mlp(2, 8, 2), latent=2), Discriminator(mlp(2, 8, 1))
        >>> rounds = train_adversarially(G, D, torch.randn(100, 2), steps=3, batch_size=20,
        ...     d_loss=critic_loss, g_loss=critic_generator_loss, d_steps=5, constrain=lambda f: clip_weights(f, 0.1),
        ...     d_optimizer=torch.optim.RMSprop(D.parameters(), lr=1e-3),
        ...     g_optimizer=torch.optim.RMSprop(G.parameters(), lr=1e-3))
        >>> [step.step for step in rounds]
        [1, 2, 3]
    """
    check_batch(data, "data")
    for n, name in ((steps, "steps"), (batch_size, "batch_size"), (d_steps, "d_steps"), (g_steps, "g_steps")):
        check_count(n, name)
    if resume is not None and not isinstance(resume, Step):
        raise ValueError(f"resume must be a step that train_adversarially yielded, got {resume!r}")
    of_d, of_g = list(D.parameters()), list(G.parameters())
    batch = (batch_size,) if G.copies is None else (G.copies, batch_size)
    nothing = torch.zeros(batch[:-1], device=data.device)
    first = 0 if resume is None else resume.step
    G.train(), D.train()
    for step in tqdm(range(first + 1, steps + 1), initial=first, total=steps, desc="rounds", delay=10, leave=False):
        for _ in range(d_steps):
            real = data[torch.randint(len(data), batch, generator=generator, device=data.device)]
            with torch.no_grad():
                fake = G(G.noise(batch_size, generator))
            loss = d_loss(D(real), D(fake))
            extra = nothing if penalty is None else penalty(D, real, fake, generator)
            _minimise((loss + extra).sum(), of_d, d_optimizer)
            if constrain is not None:
                constrain(D)
        for _ in range(g_steps):
            of_fake = g_loss(D(G(G.noise(batch_size, generator))))
            _minimise(of_fake.sum(), of_g, g_optimizer)
        if (step % CHECK_EVERY == 0 or step == steps) and not (loss + extra + of_fake).isfinite().all():
            raise FloatingPointError(f"a loss is not finite in round {step}: try a smaller learning rate")
        terms = {"generator": of_fake.detach(), "penalty": extra.detach()}
        yield Step(step, loss.detach(), terms, order=torch.empty(0))


def _minimise(loss: Tensor, parameters: list[Tensor], optimizer: torch.optim.Optimizer) -> None:
    """One step; ``inputs`` keeps autograd from the other player's weights."""
    for p in parameters:
        p.grad = None
    loss.backward(inputs=parameters)
    optimizer.step()
