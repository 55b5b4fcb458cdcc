"""List the book's equations and their checks, or confirm that changed ones are still checked.

    python -m tools.equations                       every equation; exits 1 if something is wrong
    python -m tools.equations confirm LABEL ...     record the present text of these equations
    python -m tools.equations confirm --all         record all (after you have looked at each)
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from equations_rules import problems  # noqa: E402
from equations_scan import confirm, scan  # noqa: E402


def listing(root: Path) -> int:
    found = scan(root)
    for e in found.equations:
        print(f"{e.label or '(no label)':34} {e}")
        for kind, marks in (("check", found.checks_of(e.label)), ("code", found.code_of(e.label))):
            for mark in marks:
                print(f"    {kind:6} {mark}  {mark.name}")
        if found.definition_of(e.label):
            print(f"    definition: {found.definition_of(e.label).get('en')}")
    wrong = problems(found)
    print(f"\n{len(found.equations)} equations, {len(wrong)} problems")
    for line in wrong:
        print(f"  {line}", file=sys.stderr)
    return 1 if wrong else 0


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.equations", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command")
    one = commands.add_parser("confirm", help="record the present text of equations whose check you have looked at")
    one.add_argument("labels", nargs="*")
    one.add_argument("--all", action="store_true", help="every displayed equation")
    args = parser.parse_args(argv)
    if args.command != "confirm":
        return listing(root)
    if bool(args.labels) == args.all:
        parser.error("name the equations to confirm, or say --all")
    try:
        changed = confirm(root, sorted(scan(root).labels) if args.all else args.labels)
    except ValueError as error:
        parser.error(str(error))
    print("\n".join(f"confirmed {label}" for label in changed) or "nothing had changed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
