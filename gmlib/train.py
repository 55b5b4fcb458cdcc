"""One training loop for every family: a generator that yields after each step.

The caller owns logging, plots, averages of the weights, checkpoints and early stopping: it iterates, looks,
and may break off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from gmlib.core import check_batch, check_count

if TYPE_CHECKING:
    from accelerate import Accelerator

Loss = Callable[[nn.Module, Tensor, torch.Generator | None], tuple[Tensor, dict[str, Tensor]]]


class Step(NamedTuple):
    """What one step did, and where it stands in the run.

    ``loss`` and ``terms`` are detached scalars on the model's device. ``epoch`` counts from 0; ``order``
    is the order in which this epoch visits the examples, of which the first ``seen`` are done.
    """

    step: int
    loss: Tensor
    terms: dict[str, Tensor]
    epoch: int = 0
    seen: int = 0
    order: Tensor | None = None


def train(
    model: nn.Module,
    loss: Loss,
    data: Tensor,
    *,
    epochs: int,
    batch_size: int,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator | None = None,
    resume: Step | None = None,
    accelerator: Accelerator | None = None,
) -> Iterator[Step]:
    """Minimise ``loss`` on minibatches of ``data``, and yield after each step.

    Each epoch visits every example once, in a new order. A progress bar appears where the
    whole takes more than ten seconds.

    Args:
        model: what ``optimizer`` holds the parameters of; it is put in training mode.
        loss: takes ``(model, batch, generator)``, returns the scalar to minimise and its named terms. An attribute
            ``least`` says how many examples a batch must hold, where one is not enough.
        data: all examples, shape ``(N, ...)``, on the model's device.
        epochs, batch_size: whole numbers; the last batch of an epoch may be smaller. ``epochs``
            counts those before ``resume`` too.
        optimizer: any PyTorch optimiser.
        generator: source of the order and of the loss's random numbers, on the data's device.
        resume: the step after which to go on: see :func:`gmlib.checkpoint.load`.
        accelerator: an ``accelerate.Accelerator`` that decides device, precision and number of
            processes; it moves model, optimiser and data. The generator must be on its device. Each
            process takes its share of each batch, in the order that the first process draws; the loss
            must be a mean over the examples, and a step holds the loss of this process's share.
            Seed each process's generator differently.

    Raises:
        ValueError: when the first step is asked for, on data that is empty or holds a NaN, counts below one,
            a ``batch_size`` that leaves the last batch fewer examples than the loss needs, a ``resume`` that is
            no step of a run on as much data, or an ``accelerator`` that accumulates gradients.
        ImportError: where an ``accelerator`` is given without the package.
        FloatingPointError: when the loss of an epoch, or of what was left of it, is no longer finite.

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
    step, first, seen, order = _start(resume, data)
    processes = 1 if accelerator is None else _checked(accelerator).num_processes
    _check_batches(batch_size, getattr(loss, "least", 1), (len(data), len(data) - seen), processes)
    objective, backward, plain = partial(loss, model), Tensor.backward, accelerator is None
    if not plain:
        objective, optimizer = accelerator.prepare(_Objective(model, loss), optimizer)
        data, backward = data.to(accelerator.device), accelerator.backward
    model.train()
    for epoch in tqdm(range(first, epochs), initial=first, total=epochs, desc="epochs", delay=10, leave=False):
        total = data.new_zeros(())
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if order is None:
            order = torch.randperm(len(data), generator=generator, device=data.device)
            order = order if plain else _of_first_process(order)
        for index in order[seen:].split(batch_size):
            mine, weight = (index, 1) if plain else _share(index, accelerator)
            value, terms = objective(data.index_select(0, mine), generator)
            for p in parameters:
                p.grad = None  # as optimizer.zero_grad() does, without its bookkeeping
            backward(value if weight == 1 else weight * value)
            optimizer.step()
            step += 1
            seen += len(index)
            value = value.detach()
            total += value
            yield Step(step, value, {k: v.detach() for k, v in terms.items()}, epoch, seen, order)
        if not (total if plain else accelerator.reduce(total)).isfinite():
            raise FloatingPointError(f"the loss is not finite in epoch {epoch + 1}: try a smaller learning rate")
        seen, order = 0, None


def _start(resume: Step | None, data: Tensor) -> tuple[int, int, int, Tensor | None]:
    """Steps done, the epoch to go on with, how many examples of it are done, and its order if it is begun."""
    if resume is None:
        return 0, 0, 0, None
    if not isinstance(resume, Step) or resume.order is None:
        raise ValueError(f"resume must be a step that train yielded, got {resume!r}")
    if len(resume.order) != len(data):
        raise ValueError(f"resume is a step of a run on {len(resume.order)} examples, data holds {len(data)}")
    if resume.seen == len(data):
        return resume.step, resume.epoch + 1, 0, None
    return resume.step, resume.epoch, resume.seen, resume.order.to(data.device)


def _check_batches(batch_size: int, least: int, sizes: tuple[int, ...], processes: int) -> None:
    """No batch, and no process's share of one, may be too small for the loss: seen before the work begins."""
    for n in sizes:
        last = n % batch_size or batch_size
        if max(last // processes, 1) < least:
            raise ValueError(
                f"batch_size must leave each batch {least} examples (and each process as many) for this loss, "
                f"got {batch_size}: of {n} examples the last batch holds {last}"
            )


class _Objective(nn.Module):
    """The loss as a module: several processes share what its forward pass uses, whatever the loss calls."""

    def __init__(self, model: nn.Module, loss: Loss):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, x: Tensor, generator: torch.Generator | None):
        return self.loss(self.model, x, generator)


def _checked(accelerator: Accelerator) -> Accelerator:
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise ImportError("accelerator needs the package accelerate: pip install accelerate") from error
    if not isinstance(accelerator, Accelerator):
        raise ValueError(f"accelerator must be an accelerate.Accelerator, got {accelerator!r}")
    if (steps := accelerator.gradient_accumulation_steps) != 1:
        raise ValueError(f"accelerator must not accumulate gradients, and does so over {steps} steps")
    return accelerator


def _of_first_process(order: Tensor) -> Tensor:
    from accelerate.utils import broadcast

    return broadcast(order)


def _share(index: Tensor, accelerator: Accelerator) -> tuple[Tensor, float]:
    """This process's part of a batch, and the weight with which the processes' mean is the batch's mean."""
    mine = index[accelerator.process_index :: accelerator.num_processes]
    weight = len(mine) * accelerator.num_processes / len(index)
    return (mine, weight) if len(mine) else (index[:1], 0.0)  # each process must take part in each step


def ema(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of ``model``, whose weights will be the exponential moving average of the model's.

    Call ``update_parameters(model)`` on it after each step. The first call copies the weights; each
    later one moves the average from ``a`` to ``decay * a + (1 - decay) * weights``. Buffers, such as the
    running statistics of batch normalisation, are copied as they are. The averaged model is ``.module``.

    Raises:
        ValueError: on a ``decay`` that is not in [0, 1).

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> average = ema(model, decay=0.75)
        >>> for weight in (0.0, 4.0):
        ...     _ = nn.init.constant_(model.weight, weight)
        ...     average.update_parameters(model)
        >>> average.module.weight.item()
        1.0
    """
    if not isinstance(decay, (int, float)) or not 0 <= decay < 1:
        raise ValueError(f"decay must be in [0, 1), got {decay!r}")
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))


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
