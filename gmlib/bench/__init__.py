"""Ours beside the library that people would use instead, on the same job in one run: ``python -m gmlib.bench vae``.

A family is a module here with ``contests()``, of the kinds of :mod:`gmlib.bench.contest`; ``JOB``, what they have in
common; ``PEERS``, whose versions are printed; and ``INSTALL``, the command that installs these: the family's own
extra (``bench-vae``) and, with ``--no-deps``, what would bring packages that do not fit. Without the peers our side
runs alone.
"""

import importlib
import pkgutil
import sys

FAMILIES = tuple(m.name for m in pkgutil.iter_modules(__path__) if m.name not in {"__main__", "contest", "report"})


def peer(module: str, install: str) -> bool:
    """Whether a peer can be imported; if it cannot, say why, and which command installs it."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(f"{module} cannot be imported ({error}): its side is left out. To have it: {install}", file=sys.stderr)
        return False
    return True
