"""The results of a run as a table, and what somebody else needs in order to judge them."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import gmlib

NBSP = "\N{NO-BREAK SPACE}"  # keeps a number and its spread on one line of a narrow page


def table(results: dict) -> str:
    """Markdown: for each contest a row an entrant, medians (quartiles) and means ± standard errors; then the facts.

    Args:
        results: as ``python -m gmlib.bench`` writes them to JSON.
    """
    facts = [(name, _plain(value)) for name, value in (results["job"] | results["machine"]).items()]
    return "\n\n".join([*map(_contest, results["contests"]), _rows([(results["family"], ""), ("---", "---"), *facts])])


def machine(peers: tuple[str, ...]) -> dict:
    """Processor, threads, load now (1, 5 and 15 minutes), date and versions; ``None`` for a peer that is not here."""
    names = {"torch": torch.__version__} | {name: _version(name) for name in peers}
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": [round(x, 1) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "versions": {"python": platform.python_version(), "gmlib": gmlib.__version__} | names,
    }


def _contest(contest: dict) -> str:
    entrants = contest["entrants"]
    keys = list(next(iter(entrants.values()))["scores"])
    heads = [contest["title"], "ms / epoch", f"× {contest['reference']}", "first epoch, ms", *keys]
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for name, of in entrants.items():
        scores = [_score(of["scores"][key]) for key in keys]
        times = _spread(of["seconds_per_epoch"], 1000, 1), _spread(of["times_as_fast"], 1, 2)
        rows.append([name, *times, f"{1000 * of['first_epoch']:.0f}", *scores])
    return _rows(rows)


def _rows(rows: list) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _plain(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(v)}" for name, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else "—" if value is None else str(value)


def _spread(value: dict | None, scale: float, digits: int) -> str:
    if value is None:
        return "—"
    low, high = (f"{scale * v:.{digits}f}" for v in value["quartiles"])
    return f"{scale * value['median']:.{digits}f}{NBSP}({low}–{high})"


def _score(value: dict) -> str:
    error = value["standard_error"]
    return f"{value['mean']:.2f}" + ("" if error is None else f"{NBSP}±{NBSP}{error:.2f}")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
