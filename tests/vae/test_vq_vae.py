"""The equations of the notebook `vq_vae`, each against enumeration, plain loops, finite differences or scikit-learn."""

import itertools
import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from gmlib import core, vae
from gmlib.nn import BernoulliNet, mlp
from gmlib.vae.vq import ema_codebook, ema_update, nearest, perplexity, revive, straight_through, vq_terms
from gmlib.vae.vq_prior import all_codes
from gmlib.train import train
from tests.laws import laws

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
L, K, d, D = 3, 4, 2, 5  # 64 codes, 32 binary images


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def make(hidden=3, seed=0):
    """A small model whose networks are not at a special point; its prior is neither uniform nor independent."""
    torch.manual_seed(seed)
    model = vae.VQVAE(mlp(D, 6, L * d), BernoulliNet(L * d, 6, D), vae.CodePrior(L, K, hidden)).double()
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(0.9 * randn(*p.shape, seed=100 * seed + i))
        model.encoder[0].bias.copy_(-0.5 * model.encoder[0].weight.sum(1))  # the images' mean goes to the origin
        model.encoder[2].bias.zero_()
        model.m.copy_(model.codebook)
    return model


@pytest.fixture
def model():
    return make()


@pytest.fixture
def images():
    """All 32 binary images of five pixels."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=D)), dtype=F64)


def log_lik_by_hand(model, x, c):
    """log p(x | c) for one image and one code, from the decoder's weights."""
    h = torch.cat([model.codebook[k] for k in c])
    first, _, last = model.decoder.net
    rho = torch.sigmoid(last.weight @ torch.tanh(first.weight @ h + first.bias) + last.bias)
    return sum(torch.log(r if v else 1 - r) for r, v in zip(rho, x, strict=True))


# The code and the bound


@pytest.mark.equation("eq-vae-vq-nearest", "eq-vae-vq-posterior")
def test_nearest_against_every_distance():
    z_e, e = randn(7, 20, d), randn(9, d, seed=1)
    by_force = torch.cdist(z_e, e.expand(7, 9, d), compute_mode="donot_use_mm_for_euclid_dist").argmin(-1)
    assert torch.equal(nearest(z_e, e), by_force)
    assert len(by_force.unique()) == 9


@pytest.mark.equation("eq-vae-vq-nearest")
def test_of_equally_near_vectors_the_first_wins():
    e = torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 2.0], [0.0, 0.0]], dtype=F64)
    z_e = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [5.0, 5.0]], dtype=F64)
    assert nearest(z_e, e).tolist() == [0, 1, 0, 1, 0]


@pytest.mark.equation("eq-vae-vq-posterior")
def test_encoder_picks_the_nearest_vector_at_each_position(model, images):
    for x, code in zip(images, model.encode(images), strict=True):
        z_e = model.encoder(x).reshape(L, d)
        assert [min(range(K), key=lambda k: (z - model.codebook[k]).norm().item()) for z in z_e] == code.tolist()
    assert len(model.encode(images).unique(dim=0)) > 5


@pytest.mark.equation("eq-vae-vq-evidence")
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_evidence_by_plain_loops(model, images, chunk):
    x = images[[0, 5, 30]]
    with torch.no_grad():
        joint = torch.tensor(
            [[log_lik_by_hand(model, v, c) + model.prior.log_prob(torch.tensor(c))
              for c in itertools.product(range(K), repeat=L)] for v in x], dtype=F64,
        )  # fmt: skip
        torch.testing.assert_close(vae.log_prob_by_enumeration(model, x, chunk), joint.exp().sum(1).log(), **close)


@pytest.mark.equation("eq-vae-vq-evidence")
def test_evidence_sums_to_one_over_all_images(model, images):
    with torch.no_grad():
        mass = vae.log_prob_by_enumeration(model, images).exp().sum()
    torch.testing.assert_close(mass, torch.ones((), dtype=F64), **close)


