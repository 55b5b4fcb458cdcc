"""What an answer gives, worked out in the student's kernel for `tools.grade_confirm`; quick to import there."""

import gc
import json
import os
import signal
import sys
from types import FunctionType

from gmlib.exercises import CheckFailed, find
from gmlib.exercises.checker import results

FOLDER = os.path.dirname(sys.modules["gmlib.exercises"].__file__)


def answers(name, answer, cases):
    """By JSON, what an answer gives for the cases, or the words of its failure, from a fork in which nothing tells it."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            os.close(reading)
            text = json.dumps(alone(name, answer, json.loads(cases)))
            with os.fdopen(writing, "w", encoding="utf-8") as pipe:
                pipe.write(text)
        finally:
            os._exit(0)
    try:
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as pipe:
            return pipe.read()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def alone(name, answer, cases):
    """The numbers, while nothing is printed and no specification can be called or read anew."""
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")
    exercise = find(name)
    for function in gc.get_objects():
        if type(function) is FunctionType and function.__code__.co_filename.startswith(FOLDER):
            if hasattr(function, "is_specification"):
                function.__code__ = refuse.__code__
    sys.meta_path.insert(0, Closed)
    try:
        return results(name, exercise, answer, cases)
    except CheckFailed as failure:
        return str(failure)


def refuse(*_, **__):
    raise PermissionError("the answer calls the checker's own specification")


class Closed:
    """No module of the exercises is imported any more."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("gmlib.exercises"):
            raise PermissionError("the answer imports the checker's own specification")
