"""Run notebooks again and compare with what is stored: `python -m tools.check_notebooks [path ...]`.

nbval does the running and the comparing. It stays green on some notebooks that are bad, so this file
is also a pytest plugin that adds what nbval does not look at:

- the stored outputs come from one run in order, and no cell that shows something stands without its output;
- every code cell was executed, as counted by somebody else than the runner;
- a cell tagged `nbval-ignore-output` still shows the same kinds of things;
- nothing is written to stderr (a warning, an unknown magic), no shell command is run, and a cell
  tagged `raises-exception` raises;
- the notebook as a whole keeps within its time.
"""

import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import output_from_msg
from nbval import kernel as nbval_kernel
from nbval.kernel import RunningKernel, start_new_kernel
from nbval.plugin import IPyNbCell, coalesce_streams

from tools.budgets import of_notebooks
from tools.common import EXERCISES, ROOT, WIDGET_VIEW, kernel_environment, notebooks

SECONDS = 60  # for one notebook, its kernel's start included
SHELL = re.compile(r"^\s*(!|%%(bash|sh|script|system)\b|%(pip|conda|system|sx)\b)", re.MULTILINE)
DEAD = "before replying to kernel_info"  # what jupyter_client says of a kernel in which no cell has run yet
OUTPUTS, UPDATE = {"stream", "display_data", "execute_result", "error"}, "update_display_data"
SETUP = "setup"  # the one tag whose cell may install something, and does so only away from the repository


def kinds(outputs):
    """What sort of things a cell shows, without their content: ('stream', 'stdout'), ('display_data', 'image/png')…

    A widget's view is no such thing: what is stored is the picture that stands beside it.
    """
    found = []
    for out in outputs:
        if out.output_type == "stream":
            found.append(("stream", out.name))
        elif out.output_type == "error":
            found.append(("error", out.ename))
        else:
            found.append((out.output_type, *sorted(out.data.keys() - {WIDGET_VIEW})))
    return found


def stored_faults(cell, number):
    """What is wrong with code cell `number` (from 1) as it stands in the file."""
    if cell.execution_count != number:
        yield f"execution count {cell.execution_count} where {number} is due: store one clean run"
    if any(kind == ("stream", "stderr") for kind in kinds(cell.outputs)):
        yield "stored output on stderr"
    if SETUP not in cell.metadata.get("tags", []) and SHELL.search(cell.source):
        yield "a shell command: its failure would go unnoticed"


def run_faults(cell, outputs, options):
    """What is wrong with a cell's outputs on being run again, beyond a difference in their text."""
    stored, now = kinds(coalesce_streams(cell.outputs)), kinds(outputs)
    for out in outputs:
        if out.output_type == "stream" and out.name == "stderr":
            yield f"wrote to stderr: {out.text.strip()[:200]}"
    if stored != now:
        yield f"stored {stored or 'nothing'} but shows {now or 'nothing'}"
    if options["check_exception"] and not any(out.output_type == "error" for out in outputs):
        yield "tagged raises-exception but raises nothing"


def display_id(msg):
    return msg["content"].get("transient", {}).get("display_id")


def shown(messages):
    """What stands below a cell at its end, as a stored run has it: what was cleared is gone, what was updated is new."""
    outputs, displays, clear = [], defaultdict(list), False
    for msg in messages:
        kind, content = msg["msg_type"], msg["content"]
        for out in displays[display_id(msg)] if display_id(msg) else ():
            out.update(nbformat.from_dict({"data": content["data"], "metadata": content["metadata"]}))
        clear = clear or kind == "clear_output"
        if clear and (kind in OUTPUTS or kind == "clear_output" and not content["wait"]):
            outputs, clear = [], False
        if kind in OUTPUTS:
            outputs.append(output_from_msg(msg))
            displays[display_id(msg)].append(outputs[-1])
    return outputs


def hear(item, heard, timeout=None, stream="iopub"):
    """As nbval receives a message; but where a cell clears or updates what it shows, which nbval passes over, that counts."""
    msg = item.parent.kernel.get_message(stream, timeout=timeout)
    heard.append(msg)
    if msg["content"].get("execution_state") == "idle":
        own = [m for m in heard if m["parent_header"].get("msg_id") == msg["parent_header"].get("msg_id")]
        updated = {display_id(m) for m in own if m["msg_type"] == UPDATE}
        if updated or any(m["msg_type"] == "clear_output" for m in own):
            item.test_outputs[:] = shown(own)
        if updated - {display_id(m) for m in own if m["msg_type"] in OUTPUTS}:
            item.raise_cell_error("changes what an earlier cell shows")
    return msg


