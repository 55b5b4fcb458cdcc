"""What every explorable figure shares: its module, its still picture, and what a notebook is given."""

import base64
import io
import json
import subprocess
import sys

import pytest
import traitlets
from PIL import Image

from gmlib import explore, plot
from gmlib.explore import Explorable, Gap
from gmlib.explore.figure import HERE, KEY, module
from tools.common import ROOT, WIDGET_VIEW, notebooks

FIGURES = {figure.name: figure for figure in Explorable.__subclasses__() if hasattr(explore, figure.__name__)}


def told(png):
    with Image.open(io.BytesIO(png)) as picture:
        return json.loads(picture.info.get(KEY, "null"))


def as_written(state):
    return json.loads(json.dumps(state))  # a pair of numbers is a list there


def test_there_are_figures():
    assert FIGURES.keys() >= {"gap", "boundary"} and {path.stem for path in HERE.glob("*.js")} == {*FIGURES, "kit"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_notebook_gets_one_text_that_imports_nothing(name):
    figure = FIGURES[name]()
    assert "import" not in [line.split()[0] for line in figure._esm.splitlines() if line.strip()]
    assert figure._esm.count("export default") == 1 and "./kit.js" not in figure._esm
    assert len((HERE / f"{name}.js").read_text("utf-8").splitlines()) <= 250


def test_a_module_without_the_kit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gmlib.explore.figure.HERE", tmp_path)
    (tmp_path / "lone.js").write_text("export default {};", "utf-8")
    with pytest.raises(ValueError, match="lone.js must import kit.js once"):
        module("lone")


@pytest.mark.parametrize("name", FIGURES)
def test_bundle_has_the_widget_a_picture_and_a_short_text(name):
    figure = FIGURES[name]()
    data, _ = figure._repr_mimebundle_()
    assert data[WIDGET_VIEW]["model_id"] == figure.model_id
    assert told(base64.b64decode(data["image/png"])) == {"figure": name, "state": as_written(figure.state())}
    assert data["text/plain"] == repr(figure) and len(repr(figure)) < 120


def test_picture_and_text_say_the_state():
    figure = Gap(decoder="curve", sigma=0.5)
    assert repr(figure) == "Gap(decoder='curve', mu=0.0, sigma=0.5)"
    assert figure.still() == figure.still() != Gap(decoder="curve", sigma=0.6).still()
    figure.mu = -1.5
    assert told(figure.still())["state"] == {"decoder": "curve", "mu": -1.5, "sigma": 0.5}


def test_save_writes_the_picture(tmp_path):
    Gap().save(tmp_path / "gap.png")
    assert (tmp_path / "gap.png").read_bytes() == Gap().still()


def test_values_travel_both_ways():
    """Every value of the state is synchronised, and what the browser sends arrives."""
    figure, seen = Gap(), []
    figure.observe(lambda change: seen.append((change.name, change.new)), ["mu", "decoder"])
    assert set(figure.state()) | {"language", "_esm", "_css"} <= set(figure.keys)
    figure.set_state({"mu": 1, "decoder": "curve"})
    assert (figure.mu, figure.decoder) == (1.0, "curve") and set(seen) == {("mu", 1.0), ("decoder", "curve")}


@pytest.mark.parametrize("wrong", [
    {"mu": 3.5}, {"sigma": 0.0}, {"sigma": "wide"}, {"decoder": "circle"}, {"language": "fr"}])
def test_values_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(traitlets.TraitError, match=name):
        Gap(**wrong)
    with pytest.raises(traitlets.TraitError, match=name):
        Gap().set_trait(name, wrong[name])


def test_a_name_that_no_value_has_is_refused():
    with pytest.raises(TypeError, match="Gap has no value named 'centre'"):
        Gap(centre=1.0)


def test_colours_are_those_of_the_other_figures():
    style = (HERE / "explore.css").read_text("utf-8")
    assert f"--ex-p: {plot.BLUE}" in style and f"--ex-q: {plot.ORANGE}" in style


def stored_pictures():
    for path in sorted([*(ROOT / "book").rglob("*.png"), *(ROOT / "tests" / "site" / "sample").rglob("*.png")]):
        yield path.relative_to(ROOT).as_posix(), path.read_bytes()
    for path in [*notebooks(), *notebooks(ROOT / "tests" / "site" / "sample")]:
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    yield path.relative_to(ROOT).as_posix(), base64.b64decode("".join(output["data"]["image/png"]))


def test_stored_pictures_name_a_figure_and_a_state_that_it_accepts():
    found = [(path, said) for path, png in stored_pictures() if (said := told(png))]
    assert len(found) >= 2
    for path, said in found:
        assert as_written(FIGURES[said["figure"]](**said["state"]).state()) == said["state"], path


COLAB = """
import sys, types
calls = []
output = types.ModuleType("google.colab.output")
output.enable_custom_widget_manager = lambda: calls.append(1)
output._widgets = types.SimpleNamespace(_installed_url="https://example.org/manager.js")
if sys.argv[1] == "colab":
    for name in ("google", "google.colab"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["google.colab.output"] = output
from gmlib.explore import Gap
Gap(), Gap()
data, metadata = Gap()._repr_mimebundle_()
print(len(calls), "image/png" in data, metadata)
"""


def run_apart(place):
    done = subprocess.run([sys.executable, "-c", COLAB, place], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_colab_is_asked_once_for_its_widget_manager():
    """Without that call Colab shows nothing; with a fake of Colab's module, in a process of its own."""
    assert run_apart("colab").startswith("1 True {'" + WIDGET_VIEW + "'")
    assert run_apart("elsewhere") == "0 True {}"