@pytest.mark.equation("eq-vae-vq-elbo")
def test_elbo_is_the_expectation_under_a_one_hot_q(model, images):
    """The general ELBO, E_q[log p(x, c) - log q(c)], over all codes with q one-hot and 0 log 0 = 0."""
    with torch.no_grad():
        codes = all_codes(L, K)
        log_joint = model.prior.log_prob(codes) + model.decode(codes).log_prob(images.unsqueeze(1))
        q = (model.encode(images).unsqueeze(1) == codes).all(-1).to(F64)
        assert (q.sum(1) == 1).all()
        bound = (q * log_joint).sum(1) + torch.special.entr(q).sum(1)
        torch.testing.assert_close(model.elbo(images), bound, **close)
        torch.testing.assert_close(model.elbo(images, 3), bound, **close)
        assert (bound < vae.log_prob_by_enumeration(model, images)).all()


@pytest.mark.equation("eq-vae-vq-gap")
def test_gap_is_minus_the_log_posterior_of_the_chosen_code(model, images):
    with torch.no_grad():
        codes = all_codes(L, K)
        posterior = Categorical(logits=model.decode(codes).log_prob(images.unsqueeze(1)) + model.prior.log_prob(codes))
        chosen = (model.encode(images).unsqueeze(1) == codes).all(-1).to(torch.long).argmax(1)
        gap = vae.log_prob_by_enumeration(model, images) - model.elbo(images)
        torch.testing.assert_close(gap, -posterior.log_prob(chosen), **close)
        one_hot = Categorical(probs=torch.nn.functional.one_hot(chosen, len(codes)).to(F64))
        by_torch = kl_divergence(one_hot, posterior)  # PyTorch clamps the zeros, hence the tolerance
        torch.testing.assert_close(gap, by_torch, rtol=0, atol=1e-6)
    assert gap.min() > 0.01


@pytest.mark.equation("eq-vae-vq-kl")
@pytest.mark.parametrize(("positions", "size"), [(1, 2), (3, 4), (2, 9)])
def test_divergence_from_the_uniform_prior_is_constant(positions, size):
    """PyTorch's divergence over all codes, at every one-hot q; and minus the log-mass under the prior as it starts."""
    n = size**positions
    expected = torch.full((n,), positions * math.log(size), dtype=F64)
    uniform = Categorical(probs=torch.full((n, n), 1 / n, dtype=F64))
    by_torch = kl_divergence(Categorical(probs=torch.eye(n, dtype=F64)), uniform)
    torch.testing.assert_close(by_torch, expected, rtol=0, atol=1e-6)
    prior = vae.CodePrior(positions, size, hidden=4).double()
    torch.testing.assert_close(-prior.log_prob(all_codes(positions, size)).detach(), expected, **close)


@pytest.mark.equation("eq-vae-vq-prior-cost")
def test_cost_of_the_codes_is_their_entropy_and_a_divergence(model, images):
    """The mean divergence of q from the prior, split by a table over all 64 codes."""
    x = torch.cat([images, images[:9]])
    codes = all_codes(L, K)
    q_bar = (model.encode(x).unsqueeze(1) == codes).all(-1).to(F64).mean(0)
    with torch.no_grad():
        p = Categorical(logits=model.prior.log_prob(codes))
        split = Categorical(probs=q_bar).entropy() + (torch.xlogy(q_bar, q_bar) - q_bar * p.logits).sum()
        loss, terms = vae.prior_loss(model, x)
    torch.testing.assert_close(loss, split, **close)
    assert terms["codes"] == loss


