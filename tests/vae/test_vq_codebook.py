"""The codebook of the notebook `vq_vae`: k-means, exponential averages, its use; against plain loops and scikit-learn."""

import math

import pytest
import torch
from torch.distributions import Categorical

from gmlib import vae
from gmlib.vae.vq import ema_codebook, ema_update, nearest, perplexity, revive
from tests.vae.vq_models import F64, all_images, close, d, make, randn


@pytest.fixture
def model():
    return make()


@pytest.fixture
def images():
    return all_images()


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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_no_code_and_no_average(dtype):
    """Codes around (30, 30, …): in half precision all of them look alike. The vectors are rounded, as an encoder says them."""
    e = 30 + randn(16, d, seed=5).float()
    z_e = (e.repeat(25, 1) + 0.3 * randn(400, d, seed=6).float()).to(dtype)
    exact = torch.cdist(z_e.double(), e.double(), compute_mode="donot_use_mm_for_euclid_dist").argmin(-1)
    N, m = ema_update(torch.ones(16), e, z_e.float(), exact, 0.9)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(nearest(z_e, e), exact) and torch.equal(nearest(z_e, e.to(dtype)[:1]), 0 * exact)
        new_N, new_m = ema_update(torch.ones(16), e, z_e, exact, 0.9)
    assert new_m.dtype == torch.float32
    torch.testing.assert_close((new_N, new_m), (N, m), rtol=1e-6, atol=0)


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
