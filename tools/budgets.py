"""What a chapter may take on two idle cores, one thread a process. More is told, and fails nothing: a machine may be busy."""

from collections import defaultdict
from pathlib import Path

MATHEMATICS, NOTEBOOKS, LONGEST = 40, 90, 45  # seconds: the tests of tests/<slug>; its notebooks together; the longest of them
TWO_PARTS = {"graphical", "energy", "gan", "diffusion"}  # as many notebooks as two chapters


def line(seconds, budget, what):
    return f"{seconds:6.1f} s of {budget:3d}  {what}" + "  OVER BUDGET" * (seconds > budget)


def of_mathematics(durations):
    """A line for each folder `tests/<slug>` of a chapter; `durations` are pairs of a test's name and its seconds."""
    spent = defaultdict(float)
    for name, seconds in durations:
        spent[name.partition("/")[2].partition("/")[0]] += seconds
    return [line(spent[slug], MATHEMATICS, f"mathematics of {slug}") for slug in sorted(spent)]


def of_notebooks(seconds):
    """A line for the notebooks of each folder, and one for each that is too long; `seconds` of each path."""
    together = defaultdict(dict)
    for path, spent in seconds.items():
        together[Path(path).parent.name][Path(path).stem] = spent
    lines = []
    for slug, own in sorted(together.items()):
        longest = max(own, key=own.get)
        lines.append(line(sum(own.values()), NOTEBOOKS * (1 + (slug in TWO_PARTS)), f"notebooks of {slug} together"))
        lines.append(line(own[longest], LONGEST, f"the longest of them, {longest}"))
    return lines
