"""``python -m gmlib.bench vae``: prints a table, and writes all of it as JSON with ``--json``."""

import os

if __name__ == "__main__":
    os.environ.setdefault("TQDM_DISABLE", "1")  # before it is imported: no progress bars, ours or theirs
    os.environ.setdefault("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")  # a first epoch that compiles, compiles

import argparse
import importlib
import json
import logging
import sys
from pathlib import Path

import torch

from gmlib.bench import FAMILIES
from gmlib.bench.report import machine, table
from gmlib.core import check_count


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gmlib.bench", description="Ours beside a peer, on the same job.")
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--runs", type=int, default=5, help="of each contest (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch, for all (default 1)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all results there")
    options = parser.parse_args(arguments)
    try:
        for name in ("runs", "threads"):
            check_count(getattr(options, name), f"--{name}")
    except ValueError as error:
        parser.error(str(error))
    if options.json and not options.json.resolve().parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.parent}")

    torch.set_num_threads(options.threads)
    logging.disable(logging.INFO)  # peers log to the console
    family = importlib.import_module(f"gmlib.bench.{options.family}")
    contests = [contest.run(options.runs) for contest in family.contests()]
    results = {
        "family": options.family,
        "job": family.JOB | {"runs": options.runs},
        "machine": machine(family.PEERS),
        "contests": contests,
    }
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
