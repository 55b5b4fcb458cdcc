"""The gradients of the notebook `vq_vae`, against finite differences, plain loops and the chain rule."""

import numpy as np
import pytest
import torch

from gmlib import vae
from gmlib.vae.vq import nearest, straight_through, vq_terms
from tests.vae.vq_models import F64, K, L, all_images, close, d, log_lik_by_hand, make, randn


@pytest.fixture
def model():
    return make()


@pytest.fixture
def images():
    return all_images()


def decoder_loss(model, z):
    """Minus log p(x | z) for one image as a function of z alone, of shape (L, d)."""
    x = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0], dtype=F64)
    return -model.decoder(z.flatten(-2)).log_prob(x)


def differences(f, z, h=1e-4):
    """Central differences of fourth order: the error is of order h^4."""
    out = torch.zeros_like(z)
    for i in np.ndindex(*z.shape):
        step = torch.zeros_like(z)
        step[i] = h
        out[i] = (8 * (f(z + step) - f(z - step)) - (f(z + 2 * step) - f(z - 2 * step))) / (12 * h)
    return out


@pytest.mark.equation("eq-vae-vq-flat")
def test_true_derivative_is_zero_and_the_code_vectors_has_one(model):
    """By differences of the decoded loss: flat in z_e, and with a slope in the code vectors."""
    z_e = randn(L, d, seed=5)
    with torch.no_grad():
        flat = differences(lambda z: decoder_loss(model, model.codebook[nearest(z, model.codebook)]), z_e)
        assert (flat == 0).all()
        codes = nearest(z_e, model.codebook)
        slope = differences(lambda e: decoder_loss(model, e[codes]), model.codebook)
        z_q = model.codebook[codes]
        at_z_q = differences(lambda z: decoder_loss(model, z), z_q)
    expected = torch.zeros_like(slope).index_add(0, codes, at_z_q)
    torch.testing.assert_close(slope, expected, **close)
    assert slope.abs().max() > 0.1
    (by_autograd,) = torch.autograd.grad(decoder_loss(model, model.codebook[codes]), model.codebook)
    torch.testing.assert_close(by_autograd, slope, **close)


@pytest.mark.equation("eq-vae-vq-straight-through")
def test_straight_through_has_the_value_of_one_and_the_derivative_of_the_other():
    z_e, z_q = randn(6, L, d).requires_grad_(), randn(6, L, d, seed=1).requires_grad_()
    z = straight_through(z_e, z_q)
    assert torch.equal(z, z_q)  # to the last bit, which z_e + (z_q - z_e) need not be
    J_e, J_q = torch.autograd.functional.jacobian(straight_through, (z_e[0], z_q[0]))
    assert torch.equal(J_e.reshape(L * d, L * d), torch.eye(L * d, dtype=F64))
    assert (J_q == 0).all()


@pytest.mark.equation("eq-vae-vq-copied")
def test_encoder_gets_the_decoders_gradient_at_the_code(model):
    """Autograd through the estimator, against differences of the decoder at z_q; it is not the gradient at z_e."""
    z_e = randn(L, d, seed=5).requires_grad_()
    z_q = model.codebook[nearest(z_e.detach(), model.codebook)]
    (copied,) = torch.autograd.grad(decoder_loss(model, straight_through(z_e, z_q)), z_e)
    with torch.no_grad():
        torch.testing.assert_close(copied, differences(lambda z: decoder_loss(model, z), z_q.detach()), **close)
        elsewhere = differences(lambda z: decoder_loss(model, z), z_e.detach())
    assert (copied - elsewhere).norm() > 0.1
    frozen = (z_q - z_e).detach()  # the loss of which it is the true gradient: the offset held fixed
    with torch.no_grad():
        shifted = differences(lambda z: decoder_loss(model, z + frozen), z_e.detach())
    torch.testing.assert_close(copied, shifted, **close)


