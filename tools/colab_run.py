"""Run notebooks in the trial's environment, and say what a person there would be surprised by; see `tools/colab.py`."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbval.plugin import coalesce_streams

from tools.assignments import STUB, students_version
from tools.check_notebooks import kinds
from tools.common import ROOT, WIDGET_VIEW, kernel_environment

STARTUP = ROOT / "tools" / "colab_startup.py"
FILES = "import json, sys; print(json.dumps([str(getattr(m, '__file__', '')) for m in list(sys.modules.values())]))"
# every figure that the reader moves, made and shown; then, when the page has spoken, what Python heard, and a reply
FIGURES = [
    "from gmlib import explore\n"
    "classes = [c for c in vars(explore).values() if isinstance(c, type) and issubclass(c, explore.Explorable)]\n"
    "figures = [c() for c in classes if c is not explore.Explorable]\n"
    "display(*figures)",
    "import json\n"
    "print(json.dumps({f.model_id: [f.name, f.language, f.state()] for f in figures}))\n"
    "for f in figures: f.language = 'en'",
]
NO_ANSWER = "There is no answer here yet."
PICTURE = new_output("display_data", {"image/png": "", "text/plain": ""})


def offline():
    """What goes before a command so that it has no network at all; nothing where the machine does not allow it."""
    command = ["unshare", "--map-root-user", "--net"]
    try:
        return command if subprocess.run([*command, "true"], capture_output=True).returncode == 0 else []
    except FileNotFoundError:
        return []


class Run(NamedTuple):
    """What came of a notebook: the cells that ran; the one that failed, and its error, or None twice; the page's copy
    of each widget by its id; the files of all modules that were imported."""

    cells: list
    failed: dict | None
    error: CellExecutionError | None
    widgets: dict
    files: list


class Trial:
    """Runs notebooks with one Python, each in an empty folder below `folder`, which lies outside the repository."""

    def __init__(self, python, folder, environment=None):
        self.python, self.folder, self.environment = Path(python).absolute(), Path(folder), environment or {}
        command = [*offline(), str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = self.folder / "kernels" / "colab" / "kernel.json"
        spec.parent.mkdir(parents=True, exist_ok=True)
        spec.write_text(json.dumps({"argv": command, "display_name": "Colab", "language": "python"}), "utf-8")

    def variables(self, home):
        """The kernel's environment: a home with nothing in it, and a folder for fonts, which are looked up once."""
        theirs = {k: v for k, v in kernel_environment().items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        ours = {"PYTHONSTARTUP": STARTUP, "HOME": home, "IPYTHONDIR": home / "ipython", "MPLCONFIGDIR": self.folder / "fonts"}
        return theirs | {k: str(v) for k, v in ours.items()} | self.environment

    def client(self, nb):
        # sockets that are files: those of a network would not reach a kernel that has none
        sockets = {"transport": "ipc", "ip": tempfile.mktemp(dir=self.folder)}
        specs = KernelSpecManager(kernel_dirs=[str(self.folder / "kernels")], ensure_native_kernel=False)
        client = NotebookClient(nb, timeout=600, record_timing=False)
        client.km = AsyncKernelManager(kernel_name="colab", kernel_spec_manager=specs, **sockets)
        return client

    def run(self, nb, before_last=lambda client: None):
        """Run a notebook, in place, up to the first cell that fails."""
        home = Path(tempfile.mkdtemp(dir=self.folder))
        (home / "content").mkdir()
        client, ran, failed, error = self.client(nb), list(nb.cells), None, None
        options = {"cwd": str(home / "content"), "env": self.variables(home), "stderr": subprocess.DEVNULL}
        with client.setup_kernel(**options):
            for number, cell in enumerate(nb.cells):
                if number == len(nb.cells) - 1:
                    before_last(client)
                try:
                    client.execute_cell(cell, number)
                except CellExecutionError as raised:
                    ran, failed, error = nb.cells[:number], cell, raised
                    break
            nb.cells.append(probe := new_code_cell(FILES))
            while not probe.outputs:  # for a moment after an error a kernel turns away what is asked of it
                client.execute_cell(probe, len(nb.cells) - 1)
            files = json.loads(nb.cells.pop().outputs[0].text)
        return Run(ran, failed, error, client.widget_state, files)


def output_faults(stored, now, widgets):
    """What would surprise a reader in the outputs of a cell, as against those that are stored."""
    shown = []
    for out in coalesce_streams(now):
        view = out.get("data", {}).get(WIDGET_VIEW)
        copy = widgets.get(view["model_id"], {}) if view else {}
        if copy.get("_model_module", "").startswith("@jupyter-widgets/"):
            continue  # a progress bar, which is not stored
        shown.append(out)
        if out.output_type == "stream" and out.name == "stderr":
            yield f"wrote to stderr: {out.text.strip()[:300]}"
        if view and not (copy.get("_model_module") == "anywidget" and copy.get("_esm")):
            yield "a widget that the page knows nothing of"
        if view and "colab" not in out.metadata.get(WIDGET_VIEW, {}):
            yield "a widget without Colab's widget manager"
    if kinds(shown) != kinds(coalesce_streams(stored)):
        yield f"stored {kinds(stored) or 'nothing'} but shows {kinds(shown) or 'nothing'}"


def run_faults(run, stored, python):
    """What is wrong with the cells that ran, and with what they imported."""
    for cell, outputs in zip(run.cells, stored, strict=False):
        if cell.cell_type == "code":
            yield from (f"cell {cell.execution_count}: {fault}" for fault in output_faults(outputs, cell.outputs, run.widgets))
    home, root = f"{python.parents[1]}/", f"{ROOT}/"
    if found := sorted(f.removeprefix(root) for f in run.files if f.startswith(root) and not f.startswith(home)):
        yield f"imported from the repository: {', '.join(found[:3])}"


def notebook_faults(trial, nb):
    """What is wrong with a run of a notebook from the first cell to the last."""
    stored = [cell.get("outputs", []) for cell in nb.cells]
    run = trial.run(nb)
    yield from run_faults(run, stored, trial.python)
    if run.error:
        yield f"cell {run.failed.execution_count}: {run.error.ename}: {run.error.evalue}"


def student_faults(trial, nb):
    """What is wrong with the students' version: it must run up to the first check, which says that there is no answer."""
    nb = students_version(nb)
    run = trial.run(nb)
    yield from run_faults(run, [[] for _ in nb.cells], trial.python)
    asked = [cell for cell in run.cells if STUB["python"].splitlines()[0] in cell.source]
    if not (run.error and len(asked) == 1 and NO_ANSWER in run.error.evalue):
        yield f"does not stop at the first check: {run.error and run.error.ename}"


def figure_faults(trial):
    """What is wrong with the explorable figures: each is made, shown, moved by the page and then by Python."""

    def from_the_page(client):
        for model_id, copy in client.widget_state.items():
            if copy.get("_model_module") == "anywidget":
                data = {"method": "update", "state": {"language": "zh"}, "buffer_paths": []}
                client.kc.shell_channel.send(client.kc.session.msg("comm_msg", {"comm_id": model_id, "data": data}))

    run = trial.run(new_notebook(cells=list(map(new_code_cell, FIGURES))), before_last=from_the_page)
    if run.error:
        yield f"{run.error.ename}: {run.error.evalue}"
        return
    shown, told = (cell.outputs for cell in run.cells)
    told = json.loads(told[0].text)
    yield from output_faults([PICTURE] * len(told), shown, run.widgets)
    for model_id, (name, language, state) in told.items():
        copy = run.widgets.get(model_id, {})
        if {key: copy.get(key) for key in state} != state:
            yield f"{name}: the page has another state"
        if (language, copy.get("language")) != ("zh", "en"):
            yield f"{name}: heard {language!r} from the page for 'zh', and the page {copy.get('language')!r} for 'en'"
    if not told:
        yield "there is none"
