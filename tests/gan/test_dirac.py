"""The Dirac-GAN: its velocity by autograd of the losses, its eigenvalues, its flow by SciPy's integrator."""

import math

import pytest
import torch
from scipy.integrate import solve_ivp
from torch.nn.functional import logsigmoid

from gmlib import gan

F64 = torch.float64
STARTS = torch.tensor([[1.2, 0.3], [-0.7, 1.6], [2.3, -0.4], [-0.9, -1.1]], dtype=F64)


def flow(start, times, **options):
    """States at the times, by an explicit Runge-Kutta method of order 8."""
    def velocity(_, x):
        return gan.dirac_gan(torch.tensor(x, dtype=F64), **options).numpy()

    found = solve_ivp(velocity, (0, times[-1]), start.numpy(), "DOP853", t_eval=times, rtol=1e-11, atol=1e-12)
    return torch.tensor(found.y.T, dtype=F64)


@pytest.mark.equation("eq-gan-dirac", "eq-gan-r1")
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.7])
@pytest.mark.parametrize("saturating", [True, False])
def test_velocity_is_the_slope_of_both_losses(gamma, saturating):
    """From the definitions alone: the data at 0, one generated point, a logit phi x, the penalty at the data."""
    for state in STARTS:
        theta, phi = (s.clone().requires_grad_() for s in state)
        x = torch.zeros((), dtype=F64, requires_grad=True)
        (slope,) = torch.autograd.grad(phi * x, x, create_graph=True)
        value = logsigmoid(phi * x) + logsigmoid(-phi * theta)
        of_d = -value + gamma / 2 * slope**2
        of_g = value if saturating else -logsigmoid(phi * theta)
        expected = torch.stack([-torch.autograd.grad(of_g, theta, retain_graph=True)[0], -torch.autograd.grad(of_d, phi)[0]])
        torch.testing.assert_close(gan.dirac_gan(state, gamma, saturating), expected, rtol=0, atol=1e-12)


def test_a_batch_equals_its_rows():
    batch = STARTS.reshape(2, 2, 2)
    found = gan.dirac_gan(batch, 0.4, saturating=False)
    for i in range(2):
        for j in range(2):
            torch.testing.assert_close(found[i, j], gan.dirac_gan(batch[i, j], 0.4, saturating=False), rtol=0, atol=0)


@pytest.mark.equation("eq-gan-r1")
def test_r1_by_one_example_at_a_time():
    torch.manual_seed(0)
    D = gan.Discriminator(torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1)).double())
    x = torch.randn(4, 7, 3, dtype=F64)
    slopes = torch.stack([torch.autograd.functional.jacobian(D, row).square().sum() for row in x.reshape(28, 3)])
    torch.testing.assert_close(gan.r1_penalty(D, x), slopes.reshape(4, 7).mean(1), rtol=0, atol=1e-12)
    gamma = 0.6
    (grad,) = torch.autograd.grad(gamma / 2 * gan.r1_penalty(lambda x: x @ D.net[0].weight[0], x[0]), D.net[0].weight)
    torch.testing.assert_close(grad[0], gamma * D.net[0].weight[0].detach(), rtol=0, atol=1e-12)


@pytest.mark.equation("eq-gan-dirac-radius")
@pytest.mark.parametrize("start", STARTS)
def test_the_game_keeps_the_radius_and_the_other_loss_lowers_it(start):
    times = [0.0, 3.0, 11.0, 40.0]
    radii = flow(start, times).norm(dim=1)
    torch.testing.assert_close(radii, start.norm().expand(4), rtol=0, atol=1e-9)
    other = flow(start, times, saturating=False)
    assert (other.norm(dim=1).diff() < 0).all()
    change = 2 * (other * gan.dirac_gan(other, saturating=False)).sum(-1)
    product = other.prod(-1)
    torch.testing.assert_close(change, -2 * product * (product / 2).tanh(), rtol=0, atol=1e-12)


@pytest.mark.equation("eq-gan-dirac-spiral")
def test_the_spiral_is_as_slow_as_said():
    """1 / r^2 grows by 1/8 a unit of time: the better, the nearer; 1/4 or 1/16 would be seen."""
    start, times = torch.tensor([1.2, 0.3], dtype=F64), [0.0, 40.0, 400.0, 800.0]
    radii = flow(start, times, saturating=False).norm(dim=1)
    assert radii[1].item() == pytest.approx(0.423030, abs=1e-6)
    guess = (1 / start.square().sum() + torch.tensor(times, dtype=F64) / 8) ** -0.5
    assert (radii / guess - 1).abs().max() < 0.02
    growth = 8 * (radii**-2).diff() / torch.tensor(times, dtype=F64).diff()
    assert growth[2].item() == pytest.approx(1, abs=3e-3)
    assert (growth[2] - 1).abs() < (growth[0] - 1).abs()