@pytest.mark.equation("eq-vae-vq-total-correlation")
def test_independent_positions_cost_the_total_correlation(model, images):
    """The best independent prior, found by descent, against the divergence of a table from its marginals' product."""
    codes = model.encode(images)
    table = torch.zeros([K] * L, dtype=F64)
    for c in codes:
        table[tuple(c)] += 1 / len(codes)
    marginals = [table.sum([j for j in range(L) if j != i]) for i in range(L)]
    product = marginals[0][:, None, None] * marginals[1][:, None] * marginals[2]
    on = table > 0
    correlation = (table[on] * (table[on] / product[on]).log()).sum()
    entropy = -(table[on] * table[on].log()).sum()
    model.prior = vae.CodePrior(L, K).double()
    parameters = model.prior.parameters()
    search = torch.optim.LBFGS(parameters, max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-12)

    def cost():
        search.zero_grad()
        loss, _ = vae.prior_loss(model, images)
        loss.backward()
        return loss

    search.step(cost)
    torch.testing.assert_close(cost().detach(), entropy + correlation, rtol=0, atol=1e-6)
    with torch.no_grad():
        model.prior.bias.copy_(torch.stack(marginals).clamp(min=1e-300).log())
        torch.testing.assert_close(vae.prior_loss(model, images)[0], entropy + correlation, **close)
    assert correlation > 0.1


# Gradients


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


# The codebook as k-means


@pytest.fixture
def cloud():
    z_e = randn(400, d, seed=3) * 2
    return z_e, randn(6, d, seed=4)


@pytest.mark.equation("eq-vae-vq-kmeans")
def test_mean_minimises_the_codebook_term(cloud):
    z_e, e = cloud
    codes = nearest(z_e, e)

    def term(e):
        return (z_e - e[codes]).square().sum()

    means = torch.stack([z_e[codes == k].mean(0) for k in range(6)]).requires_grad_()
    (g,) = torch.autograd.grad(term(means), means)
    torch.testing.assert_close(g, torch.zeros_like(g), **close)
    for seed in range(20):  # convex, so a stationary point is the minimum; steps away go up
        assert term(means + 0.01 * randn(6, d, seed=seed)) > term(means)
    N, m = ema_update(torch.ones(6, dtype=F64), e, z_e, codes, gamma=0.0)
    torch.testing.assert_close(ema_codebook(N, m, eps=1e-14), means.detach(), **close)


@pytest.mark.equation("eq-vae-vq-kmeans", "eq-vae-vq-ema")
def test_steps_without_memory_are_lloyds(cloud):
    """scikit-learn's k-means from the same start: one step, and the fixed point; each step lowers the distortion."""
    from sklearn.cluster import KMeans

    z_e, e = cloud
    old = math.inf
    for step in range(1, 200):
        codes = nearest(z_e, e)
        distortion = (z_e - e[codes]).square().sum().item()
        assert distortion <= old + 1e-9
        if distortion == old:
            break
        old = distortion
        e = ema_codebook(*ema_update(torch.ones(6, dtype=F64), e, z_e, codes, 0.0), eps=1e-14)
        if step == 1:
            first = e
    theirs = KMeans(6, init=cloud[1].numpy(), n_init=1, algorithm="lloyd", tol=0, max_iter=300).fit(z_e.numpy())
    torch.testing.assert_close(e, torch.as_tensor(theirs.cluster_centers_), **close)
    assert theirs.inertia_ == pytest.approx(old, abs=1e-9)
    codes = nearest(z_e, cloud[1])
    torch.testing.assert_close(first, torch.stack([z_e[codes == k].mean(0) for k in range(6)]), **close)


@pytest.mark.equation("eq-vae-vq-ema", "eq-vae-vq-ema-weights")
@pytest.mark.parametrize("gamma", [0.3, 0.6, 0.99])
def test_averages_are_geometric_sums(gamma):
    """Many steps against the closed form, by plain loops over batches, vectors and codes."""
    N, m = torch.full((3,), 2.0, dtype=F64), randn(3, d, seed=9)
    generator = torch.Generator().manual_seed(0)
    batches = [(randn(8, d, seed=s), torch.randint(3, (8,), generator=generator)) for s in range(12)]
    N_0, m_0 = N, m
    for z_e, codes in batches:
        N, m = ema_update(N, m, z_e, codes, gamma)
    T = len(batches)
    for k in range(3):
        count, total = gamma**T * N_0[k].item(), gamma**T * m_0[k]
        for t, (z_e, codes) in enumerate(batches, start=1):
            for z, c in zip(z_e, codes, strict=True):
                if c == k:
                    count += (1 - gamma) * gamma ** (T - t)
                    total = total + (1 - gamma) * gamma ** (T - t) * z
        assert N[k].item() == pytest.approx(count, abs=1e-12)
        torch.testing.assert_close(m[k], total, **close)
        torch.testing.assert_close(ema_codebook(N, m, eps=1e-14)[k], total / count, **close)


