"""The comparison with other libraries: the arithmetic of each kind on a clock of its own, the report, the families."""

import importlib
import json
import re
import sys
import tomllib

import numpy as np
import pytest
import torch
from packaging.requirements import Requirement
from scipy.special import logsumexp
from torch import nn

from gmlib.bench import FAMILIES, peer, report
from gmlib.bench.__main__ import main
from gmlib.bench.contest import Epochs, EqualSeconds, Functions, summary
from tools.common import ROOT

SECONDS = {"a": [[9.0, 2.0, 4.0, 1.0], [7.0, 5.0, 3.0, 2.0]], "b": [[1.0, 6.0, 4.0, 4.0], [1.0, 10.0, 9.0, 4.0]]}
SCORES = {"a": [{"s": 1.0}, {"s": 4.0}], "b": [{"s": 2.0}, {"s": 2.0}]}


def test_summary_by_hand():
    """Of a: sorted epochs after the first 1 2 2 3 4 5; ratios 6/2 4/4 4/1 10/5 9/3 4/2, sorted 1 2 2 3 3 4."""
    of = summary(SECONDS, SCORES, reference="b")
    assert of["a"]["ms / epoch"] == {"median": 2500.0, "quartiles": [2000.0, 3750.0]}
    assert of["a"]["× b"] == {"median": 2.5, "quartiles": [2.0, 3.0]}
    assert of["a"]["first epoch, ms"] == 9000.0 and of["b"]["first epoch, ms"] == 1000.0  # of the first run
    assert of["b"]["× b"] == {"median": 1.0, "quartiles": [1.0, 1.0]}
    assert of["a"]["s"] == {"mean": 2.5, "standard_error": pytest.approx(1.5)}  # sqrt(4.5 / 2)
    assert of["b"]["s"] == {"mean": 2.0, "standard_error": 0.0}


def test_summary_of_one_epoch_and_no_reference():
    of = summary({"a": [[3.0]]}, {"a": [{"s": -1.0}]}, reference="b")["a"]
    assert of["ms / epoch"]["median"] == of["first epoch, ms"] == 3000.0 and of["× b"] is None
    assert of["s"] == {"mean": -1.0, "standard_error": None}


