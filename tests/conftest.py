"""`--chapter vae`: of the tests that go through chapters, exercises, notebooks or pages, those of one chapter.

And the time of each chapter's mathematics, beside its budget.
"""

from pathlib import Path

from tools.budgets import of_mathematics
from tools.common import chapters


def pytest_addoption(parser):
    parser.addoption("--chapter", help="only tests with a parameter that names this chapter")


def chapter_of(value):
    """The chapter that a parameter names: a slug, an exercise, a tuple that begins with one, or a notebook's path."""
    if isinstance(value, tuple) and value:
        return chapter_of(value[0])
    if isinstance(value, Path):
        return value.stem if value.parent.name == "exercises" else value.parent.name
    return value.partition("-")[0] if isinstance(value, str) else None


def pytest_collection_modifyitems(config, items):
    if not (chapter := config.getoption("chapter")):
        return
    named = [chapter in map(chapter_of, item.callspec.params.values()) if hasattr(item, "callspec") else False for item in items]
    config.hook.pytest_deselected(items=[item for item, is_named in zip(items, named) if not is_named])
    items[:] = [item for item, is_named in zip(items, named) if is_named]


def pytest_terminal_summary(terminalreporter):
    reports = [report for kind in terminalreporter.stats.values() for report in kind if hasattr(report, "duration")]
    own = tuple(f"tests/{slug}/" for slug in chapters())
    for line in of_mathematics((report.nodeid, report.duration) for report in reports if report.nodeid.startswith(own)):
        terminalreporter.write_line(line)
