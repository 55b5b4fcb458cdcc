"""What the tools share: where things are, and the environment that a notebook's kernel runs in."""

import os
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXERCISES = ROOT / "notebooks" / "exercises"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # says where the kernel of one run kept a widget


def notebooks(root=ROOT / "notebooks"):
    """All notebooks under `root`, in a fixed order, without the editor's checkpoints."""
    return sorted(p for p in Path(root).rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def chapters(root=ROOT / "notebooks"):
    """The chapters that there are: the folders with notebooks."""
    return sorted({path.parent.name for path in notebooks(root)} - {EXERCISES.name})


def tracked(*paths, root=ROOT):
    """The files under `paths` that git knows or would add, and that exist."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths]
    names = subprocess.run(command, cwd=root, check=True, capture_output=True, encoding="utf-8").stdout
    return sorted({root / name for name in names.split("\0") if name and (root / name).is_file()})


def kernel_environment(base=os.environ):
    """The environment variables of a kernel: one thread, no progress bars, nobody's own settings, no network.

    One thread a kernel, because two kernels run side by side and because sums then come out the same
    on every machine. The proxy is a port on which nobody listens: a download fails at once.
    """
    environment = {k: v for k, v in base.items() if k.lower() not in ("mplbackend", "no_proxy")}
    environment |= {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    environment |= {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    profile = Path(tempfile.gettempdir()) / f"ipython-{os.getuid()}"
    startup = ROOT / "tools" / "kernel_startup.py"
    return environment | {"PYTHONSTARTUP": str(startup), "PYTHONHASHSEED": "0", "IPYTHONDIR": str(profile)}
