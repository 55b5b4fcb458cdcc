"""Three ways to compare: epochs in turns, a function in turns, scores after equal seconds.

In turns, so that a busy machine slows all alike. ``run`` of each returns a ``title`` and, by label, the ``rows`` of
its table: values by column, each a spread (median and quartiles), a mean with its standard error, or a number.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from time import process_time
from timeit import Timer
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.benchmark import timer as wall  # waits for what a GPU still has to do

from gmlib.core import check_count

Trainer = Callable[[int], Iterator[Any]]  # takes a seed; each step trains for a while and yields the model


@dataclass(frozen=True)
class Epochs:
    """The time of an epoch, and what all of them achieve.

    Args:
        title: of the table, such as the name of the model.
        entrants: by name; each step of their iterators is an epoch. Only the steps are timed.
        score: named numbers about a trained model. It may change the model.
        reference: the name of the entrant that the others are compared with; it may be absent.
        epochs: of each run.
    """

    title: str
    entrants: dict[str, Trainer]
    score: Callable[[Any], dict[str, float]]
    reference: str
    epochs: int
    clock: Callable[[], float] = wall

    def run(self, runs: int) -> dict:
        """Let every entrant train ``runs`` times, from as many seeds, in turns; who goes first changes at each epoch.

        Returns:
            ``title``, ``rows``: see :func:`summary`; and by entrant the number of ``parameters``, if it is a module.

        Raises:
            ValueError: on ``epochs`` or ``runs`` below one.
        """
        check_count(self.epochs, "epochs")
        names = list(self.entrants)
        seconds, scores, parameters = {name: [] for name in names}, {name: [] for name in names}, {}
        for seed in _seeds(self.title, runs):
            running = {name: start(seed) for name, start in self.entrants.items()}
            models, times = {}, {name: [] for name in names}
            for epoch in range(self.epochs):
                for name in _turned(names, epoch):
                    began = self.clock()
                    models[name] = next(running[name])
                    times[name].append(self.clock() - began)
            for name, model in models.items():
                running[name].close()
                parameters[name] = sum(p.numel() for p in model.parameters()) if isinstance(model, nn.Module) else None
                scores[name].append(self.score(model))
                seconds[name].append(times[name])
        return {"title": self.title, "parameters": parameters, "rows": summary(seconds, scores, self.reference)}


def summary(
    seconds: dict[str, list[list[float]]], scores: dict[str, list[dict[str, float]]], reference: str
) -> dict[str, dict]:
    """What is reported of each entrant.

    The first epoch of a run, in which the trainer is also built, stands by itself and is left out of the rest
    (unless it is the only one).

    Args:
        seconds: by entrant, for each run and each of its epochs.
        scores: by entrant, for each run.
        reference: whom the others are compared with.

    Returns:
        By entrant: ``ms / epoch``, a spread over runs and epochs; ``×`` and the reference's name, how many times as
        fast, epoch by epoch, or ``None`` where there is no reference; ``first epoch, ms``, that of the first run,
        in which a compiler also does its work; then the scores, each a mean over runs with its standard error
        (``None`` for a single run).

    Example:
        >>> summary({"a": [[9.0, 2.0, 2.0]], "b": [[9.0, 6.0, 6.0]]}, {"a": [{}], "b": [{}]}, "b")["a"]["× b"]
        {'median': 3.0, 'quartiles': [3.0, 3.0]}
    """
    steady = {name: [s for epochs in runs for s in (epochs[1:] or epochs)] for name, runs in seconds.items()}
    return {
        name: {
            "ms / epoch": _spread(steady[name], 1000),
            f"× {reference}": _times_as_fast(steady, name, reference),
            "first epoch, ms": 1000 * seconds[name][0][0],
            **{key: _mean([score[key] for score in scores[name]]) for key in scores[name][0]},
        }
        for name in seconds
    }


@dataclass(frozen=True)
class Functions:
    """The time of a call on the same input, once the results are seen to agree.

    Args:
        title: of the table.
        inputs: by what tells them apart, such as a size.
        entrants: by name. Each takes an input, brings it into the form it likes, and returns what is timed: a
            function without arguments.
        reference: the name of the entrant that the others are compared with; it may be absent.
        tolerance: how far a number of a result may be from the reference's.
        result: what is compared of that which a function returns: a number, an array or a tensor.
    """

    title: str
    inputs: dict[str, Any]
    entrants: dict[str, Callable[[Any], Callable[[], Any]]]
    reference: str
    tolerance: float
    result: Callable[[Any], Any] = lambda returned: returned
    clock: Callable[[], float] = wall

    def run(self, runs: int) -> dict:
        """Take ``runs`` samples on each input, in turns; who goes first changes with each.

        A sample is the mean of 1, 2, 5, 10, 20, … calls, as many as took 0.2 seconds when they were tried out,
        which warms them up.

        Returns:
            ``title`` and ``rows``, by entrant and input: ``ms``, a spread, and ``×`` and the reference's name, how
            many times as fast, sample by sample, or ``None`` where there is no reference.

        Raises:
            ValueError: where results disagree, before anything is timed, and on ``runs`` below one.
        """
        check_count(runs, "runs")
        rows = {}
        for size, given in self.inputs.items():
            print(f"{self.title}, {size}", file=sys.stderr)
            calls = {name: prepare(given) for name, prepare in self.entrants.items()}
            self._compare(size, {name: call() for name, call in calls.items()})
            timers = {name: Timer(call, timer=self.clock) for name, call in calls.items()}
            counts = {name: each.autorange()[0] for name, each in timers.items()}
            seconds = {name: [] for name in calls}
            for turn in range(runs):
                for name in _turned(list(calls), turn):
                    seconds[name].append(timers[name].timeit(counts[name]) / counts[name])
            for name in calls:
                ratio = _times_as_fast(seconds, name, self.reference)
                rows[f"{name}, {size}"] = {"ms": _spread(seconds[name], 1000), f"× {self.reference}": ratio}
        return {"title": f"{self.title}, results within {self.tolerance:g}", "rows": rows}

    def _compare(self, size: str, returned: dict) -> None:
        numbers = {name: torch.as_tensor(self.result(r)).detach().cpu().double() for name, r in returned.items()}
        right = self.reference if self.reference in numbers else next(iter(numbers))
        for name, found in numbers.items():
            try:
                torch.testing.assert_close(found, numbers[right], rtol=0, atol=self.tolerance)
            except AssertionError as error:
                raise ValueError(f"{self.title}, {size}: {name} disagrees with {right}. {error}") from None


@dataclass(frozen=True)
class EqualSeconds:
    """A score after as many seconds of training for each.

    Args:
        title: of the table; it says what the score is, and whether high or low is good.
        entrants: by name; each step of their iterators, without end, trains for a while, short beside the seconds.
            The first step holds whatever it takes to begin.
        score: a number about the model so far. It gets a copy, and no time passes.
        seconds: when the score is taken, in ascending order; a step under way is finished.
        clock: in seconds. That of the process ignores what else the machine does, but also what a compiler, or the
            workers of a data loader, do in processes of their own, and a GPU: where that counts, take ``wall``.
    """

    title: str
    entrants: dict[str, Trainer]
    score: Callable[[Any], float]
    seconds: tuple[float, ...]
    clock: Callable[[], float] = process_time

    def run(self, runs: int) -> dict:
        """Train all ``runs`` times, from as many seeds. Who has had least goes on; who goes first changes at each run.

        Returns:
            ``title`` and ``rows``, by entrant: the mean score after each of ``seconds``, and the seconds ``in all``,
            with standard errors.

        Raises:
            ValueError: on ``seconds`` that do not ascend from above zero, on ``runs`` below one, and where an
                entrant ends before its time.
        """
        if not self.seconds or any(late <= early for early, late in zip((0, *self.seconds), self.seconds)):
            raise ValueError(f"seconds must ascend from above zero, got {self.seconds}")
        columns = [*(f"after {mark:g} s" for mark in self.seconds), "in all, s"]
        values = {name: {column: [] for column in columns} for name in self.entrants}
        for seed in _seeds(self.title, runs):
            running = {name: start(seed) for name, start in self.entrants.items()}
            spent, models = dict.fromkeys(_turned(list(running), seed), 0.0), {}
            for mark, column in zip(self.seconds, columns):
                while spent[name := min(spent, key=spent.get)] < mark:
                    began = self.clock()
                    models[name] = next(running[name], None)
                    spent[name] += self.clock() - began
                    if models[name] is None:
                        raise ValueError(f"{self.title}: {name} ended after {spent[name]:.3g} of {mark:g} seconds")
                for name, model in models.items():
                    values[name][column].append(self.score(deepcopy(model)))
            for name in running:
                running[name].close()
                values[name][columns[-1]].append(spent[name])
        rows = {name: {column: _mean(found) for column, found in of.items()} for name, of in values.items()}
        return {"title": self.title, "rows": rows}


def _seeds(title: str, runs: int) -> Iterator[int]:
    """Of each run; PyTorch's own generator is afterwards as it was."""
    check_count(runs, "runs")
    for seed in range(runs):
        print(f"{title}: run {seed + 1} of {runs}", file=sys.stderr)
        with torch.random.fork_rng(devices=[]):
            yield seed


def _turned(names: list[str], turn: int) -> list[str]:
    first = turn % len(names)
    return names[first:] + names[:first]


def _times_as_fast(seconds: dict[str, list[float]], name: str, reference: str) -> dict | None:
    return _spread(np.divide(seconds[reference], seconds[name])) if reference in seconds else None


def _spread(values, scale: float = 1) -> dict:
    low, median, high = (scale * np.quantile(values, [0.25, 0.5, 0.75])).tolist()
    return {"median": median, "quartiles": [low, high]}


def _mean(values: list[float]) -> dict:
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "standard_error": error}