@pytest.mark.equation("eq-vae-vq-ema")
def test_averages_settle_at_the_mean_of_all_vectors_not_at_the_mean_of_means(cloud):
    """Two batches of different size, again and again: the ratio of averages tends to the pooled mean."""
    z_e, _ = cloud
    parts = z_e[z_e[:, 0].argsort()].split([10, 390])
    N, m = torch.ones(1, dtype=F64), torch.full((1, d), 7.0, dtype=F64)
    for _ in range(1500):
        for part in parts:
            N, m = ema_update(N, m, part, torch.zeros(len(part), dtype=torch.long), 0.998)
    e = ema_codebook(N, m)[0]
    assert (e - z_e.mean(0)).norm() < 0.01  # the start weighs 0.998^3000; the order of the two batches still shows
    assert (e - torch.stack([p.mean(0) for p in parts]).mean(0)).norm() > 0.1


@pytest.mark.equation("eq-vae-vq-smoothing")
def test_smoothed_counts():
    """Against the arithmetic: none is zero, the sum is kept, and the order too."""
    N, eps = torch.tensor([5.0, 0.0, 2.5, 1e-9], dtype=F64), 0.1
    m = torch.tensor([[10.0], [3.0], [5.0], [1.0]], dtype=F64)
    smooth = [(n + 0.1) / (7.500000001 + 0.4) * 7.500000001 for n in (5.0, 0.0, 2.5, 1e-9)]
    assert sum(smooth) == pytest.approx(7.500000001, abs=1e-12)
    expected = torch.tensor([[v / s] for v, s in zip((10.0, 3.0, 5.0, 1.0), smooth, strict=True)], dtype=F64)
    torch.testing.assert_close(ema_codebook(N, m, eps), expected, **close)


@pytest.mark.equation("eq-vae-vq-smoothing")
def test_smoothing_draws_an_unused_code_to_the_origin():
    """Without it, N and m of a code that gets nothing shrink together, and their ratio stays."""
    N, m = torch.ones(2, dtype=F64), torch.full((2, d), 3.0, dtype=F64)
    z_e, codes = randn(5, d), torch.zeros(5, dtype=torch.long)
    lengths = []
    for _ in range(60):
        N, m = ema_update(N, m, z_e, codes, 0.5)
        torch.testing.assert_close(m[1] / N[1], torch.full((d,), 3.0, dtype=F64), **close)
        lengths.append(ema_codebook(N, m)[1].norm().item())
    assert lengths[0] == pytest.approx(3 * math.sqrt(2), rel=1e-4)
    assert all(b < a for a, b in zip(lengths[5:], lengths[6:], strict=False)) and lengths[-1] < 1e-9


