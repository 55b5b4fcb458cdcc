"""Build the site into `_build/html`, warnings being errors: `python -m tools.build_site [--anew] [folder]`.

Only pages that changed are read again (all are written, for each shows titles, numbers and marks of the others); with
`--anew` everything is. What was read is kept once a build passed without a warning: after one that failed the same pages
are read again, and say the same again.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from tools.common import ROOT


def prepare(made, anew):
    """Leave in `.doctrees` what the last good build read, and a copy of it beside."""
    read, good = made / ".doctrees", made / ".doctrees-good"
    shutil.rmtree(made / "html/_static", ignore_errors=True)  # an address carries its file's hash, if the file is there
    if anew:
        shutil.rmtree(made / "html", ignore_errors=True)
        shutil.rmtree(good, ignore_errors=True)
        shutil.rmtree(read, ignore_errors=True)
    elif read.exists() and not good.exists():
        read.rename(good)
    if good.exists():
        shutil.rmtree(read, ignore_errors=True)
        shutil.copytree(good, read)


def build(root=ROOT, anew=False):
    """The exit status of the build."""
    prepare(root / "_build", anew)
    builder = Path(sys.executable).with_name("jupyter-book")
    status = subprocess.run([builder, "build", root, "-W", "-n", "--keep-going"], cwd=root).returncode
    if status == 0:
        shutil.rmtree(root / "_build" / ".doctrees-good", ignore_errors=True)
    return status


if __name__ == "__main__":
    folders = [Path(a).resolve() for a in sys.argv[1:] if a != "--anew"]
    sys.exit(build(*folders, anew="--anew" in sys.argv))