@pytest.mark.equation("eq-gan-dirac-eigenvalues")
@pytest.mark.parametrize("saturating", [True, False])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.6, 4.2])
def test_eigenvalues_at_the_solution(gamma, saturating):
    jacobian = torch.autograd.functional.jacobian(lambda x: gan.dirac_gan(x, gamma, saturating), torch.zeros(2, dtype=F64))
    found = torch.linalg.eigvals(jacobian)
    root = torch.tensor(gamma**2 - 1 + 0j, dtype=torch.complex128).sqrt()
    expected = torch.stack([(-gamma - root) / 2, (-gamma + root) / 2])
    near = (found[:, None] - expected).abs()
    assert near.min(1).values.max() < 1e-9 and near.min(0).values.max() < 1e-9


@pytest.mark.equation("eq-gan-dirac-eigenvalues")
@pytest.mark.parametrize("gamma", [0.3, 0.8])
def test_decay_while_it_turns(gamma):
    """Over whole turns the radius shrinks by exp(-gamma / 2) a unit of time."""
    turn = 2 * math.pi / (math.sqrt(1 - gamma**2) / 2)
    radii = flow(torch.tensor([0.01, 0.02], dtype=F64), [0.0, turn, 2 * turn], gamma=gamma).norm(dim=1)
    for a, b in zip(radii, radii[1:], strict=False):
        assert (b / a).log().item() / turn == pytest.approx(-gamma / 2, abs=1e-4)


@pytest.mark.equation("eq-gan-dirac-eigenvalues")
@pytest.mark.parametrize("gamma, rate", [(1.6, (1.6 - math.sqrt(1.56)) / 2), (4.2, (4.2 - math.sqrt(4.2**2 - 1)) / 2)])
def test_too_strong_a_penalty_is_slow(gamma, rate):
    radii = flow(torch.tensor([0.01, 0.02], dtype=F64), [0.0, 30.0, 45.0], gamma=gamma).norm(dim=1)
    assert (radii[2] / radii[1]).log().item() / 15 == pytest.approx(-rate, abs=1e-5)
    assert rate < 0.5  # the rate at gamma = 1


@pytest.mark.parametrize("start", STARTS)
def test_with_r1_the_flow_comes_to_the_solution(start):
    assert flow(start, [0.0, 120.0], gamma=0.4)[-1].norm() < 1e-6


@pytest.mark.equation("eq-gan-dirac-steps")
@pytest.mark.parametrize("eta, gamma", [(0.5, 0.3), (0.7, 0.1), (0.4, 0.0), (1.1, 0.6)])
def test_steps_at_once_and_in_turns(eta, gamma):
    def at_once(x):
        return x + eta * gan.dirac_gan(x, gamma)

    def in_turns(x):
        theta = x[0] + eta * gan.dirac_gan(x, gamma)[0]
        return torch.stack([theta, x[1] + eta * gan.dirac_gan(torch.stack([theta, x[1]]), gamma)[1]])

    for step, square in ((at_once, 1 - eta * gamma + eta**2 / 4), (in_turns, 1 - eta * gamma)):
        matrix = torch.autograd.functional.jacobian(step, torch.zeros(2, dtype=F64))
        torch.testing.assert_close(torch.linalg.eigvals(matrix).abs().square(), torch.full((2,), square, dtype=F64), rtol=0, atol=1e-9)
    x = STARTS[0]
    if gamma == 0:  # at right angles: each step at once lengthens
        assert at_once(x).norm() > x.norm()


@pytest.mark.equation("eq-gan-dirac-steps")
@pytest.mark.parametrize("gamma, limit", [(0.2, 0.8), (0.85, 3.4), (1.25, 2.0), (2.6, 0.8)])
@pytest.mark.parametrize("saturating", [True, False])
def test_limit_of_steps_at_once(gamma, limit, saturating):
    """4 gamma while the eigenvalues are complex, then the faster one's; gamma^2 - 1 is 0.75^2 and 2.4^2: 4 / 2 and 4 / 5."""
    for eta, shrinks in ((0.9 * limit, True), (1.1 * limit, False)):
        x = start = torch.tensor([1e-6, 2e-6], dtype=F64)
        for _ in range(400):
            x = x + eta * gan.dirac_gan(x, gamma, saturating)
        assert (x.norm() < start.norm() / 3) == shrinks and (x.norm() > 3 * start.norm()) != shrinks


CASES = {
    "state must have shape (..., 2), got (3,)": lambda: gan.dirac_gan(torch.zeros(3)),
    "state holds 1 NaN": lambda: gan.dirac_gan(torch.tensor([0.0, math.nan])),
    "gamma must not be negative, got -0.1": lambda: gan.dirac_gan(STARTS, gamma=-0.1),
    "gamma must not be negative, got nan": lambda: gan.dirac_gan(STARTS, gamma=math.nan),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