@pytest.mark.equation("eq-vae-vq-perplexity")
def test_perplexity():
    """Against PyTorch's entropy; its bounds are reached, and it is in nats: the same for any base, not 2^(nats)."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.distributions.Geometric(0.3).sample((50, 4)).long().clamp(max=7)
    counts = torch.tensor([(codes == k).sum() for k in range(8)], dtype=F64)
    torch.testing.assert_close(perplexity(codes, 8), Categorical(probs=counts).entropy().exp(), **close)
    in_bits = -sum(p * math.log2(p) for p in (counts / counts.sum()).tolist() if p)
    assert perplexity(codes, 8).item() == pytest.approx(2**in_bits, abs=1e-9)
    assert perplexity(torch.arange(8).repeat(5), 8).item() == pytest.approx(8, abs=1e-9)
    assert perplexity(torch.full((9,), 3), 8) == 1
    assert perplexity(torch.tensor([0, 5] * 6), 8).item() == pytest.approx(2, abs=1e-9)
    for _ in range(50):
        some = torch.randint(8, (17,), generator=generator)
        assert 1 <= perplexity(some, 8) <= min(8, len(some.unique())) + 1e-12


def test_revival_moves_the_dead_only():
    N, m = torch.tensor([5.0, 0.4, 0.0, 2.0], dtype=F64), randn(4, d)
    z_e = randn(3, 2, d, seed=2)
    new_N, new_m = revive(N, m, z_e, 0.5, torch.Generator().manual_seed(0))
    assert torch.equal(new_N, torch.tensor([5.0, 1.0, 1.0, 2.0], dtype=F64))
    assert torch.equal(new_m[[0, 3]], m[[0, 3]])
    assert all((z_e.reshape(-1, d) == row).all(1).any() for row in new_m[[1, 2]])
    kept = revive(N, m, z_e, 0.0)
    assert torch.equal(kept[0], N) and torch.equal(kept[1], m)


def test_a_revived_code_lives_on_whatever_the_threshold():
    z_e, generator = randn(20, 2, d, seed=3), torch.Generator().manual_seed(1)
    N, m = revive(torch.zeros(40, dtype=F64), randn(40, d), z_e, 2.5, generator)
    assert (N >= 2.5).all()
    e = m / N.unsqueeze(-1)
    assert len(e.unique(dim=0)) == 40  # forty codes, forty vectors: each gets its own
    assert (torch.cdist(e, z_e.reshape(-1, d)).min(1).values < 1e-6).all()
    assert len(revive(torch.zeros(41, dtype=F64), randn(41, d), z_e, 1.0, generator)[1].unique(dim=0)) == 40


def test_training_mode_alone_updates_the_codebook(model, images):
    before = model.codebook.detach().clone()
    vae.vq_ema_loss(model.eval(), images)
    assert torch.equal(model.codebook, before)
    N, m = model.N.clone(), model.m.clone()
    for _ in range(3):
        z_e, codes, _ = model.quantise(images)
        N, m = ema_update(N, m, z_e.detach(), codes, 0.9)
        loss, _ = vae.vq_ema_loss(model.train(), images, gamma=0.9)
        torch.testing.assert_close(model.codebook.detach(), ema_codebook(N, m), **close)
        torch.testing.assert_close(model.N, N, **close)
        torch.testing.assert_close(model.m, m, **close)
    loss.backward()
    assert model.codebook.grad is None and model.encoder[0].weight.grad.any()


def test_training_revives_what_is_rarely_used(model, images):
    """A code vector far from everything is unused; with a threshold it comes back among the encoder's vectors."""
    with torch.no_grad():
        model.codebook[2] = model.m[2] = 50.0
    for threshold in (0.0, 0.5):
        for _ in range(8):
            vae.vq_ema_loss(model.train(), images, torch.Generator().manual_seed(0), gamma=0.9, threshold=threshold)
        assert (2 in model.encode(images)) == (threshold > 0)


# The prior over codes, and the whole model


@pytest.mark.equation("eq-vae-vq-prior")
@pytest.mark.parametrize(("positions", "size", "hidden"), [(3, 4, 5), (4, 3, 2), (1, 6, 3), (3, 4, 0)])
def test_prior_sums_to_one_and_keeps_the_order(positions, size, hidden):
    torch.manual_seed(0)
    prior = vae.CodePrior(positions, size, hidden).double()
    with torch.no_grad():
        for i, p in enumerate(prior.parameters()):
            p.copy_(randn(*p.shape, seed=i))
    codes = all_codes(positions, size)
    assert len(codes.unique(dim=0)) == size**positions
    torch.testing.assert_close(prior.log_prob(codes).exp().sum(), torch.ones((), dtype=F64), **close)
    one_hot = torch.rand(positions, size, dtype=F64, generator=torch.Generator().manual_seed(1))
    J = torch.autograd.functional.jacobian(prior.logits, one_hot)  # (L, K, L, K)
    depends = (J != 0).any(3).any(1)
    assert torch.equal(depends, torch.ones(positions, positions).tril(-1).bool() & bool(hidden))


