"""Several trainers of one model take turns, epoch by epoch, so that a busy machine slows all of them alike."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import nn

from gmlib.core import check_count

Entrant = Callable[[int], Iterator[nn.Module]]


@dataclass(frozen=True)
class Contest:
    """A model, and those who train it.

    Args:
        title: the name of the model.
        entrants: by name. Each takes a seed; each step of its iterator trains for one epoch and yields the model.
        score: named numbers about a trained model. It may change the model.
        reference: the name of the entrant that the others are compared with; it may be absent.
    """

    title: str
    entrants: dict[str, Entrant]
    score: Callable[[nn.Module], dict[str, float]]
    reference: str


def run(contest: Contest, epochs: int, runs: int) -> dict:
    """Let every entrant train ``runs`` times, from as many seeds, in turns; who goes first changes at each epoch.

    Only the steps of the iterators are timed.

    Returns:
        ``title``, ``reference``, the number of ``parameters`` by entrant, and ``entrants``: see :func:`summary`.

    Raises:
        ValueError: on ``epochs`` or ``runs`` below one.
    """
    check_count(epochs, "epochs")
    check_count(runs, "runs")
    names = list(contest.entrants)
    seconds: dict[str, list[list[float]]] = {name: [] for name in names}
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    parameters = {}
    for seed in range(runs):
        print(f"{contest.title}: run {seed + 1} of {runs}", file=sys.stderr)
        with torch.random.fork_rng(devices=[]):
            running = {name: start(seed) for name, start in contest.entrants.items()}
            models, times = {}, {name: [] for name in names}
            for epoch in range(epochs):
                first = epoch % len(names)
                for name in names[first:] + names[:first]:
                    began = perf_counter()
                    models[name] = next(running[name])
                    times[name].append(perf_counter() - began)
            for name, model in models.items():
                running[name].close()
                parameters[name] = sum(p.numel() for p in model.parameters())
                scores[name].append(contest.score(model))
                seconds[name].append(times[name])
    entrants = summary(seconds, scores, contest.reference)
    return {"title": contest.title, "reference": contest.reference, "parameters": parameters, "entrants": entrants}


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
        By entrant: ``seconds_per_epoch``, median and quartiles over runs and epochs; ``first_epoch``, that of the
        first run, in which a compiler also does its work; ``times_as_fast``, median and quartiles of the reference's seconds over its own, epoch by epoch, or
        ``None`` where there is no reference; ``scores``, each with its mean over runs and the standard error of that
        mean (``None`` for a single run).

    Example:
        >>> summary({"a": [[9.0, 2.0, 2.0]], "b": [[9.0, 6.0, 6.0]]}, {"a": [{}], "b": [{}]}, "b")["a"]["times_as_fast"]
        {'median': 3.0, 'quartiles': [3.0, 3.0]}
    """
    steady = {name: [s for epochs in runs for s in (epochs[1:] or epochs)] for name, runs in seconds.items()}
    return {
        name: {
            "seconds_per_epoch": _spread(steady[name]),
            "first_epoch": seconds[name][0][0],
            "times_as_fast": _spread(np.divide(steady[reference], steady[name])) if reference in steady else None,
            "scores": {key: _mean([score[key] for score in scores[name]]) for key in scores[name][0]},
        }
        for name in seconds
    }


def peer(module: str) -> bool:
    """Whether a peer can be imported; if it cannot, say why, and how to get it."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(
            f"{module} cannot be imported ({error}): its side is left out. "
            'It comes with the extra `bench`: pip install -e ".[bench]"',
            file=sys.stderr,
        )
        return False
    return True


def _spread(values) -> dict:
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return {"median": median, "quartiles": [low, high]}


def _mean(values: list[float]) -> dict:
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "standard_error": error}
