"""The check of the notebooks catches bad ones: each planted here fails it for its own reason, by the same command."""

import http.server
import re
import subprocess
import threading
from functools import partial

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools import check_notebooks
from tools.check_notebooks import DEAD, SECONDS, command
from tools.common import ROOT, kernel_environment


def stdout(text):
    return new_output("stream", name="stdout", text=text)


def value(text):
    return new_output("execute_result", {"text/plain": text}, execution_count=1)


IMAGE = new_output("display_data", {"image/png": "aGVsbG8=", "text/plain": "<Figure size 640x480 with 1 Axes>"})
WIDGET = "from gmlib.explore import Gap\nGap()"
GAP = "Gap(decoder='line', mu=0.0, sigma=1.0)"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"
CHANGING = """
from IPython.display import clear_output, display
print(1)
clear_output()
print(2)
clear_output(wait=True)
shown = display("a", display_id=True)
shown.update("b")
"""
ELSEWHERE = f"{CHANGING}\nget_ipython().display_pub.publish({{'text/plain': 'c'}}, transient={{'display_id': 'x'}}, update=True)"
IGNORE = ["nbval-ignore-output"]

# name: (source, stored outputs, tags)
GOOD = {
    "plain": ("print(6 * 7)", [stdout("42\n")], []),
    "value": ("6 * 7", [value("42")], []),
    "image": (PLOT, [IMAGE], []),  # other bytes than those stored: not compared
    "ignored": ("import os; print(os.getpid())", [stdout("1\n")], IGNORE),
    "raises": ("1 / 0", [new_output("error", ename="ZeroDivisionError", evalue="division by zero")], ["raises-exception"]),
    "progress": ("from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass", [], []),
    "semicolon": ("x = 6 * 7\nx;", [], []),
    "changing": (CHANGING, [new_output("display_data", {"text/plain": "'b'"})], []),
    "library": ("import gmlib\ngmlib.__name__", [value("'gmlib'")], []),
    "widget": (WIDGET, [new_output("execute_result", {"image/png": "aGVsbG8=", "text/plain": GAP}, execution_count=1)], []),
}
# name: (source, stored outputs, tags, what the check must say)
BAD = {
    "wrong-result": ("print(6 * 7)", [stdout("43\n")], [], "outputs differ"),
    "wrong-value": ("6 * 7", [value("43")], [], "outputs differ"),
    "stripped-output": ("print(6 * 7)", [], [], "outputs differ"),
    "stripped-ignored": ("print(6 * 7)", [], IGNORE, "stored nothing but shows"),
    "stripped-image": (PLOT, [], [], "outputs differ"),
    "stripped-ignored-image": (PLOT, [], IGNORE, "stored nothing but shows"),
    "stripped-widget": (WIDGET, [value(GAP)], [], "but shows"),
    "second-image-gone": (f"{PLOT}\nplt.show()\n{PLOT}", [IMAGE], IGNORE, "but shows"),
    "output-no-more": ("x = 1", [stdout("42\n")], IGNORE, "shows nothing"),
    "failing": ("assert 1 == 2", [], [], "caused an exception"),
    "failing-ignored": ("assert 1 == 2", [], IGNORE, "caused an exception"),
    "unknown-magic": ("%no_such_magic", [], [], "outputs differ"),
    "unknown-magic-ignored": ("%no_such_magic", [], IGNORE, "wrote to stderr"),
    "unknown-cell-magic": ("%%no_such_magic\nx", [], IGNORE, "wrote to stderr"),
    "warning": ("import warnings\nwarnings.warn('careful')", [], IGNORE, "wrote to stderr"),
    "stored-warning": ("x = 1", [new_output("stream", name="stderr", text="careful")], IGNORE, "stored output on stderr"),
    "raises-nothing": ("x = 1", [], ["raises-exception"], "raises nothing"),
    "skipped": ("x = 1", [], ["nbval-skip"], "0 of 1 code cells executed"),
    "stored-progress": ("x = 1", [new_output("display_data", {"text/plain": "epochs: 100%"})], IGNORE, "shows nothing"),
    "never-imported": ("tqdm, functools", [], [], "caused an exception"),
    "cleared-stored": (CHANGING, [stdout("2\n"), new_output("display_data", {"text/plain": "'b'"})], [], "outputs differ"),
    "changed-elsewhere": (ELSEWHERE, [new_output("display_data", {"text/plain": "'b'"})], IGNORE, "what an earlier cell shows"),
    "shell": ("!false", [], [], "shell command"),
    "pip": ("%pip install -q nothing", [], [], "shell command"),
}


