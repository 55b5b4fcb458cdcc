"""The exercises' public checker: `check` says what is wrong with an answer, in both languages."""

from gmlib.exercises.catalogue import chapters, exercises, find
from gmlib.exercises.checker import CheckFailed, check, numbers

__all__ = ["CheckFailed", "chapters", "check", "exercises", "find", "numbers"]
