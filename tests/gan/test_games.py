"""The bilinear game: both kinds of steps against autograd, eigenvalues and the preserved form against closed forms; bad input."""

import math

import numpy as np
import pytest
import torch

from gmlib import gan

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
STATE = torch.tensor([0.4, 1.3], dtype=F64)


def slopes(state):
    theta, phi = (part.clone().requires_grad_() for part in state)
    return torch.autograd.grad(theta * phi, (theta, phi))


@pytest.mark.equation("eq-gan-bilinear")
def test_the_field_turns_and_is_no_gradient():
    by_theta, by_phi = slopes(STATE)
    velocity = torch.stack([-by_theta, by_phi])
    torch.testing.assert_close(velocity, torch.tensor([-1.3, 0.4], dtype=F64), **close)
    assert velocity @ STATE == 0  # at right angles to the position
    for step in (gan.simultaneous_steps, gan.alternating_steps):  # a small step of either kind follows it
        torch.testing.assert_close((step(1e-6) @ STATE - STATE) / 1e-6, velocity, rtol=0, atol=1e-5)
    jacobian = (gan.simultaneous_steps(0.3) - torch.eye(2)) / 0.3
    torch.testing.assert_close(jacobian, -jacobian.T, **close)


@pytest.mark.equation("eq-gan-simultaneous")
@pytest.mark.parametrize("eta", [0.3, 0.7, 2.6])
def test_steps_at_once(eta):
    by_theta, by_phi = slopes(STATE)
    stepped = torch.stack([STATE[0] - eta * by_theta, STATE[1] + eta * by_phi])
    step = gan.simultaneous_steps(eta)
    torch.testing.assert_close(step @ STATE, stepped, **close)
    eigenvalues = np.linalg.eigvals(step.numpy())
    np.testing.assert_allclose(sorted(eigenvalues, key=lambda v: v.imag), [1 - 1j * eta, 1 + 1j * eta], atol=1e-12)
    path = gan.trajectory(step, STATE, 25)
    growth = path.square().sum(-1)
    torch.testing.assert_close(growth[1:] / growth[:-1], torch.full((25,), 1 + eta**2, dtype=F64), **close)


@pytest.mark.equation("eq-gan-alternating")
@pytest.mark.parametrize("eta", [0.3, 0.7, 1.9])
def test_steps_in_turns(eta):
    by_theta, _ = slopes(STATE)
    theta = STATE[0] - eta * by_theta
    _, by_phi = slopes(torch.stack([theta, STATE[1]]))  # phi sees the new theta
    step = gan.alternating_steps(eta)
    torch.testing.assert_close(step @ STATE, torch.stack([theta, STATE[1] + eta * by_phi]), **close)
    eigenvalues = np.linalg.eigvals(step.numpy())
    np.testing.assert_allclose(abs(eigenvalues), 1, atol=1e-12)
    np.testing.assert_allclose(abs(np.angle(eigenvalues)), math.acos(1 - eta**2 / 2), atol=1e-9)
    assert np.linalg.det(step.numpy()) == pytest.approx(1, abs=1e-12)


@pytest.mark.equation("eq-gan-alternating")
def test_in_turns_at_and_beyond_a_step_of_two():
    moduli = sorted(abs(np.linalg.eigvals(gan.alternating_steps(2.1).numpy())))
    assert moduli == pytest.approx([0.5327, 1.8773], abs=5e-5)
    far = gan.trajectory(gan.alternating_steps(2.0), STATE, 400).norm(dim=-1)
    assert (far[400] / far[200]).item() == pytest.approx(2, abs=0.05)  # linear growth


@pytest.mark.equation("eq-gan-ellipse")
@pytest.mark.parametrize("eta", [0.3, 0.7, 1.9, 2.1])
def test_a_quadratic_form_is_preserved(eta):
    n = 2000 if eta < 2 else 8
    path = gan.trajectory(gan.alternating_steps(eta), STATE, n)
    form = path.square().sum(-1) - eta * path.prod(-1)
    expected = 0.4**2 + 1.3**2 - eta * 0.4 * 1.3
    torch.testing.assert_close(form, torch.full((n + 1,), expected, dtype=F64), **close)
    axes = np.linalg.eigvalsh(np.array([[1, -eta / 2], [-eta / 2, 1]]))
    assert (axes > 0).all() == (eta < 2)
    if eta < 2:  # the radius stays between the half axes of the ellipse
        low, high = math.sqrt(expected / axes[1]), math.sqrt(expected / axes[0])
        radius = path.norm(dim=-1)
        assert low - 1e-9 <= radius.min() < low + 0.01 and high - 0.01 < radius.max() <= high + 1e-9


@pytest.mark.equation("eq-gan-ellipse", "eq-gan-alternating")
def test_only_some_paths_close():
    for squared, period in ((1, 6), (2, 4), (3, 3)):
        path = gan.trajectory(gan.alternating_steps(math.sqrt(squared)), STATE, period)
        torch.testing.assert_close(path[-1], STATE, **close)
        assert ((path[1:-1] - STATE).norm(dim=-1) > 0.1).all()
    path = gan.trajectory(gan.alternating_steps(0.7), STATE, 3000)
    assert (path[1:] - STATE).norm(dim=-1).min() > 1e-5


def test_several_steps_at_once_and_the_order_of_a_trajectory():
    eta = torch.tensor([0.3, 0.7])
    for matrices, one in ((gan.simultaneous_steps, gan.simultaneous_steps), (gan.alternating_steps, gan.alternating_steps)):
        both = matrices(eta)
        assert both.shape == (2, 2, 2) and both.dtype == F64
        torch.testing.assert_close(both[1], one(0.7), rtol=0, atol=1e-7)
    step = gan.alternating_steps(0.7)
    path = gan.trajectory(step, STATE, 3)
    torch.testing.assert_close(path, torch.stack([STATE, step @ STATE, step @ step @ STATE, step @ step @ step @ STATE]), **close)


step = gan.simultaneous_steps(0.5)
CASES = {
    "eta must be positive and finite, got -0.5": lambda: gan.simultaneous_steps(-0.5),
    "eta must be positive and finite, got nan": lambda: gan.alternating_steps(math.nan),
    "step must have shape (..., 2, 2), got (2,)": lambda: gan.trajectory(STATE, STATE, 3),
    "start must have shape (..., 2), got (3,)": lambda: gan.trajectory(step, torch.zeros(3, dtype=F64), 3),
    "n must be a whole number of at least 1, got 0": lambda: gan.trajectory(step, STATE, 0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
