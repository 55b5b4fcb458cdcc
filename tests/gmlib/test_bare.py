"""The tests for a GPU are collected and run with nothing installed but what they say they need."""

import os
import subprocess
import sys

from tools.common import ROOT

# What `gmlib` and its tests use elsewhere, and pytest's plugins, which bring options of their own.
ABSENT = ("tqdm", "safetensors", "accelerate", "anywidget", "ipywidgets", "IPython", "pandas", "pytest_timeout", "xdist")

BARE = f"""
import sys
sys.modules |= dict.fromkeys({ABSENT})
import pytest
sys.exit(pytest.main(["-q", "-rs", "-m", "gpu", "tests/gmlib/test_gpu.py"]))
"""


def test_gpu_tests_need_little():
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-c", BARE]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no CUDA device" in done.stdout or " passed" in done.stdout
