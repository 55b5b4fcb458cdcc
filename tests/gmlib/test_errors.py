"""Bad input gets a ValueError that names the argument and says what it got; and no public function is forgotten.

A case is a message and a call without arguments, in a dictionary named ``CASES`` or ``BAD``. Here are those of what all
chapters share, and of the first; other test files have dictionaries of their own, which the last tests find.
"""

import importlib.util
import inspect
import math
import pkgutil
import re
import traceback
from pathlib import Path

import pytest
import torch

import gmlib
from gmlib import checkpoint, core, data, exercises, metrics, plot, targets, train, vae
from gmlib.data.download import fetch
from gmlib.data.mnist import read_idx
from gmlib.nn import BernoulliNet, GaussianNet, draw, mlp
from gmlib.vae.vq_prior import check_codes

nan = torch.tensor([[0.0, math.nan]])
eye, one = torch.eye(2), torch.tensor(1.0)


def mixture():
    return targets.GaussianMixture(torch.ones(2) / 2, eye, eye.expand(2, 2, 2))


def small_vae():
    return vae.VAE(GaussianNet(2, 1), BernoulliNet(1, 2))


def run(**changes):
    model = torch.nn.Linear(2, 1)
    options = dict(epochs=1, batch_size=2, optimizer=torch.optim.SGD(model.parameters(), lr=0.1)) | changes
    x = options.pop("data", torch.zeros(4, 2))
    return list(train.train(model, lambda m, x, g: (m(x).mean(), {}), x, **options))


a, b, k2 = torch.zeros(3, 2), torch.zeros(2), torch.ones(2, 2)