class Clock:
    """Stands still but where an entrant, or a score, moves it; and who moved it, in order."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def trainer(self, name, seconds, out=1, steps=1000):
        """Steps of these seconds; a linear map to ``out`` numbers, whose bias counts the steps."""

        def train(seed):
            torch.manual_seed(seed)
            model = nn.Linear(2, out)
            nn.init.zeros_(model.bias)
            for _ in range(steps):
                self.now += seconds
                self.calls.append((seed, name))
                model.bias.data += 1
                yield model

        return train

    def function(self, name, seconds, value):
        def prepare(given):
            self.now += 1000.0  # is not timed

            def call():
                self.now += seconds * given
                self.calls.append(name)
                return value

            return call

        return prepare


def test_epochs_take_turns_and_only_training_is_timed(capsys):
    clock, before = Clock(), torch.get_rng_state()

    def score(model):
        clock.now += 100.0  # is not timed
        return {"s": float(model.out_features)}

    entrants = {"slow": clock.trainer("slow", 3.0), "fast": clock.trainer("fast", 1.0, out=3)}
    found = Epochs("A race", entrants, score, "slow", epochs=3, clock=clock).run(runs=2)
    one_run = ["slow", "fast", "fast", "slow", "slow", "fast"]
    assert clock.calls == [(seed, name) for seed in (0, 1) for name in one_run]
    assert found["parameters"] == {"slow": 3, "fast": 9} and found["title"] == "A race"
    assert {name: of["ms / epoch"]["median"] for name, of in found["rows"].items()} == {"slow": 3000.0, "fast": 1000.0}
    assert found["rows"]["fast"]["× slow"]["median"] == 3.0
    assert [of["s"]["mean"] for of in found["rows"].values()] == [1.0, 3.0]
    assert torch.equal(torch.get_rng_state(), before)
    assert "A race: run 2 of 2" in capsys.readouterr().err


def test_functions_take_turns_and_only_their_calls_are_timed(capsys):
    """A sample lasts 0.2 s at least: five calls of 0.05 s, one of 0.3 s; at twice the size two of 0.1 s."""
    clock = Clock()
    entrants = {"fast": clock.function("fast", 0.05, 1.0), "slow": clock.function("slow", 0.3, 1.0 + 1e-7)}
    found = Functions("Sum", {"n = 1": 1, "n = 2": 2}, entrants, "slow", 1e-6, clock=clock).run(runs=3)
    assert found["title"] == "Sum, results within 1e-06"
    assert list(found["rows"]) == ["fast, n = 1", "slow, n = 1", "fast, n = 2", "slow, n = 2"]
    for name, milliseconds, ratio in (("fast", 50.0, 6.0), ("slow", 300.0, 1.0)):
        for n in (1, 2):
            of = found["rows"][f"{name}, n = {n}"]
            assert of["ms"]["median"] == pytest.approx(n * milliseconds)
            assert of["× slow"]["median"] == pytest.approx(ratio)
    compared, tried = ["fast", "slow"], ["fast"] * 8 + ["slow"]  # 1 + 2 + 5 calls
    turns = [*["fast"] * 5, "slow", "slow", *["fast"] * 5, *["fast"] * 5, "slow"]
    assert clock.calls[: len(compared + tried + turns)] == compared + tried + turns
    assert "Sum, n = 2" in capsys.readouterr().err


def test_functions_without_the_reference():
    clock = Clock()
    found = Functions("Sum", {"n": 1}, {"ours": clock.function("ours", 1.0, 1.0)}, "theirs", 0, clock=clock).run(runs=1)
    assert found["rows"] == {"ours, n": {"ms": {"median": 1000.0, "quartiles": [1000.0, 1000.0]}, "× theirs": None}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0, 2.125], "Greatest absolute difference: 0.125 at index (1,) (up to 0.1 allowed)"),
        ([1.0, float("nan")], "Mismatched elements: 1 / 2"),
        ([[1.0, 2.0]], "torch.Size([1, 2])"),
        (1.0, "torch.Size([])"),
    ],
)
@pytest.mark.parametrize("reference", ["a", "absent"])
def test_functions_that_disagree_are_not_timed(value, message, reference):
    clock = Clock()
    entrants = {"a": clock.function("a", 1.0, [1.0, 2.0]), "b": clock.function("b", 1.0, value)}
    with pytest.raises(ValueError, match=r"T, small: b disagrees with a\. ") as caught:
        Functions("T", {"small": 1}, entrants, reference, tolerance=0.1, clock=clock).run(runs=1)
    assert message in str(caught.value) and clock.calls == ["a", "b"]


def test_functions_that_agree_on_no_number_are_not_timed():
    clock, nan = Clock(), float("nan")
    with pytest.raises(ValueError, match=r"T, n: a disagrees with a\. "):
        Functions("T", {"n": 1}, {"a": clock.function("a", 1.0, nan)}, "a", tolerance=0.1, clock=clock).run(runs=1)


def test_what_is_compared_of_a_result_can_be_chosen():
    clock = Clock()
    entrants = {"a": clock.function("a", 1.0, [1.0, 7.0]), "b": clock.function("b", 1.0, np.array([1.0]))}
    run = Functions("T", {"n": 1}, entrants, "a", 0, result=lambda returned: returned[0], clock=clock).run
    assert list(run(1)["rows"]) == ["a, n", "b, n"]


def test_a_real_function_beside_its_peer():
    """torch.logsumexp beside SciPy's, on the clock of the wall: each gets its input in its own form, untimed."""
    x = torch.linspace(-800.0, 800.0, 3000, dtype=torch.float64).reshape(3, 1000)  # exp would overflow
    entrants = {
        "torch": lambda x: lambda: torch.logsumexp(x, 1),
        "scipy": lambda x: lambda x=x.numpy(): logsumexp(x, axis=1),
    }
    contest = Functions("logsumexp", {"3 × 1000": x}, entrants, "scipy", tolerance=1e-10)
    of = contest.run(runs=2)["rows"]
    assert 0 < of["torch, 3 × 1000"]["ms"]["median"] < 200 and of["torch, 3 × 1000"]["× scipy"]["median"] > 0


