"""On CUDA the library says what it says on the CPU, and keeps the same laws.

Skipped, with the reason shown, where there is no GPU. It needs torch, numpy, scipy, scikit-learn, matplotlib and
pytest: `pytest -m gpu tests/gmlib/test_gpu.py -rs`. Of safetensors and Accelerate it tests what is there.
A new model or loss joins by one line in `LOSSES`, a new generative classifier in `CLASSIFIERS`; noise must come from a
generator.
"""

import copy
from functools import partial

import pytest
import torch

from tests.gmlib.cuda import On, SameNoise  # before the library: see there

from gmlib import autoregressive, data, divergences, gan, metrics, mixtures, overview, targets, vae
from gmlib.nn import BernoulliNet, GaussianNet, mlp, stacked_mlp
from gmlib.train import ema, train
from tests.laws import laws
from tests.laws.test_laws import DENSITIES, bounded  # noqa: F401

DEVICE, F64 = "cuda", torch.float64

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def small_vae():
    return vae.VAE(GaussianNet(64, 20, 3), BernoulliNet(3, 20, 64))


def linear_vae():
    return vae.VAE(vae.LinearEncoder(64, 3), vae.LinearDecoder(3, 64))


def vq_vae():
    return vae.VQVAE(mlp(64, 20, 8), BernoulliNet(8, 20, 64), vae.CodePrior(4, 6, hidden=5))


def masked_autoencoder():
    return autoregressive.BinaryModel(autoregressive.MADE(64, 20), 64, torch.arange(63, -1, -1))


def pixel_cnn():
    return autoregressive.PixelModel(autoregressive.GatedNet(2, 2, 4, (5, 3)), (1, 8, 8), autoregressive.Categorical(2))


def pixel_cnn_of_logistics():
    head = autoregressive.LogisticMixture(2, 2)
    return autoregressive.PixelModel(autoregressive.PlainNet(2, head.outputs, 6, layers=1), (1, 8, 8), head)


def pixel_rnn():
    return autoregressive.PixelModel(autoregressive.RecurrentNet(2, 2, "diagonal", 4), (1, 8, 8), autoregressive.Categorical(2))


LOSSES = {
    "ELBO": (small_vae, vae.negative_elbo),
    "linear VAE": (linear_vae, vae.negative_elbo),
    "beta-VAE": (small_vae, vae.beta_vae_loss(4.0)),
    "beta-TCVAE": (small_vae, vae.beta_tcvae_loss(6.0, num_examples=203)),
    "VQ-VAE": (vq_vae, vae.vq_loss),
    "VQ-VAE, averages": (vq_vae, partial(vae.vq_ema_loss, gamma=0.9, threshold=0.93)),
    "prior over codes": (vq_vae, vae.prior_loss),
    "MADE": (masked_autoencoder, autoregressive.negative_log_prob),
    "PixelCNN": (pixel_cnn, autoregressive.negative_log_prob),
    "PixelCNN, logistics": (pixel_cnn_of_logistics, autoregressive.negative_log_prob),
    "PixelRNN": (pixel_rnn, autoregressive.negative_log_prob),
}
MODELS = {make.__name__: make for make, _ in LOSSES.values()}


