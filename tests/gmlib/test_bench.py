"""The comparison with other libraries: its arithmetic, its report, and our own side; the peer need not be installed."""

import itertools
import json
import math
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gmlib.bench import contest, report, vae
from gmlib.bench.__main__ import main
from gmlib.vae import VAE
from tools.common import ROOT

SECONDS = {"a": [[9.0, 2.0, 4.0, 1.0], [7.0, 5.0, 3.0, 2.0]], "b": [[1.0, 6.0, 4.0, 4.0], [1.0, 10.0, 9.0, 4.0]]}
SCORES = {"a": [{"s": 1.0}, {"s": 4.0}], "b": [{"s": 2.0}, {"s": 2.0}]}


def test_summary_by_hand():
    """Of a: sorted epochs after the first 1 2 2 3 4 5; ratios 6/2 4/4 4/1 10/5 9/3 4/2, sorted 1 2 2 3 3 4."""
    of = contest.summary(SECONDS, SCORES, reference="b")
    assert of["a"]["seconds_per_epoch"] == {"median": 2.5, "quartiles": [2.0, 3.75]}
    assert of["a"]["times_as_fast"] == {"median": 2.5, "quartiles": [2.0, 3.0]}
    assert of["a"]["first_epoch"] == 9.0 and of["b"]["first_epoch"] == 1.0  # of the first run
    assert of["b"]["times_as_fast"] == {"median": 1.0, "quartiles": [1.0, 1.0]}
    assert of["a"]["scores"] == {"s": {"mean": 2.5, "standard_error": pytest.approx(1.5)}}  # sqrt(4.5 / 2)
    assert of["b"]["scores"] == {"s": {"mean": 2.0, "standard_error": 0.0}}


def test_summary_of_one_epoch_and_no_reference():
    of = contest.summary({"a": [[3.0]]}, {"a": [{"s": -1.0}]}, reference="b")["a"]
    assert of["seconds_per_epoch"]["median"] == of["first_epoch"] == 3.0 and of["times_as_fast"] is None
    assert of["scores"] == {"s": {"mean": -1.0, "standard_error": None}}


class Trainers:
    """Two entrants whose epochs take 3 and 1 seconds on a clock that only they move."""

    def __init__(self, monkeypatch):
        self.now, self.calls = 0.0, []
        monkeypatch.setattr(contest, "perf_counter", lambda: self.now)
        self.entrants = {"slow": lambda seed: self.epochs("slow", seed, 3.0), "fast": lambda seed: self.epochs("fast", seed, 1.0)}

    def epochs(self, name, seed, seconds):
        torch.manual_seed(seed)
        model = nn.Linear(2, 1 if name == "slow" else 3)
        while True:
            self.now += seconds
            self.calls.append((seed, name))
            yield model

    def score(self, model):
        self.now += 100.0  # is not timed
        return {"s": float(model.out_features)}


def test_entrants_take_turns_and_only_training_is_timed(monkeypatch, capsys):
    these = Trainers(monkeypatch)
    before = torch.get_rng_state()
    found = contest.run(contest.Contest("A race", these.entrants, these.score, "slow"), epochs=3, runs=2)
    one_run = ["slow", "fast", "fast", "slow", "slow", "fast"]
    assert these.calls == [(seed, name) for seed in (0, 1) for name in one_run]
    assert found["parameters"] == {"slow": 3, "fast": 9} and found["title"] == "A race" and found["reference"] == "slow"
    assert {name: of["seconds_per_epoch"]["median"] for name, of in found["entrants"].items()} == {"slow": 3.0, "fast": 1.0}
    assert found["entrants"]["fast"]["times_as_fast"]["median"] == 3.0
    assert [of["scores"]["s"]["mean"] for of in found["entrants"].values()] == [1.0, 3.0]
    assert torch.equal(torch.get_rng_state(), before)
    assert "A race: run 2 of 2" in capsys.readouterr().err


