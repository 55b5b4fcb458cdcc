"""Find exercises: each chapter's are in the package of its slug, which is imported when one of them is asked for."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from gmlib.exercises.exercise import Exercise


def chapters() -> list[str]:
    """The slugs of the chapters that have exercises.

    Example:
        >>> "vae" in chapters()
        True
    """
    return sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.ispkg)


def exercises(slug: str) -> Mapping[str, Exercise]:
    """The exercises of a chapter by name, in the order of its notebook; they cannot be replaced.

    Raises:
        ValueError: on a chapter that has none.

    Example:
        >>> next(iter(exercises("vae")))
        'vae-gaussian-kl'
    """
    if slug not in chapters():
        known = ", ".join(chapters())
        raise ValueError(f"{slug!r} has no exercises; these chapters do: {known}\n{slug!r} 没有练习；有练习的章：{known}")
    return import_module(f"gmlib.exercises.{slug}").EXERCISES


def find(name: str) -> Exercise:
    """The exercise of that name, which begins with its chapter's slug.

    Raises:
        ValueError: on an exercise that does not exist; the message lists those of its chapter, or the chapters.
    """
    slug = str(name).partition("-")[0]
    found = exercises(slug) if slug in chapters() else {}
    if name not in found:
        known = ", ".join(found or chapters())
        en, zh = ("there are", "现有") if found else ("chapters that have some", "有练习的章")
        raise ValueError(f"there is no exercise {name!r}; {en}: {known}\n没有练习 {name!r}；{zh}：{known}")
    return found[name]