CASES = {
    "sigma must have shape (..., 3, 2), got (2,)": lambda: vae.reparameterise(a, b, a),
    "eps must have shape (..., 3, 2), got (2, 2)": lambda: vae.reparameterise(a, a, k2),
    "log_q must have shape (..., 3, 2), got (2,)": lambda: vae.sgvb_a(a, b),
    "kl must have shape (..., 2), got (2, 3)": lambda: vae.sgvb_b(torch.zeros(1, 2), a.T),
    "log_w is empty": lambda: vae.iwae(torch.zeros(0, 3)),
    "eps is empty": lambda: vae.reparameterisation_gradient(torch.square, one, one, torch.zeros(0)),
    "eps must be a floating-point tensor": lambda: vae.score_function_gradient(torch.square, one, one, None),
    "W must have shape (D, k), got (2,)": lambda: vae.linear.marginal(b, b, one),
    "mu must have shape (..., 3), got (2,)": lambda: vae.linear.posterior(a, torch.ones(3, 1), b, one),
    "sigma must be positive and finite, got -1.0": lambda: vae.linear.em_step(k2, torch.ones(2, 1), b, -one),
    "m must have shape (..., 1), got (3, 2)": lambda: vae.linear.expected_log_lik(a, a, one.reshape(1, 1), torch.ones(2, 1), b, one),
    "S must have shape (..., 1, 1), got (2, 2)": lambda: vae.linear.elbo(a, a[:, :1], k2, torch.ones(2, 1), b, one),
    "W holds 1 NaN": lambda: vae.linear.naive_relative_variance(b, nan.T, b, one),
    "x holds 1 NaN": lambda: core.check_batch(nan, "x"),
    "x must have shape (..., 3), got (1, 2)": lambda: core.check_batch(nan, "x", 3),
    "x must have shape (..., 2), got ()": lambda: core.check_batch(torch.tensor(1.0), "x", 2),
    "x is empty": lambda: core.check_batch(torch.zeros(0, 2), "x", 2),
    "x must be a floating-point tensor, got a tensor of dtype torch.int64": lambda: (
        core.check_batch(torch.ones(2, dtype=torch.int64), "x")
    ),
    "x must be a floating-point tensor, got [1.0]": lambda: core.check_batch([1.0], "x"),
    "x is empty: its shape is (0,)": lambda: core.check_shape(torch.zeros(0), "x"),
    "sigma must be positive and finite, got 0.0": lambda: core.check_positive(0.0, "sigma"),
    "sigma must be positive and finite, got nan": lambda: core.check_positive(math.nan, "sigma"),
    "num_samples must be a whole number of at least 1, got 0": lambda: core.check_count(0, "num_samples"),
    "num_samples must be a whole number of at least 1, got True": lambda: core.check_count(True, "num_samples"),
    "num_samples must be a whole number of at least 1, got 2.0": lambda: core.check_count(2.0, "num_samples"),
    "kind must be one of": lambda: core.Estimate(torch.tensor(1.0), "guess"),
    "standard_error has shape (2,)": lambda: core.Estimate(torch.tensor(1.0), "exact", torch.zeros(2)),
    "mlp needs an input and an output size": lambda: mlp(3),
    "each size must be a whole number of at least 1, got 0": lambda: mlp(3, 0, 1),
    "each size must be a whole number of at least 1, got -1": lambda: GaussianNet(3, -1, 2),
    "each size must be a whole number of at least 1, got 0.5": lambda: BernoulliNet(3, 0.5),
    "draw knows Bernoulli and Normal, got Poisson": lambda: (
        draw(torch.distributions.Independent(torch.distributions.Poisson(torch.ones(2)), 1))
    ),
    "pi must be non-negative and sum to one": lambda: (
        targets.GaussianMixture(torch.tensor([0.5, 0.6]), eye, eye.expand(2, 2, 2))
    ),
    "pi must have shape (..., 2)": lambda: targets.GaussianMixture(torch.ones(3) / 3, eye, eye.expand(2, 2, 2)),
    "Sigma must have shape (..., 2, 2, 2)": lambda: targets.GaussianMixture(torch.ones(2) / 2, eye, eye),
    "Sigma must be symmetric and positive definite": lambda: targets.Gaussian(torch.zeros(2), -eye),
    "mu must have shape (K, D)": lambda: targets.GaussianMixture(torch.ones(1), torch.zeros(2), eye),
    "x must have shape (..., 2), got (3,)": lambda: targets.Gaussian(torch.zeros(2), eye).log_prob(torch.zeros(3)),
    "x must have shape (..., 2), got (4, 1)": lambda: mixture().log_prob(torch.zeros(4, 1)),
    "x holds 2 NaN": lambda: mixture().score(nan.expand(2, 2)),
    "x holds 1 NaN ": lambda: targets.Gaussian(torch.zeros(2), eye).score(nan),
    "x must hold grey levels 0 to 16": lambda: data.binarise(torch.tensor([17.0])),
    "x must hold grey levels 0 to 16, got -1.0": lambda: data.dequantise(torch.tensor([-1.0, 3.0])),
    "x must hold grey levels 0 to 255": lambda: data.binarise(torch.tensor([256.0]), levels=256),
    "levels must be a whole number": lambda: data.dequantise(torch.zeros(1), levels=0),
    "x holds 1 NaN  ": lambda: data.binarise(nan),
    "n must be a whole number": lambda: data.moons(0),
    "n must be a whole number of at least 1, got -1": lambda: data.spirals(-1),
    "n must be a whole number of at least 1, got 2.0": lambda: data.checkerboard(2.0),
    "modes must be a whole number": lambda: data.ring(0),
    "radius must be positive": lambda: data.ring(3, radius=-1.0),
    "arms must be a whole number": lambda: data.pinwheel(5, arms=0),
    "size must be a whole number of at least 1, got 0": lambda: data.shapes(0),
    "positions must be a whole number of at least 1, got 2.5": lambda: data.shapes(positions=2.5),
    "name must be a file's name": lambda: fetch("../x", 64 * "0", 1, ["https://example.org/"], "."),
    "shape must hold positive sizes": lambda: read_idx(b"", ()),
    "dtype must be a floating-point type, got torch.uint8": lambda: data.mnist(dtype=torch.uint8),
    "dtype must be a floating-point type, got torch.int64": lambda: data.fashion_mnist(dtype=torch.int64),
    "values must have shape (N,)": lambda: metrics.average(torch.zeros(1), "exact"),
    "kind is needed": lambda: metrics.average(torch.zeros(3)),
    "batch_size must be a whole number": lambda: metrics.in_batches(torch.square, torch.ones(3), 0),
    "dims must be a whole number": lambda: metrics.bits_per_dim(torch.ones(3), 0),
    "data holds 1 NaN": lambda: run(data=nan),
    "data is empty": lambda: run(data=torch.zeros(0, 2)),
    "epochs must be a whole number": lambda: run(epochs=0),
    "batch_size must be a whole number ": lambda: run(batch_size=-1),
    "decay must be in [0, 1), got 1.0": lambda: train.ema(torch.nn.Linear(1, 1), 1.0),
    "every must be a whole number": lambda: list(train.averages([], 0)),
    "step must be a step that train yielded, got 3": lambda: checkpoint.save("run", 3),
    "parts must name each torch.Generator": lambda: checkpoint.load("run"),
    "there is no exercise 'vae-kl'": lambda: exercises.check("vae-kl", abs),
    "student must be text or a whole number, got 3.0": lambda: exercises.numbers("vae-mean-field", 3.0),
    "x must have shape (N, 64)": lambda: plot.images(torch.zeros(3, 63), 8, 2),
    "sigma must have shape (..., 2)": lambda: vae.kl_to_standard_normal(torch.zeros(2), torch.ones(3)),
    "sigma must be positive and finite": lambda: vae.kl_to_standard_normal(torch.zeros(2), -torch.ones(2)),
    "S must have shape (..., 2, 2)": lambda: vae.kl_gaussians(torch.zeros(2), torch.ones(2), torch.zeros(2), eye),
    "S must be symmetric and positive definite": lambda: vae.kl_gaussians(torch.zeros(2), -eye, torch.zeros(2), eye),
    "k = 3": lambda: vae.ppca(torch.randn(9, 3), 3),
    "the data must vary in more than k = 1 directions": lambda: vae.ppca(torch.ones(9, 3), 1),
    "the data must vary in more than k = 2 directions": lambda: vae.ppca(torch.randn(9, 2) @ torch.randn(2, 4), 2),
    "S must be symmetric and positive definite ": lambda: (
        vae.kl_gaussians(torch.zeros(2), torch.tensor([[1.0, 5.0], [0.0, 1.0]]), torch.zeros(2), eye)
    ),
    "W must have shape (D, k)": lambda: vae.LinearGaussian(torch.ones(3), torch.zeros(3), torch.tensor(1.0)),
    "mu must have shape (..., 3)": lambda: vae.LinearGaussian(torch.ones(3, 1), torch.zeros(2), torch.tensor(1.0)),
    "x must have shape (..., 3), got (2,)": lambda: (
        vae.LinearGaussian(torch.ones(3, 1), torch.zeros(3), one).log_prob(eye[0])
    ),
    "codes must have shape (..., 3)": lambda: check_codes(torch.zeros(2, dtype=torch.long), 3, 4),
    "x must have shape (..., 2), got (2, 3)": lambda: small_vae().sampled_elbo(torch.zeros(2, 3)),
    "x is empty: its shape is (0, 2)": lambda: vae.aggregate_kl_terms(small_vae(), torch.zeros(0, 2)),
    "x holds 1 NaN   ": lambda: small_vae().elbo(nan),
    "x is empty ": lambda: small_vae().elbo(torch.zeros(0, 2)),
    "num_samples must be a whole number ": lambda: small_vae().elbo(torch.zeros(3, 2), num_samples=0),
    "num_samples must be a whole number  ": lambda: small_vae().estimate_log_prob(torch.zeros(3, 2), 0),
    "chunk must be a whole number": lambda: small_vae().estimate_log_prob(torch.zeros(3, 2), 5, chunk=0),
    "x must have shape (..., 2), got (4, 3)": lambda: small_vae().elbo(torch.zeros(4, 3)),
}



