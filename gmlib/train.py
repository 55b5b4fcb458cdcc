"""One training loop for every family: a generator that yields after each step.

The caller owns logging, plots and early stopping: it iterates, looks, and may break off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from gmlib.core import check_batch, check_count

Loss = Callable[[nn.Module, Tensor, torch.Generator | None], tuple[Tensor, dict[str, Tensor]]]


class Step(NamedTuple):
    """What one step did. ``loss`` and ``terms`` are detached scalars on the model's device."""

    step: int
    loss: Tensor
    terms: dict[str, Tensor]


def train(
    model: nn.Module,
    loss: Loss,
    data: Tensor,
    *,
    epochs: int,
    batch_size: int,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Minimise ``loss`` on minibatches of ``data``, and yield after each step.

    Each epoch visits every example once, in a new order. A progress bar appears where the
    whole takes more than ten seconds.

    Args:
        model: what ``optimizer`` holds the parameters of; it is put in training mode.
        loss: takes ``(model, batch, generator)``, returns the scalar to minimise and its named terms.
        data: all examples, shape ``(N, ...)``, on the model's device.
        epochs, batch_size: whole numbers; the last batch of an epoch may be smaller.
        optimizer: any PyTorch optimiser.
        generator: source of the order and of the loss's random numbers, on the data's device.

    Raises (when the first step is asked for):
        ValueError: on data that is empty or holds a NaN, or counts below one.
        FloatingPointError: when the loss of an epoch is no longer finite.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> def loss(model, x, generator):
        ...     error = (model(x) - 2 * x).square().mean()
        ...     return error, {"error": error}
        >>> steps = train(model, loss, torch.randn(100, 1), epochs=50, batch_size=20,
        ...               optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
        >>> for step in steps: pass
        >>> round(model.weight.item(), 3)
        2.0
    """
    check_batch(data, "data")
    check_count(epochs, "epochs")
    check_count(batch_size, "batch_size")
    model.train()
    step = 0
    for epoch in tqdm(range(epochs), desc="epochs", delay=10, leave=False):
        total = data.new_zeros(())
        order = torch.randperm(len(data), generator=generator, device=data.device)
        for index in order.split(batch_size):
            value, terms = loss(model, data[index], generator)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            step += 1
            total += value.detach()
            yield Step(step, value.detach(), {k: v.detach() for k, v in terms.items()})
        if not total.isfinite():
            raise FloatingPointError(f"the loss is not finite in epoch {epoch + 1}: try a smaller learning rate")


def averages(steps: Iterable[Step], every: int) -> Iterator[dict[str, float]]:
    """Run through ``steps`` and yield the mean loss and terms of each ``every`` of them.

    The last group may be smaller. Each result also holds ``step``, the last step that it covers.

    Example:
        >>> three = [Step(i, torch.tensor(float(i)), {}) for i in (1, 2, 3)]
        >>> list(averages(three, every=2))
        [{'step': 2, 'loss': 1.5}, {'step': 3, 'loss': 3.0}]
    """
    check_count(every, "every")
    group: list[Step] = []
    for s in steps:
        group.append(s)
        if len(group) == every:
            yield _mean(group)
            group = []
    if group:
        yield _mean(group)


def _mean(group: list[Step]) -> dict[str, float]:
    loss = torch.stack([s.loss for s in group]).mean().item()
    terms = {k: torch.stack([s.terms[k] for s in group]).mean().item() for k in group[0].terms}
    return {"step": group[-1].step, "loss": loss, **terms}
