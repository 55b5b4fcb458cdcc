"""The trial of the book in Colab's surroundings finds what it should; nothing is installed here.

Notebooks run with the Python of these tests in place of the trial's own. There `gmlib` lies in the repository, and
whatever imports it is a planted failure.
"""

import http.server
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.display import display
from ipywidgets import DOMWidget
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gmlib import __version__
from gmlib.explore import Gap
from tests.packaging.test_wheel import COLAB
from tools import colab, colab_run
from tools.address import current
from tools.common import ROOT, WIDGET_VIEW

WHEEL = Path(f"generative_models_book-{__version__}-py3-none-any.whl")
REPOSITORY = "imported from the repository"


def notebook(source, *outputs):
    return new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell(source, outputs=list(outputs))])


@pytest.fixture
def trial(tmp_path):
    return colab_run.Trial(sys.executable, tmp_path)


GOOD = """
import os
import matplotlib.pyplot as plt
from tqdm.auto import tqdm
plt.plot([1, 2])
plt.show()
for n in tqdm(range(3)): pass
print(n)
os.listdir()
"""


def test_good_notebook_passes(trial):
    """It shows a picture, and a progress bar, which is not stored; the folder that it runs in is empty."""
    image = new_output("display_data", {"image/png": "", "text/plain": ""})
    nb = notebook(GOOD, image, new_output("stream", text="2\n"), new_output("execute_result", {"text/plain": ""}))
    assert list(colab_run.notebook_faults(trial, nb)) == []
    outputs = nb.cells[1].outputs
    assert outputs[-1].data["text/plain"] == "[]"
    assert [out for out in outputs if WIDGET_VIEW in out.get("data", {})], "the bar is a widget"


BAD = {
    "repository": (f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport tools.common", f"{REPOSITORY}: tools/"),
    "library": ("import gmlib", f"{REPOSITORY}: gmlib/__init__.py"),
    "warning": ("import warnings\nwarnings.warn('careful')", "cell 1: wrote to stderr"),
    "glyph": ("import matplotlib.pyplot as plt\nplt.title('\N{CJK UNIFIED IDEOGRAPH-4E2D}')\nplt.show()", "stderr"),
    "magic": ("%no_such_magic", "cell 1: UsageError"),
    "neighbour": ("open('neighbour.txt')", "cell 1: FileNotFoundError"),
    "name-left-behind": ("google", "cell 1: NameError"),
    "output": ("print(1)", "stored nothing but shows"),
}


@pytest.mark.parametrize("name", BAD)
def test_planted_notebook_is_found(trial, name):
    source, fault = BAD[name]
    found = list(colab_run.notebook_faults(trial, notebook(source)))
    assert [f for f in found if fault in f], found


def test_download_is_found(trial):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        found = list(colab_run.notebook_faults(trial, notebook(f"import urllib.request\nurllib.request.urlopen({url!r})")))
        server.shutdown()
    assert "cell 1: URLError" in found[0]


def test_explorable_figures_are_made_and_in_step(trial):
    assert list(colab_run.figure_faults(trial)) == []


FIRST = "from gmlib.explore import Explorable\n"
SHOWN_BY_IPYWIDGETS = "Explorable._ipython_display_ = lambda self: display({'text/plain': ''}, raw=True)\n"


@pytest.mark.parametrize(
    "planted, fault",
    [(f"{FIRST}{SHOWN_BY_IPYWIDGETS}", "but shows"),
     (f"{FIRST}Explorable.language.metadata.pop('sync')\n", "heard 'both' from the page"),
     ("from gmlib.explore import Gap\nGap.mu.metadata.pop('sync')\n", "gap: the page has another state"),
     ("import sys\ndel sys.modules['google.colab.output']\n", "without Colab's widget manager")],
)  # fmt: skip
def test_planted_figure_is_found(trial, monkeypatch, planted, fault):
    monkeypatch.setattr(colab_run, "FIGURES", [planted + colab_run.FIGURES[0], colab_run.FIGURES[1]])
    found = list(colab_run.figure_faults(trial))
    assert [f for f in found if fault in f], found


def test_figure_keeps_its_picture_under_ipywidgets_7(monkeypatch):
    """There a widget shows itself, and the text and the picture that it would be shown by otherwise are not asked for."""
    monkeypatch.setattr(DOMWidget, "_ipython_display_", lambda self: display({"text/plain": ""}, raw=True), raising=False)
    data, _ = DisplayFormatter().format(Gap())
    assert data.keys() == {"text/plain", "image/png", WIDGET_VIEW}


ANSWER = {"grade": False, "grade_id": "answer", "locked": False, "schema_version": 3, "solution": True, "task": False}
CHECK = {"grade": True, "grade_id": "check", "locked": True, "points": 1, "schema_version": 3, "solution": False, "task": False}


@pytest.mark.parametrize("check, stops", [('check("vae-gaussian-kl", answer)', True), ("", False), ("answer(0, 1)", False)])
def test_students_version_stops_at_the_first_check(trial, check, stops):
    cells = [new_code_cell("from gmlib.exercises import check")]
    answer = "def answer(mu, sigma):\n    ### BEGIN SOLUTION\n    return 0\n    ### END SOLUTION"
    cells += [new_code_cell(answer, metadata={"nbgrader": ANSWER}), new_code_cell(check, metadata={"nbgrader": CHECK})]
    found = [f for f in colab_run.student_faults(trial, new_notebook(cells=cells)) if REPOSITORY not in f]
    assert (found == []) == stops, found


HERE = current().setup_cell()


@pytest.mark.parametrize(
    "cell, right",
    [(HERE, True), (HERE.replace("-book", ""), False), (HERE.replace(f"@v{__version__}", ""), False), ("import gmlib", False),
     (HERE.replace(f"@v{__version__}", "@v9.9.9"), False), (HERE.replace(" @ ", " at "), False)],
)  # fmt: skip
def test_setup_cell_must_ask_for_this_wheel(cell, right):
    assert (list(colab.requirement_faults(notebook(cell), WHEEL)) == []) == right


@pytest.mark.parametrize("needs, right", [("numpy>=1", True), ("numpy>=99", False), ("no-such-package", False)])
def test_wheel_that_changes_what_is_there_is_found(tmp_path, needs, right):
    wheel = tmp_path / "generative_models_book-9.9.9-py3-none-any.whl"
    inside = f"{wheel.stem.removesuffix('-py3-none-any')}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        metadata = f"Metadata-Version: 2.1\nName: {colab.DISTRIBUTION}\nVersion: 9.9.9\nRequires-Dist: {needs}\n"
        archive.writestr(f"{inside}/METADATA", metadata)
        archive.writestr(f"{inside}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{inside}/RECORD", "")
    assert (list(colab.wheel_faults(sys.executable, wheel)) == []) == right


def test_versions_are_those_that_the_ranges_are_held_to():
    pins = dict(line.split("==") for line in colab.VERSIONS.read_text("utf-8").splitlines() if not line.startswith("#"))
    assert {name: version for name, version in pins.items() if name in COLAB} == {
        name: version for name, version in COLAB.items() if name not in ("python", "torch", "torchvision")
    }
    assert pins.keys() - COLAB.keys() == {"ipython", "ipykernel"}