def write(path, source, outputs, tags, count=1):
    cell = new_code_cell(source, outputs=outputs, execution_count=count, metadata={"tags": tags} if tags else {})
    nbformat.write(new_notebook(cells=[cell]), path)
    return path


def check(*paths, options=()):
    """Exit status of the check, and what it says of each notebook."""
    done = subprocess.run(command(paths, *options), cwd=ROOT, env=kernel_environment(), capture_output=True, text=True)
    said = re.findall(r"^ *[\d.]+ s +\d+ cells  (\S+)\.ipynb  (.*)$", done.stdout, re.MULTILINE)
    return done.returncode, dict(said), done.stdout


# Each run costs seconds before the first notebook: the planted ones share two.
@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    for name, (source, outputs, tags, *_) in (BAD | GOOD).items():
        write(folder / f"{name}.ipynb", source, outputs, tags)
    write(folder / "not-run.ipynb", "x = 1", [], [], count=None)
    write(folder / "out-of-order.ipynb", "x = 1", [], [], count=7)
    code, said, _ = check(folder)
    assert code == 1
    return said


@pytest.mark.parametrize("name", BAD)
def test_planted_notebook_fails_for_its_reason(verdicts, name):
    assert verdicts[name].startswith("FAILED")
    assert BAD[name][-1] in verdicts[name]


@pytest.mark.parametrize("name", ["not-run", "out-of-order"])
def test_stored_run_is_one_clean_run_in_order(verdicts, name):
    assert "store one clean run" in verdicts[name]


@pytest.mark.parametrize("name", GOOD)
def test_good_notebook_passes(verdicts, name):
    assert verdicts[name] == "ok"


def cells(*sources):
    return new_notebook(cells=[new_code_cell(source, execution_count=n) for n, source in enumerate(sources, 1)])


@pytest.fixture(scope="module")
def limits(tmp_path_factory):
    """What a notebook takes from a server, a kernel that dies, too much time, and a cell that was not chosen."""
    folder = tmp_path_factory.mktemp("limits")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        source = f"import urllib.request\nurllib.request.urlopen({url!r}, timeout=5).status == 200"
        write(folder / "download.ipynb", source, [value("True")], [])
        write(folder / "dead.ipynb", "import os; os._exit(1)", [], [])
        nbformat.write(cells(*3 * ["import time; time.sleep(2.5)"]), folder / "slow.ipynb")
        nbformat.write(cells("x = 1", "x = 1"), folder / "two.ipynb")
        options = ["--notebook-seconds=6", "--deselect", "two.ipynb::Cell 1", "-n", "0"]
        code, said, output = check(folder, options=options)
        server.shutdown()
    assert code == 1, output
    return said


def test_slow_notebook_fails(limits):
    """The limit is for the notebook: three cells within it, one after the other, are together over it."""
    assert "imeout" in limits["slow"] and re.search("[12] of 3 code cells executed", limits["slow"])


def test_dead_kernel_fails(limits):
    assert "0 of 1 code cells executed" in limits["dead"]


def test_deselected_cell_is_missed(limits):
    """The count comes from the file, and not from what the runner chose to run."""
    assert limits["two"] == "FAILED: 1 of 2 code cells executed"


def test_download_fails(limits):
    """A notebook that fetches something is caught even where the server answers."""
    assert "caused an exception" in limits["download"]


@pytest.mark.parametrize("deaths, error, tries", [(2, DEAD, 3), (3, DEAD, 3), (1, "no such kernel", 1)])
def test_kernel_that_dies_before_its_first_cell_starts_again(monkeypatch, deaths, error, tries):
    """Three times at most, and not for another reason: a kernel that never starts is no accident."""
    calls = []

    def fake(**options):
        calls.append(options)
        if len(calls) <= deaths:
            raise RuntimeError(error)
        return "kernel", "client"

    monkeypatch.setattr(check_notebooks, "start_new_kernel", fake)
    if deaths < tries:
        assert check_notebooks.start(cwd="here") == ("kernel", "client")
    else:
        with pytest.raises(RuntimeError, match=error):
            check_notebooks.start(cwd="here")
    assert calls == tries * [{"cwd": "here"}]


def test_limit_is_a_minute():
    assert SECONDS == 60
    assert not any("notebook-seconds" in part for part in command([ROOT]))


def test_no_notebook_at_all_fails(tmp_path):
    assert check(tmp_path, options=["-n", "0"])[0] != 0


def test_good_notebook_alone_is_no_failure(tmp_path):
    code, said, output = check(write(tmp_path / "plain.ipynb", *GOOD["plain"]), options=["-n", "0"])
    assert (code, said) == (0, {"plain": "ok"}), output
