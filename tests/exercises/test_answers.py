"""Right answers of every shape pass; every mistake that the checker knows is rejected and told by name."""

import doctest
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from gmlib.exercises import EXERCISES, CheckFailed, check, checker, exercise
from gmlib.exercises.checker import _tensors
from gmlib.vae import disentangle
from tests.exercises.answers import RIGHT

STUDENTS = (None, "Ada Lovelace", "20260017", "李明")
MISTAKES = [(name, m) for name, exercise in EXERCISES.items() for m in exercise.misconceptions]


def plain(values):
    return values.tolist() if isinstance(values, torch.Tensor) else values


def wrong_answer(misconception):
    """A student's function that makes the mistake, with tensors going in and coming out."""
    return lambda *arguments: torch.tensor(misconception.compute(*(plain(a) for a in arguments)), dtype=torch.float64)


def test_each_exercise_has_right_answers_of_several_shapes():
    assert RIGHT.keys() == EXERCISES.keys()
    assert all(len(answers) >= 3 for answers in RIGHT.values())


@pytest.mark.parametrize(("name", "number"), [(name, i) for name, answers in RIGHT.items() for i in range(len(answers))])
def test_right_answers_pass(name, number, capsys):
    for student in STUDENTS:
        assert check(name, RIGHT[name][number], student) is None
    assert capsys.readouterr().out.count(f"{name}: right · 正确") == len(STUDENTS)


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[f"{name}: {m.name}" for name, m in MISTAKES])
def test_mistakes_are_told_by_name(name, mistake):
    for student in STUDENTS:
        with pytest.raises(CheckFailed) as failure:
            check(name, wrong_answer(mistake), student)
        assert f"\n  {mistake.en}\n  {mistake.zh}\n" in str(failure.value)


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[f"{name}: {m.name}" for name, m in MISTAKES])
def test_a_mistake_in_the_specification_would_be_noticed(name, mistake, monkeypatch):
    wrong = replace(EXERCISES[name], specification=mistake.compute)
    monkeypatch.setattr(checker, "EXERCISES", {name: wrong})
    with pytest.raises(CheckFailed):
        check(name, RIGHT[name][0])


def test_each_exercise_knows_at_least_five_mistakes_and_says_each_differently():
    for exercise in EXERCISES.values():
        words = {words for m in exercise.misconceptions for words in (m.en, m.zh)}
        assert len(words) == 2 * len(exercise.misconceptions) >= 10


def tc_as_copied(log_q, N):
    """From a repository that many have copied: the weights join the densities before the dimensions are summed."""
    M = len(log_q)
    log_w = torch.full((M, M), (N.item() - 1) / (N.item() * (M - 1)), dtype=log_q.dtype).fill_diagonal_(1 / N.item()).log()
    weighted = log_w.view(M, M, 1) + log_q
    return (torch.logsumexp(weighted.sum(2), dim=1) - torch.logsumexp(weighted, dim=1).sum(1)).mean()


def gradient_without_stop(z_e, codebook, grad, beta):
    z = z_e.clone().requires_grad_()
    e = codebook[torch.cdist(z_e, codebook).argmin(-1)]
    return torch.autograd.grad((grad * z).sum() + (1 + beta) * (z - e).square().sum(), z)[0]


# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("vae-gaussian-kl", "reversed"): lambda mu, sigma: torch.distributions.kl_divergence(
        torch.distributions.Normal(torch.zeros_like(mu), 1.0), torch.distributions.Normal(mu, sigma)).sum(-1),
    ("vae-gaussian-kl", "sign"): lambda mu, sigma: 0.5 * (1 + (sigma**2).log() - mu**2 - sigma**2).sum(-1),
    ("vae-gaussian-kl", "one number"): lambda mu, sigma: 0.5 * (mu**2 + sigma**2 - 1 - (sigma**2).log()).sum(),
    ("vae-gaussian-kl", "not summed"): lambda mu, sigma: 0.5 * (mu**2 + sigma**2 - 1 - (sigma**2).log()),
    ("vae-reparameterise", "variance for standard deviation"): lambda mu, log_var, eps: mu + log_var.exp() * eps,
    ("vae-reparameterise", "no sigma"): lambda mu, log_var, eps: mu + eps,
    ("vae-reparameterise", "no noise"): lambda mu, log_var, eps: mu,
    ("vae-importance-bound", "mean of the logarithms"): lambda log_w: log_w.mean(0),
    ("vae-importance-bound", "no log K"): lambda log_w: torch.logsumexp(log_w, 0),
    ("vae-importance-bound", "unstable"): lambda log_w: log_w.exp().mean(0).log(),
    ("vae-importance-bound", "wrong axis"): lambda log_w: log_w.exp().mean(1).log() if log_w.abs().max() < 50 else
        log_w.logsumexp(-1) - torch.tensor(float(log_w.shape[1])).log(),
    ("vae-loss", "mean over pixels"): lambda x, logits, mu, log_var:
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x)
        - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1).mean(),
    ("vae-loss", "means everywhere"): lambda x, logits, mu, log_var:
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x)
        - 0.5 * torch.mean(1 + log_var - mu**2 - log_var.exp()),
    ("vae-loss", "batch summed in one part"): lambda x, logits, mu, log_var:
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1).mean(),
    ("vae-loss", "batch summed"): lambda x, logits, mu, log_var:
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        - 0.5 * torch.sum(1 + log_var - mu**2 - log_var.exp()),
    ("vae-divergence", "both bugs"): lambda mu, log_var: torch.distributions.kl_divergence(
        torch.distributions.Normal(torch.zeros_like(mu), 1.0), torch.distributions.Normal(mu, log_var.exp())).sum(-1),
    ("vae-score-gradient", "no baseline"): lambda f, z, mu, sigma, b:
        ((f * (z - mu)).mean() / sigma**2, (f * ((z - mu) ** 2 - sigma**2)).mean() / sigma**3),
    ("vae-total-correlation", "weight once per dimension"): lambda log_q, N: tc_as_copied(log_q, N),
    ("vae-total-correlation", "mutual information"): lambda log_q, N: (
        log_q.sum(-1).diagonal() - (log_q.sum(-1) + disentangle.stratified_log_weights(len(log_q), int(N), log_q)).logsumexp(1)
    ).mean(),
    ("vae-straight-through", "no stop-gradient"): lambda z_e, codebook, grad, beta: gradient_without_stop(
        z_e, codebook, grad, beta),
    ("vae-straight-through", "mean of the squares"): lambda z_e, codebook, grad, beta: torch.autograd.grad(
        beta * F.mse_loss(z := z_e.clone().requires_grad_(), codebook[torch.cdist(z_e, codebook).argmin(1)]), z)[0] + grad,
    ("vae-straight-through", "largest inner product"): lambda z_e, codebook, grad, beta:
        grad + 2 * beta * (z_e - codebook[(z_e @ codebook.T).argmax(1)]),
    ("vae-mean-field", "marginal variances and their gap"): lambda P: (
        *torch.linalg.inv(P).diagonal(),
        torch.distributions.kl_divergence(
            torch.distributions.MultivariateNormal(torch.zeros(2).double(), torch.diag(torch.linalg.inv(P).diagonal())),
            torch.distributions.MultivariateNormal(torch.zeros(2).double(), precision_matrix=P))),
}  # fmt: skip


@pytest.mark.parametrize("key", AS_WRITTEN, ids=": ".join)
def test_mistakes_are_recognised_in_students_own_code(key):
    name, mistake = key
    known = {m.name: m for m in EXERCISES[name].misconceptions}[mistake]
    with pytest.raises(CheckFailed) as failure:
        check(name, AS_WRITTEN[key])
    assert known.en in str(failure.value)


def test_the_first_failing_case_is_shown():
    def wrong_from_the_third_on(mu, log_var, eps):
        wrong_from_the_third_on.calls += 1
        return mu + (log_var / 2).exp() * eps + (wrong_from_the_third_on.calls >= 3)

    wrong_from_the_third_on.calls = 0
    with pytest.raises(CheckFailed, match="The numbers differ") as failure:
        check("vae-reparameterise", wrong_from_the_third_on, "Ada")
    case = EXERCISES["vae-reparameterise"].case("vae-reparameterise", "ada", 2)
    shown = str(failure.value)
    assert f"{case['mu'][0][0]:.6g}" in shown and "expected · 应为" in shown and "got · 得到" in shown
    right = RIGHT["vae-reparameterise"][0](*_tensors(case).values())
    assert f"{right[0, 0].item():.6g}" in shown and f"{right[0, 0].item() + 1:.6g}" in shown


def test_a_number_worked_out_on_paper_may_be_given_as_it_is():
    P = EXERCISES["vae-mean-field"].case("vae-mean-field", "ada", 0)["P"]
    right = EXERCISES["vae-mean-field"].specification(P)
    check("vae-mean-field", [round(v, 3) for v in right], "Ada")
    check("vae-mean-field", tuple(right), "Ada")
    with pytest.raises(CheckFailed):
        check("vae-mean-field", [round(v, 1) for v in right[:2]] + right[2:], "Ada")


@pytest.mark.parametrize("module", [checker, exercise])
def test_the_examples_run(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
