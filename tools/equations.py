"""List the book's equations and their checks, or confirm that changed ones are still checked.

    python -m tools.equations                       what is wrong; exits 1 if something is
    python -m tools.equations --chapter gan         what is wrong in one chapter
    python -m tools.equations list [eq-gan …]       equations whose label begins so, or all, with their checks
    python -m tools.equations confirm LABEL ...     record the present text of these equations
    python -m tools.equations confirm --all         record all (after you have looked at each)
"""
from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from equations_rules import problems  # noqa: E402
from equations_scan import confirm, scan  # noqa: E402


def faults(root: Path, chapter: str = "") -> int:
    found = scan(root)
    of = re.compile(rf"\beq-{chapter}-|\b{chapter}[./]")  # its labels, its files and its folders
    wrong = [line for line in problems(found) if of.search(line) or not chapter]
    count = len([e for e in found.equations if of.search(f"{e.label} {e.path}") or not chapter])
    print(f"{count} equations, {len(wrong)} problems")
    for line in wrong:
        print(f"  {line}", file=sys.stderr)
    return 1 if wrong else 0


def listing(root: Path, beginnings: tuple[str, ...]) -> None:
    found = scan(root)
    for e in found.equations:
        if not (e.label or "").startswith(beginnings or ""):
            continue
        print(f"{e.label or '(no label)':34} {e}")
        for kind, marks in (("check", found.checks_of(e.label)), ("code", found.code_of(e.label))):
            for mark in marks:
                print(f"    {kind:6} {mark}  {mark.name}")
        if found.definition_of(e.label):
            print(f"    definition: {found.definition_of(e.label).get('en')}")


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.equations", description=__doc__.splitlines()[0])
    parser.add_argument("--chapter", default="", help="only what is wrong in this chapter")
    commands = parser.add_subparsers(dest="command")
    every = commands.add_parser("list", help="show equations with their checks and their code")
    every.add_argument("labels", nargs="*", help="how the labels begin; all if left out")
    one = commands.add_parser("confirm", help="record the present text of equations whose check you have looked at")
    one.add_argument("labels", nargs="*")
    one.add_argument("--all", action="store_true", help="every displayed equation")
    args = parser.parse_args(argv)
    if args.command is None:
        return faults(root, args.chapter)
    if args.command == "list":
        listing(root, tuple(args.labels))
        return 0
    if bool(args.labels) == args.all:
        parser.error("name the equations to confirm, or say --all")
    try:
        changed = confirm(root, sorted(scan(root).labels) if args.all else args.labels)
    except ValueError as error:
        parser.error(str(error))
    print("\n".join(f"confirmed {label}" for label in changed) or "nothing had changed")
    for line in problems(scan(root)):
        if any(label in line for label in changed):
            print(f"  but: {line}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