def made(make, device="cpu", dtype=F64):
    """The same weights on any device, and data: 203 digits, which is not a multiple of a batch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make().to(device, dtype)
    return model, data.binarise(data.digits(dtype=dtype, device=device).train.x[:203])


def on(device="cpu", seed=0):
    return torch.Generator(device).manual_seed(seed)


def weights(model):
    return torch.cat([t.detach().flatten().to(F64) for t in model.state_dict().values()]).cpu()


def close(actual, expected, atol=1e-9):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol, check_device=False)


# The same numbers as on the CPU, in float64, from the same noise.


@pytest.mark.parametrize(("make", "loss"), LOSSES.values(), ids=LOSSES.keys())
def test_training_equals_the_cpu(make, loss):
    """Losses, their terms, weights and averaged weights, over two epochs with momentum."""
    seen = []
    for device in ("cpu", DEVICE):
        model, x = made(make, device)
        average, steps = ema(model, 0.8), []
        sgd = torch.optim.SGD(model.parameters(), lr=0.002, momentum=0.9)
        with SameNoise():
            for step in train(model, loss, x, epochs=2, batch_size=40, optimizer=sgd, generator=on()):
                average.update_parameters(model)
                assert step.loss.device.type == device == step.order.device.type
                steps.append(torch.stack([step.loss, *step.terms.values()]))
        seen.append((torch.stack(steps).cpu(), weights(model), weights(average)))
        assert not torch.allclose(weights(model), weights(made(make)[0]), atol=1e-4)  # something was learned
    for gpu, cpu in zip(seen[1], seen[0], strict=True):
        close(gpu, cpu)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_methods_equal_the_cpu(make):
    results = []
    for device in ("cpu", DEVICE):
        model, x = made(make, device)
        with SameNoise(), torch.no_grad():
            results.append([model.elbo(x, 3, on()) if hasattr(model, "elbo") else model.log_prob(x), model.sample((4,), on())])
            if hasattr(model, "estimate_log_prob"):
                estimate = model.estimate_log_prob(x, 3, on())
                results[-1] += [estimate.value, estimate.standard_error]
        assert all(t.device.type == device for t in results[-1])
    for cpu, gpu in zip(*results, strict=True):
        close(gpu, cpu)


@pytest.mark.parametrize("make", DENSITIES.values(), ids=DENSITIES.keys())
def test_densities_equal_the_cpu(make):
    cpu, gpu = make(), make().to(DEVICE)
    with SameNoise():
        x, y = cpu.sample((50, 2), on()), gpu.sample((50, 2), on())
    close(y, x)
    close(gpu.log_prob(y), cpu.log_prob(x))
    if hasattr(cpu, "score"):
        close(gpu.score(y), cpu.score(x))


def test_the_rest_of_the_vae_chapter_equals_the_cpu():
    results = []
    for device in ("cpu", DEVICE):
        model, x = made(small_vae, device)
        codes, _ = made(vq_vae, device)
        with SameNoise():
            terms = vae.aggregate_kl_terms(model, x, 100, on())
        W, mu, sigma = vae.ppca(data.digits(dtype=F64, device=device).train.x[:, 20:30], 2)
        with torch.no_grad():
            exact = vae.log_prob_by_enumeration(codes, x[:10])
            bound = codes.elbo(x[:10])
        assert (bound <= exact).all()
        results.append([*(t.value for t in terms), *(t.standard_error for t in terms), exact, W @ W.mT, mu, sigma])
    for cpu, gpu in zip(*results, strict=True):
        close(gpu, cpu)


def test_divergences_equal_the_cpu():
    results = []
    for device in ("cpu", DEVICE):
        x, y = (torch.randn(n, 2, generator=on(), dtype=F64).to(device) for n in (13, 17))
        a, b = x[:, 0].softmax(0), y[:, 1].softmax(0)
        p, q = (t.abs().cumsum(0)[:, 0].softmax(0) for t in (x, 2 * x))
        C = divergences.cost_matrix(x, y)
        S, A = x.T @ x, y.T @ y
        plan = divergences.sinkhorn(C, a, b, 0.4, 1e-11)
        law = divergences.max_entropy(torch.stack([x[:, 0], x[:, 0] ** 2]), torch.stack([x.mean(), x.square().mean()]), 0.1)
        results.append([
            divergences.kl(p, q), divergences.js(p, q), divergences.total_variation(p, q), divergences.entropy(p),
            *(divergences.f_divergence(p, q, d) for d in (divergences.JS, divergences.CHI2, divergences.TV)),
            divergences.fenchel_bound(-x[:, 0].abs(), -y[:, 0].abs(), divergences.GAN, a, b),
            divergences.donsker_varadhan(x[:, 0], y[:, 0], a, b),
            divergences.wasserstein_1d(x[:, 0], y[:, 0], a, b), divergences.wasserstein_1d(x[:, 0], y[:, 0], a, b, 2.5),
            divergences.sliced_wasserstein(x, y, torch.eye(2, dtype=F64, device=device), a, b),
            *divergences.exact_transport(C, a, b)[:1], plan.transport, plan.kl,
            divergences.sinkhorn_divergence(x, y, 0.6, a, b, tolerance=1e-11),
            divergences.wasserstein2_gaussians(x[0], S, y[0], A), *divergences.entropic_normals(a[:2], b[:2], 0.1),
            divergences.wasserstein1_normals(x[0], a[:2], y[0], b[:2]), law.entropy,
            divergences.functional_derivative(lambda p: p.log().sum(), p, 0.1),
        ])  # fmt: skip
    for cpu, gpu in zip(*results, strict=True):
        close(gpu, cpu)


def test_mixtures_equal_the_cpu():
    """EM in each shape, with and without a prior, beside a restart that has broken down; k-means, missing values, bits."""
    results = []
    for device in ("cpu", DEVICE):
        x = torch.randn(2500, 3, generator=on(), dtype=F64).to(device)
        x = torch.cat([x, 0.4 * x + torch.tensor([3.0, -1.0, 2.0], dtype=F64, device=device)])
        g = mixtures.fit_gaussian(x)
        with SameNoise():
            theta = mixtures.start(x, 3, 4, on())
            found = mixtures.fit(x, 2, restarts=2, steps=5, generator=on())
        Sigma = theta.Sigma.clone()
        Sigma[1, 0] = 0
        theta = theta._replace(Sigma=Sigma)
        results.append([*theta, found.of_restarts, found.mixture.Sigma, *mixtures.lloyd(x, theta.mu, 5)])
        for shape in (mixtures.full, mixtures.tied, mixtures.diagonal, mixtures.spherical):
            for prior in (None, mixtures.Prior(0.7, 5.0)):
                *_, last = mixtures.em(x, theta, 5, shape, prior)
                assert last.log_prob.isnan().tolist() == [False, True, False, False]
                sound = mixtures.Parameters(*(t[[0, 2, 3]] for t in last.theta))
                log_r, _ = mixtures.e_step(x, sound)
                results[-1] += [last.log_prob[[0, 2, 3]], *sound, log_r.exp(), mixtures.bound(x, log_r, sound)]
                results[-1] += [mixtures.log_prior(sound, mixtures.Prior(0.7, 5.0))]
        holes = torch.where((x > 1.5) & (x[:, :1] < 1), torch.nan, x)[:300]
        *_, missing = mixtures.em_missing(holes, 5)
        start = mixtures.BernoulliMixture(x[:2, 0].softmax(0), x[3:5].sigmoid())
        *_, bits = mixtures.bernoulli_em((x > 0).to(F64), start, 5, 1.5)
        given = mixtures.condition(g, [2], x[0, :1])
        results[-1] += [given.mu, given.Sigma, mixtures.marginal(g, [2, 0]).Sigma, *missing, bits.pi, bits.theta]
    assert all(t.device.type == DEVICE for t in results[1])
    for cpu, gpu in zip(*results, strict=True):
        close(gpu, cpu)


def test_the_rest_of_the_autoregressive_chapter_equals_the_cpu():
    """Labels, colour, scales, the cache, the coder, and what is exact."""
    results = []
    for device in ("cpu", DEVICE):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            grey, rgb = autoregressive.Categorical(3), autoregressive.LogisticMixture(3, 2, 3)
            told = autoregressive.PixelModel(autoregressive.PlainNet(2, 3, 6, classes=3, positions=(3, 4)), (1, 3, 4), grey)
            colour = autoregressive.PixelModel(autoregressive.PlainNet(4, rgb.outputs, 6), (3, 2, 2), rgb)
            small = autoregressive.PixelModel(autoregressive.PlainNet(2, 3, 4), (1, 1, 2), grey)
            large = autoregressive.PixelModel(autoregressive.GatedNet(2, 3, 4, planes=2), (1, 2, 4), grey)
            models = [m.to(device, F64).requires_grad_(False) for m in (told, colour, autoregressive.Multiscale(small, large))]
        y, ising = torch.arange(6, device=device) % 3, targets.Ising(3, 0.4).to(device)
        with SameNoise():
            x, z, w = models[0].sample((6,), on(), y), models[1].sample((6,), on()), models[2].sample((6,), on())
            assert torch.equal(autoregressive.cached_sample(models[0], (6,), on(), y), x)
            done, draws = models[1].complete(z, 2, on()), ising.sample((5,), on())
        codes = autoregressive.compress(small, w[:, ::4])
        assert torch.equal(autoregressive.decompress(small, codes), w[:, ::4])
        seen = autoregressive.dependence(lambda v: models[0].net(v, y[:1]), torch.ones(2, 3, 4, dtype=F64, device=device))
        logistics = autoregressive.logistic_mixture(x, y[:2] / 1.0 * 0.4 + 0.3, y[:2] - 0.5, y[:2] + 0.2, 3)
        batch = torch.cat([x, y[:, None].to(F64)], 1)
        results.append([
            x, z, w, done, draws, models[0].log_prob(x, y), models[1].log_prob(z), models[2].log_prob(w), seen, logistics,
            ising.log_prob(draws), ising.entropy(), autoregressive.kl_floor(ising.table, [[i - 1][:i] for i in range(9)]),
            autoregressive.negative_class_log_prob(models[0], batch)[0],
        ])  # fmt: skip
        assert all(t.device.type == device for t in results[-1])
    for cpu, gpu in zip(*results, strict=True):
        close(gpu, cpu)


GAMES = {
    "non-saturating, R1": (gan.discriminator_loss, gan.nonsaturating_loss, lambda D, real, fake, g: 0.4 * gan.r1_penalty(D, real)),
    "saturating, smoothed": (partial(gan.discriminator_loss, smooth=0.9), gan.saturating_loss, None),
    "hinge, spectral": (gan.hinge_loss, gan.critic_generator_loss, None),
    "critic, penalty": (gan.critic_loss, gan.critic_generator_loss, lambda D, *a: 3 * gan.gradient_penalty(D, *a[:2], 2, a[2])),
}


@pytest.mark.parametrize("name", GAMES)
def test_adversarial_training_equals_the_cpu(name):
    """Both players' losses and weights, three copies, two steps of the discriminator a round."""
    d_loss, g_loss, penalty = GAMES[name]
    seen = []
    for device in ("cpu", DEVICE):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            G = gan.Generator(stacked_mlp(3, 2, 8, 2), latent=2, copies=3).to(device, F64)
            D = gan.Discriminator(stacked_mlp(3, 2, 8, 1))
            D = (gan.spectral_normalise(D, 2.0) if "spectral" in name else D).to(device, F64)
        x, steps = torch.randn(50, 2, generator=on(), dtype=F64).to(device), []
        d_sgd, g_sgd = (torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.5) for m in (D, G))
        with SameNoise():
            for step in gan.train_adversarially(G, D, x, steps=4, batch_size=10, d_loss=d_loss, g_loss=g_loss, penalty=penalty,
                                                d_optimizer=d_sgd, g_optimizer=g_sgd, d_steps=2, generator=on()):
                assert step.loss.device.type == device
                steps.append(torch.stack([step.loss, *step.terms.values()]))
            drawn = G.sample((7,), on())
        seen.append((torch.stack(steps).cpu(), weights(G), weights(D), drawn.cpu()))
    for gpu, cpu in zip(seen[1], seen[0], strict=True):
        close(gpu, cpu)