@pytest.mark.equation("eq-vae-vq-loss")
def test_three_terms_by_plain_loops(model, images):
    beta = 0.7
    loss, terms = vae.vq_loss(model, images, beta=beta)
    reconstruction = squared = 0.0
    with torch.no_grad():
        for x in images:
            z_e = model.encoder(x).reshape(L, d)
            code = [min(range(K), key=lambda k, z=z: ((z - model.codebook[k]) ** 2).sum().item()) for z in z_e]
            reconstruction -= log_lik_by_hand(model, x, code) / len(images)
            for position, k in enumerate(code):
                for i in range(d):
                    squared += (z_e[position, i] - model.codebook[k, i]) ** 2 / len(images)
        torch.testing.assert_close(terms["reconstruction"], reconstruction, **close)
        torch.testing.assert_close(terms["codebook"], squared, **close)
        torch.testing.assert_close(terms["commitment"], squared, **close)
        torch.testing.assert_close(loss, reconstruction + (1 + beta) * squared, **close)
    ema, terms = vae.vq_ema_loss(model.eval(), images, beta=beta)
    torch.testing.assert_close(ema, reconstruction + beta * squared, **close)
    assert set(terms) == {"reconstruction", "commitment"}


@pytest.mark.equation("eq-vae-vq-gradients")
def test_which_term_moves_which_parameter(model, images):
    """Exactly zero where a stop-gradient stands, and not zero elsewhere."""
    _, terms = vae.vq_loss(model, images)
    always = dict(retain_graph=True, allow_unused=True, materialize_grads=True)
    moved = {
        name: {part for part, p in model.named_parameters() if torch.autograd.grad(term, p, **always)[0].any()}
        for name, term in terms.items()
    }
    parts = {name for name, _ in model.named_parameters() if not name.startswith("prior")}
    encoder, decoder = ({name for name in parts if name.startswith(n)} for n in ("encoder", "decoder"))
    assert len(encoder) == len(decoder) == 4
    assert moved == {"reconstruction": encoder | decoder, "codebook": {"codebook"}, "commitment": encoder}


@pytest.mark.equation("eq-vae-vq-gradients")
@pytest.mark.parametrize("beta", [0.25, 2.0])
def test_gradients_in_closed_form(model, images, beta):
    loss, _ = vae.vq_loss(model, images, beta=beta)
    z_e, codes, z_q = (t.detach() for t in model.quantise(images))
    (by_vector,) = torch.autograd.grad(loss, model.codebook, retain_graph=True)
    expected = torch.zeros(K, d, dtype=F64)
    for k in range(K):
        own = z_e[codes == k]
        if len(own):
            expected[k] = 2 * len(own) * (model.codebook[k].detach() - own.mean(0)) / len(images)
    torch.testing.assert_close(by_vector, expected, **close)
    z = z_q.clone().requires_grad_()
    (at_z_q,) = torch.autograd.grad(-model.decoder(z.flatten(-2)).log_prob(images).sum(), z)
    to_encoder = (at_z_q + 2 * beta * (z_e - z_q)) / len(images)
    by_chain_rule = torch.autograd.grad(model.encoder(images), list(model.encoder.parameters()), to_encoder.flatten(1))
    by_loss = torch.autograd.grad(loss, list(model.encoder.parameters()), retain_graph=True)
    for a, b in zip(by_loss, by_chain_rule, strict=True):
        torch.testing.assert_close(a, b, **close)
    theta = list(model.decoder.parameters())
    alone = torch.autograd.grad(-model.decoder(z_q.flatten(1)).log_prob(images).mean(), theta)
    for a, b in zip(torch.autograd.grad(loss, theta), alone, strict=True):
        torch.testing.assert_close(a, b, **close)


def test_terms_of_one_example():
    z_e, z_q = randn(L, d).requires_grad_(), randn(L, d, seed=1).requires_grad_()
    codebook, commitment = vq_terms(z_e, z_q)
    assert codebook == commitment == (z_e - z_q).square().sum()
    for term, moved, still in ((codebook, z_q, z_e), (commitment, z_e, z_q)):
        g, none = torch.autograd.grad(term, (moved, still), allow_unused=True, retain_graph=True)
        torch.testing.assert_close(g, 2 * (moved - still).detach(), **close)
        assert none is None
