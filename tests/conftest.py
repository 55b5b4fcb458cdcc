"""`--chapter vae`: of the tests that go through chapters, exercises, notebooks or pages, those of one chapter."""

from pathlib import Path


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