@pytest.mark.parametrize(("message", "call"), CASES.items(), ids=[" ".join(c.split()[:6]) for c in CASES])
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message.strip() in str(caught.value)


def test_a_diverging_loss_is_reported():
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e20)
    options = {"epochs": 50, "batch_size": 8, "optimizer": optimizer}
    steps = train.train(model, lambda m, x, g: (m(x).pow(4).mean(), {}), torch.ones(8, 1), **options)
    with pytest.raises(FloatingPointError, match="the loss is not finite in epoch"):
        list(steps)


# No public function is forgotten.

TESTS = Path(__file__).parents[1]
PASSED_ON = {"self", "sample_shape", "generator", "dtype", "device"}  # of these PyTorch itself says what is wrong

# Functions that have arguments and refuse none of them, and why.
LEFT_OUT = ("gmlib.bench", "gmlib.exercises.", "gmlib.explore.figure")  # a command, the parts of exercises, drawing
UNCHECKED = {
    "a line of mathematics within a step of training, whose data the caller has checked": """
        vae.gaussian.kl_terms vae.gaussian.log_det vae.model.VAE.terms vae.model.VAE.log_weights vae.model.negative_elbo
        vae.disentangle.pairwise_log_prob vae.disentangle.log_aggregate vae.disentangle.kl_integrands
        vae.disentangle.minibatch_kl_terms vae.vq_model.vq_loss vae.vq_model.vq_ema_loss vae.vq_model.prior_loss
        vae.vq_model.VQVAE.quantise vae.vq_model.VQVAE.update_codebook vae.vq_prior.CodePrior.logits
        targets.GaussianMixture.component_log_prob diffusion.model.Diffusion.predict diffusion.model.Diffusion.term""",
    "the formula as it stands in the book: PyTorch refuses shapes that do not fit, and no values are looked at": """
        explore.gap.line explore.gap.curve explore.gap.Gap.log_joint
        diffusion.bound.step_kl diffusion.bound.weight_of_x0 diffusion.continuous.flow_field diffusion.continuous.noise_variance
        diffusion.forward.as_column diffusion.forward.number diffusion.forward.step_beta diffusion.forward.step_beta_tilde
        diffusion.parameterisation.noise_from_x0 diffusion.schedule.Schedule.time
        autoregressive.binary.BinaryModel.logits autoregressive.convolution.gate autoregressive.heads.binned_logistic
        autoregressive.recurrent.combine autoregressive.recurrent.lstm_step autoregressive.recurrent.skew
        mixtures.em.diagonal mixtures.em.full mixtures.em.log_joint mixtures.em.log_prior mixtures.em.spherical
        mixtures.em.tied""",
    "a step within log_prob or sample of a model of images, which has checked them": """
        autoregressive.cached.PixelCache.outputs autoregressive.cached.PixelCache.put
        autoregressive.heads.Categorical.log_prob autoregressive.heads.Categorical.probs autoregressive.heads.Categorical.sample
        autoregressive.heads.LogisticMixture.log_prob autoregressive.heads.LogisticMixture.probs
        autoregressive.heads.LogisticMixture.sample autoregressive.pixels.Multiscale.known
        autoregressive.pixels.PixelModel.inputs""",
    "holds the networks that it is given, or makes PyTorch's own": """
        vae.model.VAE.__init__ vae.linear.LinearDecoder.__init__ vae.linear.LinearEncoder.__init__
        gan.model.Discriminator.__init__
        flows.base.Compose.__init__ flows.base.Flow.__init__ flows.base.Scaling.__init__
        diffusion.exact.DiffusedMixture.__init__ diffusion.nets.Block.__init__
        autoregressive.recurrent.DiagonalBiLSTM.__init__ autoregressive.recurrent.DiagonalLSTM.__init__
        autoencoders.model.Autoencoder.__init__""",
    "a layer within a flow, or a field within a solver, whose point log_prob or sample has made or checked": """
        flows.autoregressive.MaskedAffine.inverse flows.base.Compose.inverse flows.base.Scaling.inverse
        flows.base.StandardLogistic.draw flows.base.StandardLogistic.log_prob flows.base.StandardNormal.draw
        flows.base.StandardNormal.log_prob flows.continuous.Continuous.inverse flows.coupling.AdditiveCoupling.moved
        flows.coupling.AdditiveCoupling.moved_back flows.coupling.AffineCoupling.moved
        flows.coupling.AffineCoupling.moved_back flows.coupling.Coupling.inverse flows.coupling.SplineCoupling.moved
        flows.coupling.SplineCoupling.moved_back flows.images.ChannelCoupling.inverse flows.images.Glow.inverse
        flows.images.Squeeze.inverse flows.linear.ActNorm.inverse flows.linear.LULinear.inverse flows.linear.PixelCDF.inverse
        flows.linear.UnitTriangular.inverse flows.topology.SlopeLimited.inverse ode.exact_divergence ode.hutchinson""",
    "another type, whatever the values": "core.as_float64",
    "draws what it is given": """
        plot.density plot.ellipse explore.gap.Gap.draw explore.boundary.Boundary.draw explore.shift.Shift.draw
        explore.bend.Bend.draw explore.duel.Duel.draw explore.fade.Fade.draw explore.reach.Reach.draw
        explore.denoise.Denoise.draw
        explore.share.Share.draw""",
}