def test_judges_of_samples_equal_the_cpu():
    results = []
    for device in ("cpu", DEVICE):
        x, y = (torch.randn(60, 2, generator=on(seed=k), dtype=F64).to(device) for k in (1, 2))
        with SameNoise():
            told = metrics.classifier_two_sample_test(x, y, neighbours=5, generator=on())
        results.append([metrics.mmd2(x, y, 0.7), *metrics.count_modes(x, y[:3], 0.2), *told,
                        gan.optimal_discriminator(x.exp(), y.exp()), gan.dirac_gan(x, 0.3)])  # fmt: skip
    for cpu, gpu in zip(*results, strict=True):
        close(gpu, cpu)


def naive_bayes(x, y):
    return overview.fit_bernoulli_naive_bayes(data.binarise(x), y, 10)


def gaussian_classes(x, y):
    return overview.fit_gaussian_discriminant(x / 16, y, 10, shrinkage=0.2)


def shared_gaussian_classes(x, y):
    return overview.fit_gaussian_discriminant(x / 16, y, 10, shared=True, shrinkage=0.2)


CLASSIFIERS = {f.__name__: f for f in (naive_bayes, gaussian_classes, shared_gaussian_classes)}


@pytest.mark.parametrize("fit", CLASSIFIERS.values(), ids=CLASSIFIERS.keys())
def test_generative_classifiers_equal_the_cpu(fit):
    """The fit, all that it says of an x, the model of a part of the pixels, and draws from the same noise."""
    results = []
    for device in ("cpu", DEVICE):
        train = data.digits(dtype=F64, device=device).train
        model = fit(train.x, train.y)
        with SameNoise():
            x, y = model.sample_joint((7, 5), on())
            given = model.sample_given(y, on())
        seen = torch.arange(20, 30, device=device)
        if fit is naive_bayes:
            more = [*model.log_odds(), model.marginal(seen).log_prob(x[..., seen])]
        else:
            more = [model.log_lik(x), *overview.linear_logits(model.log_prior, model.mu, model.Sigma[0])]
        said = [model.log_joint(x), model.log_prob(x), model.log_posterior(x)]
        results.append([*model.state_dict().values(), x, y, given, *said, *more])
        assert all(t.device.type == device for t in results[-1])
        assert x.shape == (7, 5, 64) and y.unique().numel() > 1
    for cpu, gpu in zip(*results, strict=True):
        close(gpu, cpu)


