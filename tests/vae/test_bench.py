"""The VAE's comparison with pythae: our own side, the published results, and the peer where it is installed."""

import itertools
import json
import math
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gmlib.bench import report, vae
from gmlib.bench.__main__ import main
from gmlib.vae import VAE
from tools.common import ROOT


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
    monkeypatch.setattr(vae, "EPOCHS", 1)
    monkeypatch.setattr(vae, "can_compile", lambda: True)
    monkeypatch.setattr(vae, "compiled", lambda loss: loss)  # what it does is tested with the losses
    path = tmp_path / "results.json"
    assert main(["vae", "--runs", "1", "--json", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "pythae cannot be imported" in err and vae.INSTALL in err
    results = json.loads(path.read_text("utf-8"))
    assert out == report.table(results) + "\n" and "| gmlib, fused=True |" in out and "—" in out
    assert results["job"]["runs"] == results["machine"]["threads"] == 1
    book, peer = [f"{model}, the book's network" for model in MODELS], [f"{model}, pythae's network" for model in MODELS]
    assert [c["title"] for c in results["contests"]] == book + peer
    for found in results["contests"]:
        h, k = (200, 8) if found["title"] in book else (512, 10)
        weights = 64 * h + h + h * 2 * k + 2 * k + k * h + h + h * 64 + 64
        assert found["parameters"] == {f"gmlib, {how}": weights for how in ("compiled", "fused=True", "fused=None")}
        for of in found["rows"].values():
            elbo, iwae = of["ELBO"]["mean"], of["IWAE, K=20"]["mean"]
            assert -64 * math.log(2) < elbo < iwae < 0  # better than coins, and in the order of the bounds
            assert of["ms / epoch"]["median"] > 0


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
def test_all_whose_results_are_published_had_as_many_parameters():
    for found in json.loads((ROOT / "book" / "_data" / "bench-vae.json").read_text("utf-8"))["contests"]:
        assert len(set(found["parameters"].values())) == 1 and len(found["rows"]) == 5


def test_the_peers_loss_is_minus_the_bound_that_we_report():
    """Two averages over draws of the same quantity: 6 standard errors apart at most; a half dropped is far more."""
    pytest.importorskip("pythae", reason="the extra `bench-vae` is not installed")
    torch.manual_seed(0)
    x = (torch.rand(64, vae.D) < 0.5).float()
    for name, network in itertools.product(("VAE", "BetaTCVAE"), vae.NETWORKS.values()):
        model = vae.pythae_model(name, network)
        view = VAE(vae.EncoderView(model.encoder, network.latent), vae.DecoderView(model.decoder))
        with torch.no_grad():
            theirs = -torch.stack([model({"data": x}, dataset_size=1297).loss for _ in range(400)])
            ours = torch.stack([view.elbo(x).mean() for _ in range(400)])
        assert (theirs.mean() - ours.mean()).abs() < 6 * (theirs.var() / 400 + ours.var() / 400).sqrt()