@pytest.mark.equation("eq-vae-vq-prior")
def test_prior_is_the_product_of_its_conditionals():
    """Each conditional by summing the joint table, against the softmax of its logits."""
    prior = make().prior
    with torch.no_grad():
        table = prior.log_prob(all_codes(L, K)).exp().reshape(K, K, K)
        for c in ((0, 1, 3), (2, 2, 0)):
            logits = prior.logits(torch.nn.functional.one_hot(torch.tensor(c), K).to(F64)).softmax(-1)
            torch.testing.assert_close(logits[0], table.sum((1, 2)), **close)
            torch.testing.assert_close(logits[1], table[c[0]].sum(1) / table[c[0]].sum(), **close)
            torch.testing.assert_close(logits[2], table[c[0], c[1]] / table[c[0], c[1]].sum(), **close)


@pytest.mark.parametrize("hidden", [0, 3])
def test_prior_samples_have_the_masses(hidden):
    """64 frequencies in 200,000 draws, z below 6; a mass that is off by 0.007 or more is seen."""
    prior = make(hidden).prior
    drawn = prior.sample((200_000,), torch.Generator().manual_seed(0))
    codes = all_codes(L, K)
    frequency = (drawn @ torch.tensor([K * K, K, 1])).bincount(minlength=K**L) / len(drawn)
    with torch.no_grad():
        p = prior.log_prob(codes).exp()
    assert ((frequency - p).abs() < 6 * (p * (1 - p) / len(drawn)).sqrt() + 1e-12).all()
    laws.sample_is_reproducible(prior)
    laws.log_prob_ignores_batch_shape(prior, codes)
    assert isinstance(prior, core.HasLogProb) and isinstance(prior, core.CanSample)


def test_model_keeps_the_laws(model, images):
    assert isinstance(model, core.HasElbo) and isinstance(model, core.CanSample)
    assert not isinstance(model, core.HasLogProb) and not isinstance(model, core.CanEstimateLogProb)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        exact, evidence = model.elbo(images), vae.log_prob_by_enumeration(model, images)
    laws.sample_is_reproducible(model)
    laws.bound_is_unbiased(model, images, exact, generator, n=20)
    both = SimpleNamespace(elbo=model.elbo, estimate_log_prob=lambda x, *a: core.Estimate(model.elbo(x), "lower"))
    laws.bound_stays_below(both, images, evidence, generator, n=20)


def test_samples_have_the_models_mass(model, images):
    """32 frequencies against the exact masses, z below 6."""
    x = model.sample((200_000,), torch.Generator().manual_seed(0))
    with torch.no_grad():
        mass = vae.log_prob_by_enumeration(model, images).exp()
    laws.assert_same_mean((x[:, None] == images).all(-1).to(F64), expected=mass)
    assert model.sample().shape == (D,) and model.sample((2, 3)).shape == (2, 3, D)


def test_training_learns_a_planted_code():
    """Four images, a code of two positions: both losses tell them apart, and a fitted prior knows their frequencies."""
    images = torch.tensor([[1, 1, 0, 0, 0, 1], [0, 0, 1, 1, 0, 1], [1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 1, 0]]).float()
    x = images.repeat_interleave(torch.tensor([40, 40, 80, 160]), 0)
    entropy = Categorical(torch.tensor([1.0, 1.0, 2.0, 4.0])).entropy()
    for loss in (vae.vq_loss, partial(vae.vq_ema_loss, gamma=0.9, threshold=0.2)):
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        model = vae.VQVAE(mlp(6, 16, 4), BernoulliNet(4, 16, 6), vae.CodePrior(2, 8, 8))
        for objective, group in ((loss, model), (vae.prior_loss, model.prior)):
            adam = torch.optim.Adam(group.parameters(), lr=2e-2)
            for _ in train(model, objective, x, epochs=30, batch_size=32, optimizer=adam, generator=generator):
                pass
        with torch.no_grad():
            bound = model.eval().elbo(x).mean()
        assert -entropy - 0.1 < bound <= -entropy + 1e-5
        assert (model.sample((200,), generator).unsqueeze(1) == images).all(-1).any(1).float().mean() > 0.9


# Bad input

