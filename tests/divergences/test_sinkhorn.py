"""Entropic transport against SciPy's minimiser of the dual, closed forms of Gaussians, and inputs that break libraries."""

import pytest
import torch
from scipy.optimize import minimize

from gmlib import divergences as dv
from gmlib.divergences.sinkhorn import self_transport

F64 = torch.float64


def weights(n, generator):
    w = torch.rand(n, generator=generator, dtype=F64) + 0.05
    return w / w.sum()


def cloud(generator, n=6, m=8):
    x, y = torch.randn(n, 2, generator=generator, dtype=F64), torch.randn(m, 2, generator=generator, dtype=F64) + 0.7
    return dv.cost_matrix(x, y), weights(n, generator), weights(m, generator)


def dual(C, a, b, eta):
    """The largest value of the dual, by BFGS."""
    def minus(potentials):
        h = torch.tensor(potentials, dtype=F64, requires_grad=True)
        f, g = h.split([len(a), len(b)])
        mass = (a[:, None] * b * ((f[:, None] + g - C) / eta).exp()).sum()
        value = eta * (mass - 1) - a @ f - b @ g
        return value.item(), torch.autograd.grad(value, h)[0].numpy()

    return -minimize(minus, torch.zeros(len(a) + len(b), dtype=F64), jac=True, method="BFGS", options={"gtol": 1e-10}).fun


def gaussian(grid, sigma, mu=0.0):
    w = (-(((grid - mu) / sigma) ** 2) / 2).exp()
    return w / w.sum()


@pytest.mark.equation("eq-divergences-entropic", "eq-divergences-plan", "eq-divergences-sinkhorn", "eq-divergences-entropic-dual")
@pytest.mark.parametrize("eta", [0.4, 2.3])
def test_value_is_that_of_the_dual(generator, eta):
    C, a, b = cloud(generator)
    found = dv.sinkhorn(C, a, b, eta, 1e-12)
    assert (found.transport + eta * found.kl).item() == pytest.approx(dual(C, a, b, eta), abs=1e-8)
    plan = a[:, None] * b * ((found.f[:, None] + found.g - C) / eta).exp()
    torch.testing.assert_close(plan.sum(1), a, rtol=0, atol=1e-11)
    torch.testing.assert_close(plan.sum(0), b, rtol=0, atol=1e-11)
    torch.testing.assert_close((plan * (plan / (a[:, None] * b)).log()).sum(), found.kl, rtol=0, atol=1e-11)


@pytest.mark.equation("eq-divergences-excess")
def test_other_plans_cost_more_by_their_divergence(generator):
    """From the largest value of the dual; the product is dear, the linear programme's plans have zeros."""
    C, a, b = cloud(generator)
    eta = 0.9
    found, product = dv.sinkhorn(C, a, b, eta, 1e-12), a[:, None] * b
    plan = product * ((found.f[:, None] + found.g - C) / eta).exp()
    torch.testing.assert_close((a @ found.f + b @ found.g).item(), dual(C, a, b, eta), rtol=0, atol=1e-8)
    for other in (product, dv.exact_transport(C, a, b).plan, dv.exact_transport(-C, a, b).plan):
        cost = (other * C).sum() + eta * torch.xlogy(other, other / product).sum()
        more = eta * torch.xlogy(other, other / plan).sum()
        assert more > 0.1 and (cost - more).item() == pytest.approx(dual(C, a, b, eta), abs=1e-8)


@pytest.mark.parametrize("sigma, s, eta", [(1.3, 0.7, 0.7), (0.8, 1.1, 1.1)])
def test_gaussians_on_a_grid(sigma, s, eta):
    grid = torch.linspace(-8, 8, 321, dtype=F64)
    C = dv.cost_matrix(grid[:, None], grid[:, None])
    found = dv.sinkhorn(C, gaussian(grid, sigma), gaussian(grid, s), eta, 1e-12)
    exact = dv.entropic_normals(torch.tensor(sigma, dtype=F64), torch.tensor(s, dtype=F64), eta)
    assert found.transport.item() == pytest.approx(exact.transport.item(), abs=1e-6)
    assert found.kl.item() == pytest.approx(exact.kl.item(), abs=1e-6)


