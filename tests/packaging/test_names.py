"""What the project installs, and from where: never `gmlib` from an index, never an unstated version."""

import re
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.common import ROOT, tracked

THIS = Path(__file__).resolve()
PINS = [line for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")]

# That name on the package index belongs to somebody else. A path, an option's value or a URL is not that name.
INSTALLS = re.compile(
    r"(?:pip3?|uv|conda|mamba|pipx|poetry)\s+(?:install|add)\b[^\n#|;&]*?[\s\"']gmlib(?:\[[\w,-]*\])?(?=[\s\"'=<>~!`]|$)"
    r"|^\s*[\"']?gmlib(?:\[[\w,-]*\])?\s*(?:[=<>~!]=|@)\s*[\w.\"']+[\"']?,?\s*$",
    re.MULTILINE,
)


def test_nothing_installs_gmlib_from_an_index():
    for path in tracked():
        if path != THIS and path.suffix in {".md", ".ipynb", ".toml", ".txt", ".yml", ".py", ".cff", ""}:
            found = INSTALLS.search(path.read_text(encoding="utf-8"))
            assert not found, f"{path}: {found.group()}"


@pytest.mark.parametrize(
    "planted",
    ["pip install gmlib", "%pip install -q gmlib", "!pip install 'gmlib==0.1'", "python -m pip install --upgrade gmlib[bench-vae]",
     "uv add gmlib", "gmlib==0.1.0", 'dependencies = [\n    "gmlib>=0.1",\n]', '"%pip install gmlib\\n",\n" gmlib"'],
)  # fmt: skip
def test_planted_installs_are_found(planted):
    assert INSTALLS.search(planted) or INSTALLS.search(planted.replace("\\n", "\n"))


@pytest.mark.parametrize(
    "right",
    ["pip install generative-models-book", "pip install -e .", "import gmlib", "pip install ./gmlib", "gmlib = 3",
     "pip install -q x  # then gmlib imports", 'install "generative-models-book @ https://h/gmlib"'],
)  # fmt: skip
def test_other_lines_are_left_alone(right):
    assert not INSTALLS.search(right)


EXACT = re.compile(r"[\w.-]+==[\w.]+")


def test_requirements_are_exact():
    assert [pin for pin in PINS if not EXACT.fullmatch(pin)] == []
    assert len(PINS) > 50


def test_requirements_are_what_runs_here():
    here = {pin: version(pin.split("==")[0]).split("+")[0] for pin in PINS}
    assert {pin: v for pin, v in here.items() if pin.split("==")[1] != v} == {}, "make installs what requirements.txt says"


def test_requirements_are_complete():
    """Whatever an installed requirement needs is itself pinned, so that a new machine gets the same versions."""
    pinned = {canonicalize_name(pin.split("==")[0]) for pin in PINS}
    needed = [Requirement(r) for name in pinned for r in distribution(name).requires or []]
    here = [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    assert {name for name in map(canonicalize_name, here) if name not in pinned and installed(name)} == set()


def installed(name):
    """Whether it is there at all: a CUDA build of torch asks for packages that a CPU build does without."""
    try:
        return bool(version(name)) and not name.startswith(("nvidia", "cuda", "triton"))
    except PackageNotFoundError:
        return False


@pytest.mark.parametrize("pin", ["torch", "torch>=2", "torch==2.*", "torch @ https://h/t.whl", "--extra-index-url https://h"])
def test_planted_loose_requirement_is_found(pin):
    assert not EXACT.fullmatch(pin)