def test_the_rest_of_the_overview_equals_the_cpu():
    """Calibration, thresholds, and the conversions between conditional distributions."""
    results = []
    for device in ("cpu", DEVICE):
        train, _, test = data.digits(dtype=F64, device=device)
        model = gaussian_classes(train.x, train.y)
        posterior, log_prob = model.log_posterior(test.x / 16), model.log_prob(test.x / 16)
        smooth = (posterior / 20).log_softmax(-1)  # less sure: more than one bin
        with SameNoise():
            floor = overview.calibrated_error(smooth, 5, 50, on())
            drawn, tried = overview.sample_conditional(30, 3, model.sample, model.log_posterior, on())
        diagram, prior = overview.reliability(smooth, test.y, 5), overview.implied_prior(posterior)
        marginal = overview.marginal_from_conditionals(posterior, model.log_lik(test.x / 16))
        results.append([
            overview.log_loss(smooth, test.y), overview.brier(smooth, test.y),
            *(v[diagram.count > 0] for v in diagram),
            overview.expected_calibration_error(smooth, test.y, 5), floor.value, floor.standard_error,
            overview.rejection_threshold(log_prob, 0.05), prior.value, prior.standard_error, drawn,
            overview.class_weights(posterior), marginal,
            overview.log_conditional(posterior, log_prob, model.log_prior),
        ])  # fmt: skip
        assert all(t.device.type == device for t in results[-1])
        assert (diagram.count > 0).sum() > 2 and tried > 30
    for cpu, gpu in zip(*results, strict=True):
        close(gpu, cpu)