def test_small_weights_come_near_the_exact_transport(generator):
    C, a, b = cloud(generator)
    exact = dv.exact_transport(C, a, b).value
    gaps = [(dv.sinkhorn(C, a, b, eta, 1e-8).transport - exact).item() for eta in (0.3, 0.03, 0.003)]
    assert 1e-3 < gaps[0] and -1e-7 < gaps[2] < gaps[1] / 5 < gaps[0] / 10


def test_each_of_a_batch_equals_itself_alone(generator):
    parts = [cloud(generator) for _ in range(3)]
    C, a, b = (torch.stack(part) for part in zip(*parts, strict=True))
    together = dv.sinkhorn(C, a, b, 0.6, 1e-12)
    alone = torch.stack([dv.sinkhorn(*part, 0.6, 1e-12).transport for part in parts])
    torch.testing.assert_close(together.transport, alone, rtol=0, atol=1e-9)


def test_a_batch_may_share_what_is_the_same(generator):
    C, a, b = cloud(generator)
    others = torch.stack([a, weights(6, generator)]), torch.stack([b, weights(8, generator)])
    for laws in ((others[0], b), (a, others[1])):
        alone = [dv.sinkhorn(C, laws[0].expand(2, -1)[i], laws[1].expand(2, -1)[i], 0.6, 1e-12).transport for i in range(2)]
        torch.testing.assert_close(dv.sinkhorn(C, *laws, 0.6, 1e-12).transport, torch.stack(alone), rtol=0, atol=1e-9)


