"""`make test` leaves nothing out in silence."""

import sys

import pytest

from tools import run_tests


def test_every_part_runs_where_there_is_chromium():
    parts = run_tests.plan("/usr/bin/chromium")
    assert [name for name, _ in parts][-1] == "the built site in Chromium"
    assert parts[0][1][-1] == "book", "the site is built before it is tested"


def test_without_chromium_it_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.delenv("CI", raising=False)
    assert len(run_tests.plan(None)) == 3 and not run_tests.left_out(None)
    assert "Chromium" in capsys.readouterr().out


def test_named_chromium_must_exist(tmp_path):
    assert run_tests.find_chromium({"CHROMIUM": sys.executable}) == sys.executable
    assert run_tests.find_chromium({"CHROMIUM": str(tmp_path / "none")}) is None


def test_a_failed_part_is_reported_and_the_next_still_runs(capfd):
    parts = [("bad", [sys.executable, "-c", "raise SystemExit(1)"]), ("good", [sys.executable, "-c", "print('ran')"])]
    summary, passed = run_tests.run(parts, {})
    assert not passed
    assert "FAILED  bad" in summary[0] and "ok      good" in summary[1]
    assert "ran" in capfd.readouterr().out


@pytest.mark.parametrize("ci, status", [("true", 1), ("", 0)])
def test_left_out_tests_fail_a_build_server_only(monkeypatch, capsys, ci, status):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(run_tests, "find_chromium", lambda: None)
    monkeypatch.setattr(run_tests, "run", lambda parts, variables: ([], True))
    with pytest.raises(SystemExit) as stop:
        run_tests.main()
    assert stop.value.code == status
    assert "LEFT OUT" in capsys.readouterr().out
