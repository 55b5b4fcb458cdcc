"""An exercise is found by its name, its chapter is imported only then, and no answer can put another in its place."""

import subprocess
import sys

import pytest

from gmlib.exercises import chapters, check, exercises, find, numbers
from tests.exercises.chapters import EXERCISES, SLUGS
from tools.common import ROOT

LOADED = """
import sys
from gmlib.exercises import chapters, check, find, numbers

def loaded():
    return [slug for slug in chapters() if f"gmlib.exercises.{slug}" in sys.modules]

print(loaded())
numbers("vae-mean-field")
print(loaded())
"""


def test_a_chapter_is_imported_when_one_of_its_exercises_is_asked_for():
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['vae']"]


def test_each_name_leads_to_its_exercise():
    assert EXERCISES.keys() == {name for slug in chapters() for name in exercises(slug)}
    assert all(find(name) is EXERCISES[name] for name in EXERCISES)


@pytest.mark.parametrize("call", [lambda name: check(name, abs), numbers, find])
def test_an_unknown_name_lists_those_of_its_chapter_or_the_chapters(call):
    for name, known in (("vae-kl", list(exercises("vae"))), ("vea-loss", chapters()), ("", chapters())):
        with pytest.raises(ValueError, match=f"there is no exercise '{name}'") as failure:
            call(name)
        en, zh = str(failure.value).splitlines()
        assert f"没有练习 '{name}'" in zh
        assert [line.rpartition(": ")[2].rpartition("：")[2].split(", ") for line in (en, zh)] == [known, known]


@pytest.mark.parametrize("slug", ["gan-loss", "checker", "", "..", "vae.codes"])
def test_an_unknown_chapter_lists_the_known_ones(slug):
    with pytest.raises(ValueError, match=f"has no exercises; these chapters do: {', '.join(chapters())}\n") as failure:
        exercises(slug)
    assert f"没有练习；有练习的章：{', '.join(chapters())}" in str(failure.value)


@pytest.mark.parametrize("slug", SLUGS)
def test_replacing_an_exercise_is_refused(slug):
    name = next(iter(exercises(slug)))
    with pytest.raises(TypeError):
        exercises(slug)[name] = find("vae-reparameterise")
    with pytest.raises(AttributeError):
        find(name).tolerance = 1e9
