"""What the notebook `wgan` says of the two troubles, the critic, and clipping, against counting and other ways to the number."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment, linprog

from gmlib import divergences as dv
from gmlib import gan
from gmlib.nn import mlp

F64 = torch.float64
close = dict(rtol=0, atol=1e-9)

CASES = {
    "real must have shape (..., n), got ()": lambda: gan.critic_loss(torch.tensor(1.0), torch.zeros(3)),
    "real and fake must have the same copies, got (2, 4) and (3, 4)": lambda: gan.critic_loss(torch.zeros(2, 4), torch.zeros(3, 4)),
    "fake must have shape (..., n), got ()": lambda: gan.critic_generator_loss(torch.tensor(1.0)),
    "fake is empty": lambda: gan.critic_generator_loss(torch.zeros(0)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)


def assignment(x, y):
    C = np.linalg.norm(np.asarray(x)[:, None] - np.asarray(y)[None], axis=-1)
    return C[linear_sum_assignment(C)].mean()


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q) if a)


def table(theta):
    e = np.exp(np.asarray(theta))
    return e / e.sum()


def slopes(f, theta, h=1e-5):
    """Central differences."""
    return np.array([(f(theta + h * e) - f(theta - h * e)) / (2 * h) for e in np.eye(len(theta))])


TABLES = [([0.15, 0.25, 0.05, 0.55], [0.4, -0.8, 0.3, 0.1]), ([0.3, 0.1, 0.2, 0.4], [-1.2, 0.6, 0.9, -0.3])]


@pytest.mark.equation("eq-gan-singular")
@pytest.mark.parametrize("shared", [0.0, 0.2])
def test_singular_laws_have_nothing_to_descend(shared):
    """JS by hand; with a shared state it is less, and moves."""
    p = torch.tensor([0.3 + shared / 2, 0.7 - shared / 2, 0, 0, 0], dtype=F64)
    for a in (0.1, 0.45):
        q = torch.tensor([shared, 0, a * (1 - shared), (1 - a) * (1 - shared), 0], dtype=F64)
        D = gan.optimal_discriminator(p, q)
        m = ((p + q) / 2).tolist()
        js = (kl(p.tolist(), m) + kl(q.tolist(), m)) / 2
        assert dv.js(p, q).item() == pytest.approx(js, abs=1e-12)
        assert (js == pytest.approx(math.log(2), abs=1e-12)) == (shared == 0)
        assert (dv.total_variation(p, q).item() == pytest.approx(1, abs=1e-12)) == (shared == 0)
        assert (gan.value(D, p, q).item() == pytest.approx(0, abs=1e-12)) == (shared == 0)


@pytest.mark.equation("eq-gan-sharp")
@pytest.mark.parametrize("k, at", [(1.3, 0.7), (6.0, 1.9)])
def test_slopes_against_a_discriminator_that_is_sure(k, at):
    def D(x):
        return 1 / (1 + math.exp(-k * (at / 2 - x)))

    h = 1e-5
    for loss, formula in (
        (lambda x: math.log(1 - D(x)), k / (1 + math.exp(k * at / 2))),
        (lambda x: -math.log(D(x)), k / (1 + math.exp(-k * at / 2))),
    ):
        assert (loss(at + h) - loss(at - h)) / (2 * h) == pytest.approx(formula, abs=1e-8)
    assert 200 / (1 + math.exp(200 * at / 2)) < 1e-20 and 200 / (1 + math.exp(-200 * at / 2)) > 199


@pytest.mark.equation("eq-gan-identity", "eq-gan-identity-saturating")
@pytest.mark.parametrize("p, theta", TABLES)
def test_gradients_at_the_best_discriminator_held(p, theta):
    """All gradients by differences of numbers; gmlib's losses on the logits of D* give the same."""
    theta = np.array(theta)
    held = np.array(p) / (np.array(p) + table(theta))
    ns = slopes(lambda t: -(table(t) * np.log(held)).sum(), theta)
    sat = slopes(lambda t: (table(t) * np.log(1 - held)).sum(), theta)

    def js(t):
        m = (table(t) + p) / 2
        return (kl(p, m) + kl(table(t), m)) / 2

    np.testing.assert_allclose(ns, slopes(lambda t: kl(table(t), p) - 2 * js(t), theta), atol=1e-9)
    np.testing.assert_allclose(sat, slopes(lambda t: 2 * js(t), theta), atol=1e-9)
    free = slopes(lambda t: -(table(t) * np.log(p / (p + table(t)))).sum(), theta)
    assert abs(free - ns).max() > 0.01 and abs(ns - slopes(lambda t: kl(table(t), p) - js(t), theta)).max() > 0.01
    # gmlib: one example of each state, its share of the draws as a weight
    logits = torch.from_numpy(np.log(held / (1 - held)))
    by_state = [torch.stack([loss(o[None]) for o in logits]).numpy() for loss in (gan.nonsaturating_loss, gan.saturating_loss)]
    np.testing.assert_allclose(slopes(lambda t: (table(t) * by_state[0]).sum(), theta), ns, atol=1e-9)
    np.testing.assert_allclose(slopes(lambda t: (table(t) * by_state[1]).sum(), theta), sat, atol=1e-9)


