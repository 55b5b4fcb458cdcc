"""The results of a run as a table, and what somebody else needs in order to judge them."""

from __future__ import annotations

import math
import os
import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import gmlib

NBSP = "\N{NO-BREAK SPACE}"  # keeps a number and its spread on one line of a narrow page


def table(results: dict) -> str:
    """Markdown: for each contest its rows, with medians (quartiles) and means ± standard errors; then the facts.

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
    columns = list(next(iter(contest["rows"].values())))
    heads = [[contest["title"], *columns], ["---", *["---:"] * len(columns)]]
    return _rows([*heads, *([name, *map(_cell, of.values())] for name, of in contest["rows"].items())])


def _cell(value: dict | float | None) -> str:
    """A spread to three digits; a mean as exact as the first digit of its error, or to three; a number as whole."""
    if value is None:
        return "—"
    if not isinstance(value, dict):
        return f"{value:.0f}"
    if "median" in value:
        digits = _decimals(value["median"], 3)
        low, high = (f"{v:.{digits}f}" for v in value["quartiles"])
        return f"{value['median']:.{digits}f}{NBSP}({low}–{high})"
    error = value["standard_error"]
    digits = _decimals(error, 1) if error else _decimals(value["mean"], 3)
    return f"{value['mean']:.{digits}f}" + ("" if error is None else f"{NBSP}±{NBSP}{error:.{digits}f}")


def _decimals(value: float, significant: int) -> int:
    return max(0, significant - 1 - math.floor(math.log10(abs(value)))) if value else significant - 1


def _rows(rows: list) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _plain(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(v)}" for name, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else "—" if value is None else str(value)


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