def test_debiased_value_of_a_batch_is_that_of_each_alone(generator):
    x, y = torch.randn(3, 4, 2, generator=generator, dtype=F64), torch.randn(3, 5, 2, generator=generator, dtype=F64) + 0.4
    together = dv.sinkhorn_divergence(x, y, 0.6, tolerance=1e-12)
    alone = torch.stack([dv.sinkhorn_divergence(*pair, 0.6, tolerance=1e-12) for pair in zip(x, y, strict=True)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-9)


def test_the_tolerance_is_of_the_sum_over_the_points(generator):
    """Small weights converge slowly, so that the step after the last check changes little; a mean over 40 would let 0.04 pass."""
    C, a, b = cloud(generator, 40, 50)
    found = dv.sinkhorn(C, a, b, 0.02, 1e-3)
    plan = a[:, None] * b * ((found.f[:, None] + found.g - C) / 0.02).exp()
    assert 2e-4 < (plan.sum(1) - a).abs().sum() <= 1e-3
    torch.testing.assert_close(plan.sum(0), b, rtol=0, atol=1e-12)


def test_zero_weights_count_for_nothing(generator):
    C, a, b = cloud(generator)
    a0, b0 = torch.zeros(9, dtype=F64), torch.zeros(10, dtype=F64)
    a0[[0, 2, 3, 5, 6, 8]], b0[1:9] = a, b
    C0 = torch.full((9, 10), 3.3, dtype=F64)
    C0[[0, 2, 3, 5, 6, 8], 1:9] = C
    one, two = dv.sinkhorn(C, a, b, 0.5, 1e-11), dv.sinkhorn(C0, a0, b0, 0.5, 1e-11)
    assert two.transport.item() == pytest.approx(one.transport.item(), abs=1e-9)
    assert two.kl.item() == pytest.approx(one.kl.item(), abs=1e-9)


def test_far_laws_do_not_underflow():
    """exp(-1600 / 0.5) is 0 in any float."""
    x = torch.tensor([[0.0], [0.4], [1.1]], dtype=F64)
    third = torch.full((3,), 1 / 3, dtype=F64)
    assert dv.sinkhorn(dv.cost_matrix(x, x + 40), third, third, 0.02, 1e-9).transport.item() == pytest.approx(1600, abs=1e-3)
    far = dv.sinkhorn_divergence(x, x + 40, 0.5, tolerance=1e-10)
    assert far.item() == pytest.approx(1600, abs=1e-7)


def test_single_points_and_identical_laws(generator):
    point = torch.tensor([[0.3, -0.8]], dtype=F64)
    assert dv.sinkhorn_divergence(point, point, 0.1) == 0
    assert dv.sinkhorn_divergence(point, point + 2, 0.1).item() == pytest.approx(8, abs=1e-12)
    x = torch.randn(20, 2, generator=generator, dtype=F64)
    a = weights(20, generator)
    order = torch.randperm(20, generator=generator)
    same = dv.sinkhorn_divergence(x, x[order], 1.5, a, a[order], tolerance=1e-10)
    assert abs(same.item()) < 1e-8


def test_transport_to_oneself_has_one_potential(generator):
    x, a = torch.randn(7, 2, generator=generator, dtype=F64), weights(7, generator)
    C = dv.cost_matrix(x, x, 1.0)
    found = dv.sinkhorn(C, a, a, 0.9, 1e-12)
    assert self_transport(C, a, 0.9, 1e-12).item() == pytest.approx((found.transport + 0.9 * found.kl).item(), abs=1e-9)
    assert self_transport(C, a, 0.9).item() > 0.1


@pytest.mark.equation("eq-divergences-debiased")
def test_debiased_value_of_gaussians():
    """Each of the three terms in closed form; 0 for equal laws."""
    grid = torch.linspace(-8, 8, 321, dtype=F64)
    sigma, s, eta = torch.tensor([1.3, 0.7], dtype=F64).unbind() + (0.7,)

    def value(one, two):
        plan = dv.entropic_normals(one, two, eta)
        return plan.transport + eta * plan.kl

    exact = value(sigma, s) - (value(sigma, sigma) + value(s, s)) / 2
    laws = gaussian(grid, sigma), gaussian(grid, s)
    found = dv.sinkhorn_divergence(grid[:, None], grid[:, None], eta, *laws, tolerance=1e-11)
    assert found.item() == pytest.approx(exact.item(), abs=1e-6) and exact.item() == pytest.approx(0.353569, abs=1e-6)


def test_it_does_not_return_what_has_not_converged(generator):
    C, a, b = cloud(generator)
    with pytest.raises(RuntimeError, match="not within the tolerance after 3 steps: raise max_steps, tolerance or eta=0.01"):
        dv.sinkhorn(C, a, b, 0.01, 1e-12, 3)
    with pytest.raises(RuntimeError, match="not within the tolerance after 1 steps"):
        self_transport(dv.cost_matrix(C, C), a, 0.3, 1e-12, 1)


def test_float32_agrees_with_float64(generator):
    C, a, b = cloud(generator)
    single = dv.sinkhorn(C.float(), a.float(), b.float(), 0.2, 1e-5)
    assert single.transport.item() == pytest.approx(dv.sinkhorn(C, a, b, 0.2).transport.item(), abs=1e-4)


half, z = torch.tensor([0.5, 0.5]), torch.zeros(3, 2)
CASES = {
    "C must hold finite numbers and have shape (..., n, m), got (2,)": lambda: dv.sinkhorn(half, half, half, 0.1),
    "C must hold finite numbers": lambda: dv.sinkhorn(torch.full((2, 2), torch.inf), half, half, 0.1),
    "a must have shape (..., 2), got (3,)": lambda: dv.sinkhorn(torch.eye(2), torch.ones(3) / 3, half, 0.1),
    "eta must be positive and finite, got 0.0": lambda: dv.sinkhorn(torch.eye(2), half, half, 0.0),
    "tolerance must be positive and finite, got 0": lambda: dv.sinkhorn(torch.eye(2), half, half, 0.1, 0),
    "max_steps must be a whole number of at least 1, got 0": lambda: dv.sinkhorn(torch.eye(2), half, half, 0.1, 0.1, 0),
    "eta=0.0001 is too small for costs in torch.float32": lambda: dv.sinkhorn(900 * torch.eye(2), half, half, 1e-4),
    "C must be symmetric": lambda: self_transport(torch.tensor([[0.0, 1.0], [2.0, 0.0]]), half, 0.1),
    "eta must be positive and finite, got -1": lambda: dv.sinkhorn_divergence(z, z, -1),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
