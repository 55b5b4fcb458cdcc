"""What the tests know of each chapter's exercises: a folder with right answers and wrong ones for each notebook."""

from importlib import import_module

from gmlib.exercises import exercises
from tools.common import EXERCISES as FOLDER
from tools.common import notebooks

SLUGS = [path.stem for path in notebooks(FOLDER)]
EXERCISES = {name: exercise for slug in SLUGS for name, exercise in exercises(slug).items()}
ANSWERS = {slug: import_module(f"tests.exercises.{slug}.answers") for slug in SLUGS}
MISTAKES = {slug: import_module(f"tests.exercises.{slug}.mistakes") for slug in SLUGS}
RIGHT = {name: answers for module in ANSWERS.values() for name, answers in module.RIGHT.items()}
AS_WRITTEN = {key: answer for module in MISTAKES.values() for key, answer in module.AS_WRITTEN.items()}