def public(package):
    """The functions and methods of a package that have arguments which can be wrong, by name."""
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not info.name.startswith(LEFT_OUT):
            module = importlib.import_module(info.name)
            own = {k: v for k, v in vars(module).items() if getattr(v, "__module__", "") == info.name and k[0] != "_"}
            methods = [f for c in own.values() if inspect.isclass(c) and not is_protocol(c) for f in vars(c).values()]
            for f in map(inspect.unwrap, filter(inspect.isfunction, [*own.values(), *methods])):
                if is_public(f) and not set(inspect.signature(f).parameters) <= PASSED_ON:
                    yield f"{info.name}.{f.__qualname__}", f


def is_protocol(c):
    return getattr(c, "_is_protocol", False)


def is_public(f):
    written = not f.__code__.co_filename.startswith("<")  # and not made by a dataclass
    return written and (f.__name__ in {"__init__", "__post_init__"} or f.__name__[0] != "_") and f.__name__ != "forward"


def tables():
    """All dictionaries of bad input, from the test files that have one."""
    yield CASES
    for path in sorted(TESTS.glob("*/**/test_*.py")):
        if path != Path(__file__) and re.search(r"(?m)^(BAD|CASES) = \{", path.read_text("utf-8")):
            spec = importlib.util.spec_from_file_location(f"cases_of_{path.stem}", path)
            spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
            for table in (vars(module).get(name, {}) for name in ("BAD", "CASES")):
                yield {message: call for message, call in table.items() if is_call(call)}