def test_data_and_metrics_equal_the_cpu():
    results = []
    for device in ("cpu", DEVICE):
        shapes = data.shapes(size=8, scales=2, orientations=2, positions=3, dtype=F64, device=device)
        with SameNoise():
            u = data.dequantise(data.digits(dtype=F64, device=device).test.x, on())
        gap = metrics.mutual_information_gap(shapes.values[:, 1:], shapes.factors)
        mean = metrics.average(metrics.in_batches(lambda v: v.sum(1), u, 40), "exact")
        results.append([*shapes[:3], u, gap, mean.value, mean.standard_error, metrics.bits_per_dim(u, 64, 17)])
        assert all(t.device.type == device for t in results[-1])
    pictures, rest = (zip(*(r[i] for r in results), strict=True) for i in (slice(1), slice(1, None)))
    for cpu, gpu in pictures:  # a point on an edge may fall to either side
        assert (gpu.cpu() - cpu).abs().mean() < 1e-4
    for cpu, gpu in rest:
        close(gpu, cpu)


def test_errors_are_those_of_the_cpu():
    x = torch.tensor([[0.0, float("nan")]], device=DEVICE)
    with pytest.raises(ValueError, match="x holds 1 NaN"):
        targets.Gaussian(torch.zeros(2), torch.eye(2)).to(DEVICE).log_prob(x)