@pytest.mark.parametrize("counts", [{"epochs": 0, "runs": 1}, {"epochs": 1, "runs": 0}])
def test_bad_counts(counts):
    with pytest.raises(ValueError, match="must be a whole number of at least 1, got 0"):
        contest.run(contest.Contest("", {}, dict, ""), **counts)


FACTS = {"family": "f", "job": {"epochs": 2}, "machine": {"load": [0.5, 1.0], "versions": {"torch": "2", "peer": None}}}


def test_table():
    entrants = contest.summary({"a": [[0.5, 0.0125]], "b": [[0.5, 0.025]]}, {"a": [{"s": -1.254}] * 2, "b": [{"s": -3.0}] * 2}, "b")
    text = report.table(FACTS | {"contests": [{"title": "T", "reference": "b", "entrants": entrants}] * 2})
    race = [
        "| T | ms / epoch | × b | first epoch, ms | s |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| a | 12.5 (12.5–12.5) | 2.00 (2.00–2.00) | 500 | -1.25 ± 0.00 |",
        "| b | 25.0 (25.0–25.0) | 1.00 (1.00–1.00) | 500 | -3.00 ± 0.00 |",
    ]
    facts = ["| f |  |", "| --- | --- |", "| epochs | 2 |", "| load | 0.5, 1.0 |", "| versions | torch 2, peer — |"]
    assert [part.splitlines() for part in text.replace("\N{NO-BREAK SPACE}", " ").split("\n\n")] == [race, race, facts]


def test_table_without_the_reference():
    entrants = contest.summary({"a": [[0.5]]}, {"a": [{"s": -1.254}]}, "b")
    text = report.table(FACTS | {"contests": [{"title": "T", "reference": "b", "entrants": entrants}]})
    assert "| a | 500.0\N{NO-BREAK SPACE}(500.0–500.0) | — | 500 | -1.25 |" in text


@pytest.fixture
def settings():
    """What the command sets for its whole process."""
    import logging

    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    logging.disable(logging.NOTSET)


MODELS = ("VAE", "β-TCVAE")
BOOK = vae.NETWORKS["the book's network"]


