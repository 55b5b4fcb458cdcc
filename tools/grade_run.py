"""Run nbgrader on one student, apart from the others, within time and memory, and end what the run leaves behind."""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tools.common import ROOT, kernel_environment
from tools.grade_mend import LOOK

PREPROCESSORS = ("tools.grade_execute.ExecuteAll", *(f"nbgrader.preprocessors.{name}" for name in (
    "IgnorePattern", "LimitOutput", "SaveAutoGrades", "AssignLatePenalties", "CheckCellMetadata")),
    "nbconvert.preprocessors.ClearMetadataPreprocessor")  # fmt: skip

INHERITED = ("HOME", "USER", "LOGNAME", "LANG", "LC_", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux


def autograde(course, assignment, student, minutes, memory, log):
    """Run nbgrader on one student; True if it got to the end, and the notes."""
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        apart, graded = Path(folder), Path("autograded") / student / assignment
        shutil.copy(course / "nbgrader_config.py", apart)
        for part in (f"source/{assignment}", f"mended/{student}/{assignment}"):
            shutil.copytree(course / part, apart / part)
        command = [sys.executable, "-m", "nbgrader", "autograde", assignment, f'--student="{student}"', "--force",
                   f"--CourseDirectory.root={apart}", f"--CourseDirectory.db_url=sqlite:///{course / 'gradebook.db'}",
                   "--CourseDirectory.submitted_directory=mended", f"--ExecuteAll.notebook_timeout={60 * minutes}",
                   *(f"--Autograde.autograde_preprocessors={name}" for name in PREPROCESSORS)]  # fmt: skip
        done, notes = watched(command, 60 * minutes + 120, memory, apart)
        shutil.copy(apart / "log", log)
        shutil.rmtree(course / graded, ignore_errors=True)
        if done:
            shutil.copytree(apart / graded, course / graded)
    return done, notes


def watched(command, seconds, memory, folder):
    """Run a command, with a file `log` in its folder; True if it ended well, and notes of what had to be stopped."""
    adopt(True)
    before, notes, end = set(psutil.Process().children(recursive=True)), [], time.monotonic() + seconds
    with (folder / "log").open("w", encoding="utf-8") as out:
        run = subprocess.Popen(command, cwd=folder, env=environment(), stdout=out, stderr=out, preexec_fn=limit(memory))
        while run.poll() is None and time.monotonic() < end:
            below = set(psutil.Process().children(recursive=True)) - before - {psutil.Process(run.pid)}
            if size(below, "rss") > memory << 30 and size(below, "pss") > memory << 30:
                stop(below)
                notes = [f"{LOOK}its processes together took more than {memory} GB and were stopped"]
            time.sleep(0.2)
        done = run.poll() == 0
        run.kill()
        run.wait()
    left = set(psutil.Process().children(recursive=True)) - before
    alive = psutil.wait_procs(left, timeout=1)[1]  # some end by themselves once the kernel has
    if alive:
        stop(alive)
        notes.append(f"{LOOK}processes that outlived the grading were ended: {len(alive)}")
    if still := set(psutil.Process().children(recursive=True)) - before:
        notes.append(f"{LOOK}processes that it started still run: {', '.join(str(p.pid) for p in still)}")
    adopt(False)
    return done, notes


def adopt(orphans):
    """Where the system can, become the parent of processes that lose theirs, or no more: so they are found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, int(orphans), 0, 0, 0)


def size(processes, kind):
    """Bytes of memory: `rss` counts what forks share once for each, `pss` once in all, and takes longer."""
    total = 0
    for process in processes:
        try:
            info = process.memory_info() if kind == "rss" else process.memory_full_info()
            total += getattr(info, kind, info.rss)
        except psutil.Error:  # it has ended
            pass
    return total


def stop(processes):
    """End processes and all that they start meanwhile."""
    for _ in range(20):
        for process in processes:
            try:
                process.kill()
            except psutil.Error:
                pass
        processes = psutil.wait_procs(processes, timeout=1)[1]
        if not processes:
            return


def environment():
    """A kernel's, without GPU, where nbgrader finds this folder's code and the programs beside Python.

    Of the instructor's own variables only those that programs need: an answer can print them, and there may be keys.
    """
    inherited = {name: value for name, value in os.environ.items() if name.startswith(INHERITED)}
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    return kernel_environment(inherited) | {"PATH": path, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "PYTHONUTF8": "1"}


def limit(gigabytes):
    """What each process of a run may allocate; an answer that wants more gets a MemoryError."""

    def apply():
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (gigabytes << 30, gigabytes << 30))

    return apply