def test_all_get_the_same_seconds_and_who_goes_first_changes():
    """Steps of 3 s and 1 s, looked at after 3 s and 7 s: 1 and 3 steps by then, 3 and 7 in the end, for 9 s and 7 s."""
    clock = Clock()

    def score(model):
        clock.now += 100.0  # is not timed
        model.bias.data += 50  # nor kept
        return model.bias.item()

    entrants = {"slow": clock.trainer("slow", 3.0), "fast": clock.trainer("fast", 1.0)}
    found = EqualSeconds("Steps", entrants, score, (3, 7), clock=clock).run(runs=2)
    first = ["slow", "fast", "fast", "fast", "slow", "fast", "fast", "fast", "slow", "fast"]
    second = ["fast", "slow", "fast", "fast", "fast", "slow", "fast", "fast", "fast", "slow"]
    assert clock.calls == [(0, name) for name in first] + [(1, name) for name in second]
    means = {name: [of[c]["mean"] for c in ("after 3 s", "after 7 s", "in all, s")] for name, of in found["rows"].items()}
    assert means == {"slow": [51.0, 53.0, 9.0], "fast": [53.0, 57.0, 7.0]} and found["title"] == "Steps"


def test_the_seconds_are_those_of_the_process_unless_told_otherwise():
    import time

    def sleeps(seed):
        for steps in range(1, 100):
            time.sleep(0.02)
            until = time.process_time() + 0.01
            while time.process_time() < until:
                pass
            yield steps

    found = EqualSeconds("Steps", {"sleeps": sleeps}, float, (0.05,)).run(runs=1)["rows"]["sleeps"]
    assert 3 <= found["after 0.05 s"]["mean"] <= 5  # of 30 ms and more on the wall, two would do


@pytest.mark.parametrize("seconds", [(), (0, 1), (2, 1), (1, 1)])
def test_seconds_that_do_not_ascend(seconds):
    with pytest.raises(ValueError, match="seconds must ascend from above zero, got"):
        EqualSeconds("T", {}, float, seconds).run(runs=1)


def test_who_ends_before_the_time_is_told():
    clock = Clock()
    contest = EqualSeconds("T", {"a": clock.trainer("a", 1.0, steps=3)}, lambda model: 0.0, (2, 5), clock=clock)
    with pytest.raises(ValueError, match="T: a ended after 3 of 5 seconds"):
        contest.run(runs=1)


@pytest.mark.parametrize(
    "contest", [Epochs("", {}, dict, "", 1), Functions("", {}, {}, "", 0), EqualSeconds("", {}, float, (1,))]
)
def test_bad_counts(contest):
    with pytest.raises(ValueError, match="runs must be a whole number of at least 1, got 0"):
        contest.run(runs=0)
    with pytest.raises(ValueError, match="epochs must be a whole number of at least 1, got 0"):
        Epochs("", {}, dict, "", 0).run(1)


FACTS = {"family": "f", "job": {"epochs": 2}, "machine": {"load": [0.5, 1.0], "versions": {"torch": "2", "peer": None}}}