# The laws, with the noise of the GPU.


@pytest.mark.parametrize("make", DENSITIES.values(), ids=DENSITIES.keys())
def test_laws_of_densities(make):
    model = On(make(), DEVICE)
    x = model.sample((6,), on())
    laws.density_integrates_to_one(model, dim=x.shape[-1])
    laws.log_prob_ignores_batch_shape(model, x)
    laws.sample_agrees_with_log_prob(model, on())
    if hasattr(model.model, "score"):
        laws.score_is_the_gradient(model, x)
        laws.score_has_mean_zero(model, on())


def test_laws_of_bounds(bounded):  # noqa: F811
    model, x, exact, evidence = bounded
    model = On(model, DEVICE)
    laws.bound_is_unbiased(model, x, exact, on())
    laws.bound_stays_below(model, x, evidence, on())


def coins():
    theta = torch.tensor([[0.9, 0.2, 0.5], [0.3, 0.6, 0.1]], dtype=F64)
    return overview.BernoulliNaiveBayes(torch.tensor([0.3, 0.7], dtype=F64).log(), theta)


def test_laws_of_masses():
    model, support = On(coins(), DEVICE), torch.cartesian_prod(*[torch.arange(2, dtype=F64)] * 3)
    laws.masses_sum_to_one(model, support)
    laws.log_prob_ignores_batch_shape(model, support)
    laws.samples_have_the_masses(model, support, on())


@pytest.mark.parametrize("make", [*MODELS.values(), *DENSITIES.values(), coins], ids=[*MODELS, *DENSITIES, "coins"])
def test_the_generator_alone_decides_the_draws(make):
    before = torch.cuda.get_rng_state()
    laws.sample_is_reproducible(made(make, DEVICE)[0], DEVICE)
    assert torch.equal(before, torch.cuda.get_rng_state())


# Training as it is done: its own noise, float32, fused Adam.


def test_a_vae_learns():
    model, x = made(small_vae, DEVICE, torch.float32)
    adam = torch.optim.Adam(model.parameters(), lr=5e-3, fused=True)
    steps = train(model, vae.negative_elbo, x, epochs=40, batch_size=64, optimizer=adam, generator=on(DEVICE))
    losses = [s.loss for s in steps]
    assert losses[-1] < losses[0] - 10