def test_our_side_runs_without_the_peer(monkeypatch, tmp_path, capsys, settings):
    monkeypatch.setitem(sys.modules, "pythae", None)  # an import of it fails
    monkeypatch.setattr(vae, "DRAWS", 20)
    monkeypatch.setattr(vae, "can_compile", lambda: True)
    monkeypatch.setattr(vae, "compiled", lambda loss: loss)  # what it does is tested with the losses
    path = tmp_path / "results.json"
    assert main(["vae", "--epochs", "1", "--runs", "1", "--json", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "pythae cannot be imported" in err and 'pip install -e ".[bench]"' in err
    results = json.loads(path.read_text("utf-8"))
    assert out == report.table(results) + "\n" and "| gmlib, fused=True |" in out and "—" in out
    assert results["job"]["epochs"] == results["job"]["runs"] == results["machine"]["threads"] == 1
    book, peer = [f"{model}, the book's network" for model in MODELS], [f"{model}, pythae's network" for model in MODELS]
    assert [c["title"] for c in results["contests"]] == book + peer
    for found in results["contests"]:
        h, k = (200, 8) if found["title"] in book else (512, 10)
        weights = 64 * h + h + h * 2 * k + 2 * k + k * h + h + h * 64 + 64
        assert found["parameters"] == {f"gmlib, {how}": weights for how in ("compiled", "fused=True", "fused=None")}
        for of in found["entrants"].values():
            elbo, iwae = (s["mean"] for s in of["scores"].values())
            assert -64 * math.log(2) < elbo < iwae < 0  # better than coins, and in the order of the bounds
            assert of["seconds_per_epoch"]["median"] > 0


def test_without_a_compiler_that_side_is_left_out(monkeypatch, capsys):
    def fails(function):
        raise RuntimeError("No working C++ compiler found")

    monkeypatch.setattr(torch, "compile", fails)
    assert vae.can_compile() is False
    assert "torch.compile does not work here (No working C++ compiler found)" in capsys.readouterr().err


def test_our_epoch_is_all_batches():
    sizes = []

    def loss(model, x, generator):
        sizes.append(len(x))
        return model.elbo(x, 1, generator).mean().neg(), {}

    x = torch.zeros(vae.BATCH + 1, vae.D)
    done = [len(sizes) for _ in vae.ours(loss, x, epochs=3, fused=None, network=BOOK, seed=0)]
    assert done == [2, 4, 6] and sizes == [vae.BATCH, 1] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gan"], "invalid choice: 'gan' (choose from"),
        ([], "the following arguments are required: family"),
        (["vae", "--epochs", "0"], "--epochs must be a whole number of at least 1, got 0"),
        (["vae", "--runs", "-1"], "--runs must be a whole number of at least 1, got -1"),
        (["vae", "--threads", "0"], "--threads must be a whole number of at least 1, got 0"),
        (["vae", "--json", "no/such/folder/a.json"], "--json: there is no folder no/such/folder"),
    ],
)
def test_bad_arguments_are_told_at_once(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and message in capsys.readouterr().err


def test_a_peers_networks_are_read_in_its_own_convention():
    """The encoder gives log-variances, the decoder probabilities: against the bound written out for them."""
    like = {"dtype": torch.float64, "generator": torch.Generator().manual_seed(0)}
    mu, log_var = torch.randn(3, BOOK.latent, **like), torch.randn(3, BOOK.latent, **like)
    p = torch.rand(vae.D, **like)
    x = (torch.rand(3, vae.D, **like) < 0.5).double()

    def encode(x):
        return SimpleNamespace(embedding=mu, log_covariance=log_var)

    def decode(z):
        assert z.ndim == 2  # all that the peer's decoder takes
        return SimpleNamespace(reconstruction=p.expand(len(z), -1))

    view = VAE(module(vae.EncoderView, encode, BOOK.latent), module(vae.DecoderView, decode))
    log_lik = (x * p.log() + (1 - x) * (1 - p).log()).sum(1)
    kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1)
    torch.testing.assert_close(view.elbo(x, 4), log_lik - kl, rtol=0, atol=1e-9)


def module(view, function, *sizes):
    made = view(nn.Module(), *sizes)
    made.net.forward = function
    return made


@pytest.mark.skipif(not (ROOT / "book").is_dir(), reason="a copy of the code alone")
def test_the_published_table_is_that_of_the_published_results():
    folder = ROOT / "book" / "_data"
    results = json.loads((folder / "bench-vae.json").read_text("utf-8"))
    assert (folder / "bench-vae.md").read_text("utf-8") == report.table(results) + "\n"
    for found in results["contests"]:
        assert len(set(found["parameters"].values())) == 1 and found["reference"] in found["entrants"]


def test_the_peers_loss_is_minus_the_bound_that_we_report():
    """Two averages over draws of the same quantity: 6 standard errors apart at most; a half dropped is far more."""
    pytest.importorskip("pythae", reason="the extra `bench` is not installed")
    torch.manual_seed(0)
    x = (torch.rand(64, vae.D) < 0.5).float()
    for name, network in itertools.product(("VAE", "BetaTCVAE"), vae.NETWORKS.values()):
        model = vae.pythae_model(name, network)
        view = VAE(vae.EncoderView(model.encoder, network.latent), vae.DecoderView(model.decoder))
        with torch.no_grad():
            theirs = -torch.stack([model({"data": x}, dataset_size=1297).loss for _ in range(400)])
            ours = torch.stack([view.elbo(x).mean() for _ in range(400)])
        assert (theirs.mean() - ours.mean()).abs() < 6 * (theirs.var() / 400 + ours.var() / 400).sqrt()