def test_table():
    seconds = {"a": [[0.5, 0.0125]], "b": [[1.5, 0.025]]}
    race = {"title": "T", "rows": summary(seconds, {"a": [{"s": -1.254}], "b": [{"s": 30.0}]}, "b")}
    text = report.table(FACTS | {"contests": [race, race]})
    race = [
        "| T | ms / epoch | × b | first epoch, ms | s |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| a | 12.5 (12.5–12.5) | 2.00 (2.00–2.00) | 500 | -1.25 |",
        "| b | 25.0 (25.0–25.0) | 1.00 (1.00–1.00) | 1500 | 30.0 |",
    ]
    facts = ["| f |  |", "| --- | --- |", "| epochs | 2 |", "| load | 0.5, 1.0 |", "| versions | torch 2, peer — |"]
    assert [part.splitlines() for part in text.replace("\N{NO-BREAK SPACE}", " ").split("\n\n")] == [race, race, facts]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ({"median": 5912.4, "quartiles": [5800.0, 6049.6]}, "5912 (5800–6050)"),
        ({"median": 100.0, "quartiles": [99.96, 101.2]}, "100 (100–101)"),
        ({"median": 0.012345, "quartiles": [0.01, 0.02]}, "0.0123 (0.0100–0.0200)"),
        ({"median": 0.0, "quartiles": [0.0, 1.0]}, "0.00 (0.00–1.00)"),
        ({"mean": -18.9044, "standard_error": 0.0148}, "-18.90 ± 0.01"),
        ({"mean": 0.10123, "standard_error": 0.0031}, "0.101 ± 0.003"),
        ({"mean": 8123.4, "standard_error": 312.0}, "8123 ± 312"),
        ({"mean": 2.0, "standard_error": 0.0}, "2.00 ± 0.00"),
        ({"mean": 0.10123, "standard_error": None}, "0.101"),
        (None, "—"),
        (9268.58, "9269"),
    ],
)
def test_a_cell_has_the_digits_that_mean_something(value, cell):
    text = report.table(FACTS | {"contests": [{"title": "T", "rows": {"a": {"s": value}}}]})
    assert text.splitlines()[2].replace("\N{NO-BREAK SPACE}", " ") == f"| a | {cell} |"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["contest"], "invalid choice: 'contest' (choose from"),
        ([], "the following arguments are required: family"),
        (["vae", "--runs", "-1"], "--runs must be a whole number of at least 1, got -1"),
        (["vae", "--threads", "0"], "--threads must be a whole number of at least 1, got 0"),
        (["vae", "--json", "no/such/folder/a.json"], "--json: there is no folder no/such/folder"),
    ],
)
def test_bad_arguments_are_told_at_once(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and message in capsys.readouterr().err


def test_a_peer_that_is_not_here_comes_with_a_command(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nobody", None)  # an import of it fails
    assert peer("json", "") is True and capsys.readouterr().err == ""
    assert peer("nobody", "pip install --no-deps nobody==1.0") is False
    err = capsys.readouterr().err
    assert "nobody cannot be imported" in err and err.endswith("To have it: pip install --no-deps nobody==1.0\n")


def missing(family, peers, install, extras):
    """What a family's command does not install, at an exact version: from its own extra, or with --no-deps."""
    exact = {Requirement(r).name for r in extras.get(f"bench-{family}", ()) if "==" in r}
    own = exact if f'".[bench-{family}]"' in install else set()
    alone = [name for line in install.split("&&") if "--no-deps" in line for name in re.findall(r"([\w.-]+)==", line)]
    return set(peers) - own - set(alone)


EXTRAS = {"bench-f": ["a==1", "b>=2"]}


@pytest.mark.parametrize(
    ("install", "expected"),
    [
        ('pip install -e ".[bench-f]"', {"b", "c"}),
        ('pip install -e ".[bench-g]"', {"a", "b", "c"}),
        ('pip install -e ".[bench-f]" && pip install --no-deps b==2.1 c==3', set()),
        ('pip install -e ".[bench-f]" && pip install --no-deps b c==3', {"b"}),
        ('pip install -e ".[bench-f]" && pip install c==3', {"b", "c"}),
    ],
)
def test_planted_commands_are_found(install, expected):
    assert missing("f", ("a", "b", "c"), install, EXTRAS) == expected


@pytest.mark.skipif(not (ROOT / "book" / "measured.md").exists(), reason="a copy of the code alone")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_says_how_its_peers_are_installed_and_its_results_are_published(family):
    module = importlib.import_module(f"gmlib.bench.{family}")
    if module.PEERS:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        assert missing(family, module.PEERS, module.INSTALL, extras) == set()
    folder = ROOT / "book" / "_data"
    results = json.loads((folder / f"bench-{family}.json").read_text("utf-8"))
    assert results["family"] == family and set(module.PEERS) <= set(results["machine"]["versions"])
    assert (folder / f"bench-{family}.md").read_text("utf-8") == report.table(results) + "\n"
    assert f"{{include}} _data/bench-{family}.md\n" in (ROOT / "book" / "measured.md").read_text("utf-8")
