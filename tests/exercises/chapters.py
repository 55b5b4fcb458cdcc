"""What the tests know of each chapter's exercises: one file of right answers and one of wrong ones for each notebook."""

from importlib import import_module

from tools.common import EXERCISES, notebooks

SLUGS = [path.stem for path in notebooks(EXERCISES)]
ANSWERS = {slug: import_module(f"tests.exercises.{slug}_answers") for slug in SLUGS}
MISTAKES = {slug: import_module(f"tests.exercises.{slug}_mistakes") for slug in SLUGS}
RIGHT = {name: answers for module in ANSWERS.values() for name, answers in module.RIGHT.items()}
AS_WRITTEN = {key: answer for module in MISTAKES.values() for key, answer in module.AS_WRITTEN.items()}
