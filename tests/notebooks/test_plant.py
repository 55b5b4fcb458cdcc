"""The planted errors fit the library as it stands, and an error that no test sees is reported."""

import shutil

import pytest

from tools.common import ROOT
from tools.plant import caught, errors


def test_each_error_still_fits_its_file():
    planted = list(errors())
    assert len(planted) >= 40
    for name, right, wrong, tests in planted:
        assert (ROOT / name).read_text("utf-8").count(right) == 1, (name, right)
        assert right != wrong and all((ROOT / path).exists() for path in tests)


@pytest.fixture
def project(tmp_path):
    for name in ("gmlib", "tests"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "gmlib" / "half.py").write_text("def half(x):\n    return 0.5 * x\n")
    (tmp_path / "tests" / "test_half.py").write_text(
        "from gmlib.half import half\n\n\ndef test_half():\n    assert half(4) == 2\n"
    )
    return tmp_path


def test_caught_and_not_caught(project, monkeypatch):
    import tools.plant

    monkeypatch.setattr(tools.plant, "tracked", lambda *paths, root: [p for p in root.rglob("*") if p.is_file()])
    assert caught("gmlib/half.py", "0.5 * x", "x", ["tests"], project) == "tests/test_half.py::test_half"
    assert caught("gmlib/half.py", "0.5 * x", "x * 0.5", ["tests"], project) == ""
    with pytest.raises(ValueError, match="must hold 'nothing' once"):
        caught("gmlib/half.py", "nothing", "x", ["tests"], project)