@pytest.mark.equation("eq-gan-identity-value", "eq-gan-softened")
@pytest.mark.parametrize("p, theta", TABLES)
def test_values_and_the_sum_as_one_divergence(p, theta):
    q = table(theta)
    m = (q + p) / 2
    js = (kl(p, m) + kl(q, m)) / 2
    D = gan.optimal_discriminator(torch.tensor(p, dtype=F64), torch.from_numpy(q)).numpy()
    assert -(q * np.log(D)).sum() == pytest.approx(kl(q, p) - kl(q, m) + math.log(2), abs=1e-12)
    assert kl(q, p) - 2 * js == pytest.approx(2 * kl(m, p), abs=1e-12)
    assert abs(-(q * np.log(D)).sum() - (kl(q, p) - 2 * js)) > 0.1


@pytest.mark.equation("eq-gan-dual")
def test_the_best_function_of_slope_one(generator):
    """In three dimensions: assignment on one side, a programme over values on the other, and no random function beats it."""
    x, y = torch.randn(2, 6, 3, generator=generator, dtype=F64)
    y = y + 0.4
    points = torch.cat([x, y]).numpy()
    pairs = list(itertools.permutations(range(12), 2))
    rows = np.zeros((len(pairs), 12))
    for row, (i, j) in zip(rows, pairs, strict=True):
        row[i], row[j] = 1, -1
    far = [np.linalg.norm(points[i] - points[j]) for i, j in pairs]
    c = np.concatenate([-np.ones(6), np.ones(6)]) / 6
    best = linprog(c, rows, far, bounds=(None, None))
    assert -best.fun == pytest.approx(assignment(x, y), abs=1e-9)
    for _ in range(20):
        f = mlp(3, 8, 1).double()
        with torch.no_grad():
            steep = math.prod(torch.linalg.matrix_norm(layer.weight, ord=2).item() for layer in f if hasattr(layer, "weight"))
            assert (f(x).mean() - f(y).mean()).abs() <= steep * assignment(x, y) + 1e-12


@pytest.mark.equation("eq-gan-critic", "eq-gan-critic-generator")
def test_losses_of_both_players_in_fractions():
    real, fake = [Fraction(7, 4), Fraction(-3, 8), Fraction(5, 2)], [Fraction(9, 8), Fraction(-1, 2)]
    of_real, of_fake = sum(real) / 3, sum(fake) / 2
    r, f = (torch.tensor([[float(v) for v in side], [2 * float(v) for v in side]], dtype=F64) for side in (real, fake))
    for k, scale in enumerate((1, 2)):
        assert gan.critic_loss(r, f)[k].item() == pytest.approx(float(scale * (of_fake - of_real)), abs=1e-12)
        assert gan.critic_generator_loss(f)[k].item() == pytest.approx(float(-scale * of_fake), abs=1e-12)


def test_flipping_both_players_is_harmless_and_one_is_fatal():
    data = torch.randn(200, 1, generator=torch.Generator().manual_seed(0), dtype=F64) + 2.0

    def play(a, b, mirrored=False):
        torch.manual_seed(1)
        G, f = gan.Generator(mlp(1, 8, 1).double(), 1), gan.Discriminator(mlp(1, 8, 1).double())
        if mirrored:
            for p in f.net[-1].parameters():
                p.data.neg_()
        for _ in gan.train_adversarially(
            G, f, data, steps=40, batch_size=32, d_steps=3,
            d_loss=lambda r, q: a * gan.critic_loss(r, q), g_loss=lambda q: b * gan.critic_generator_loss(q),
            d_optimizer=torch.optim.RMSprop(f.parameters(), 3e-3), g_optimizer=torch.optim.RMSprop(G.parameters(), 3e-3),
            penalty=lambda f, r, q, g: 0.3 * gan.gradient_penalty(f, r, q, generator=g), generator=torch.Generator().manual_seed(2),
        ):  # fmt: skip
            pass
        return G.sample((200,), torch.Generator().manual_seed(3))

    right = play(1, 1)
    torch.testing.assert_close(play(-1, -1, mirrored=True), right, **close)
    assert dv.wasserstein_1d(play(1, -1)[:, 0], data[:, 0]) > dv.wasserstein_1d(right[:, 0], data[:, 0]) + 0.5


