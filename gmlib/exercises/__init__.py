"""The exercises' public checker: `check` says what is wrong with an answer, in both languages."""

from gmlib.exercises.checker import EXERCISES, CheckFailed, check, numbers

__all__ = ["EXERCISES", "CheckFailed", "check", "numbers"]