def test_each_table_is_read_by_a_test_of_its_file():
    for path in TESTS.glob("*/**/test_*.py"):
        text = path.read_text("utf-8")
        for name in re.findall(r"(?m)^(BAD|CASES) = \{", text):
            assert re.search(rf"parametrize\(.*\b{name}\b", text), f"{path}: nothing compares the messages of {name}"


def is_call(f):
    return inspect.isfunction(f) and not inspect.signature(f).parameters


def refusing(functions, tables):
    """The names of the functions that some case calls, and that refuse what they get."""
    names = {f.__code__: name for name, f in functions.items()}
    for call in (call for table in tables for call in table.values()):
        try:
            call()
        except ValueError as error:
            codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
            yield from [names[code] for code in codes if code in names][:1]  # the one that the case calls itself


def test_every_public_function_refuses_bad_input():
    pytest.importorskip("anywidget")  # the explorable figures need it
    functions = dict(public(gmlib))
    found = set(refusing(functions, tables()))
    excused = {f"gmlib.{name}" for names in UNCHECKED.values() for name in names.split()}
    assert len(found) > 50
    assert functions.keys() - found - excused == set(), "no case shows what these refuse: see the top of this file"
    assert excused - (functions.keys() - found) == set(), "these need no excuse: they are tested, or do not exist"


def planted(x):
    if x < 0:
        raise ValueError("x must not be negative")


def outer(x):
    planted(x)


def test_a_planted_function_without_a_case_is_found():
    functions = {"planted": planted, "outer": outer}
    assert set(refusing(functions, [{"x": lambda: planted(-1)}])) == {"planted"}
    assert set(refusing(functions, [{"x": lambda: outer(-1)}])) == {"outer"}  # not "planted": nobody called that
    assert set(refusing(functions, [{"x": lambda: outer(1)}, {}])) == set()
    names = {name for name, _ in public(gmlib)}
    assert {"gmlib.core.check_batch", "gmlib.targets.Gaussian.score", "gmlib.data.mnist.mnist"} <= names