@pytest.mark.equation("eq-gan-continuous")
def test_distance_moves_no_faster_than_the_generator(generator):
    x, z = torch.randn(2, 12, 2, generator=generator, dtype=F64)
    theta = torch.randn(2, 2, generator=generator, dtype=F64)
    for size in (0.01, 0.3, 2.0):
        other = theta + size * torch.randn(2, 2, generator=generator, dtype=F64)
        y, y_ = torch.tanh(z @ theta), torch.tanh(z @ other)
        moved = (y - y_).norm(dim=1).mean().item()
        assert abs(assignment(x, y) - assignment(x, y_)) <= assignment(y, y_) + 1e-12
        assert assignment(y, y_) <= moved + 1e-12
        # tanh has slope at most 1, so L(z) = |z| serves
        assert moved <= z.norm(dim=1).mean().item() * (theta - other).norm().item() + 1e-12


@pytest.mark.equation("eq-gan-w1-gradient")
def test_gradient_of_the_distance_is_that_of_the_generators_loss():
    """f* = |x - 1| is written down: data outside, generated points inside, on either side of 1."""
    x = torch.tensor([[-3.0], [-2.5], [4.0], [4.6]], dtype=F64)
    z = torch.tensor([[-1.2], [-0.8], [2.9], [3.3]], dtype=F64)
    theta = torch.tensor([0.93, 0.07], dtype=F64, requires_grad=True)

    def f(v):
        return (v[:, 0] - 1).abs()

    y = theta[0] * z + theta[1]
    assert (f(x).mean() - f(y).mean()).item() == pytest.approx(assignment(x, y.detach()), abs=1e-12)
    (gradient,) = torch.autograd.grad(gan.critic_generator_loss(f(y)), theta)
    numbers = slopes(lambda t: assignment(x, t[0] * z.numpy() + t[1]), theta.detach().numpy())
    np.testing.assert_allclose(gradient.numpy(), numbers, atol=1e-8)


@pytest.mark.equation("eq-gan-product")
@pytest.mark.parametrize("m, n", [(2, 3), (1, 4), (3, 3)])
def test_steepest_matrix_with_small_entries(m, n):
    """A norm is convex, so its maximum lies at a corner of the cube: all of them are counted."""
    c = 0.37
    corners = torch.tensor(list(itertools.product([-c, c], repeat=m * n)), dtype=F64).reshape(-1, m, n)
    assert torch.linalg.matrix_norm(corners, ord=2).max().item() == pytest.approx(c * math.sqrt(m * n), abs=1e-12)


@pytest.mark.equation("eq-gan-clipped")
@pytest.mark.parametrize("c", [0.05, 0.4])
def test_clipped_critics_claim_at_most_K_times_the_distance(c, generator):
    x, y = torch.randn(2, 9, 2, generator=generator, dtype=F64)
    K = c**3 * math.sqrt(2 * 5) * math.sqrt(5 * 4) * math.sqrt(4 * 1)
    for k in range(30):
        torch.manual_seed(k)
        f = mlp(2, 5, 4, 1, activation=torch.nn.ReLU).double()
        for p in f.parameters():
            p.data.mul_(5)
        gan.clip_weights(f, c)
        assert abs(gan.critic_loss(f(x)[:, 0], f(y)[:, 0]).item()) <= K * assignment(x, y) + 1e-12
    for p in f.parameters():  # the steepest of the class, and two laws for which it is K times a best critic
        p.data.fill_(c)
    along = torch.tensor([1.0, 1.0], dtype=F64) / math.sqrt(2)
    start = torch.rand(4, 1, generator=generator, dtype=F64) * along
    claim = gan.critic_loss(f(start + 1.3 * along)[:, 0], f(start)[:, 0]).item()
    assert -claim == pytest.approx(K * 1.3, abs=1e-12)