def test_a_step_does_not_wait_for_the_gpu():
    """No value is read back within an epoch: PyTorch would raise an error."""
    model, x = made(small_vae, DEVICE, torch.float32)
    adam = torch.optim.Adam(model.parameters(), fused=True)
    steps = train(model, vae.negative_elbo, x, epochs=1, batch_size=40, optimizer=adam, generator=on(DEVICE))
    next(steps)
    torch.cuda.set_sync_debug_mode("error")
    try:
        next(steps)
        step = next(steps)
        with pytest.raises(RuntimeError, match="synchronizing"):
            step.loss.item()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def parts(make, seed):
    model, x = made(make, DEVICE)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(seed)  # other weights than those that are saved
    adam = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)
    return x, {"model": model, "optimizer": adam, "average": ema(model, 0.9), "generator": on(DEVICE, seed)}


def go(x, parts, loss, stop, resume=None):
    few = {name: parts[name] for name in ("optimizer", "generator")}
    for step in train(parts["model"], loss, x, epochs=3, batch_size=40, resume=resume, **few):
        parts["average"].update_parameters(parts["model"])
        if step.step == stop:
            return step


@pytest.mark.parametrize(("make", "loss"), LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("stop", [6, 8])
def test_a_resumed_run_equals_a_whole_one(make, loss, stop):
    """From the end of an epoch and from its middle; sums on a GPU may differ in their last bits."""
    x, whole = parts(make, 0)
    go(x, whole, loss, 18)
    _, broken = parts(make, 0)
    step = go(x, broken, loss, stop)
    _, resumed = parts(make, 1)
    for name, part in resumed.items():
        if name == "generator":
            part.set_state(broken[name].get_state())
        else:
            part.load_state_dict(copy.deepcopy(broken[name].state_dict()))
    go(x, resumed, loss, 18, step)
    close(weights(resumed["model"]), weights(whole["model"]))
    close(weights(resumed["average"]), weights(whole["average"]))


def test_checkpoint(tmp_path):
    checkpoint = pytest.importorskip("gmlib.checkpoint", reason="no safetensors", exc_type=ImportError)
    x, whole = parts(small_vae, 0)
    go(x, whole, vae.negative_elbo, 18)
    _, broken = parts(small_vae, 0)
    checkpoint.save(tmp_path / "run", go(x, broken, vae.negative_elbo, 8), **broken)
    _, resumed = parts(small_vae, 1)
    go(x, resumed, vae.negative_elbo, 18, checkpoint.load(tmp_path / "run", **resumed))
    close(weights(resumed["model"]), weights(whole["model"]))
    close(weights(resumed["average"]), weights(whole["average"]))
    with pytest.raises(ValueError, match="generator: device was cuda, is cpu"):
        checkpoint.load(tmp_path / "run", **resumed | {"generator": on()})


def test_accelerate_moves_model_and_data():
    accelerate = pytest.importorskip("accelerate", reason="no Accelerate")
    accelerate.state.AcceleratorState._reset_state(True)
    results = []
    for accelerator in (None, accelerate.Accelerator()):
        model, x = made(small_vae, DEVICE if accelerator is None else "cpu")
        sgd = torch.optim.SGD(model.parameters(), lr=0.002, momentum=0.9)
        options = {"epochs": 2, "batch_size": 40, "optimizer": sgd, "generator": on(DEVICE)}
        *_, last = train(model, vae.negative_elbo, x, accelerator=accelerator, **options)
        assert last.loss.device.type == DEVICE
        results.append(weights(model))
    accelerate.state.AcceleratorState._reset_state(True)
    close(*results)


@pytest.mark.parametrize("toy", [data.moons, data.spirals, data.checkerboard, data.pinwheel])
def test_toys_are_where_their_generator_is(toy, generator):
    x = toy(7, generator=generator)
    assert x.is_cuda and x.shape == (7, 2) and x.isfinite().all()