e, z = torch.eye(3), torch.zeros(4, 3)
c = torch.zeros(4, dtype=torch.long)
nan = torch.full((1, 3), math.nan)


def small(positions=2):
    return vae.VQVAE(mlp(5, 4), BernoulliNet(4, 5), vae.CodePrior(positions, 3))


CASES = {
    "codebook must have shape (K, d), got (3,)": lambda: nearest(z, e[0]),
    "z_e must have shape (..., 3), got (4, 2)": lambda: nearest(z[:, :2], e),
    "z_e holds 3 NaN": lambda: nearest(nan, e),
    "codebook holds 3 NaN": lambda: nearest(z, nan),
    "z_e is empty": lambda: nearest(z[:0], e),
    "z_q must have shape (..., 4, 3), got (3, 3)": lambda: straight_through(z, e),
    "z_e must be a floating-point tensor": lambda: straight_through(c, c),
    "z_q must have shape (..., 4, 3), got (3, 3) ": lambda: vq_terms(z, e),
    "z_e must have shape (..., L, d), got (3,)": lambda: vq_terms(z[0], z[0]),
    "N and m must have shapes (K,) and (K, d), got (4,) and (3, 3)": lambda: ema_update(torch.ones(4), e, z, c, 0.9),
    "N and m must have shapes (K,) and (K, d), got (3,) and (3,)": lambda: ema_codebook(torch.ones(3), torch.ones(3)),
    "N holds 1 NaN": lambda: ema_update(nan[0, :1], e[:1], z, c, 0.9),
    "gamma must be from 0 to 1, got 1.1": lambda: ema_update(torch.ones(3), e, z, c, 1.1),
    "codes must be from 0 to 2, got 3 to 3": lambda: ema_update(torch.ones(3), e, z, c + 3, 0.9),
    "z_e must have shape (..., 4, 3), got (3, 3)": lambda: ema_update(torch.ones(3), e, e, c, 0.9),
    "eps must be positive": lambda: ema_codebook(torch.ones(3), e, 0.0),
    "z_e must have shape (..., 3), got (4, 2) ": lambda: revive(torch.ones(3), e, z[:, :2], 0.5),
    "codes must be from 0 to 3, got -1 to 0": lambda: perplexity(torch.tensor([0, -1]), 4),
    "size must be a whole number": lambda: perplexity(c, 0),
    "codes must be a tensor of dtype torch.int64, got torch.float32": lambda: small().prior.log_prob(torch.zeros(2)),
    "codes must be a tensor of dtype torch.int64, got list": lambda: small().decode([0, 1]),
    "codes must have shape (..., 2) and not be empty, got (3,)": lambda: small().decode(c[:3]),
    "codes must have shape (..., 2) and not be empty, got (0, 2)": lambda: small().prior.log_prob(c.reshape(2, 2)[:0]),
    "codes must be from 0 to 2, got 0 to 3": lambda: small().decode(torch.tensor([0, 3])),
    "positions must be a whole number": lambda: vae.CodePrior(0, 3),
    "size must be a whole number ": lambda: vae.CodePrior(3, 0),
    "hidden must be a whole number": lambda: vae.CodePrior(3, 3, -1),
    "16 ** 6 codes are too many to list": lambda: all_codes(6, 16),
    "3 positions do not divide the decoder's input size, 4": lambda: small(3),
    "x must have shape (..., 5), got (2, 4)": lambda: small().elbo(torch.zeros(2, 4)),
    "x holds 1 NaN": lambda: small().encode(torch.tensor([0.0, 0.0, 0.0, 0.0, math.nan])),
    "x is empty": lambda: vae.log_prob_by_enumeration(small(), torch.zeros(0, 5)),
    "num_samples must be a whole number": lambda: small().elbo(torch.zeros(5), 0),
    "chunk must be a whole number": lambda: vae.log_prob_by_enumeration(small(), torch.zeros(5), 0),
}


@pytest.mark.parametrize(("message", "call"), CASES.items(), ids=[" ".join(k.split()[:7]) for k in CASES])
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message.strip() in str(caught.value)