def start(*args, tries=3, **options):
    """As nbval does it, but once more where the kernel died first: two that start at once may be given one port."""
    try:
        return start_new_kernel(*args, **options)
    except RuntimeError as error:
        if DEAD not in str(error) or tries == 1:
            raise
        return start(*args, tries=tries - 1, **options)


def execute(kernel, source, allow_stdin=None):
    """As nbval does it, but with a history, without which IPython shows a value in spite of a final `;`."""
    return kernel.kc.execute(source, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)


def pytest_addoption(parser):
    parser.addoption("--notebook-seconds", type=float, default=SECONDS, help="time limit for one notebook")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    if isinstance(item, IPyNbCell) and not hasattr(item.parent, "started"):
        item.parent.started = time.monotonic()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if not isinstance(item, IPyNbCell):
        return (yield)
    limit = item.config.getoption("notebook_seconds")
    left = limit - (time.monotonic() - item.parent.started)
    item.config.option.nbval_cell_timeout = max(left, 0.1)
    item.parent.get_kernel_message = partial(hear, item, [])
    for fault in stored_faults(item.cell, item.cell_num + 1):
        item.raise_cell_error(fault)
    result = yield
    for fault in run_faults(item.cell, item.test_outputs, item.options):
        item.raise_cell_error(fault)
    if time.monotonic() - item.parent.started > limit:
        item.raise_cell_error(f"the notebook takes more than {limit:g} seconds")
    return result


class Tally:
    """Counts, from pytest's reports alone, what became of each notebook."""

    def __init__(self, paths, root):
        self.root = root
        self.expected = {self._name(p): self._code_cells(p) for path in paths for p in self._files(path)}
        self.passed, self.seconds, self.faults = defaultdict(int), defaultdict(float), defaultdict(list)

    @staticmethod
    def _files(path):
        return notebooks(path) if path.is_dir() else [path]

    @staticmethod
    def _code_cells(path):
        return sum(cell.cell_type == "code" for cell in nbformat.read(path, as_version=4).cells)

    def _name(self, path):
        return str(Path(path).resolve())

    @staticmethod
    def _short(name):
        path, home = Path(name), ROOT / "notebooks"
        return path.relative_to(home) if path.is_relative_to(home) else path.name

    def pytest_runtest_logreport(self, report):
        name = self._name(self.root / report.nodeid.split("::")[0])
        self.seconds[name] += report.duration
        if report.when == "call" and report.outcome == "passed":
            self.passed[name] += 1
        if report.outcome == "failed":
            found = re.search(r"Cell \d+: .*", report.longreprtext)
            self.faults[name].append(found.group() if found else " ".join(report.longreprtext[-300:].split()))

    def lines(self):
        for name, cells in self.expected.items():
            faults = self.faults[name]
            if self.passed[name] != cells:
                faults = [*faults, f"{self.passed[name]} of {cells} code cells executed"]
            verdict = "FAILED: " + "; ".join(faults) if faults else "ok"
            yield f"{self.seconds[name]:6.1f} s {cells:4d} cells  {self._short(name)}  {verdict}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        bad = not self.expected or any(" FAILED: " in line for line in self.lines())
        if bad and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.section("notebooks")
        for line in self.lines():
            terminalreporter.line(line)
        home = [name for name in self.expected if Path(name).parent.parent == ROOT / "notebooks" and Path(name).parent != EXERCISES]
        for line in of_notebooks({name: self.seconds[name] for name in home}):
            terminalreporter.line(line)


def pytest_configure(config):
    RunningKernel.execute_cell_input = execute
    nbval_kernel.start_new_kernel = start
    if not hasattr(config, "workerinput"):  # the tally is kept once, where the reports of all workers arrive
        paths = [Path(config.invocation_params.dir, arg) for arg in config.args]
        config.pluginmanager.register(Tally(paths, config.rootpath), "notebook-tally")


def command(paths, *options):
    # pytest names a test by its path below the root folder, which must therefore hold all of them
    root = os.path.commonpath([p if p.is_dir() else p.parent for p in paths])
    return [sys.executable, "-m", "pytest", "-p", "tools.check_notebooks", "--nbval", "--nbval-current-env",
            "--rootdir", root, "-c", str(ROOT / "pyproject.toml"), "-q", "-n", "2", "--dist", "loadfile",
            "--color=no", "--tb=short", "-o", f"cache_dir={ROOT}/_build/pytest_cache", *options, *map(str, paths)]  # fmt: skip


if __name__ == "__main__":
    options = [a for a in sys.argv[1:] if a.startswith("-")]
    paths = [Path(a).resolve() for a in sys.argv[1:] if not a.startswith("-")] or [ROOT / "notebooks"]
    sys.exit(subprocess.run(command(paths, *options), cwd=ROOT, env=kernel_environment()).returncode)
