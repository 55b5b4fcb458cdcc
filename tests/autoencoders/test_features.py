"""Codes and labels: enumeration in fractions, SciPy's laws and optimisers, scikit-learn's fits, and large samples."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from scipy import integrate
from sklearn.linear_model import LinearRegression, LogisticRegression


@pytest.mark.equation("eq-autoencoders-unlabelled")
def test_unlabelled_inputs_in_fractions():
    """Exactly: two laws of inputs, three of labels, every labelling of four inputs."""
    p_x = [[Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)], [Fraction(1, 7), Fraction(2, 7), Fraction(4, 7)]]
    p_y = [[Fraction(n, 11) for n in row] for row in ([2, 5, 9], [7, 3, 4], [8, 10, 1])]
    coupled = [[Fraction(n, 21) for n in row] for row in ([1, 5, 2], [6, 3, 4])]
    of_alpha, of_beta = [sum(row) for row in coupled], [sum(column) for column in zip(*coupled, strict=True)]
    apart = [[a * b for b in of_beta] for a in of_alpha]
    inputs = [0, 2, 2, 1]

    def weight(prior, a, b, labelled):
        return prior[a][b] * math.prod(p_x[a][x] * (p_y[b][x] if y else 1 - p_y[b][x]) for x, y in labelled)

    def posterior(prior, unlabelled, labelled=()):
        total = [Fraction(0)] * 3
        for labels in itertools.product((0, 1), repeat=len(unlabelled)):
            pairs = [*zip(unlabelled, labels, strict=True), *labelled]
            total = [t + sum(weight(prior, a, b, pairs) for a in range(2)) for b, t in enumerate(total)]
        return [t / sum(total) for t in total]

    alpha = [of_alpha[a] * math.prod(p_x[a][x] for x in inputs) for a in range(2)]
    formula = [sum(coupled[a][b] / of_alpha[a] * alpha[a] for a in range(2)) / sum(alpha) for b in range(3)]
    assert posterior(coupled, inputs) == formula != of_beta
    assert posterior(apart, inputs) == of_beta
    known = [(1, 1), (0, 0)]
    assert posterior(apart, inputs, known) == posterior(apart, [], known) != of_beta
    assert posterior(coupled, inputs, known) != posterior(coupled, [], known)


def risk(k, n, lam, w, tau):
    return (tau**2 + (lam[k:] * w[k:] ** 2).sum()) * (1 + k / (n - k - 1))


LAM, W, TAU = np.array([2.7, 1.9, 0.8, 0.3, 0.2]), np.array([0.6, -0.9, 0.7, 1.2, -0.5]), 0.7


@pytest.mark.equation("eq-autoencoders-inverse")
@pytest.mark.parametrize(("n", "k"), [(7, 1), (11, 3), (19, 8)])
def test_mean_of_an_inverse(n, k):
    """The inverse Wishart law of SciPy has the diagonal of the formula; the chi-squared law has its mean by quadrature."""
    np.testing.assert_allclose(scipy.stats.invwishart(df=n, scale=np.eye(k)).mean(), np.eye(k) / (n - k - 1), atol=1e-12)
    mean = integrate.quad(lambda t: scipy.stats.chi2.pdf(t, n - k + 1) / t, 0, np.inf)[0]
    assert mean == pytest.approx(1 / (n - k - 1), abs=1e-9)
    U = np.random.default_rng(n).normal(size=(n, k))
    inverse = np.linalg.inv(U.T @ U)
    for j in range(k):
        others, left = np.delete(U, j, 1), U[:, j]
        if k > 1:
            left = left - LinearRegression(fit_intercept=False).fit(others, left).predict(others)
        assert inverse[j, j] == pytest.approx(1 / (left @ left), abs=1e-9)


@pytest.mark.equation("eq-autoencoders-risk")
@pytest.mark.parametrize(("k", "n"), [(1, 9), (3, 12), (5, 14)])
def test_risk_of_least_squares(k, n):
    """3,000 fits, each judged on 20 new examples; for one number also by quadrature."""
    rng, errors = np.random.default_rng(k), []
    for _ in range(3000):
        x, new = (np.sqrt(LAM) * rng.normal(size=(m, 5)) for m in (n, 20))
        found = np.linalg.lstsq(x[:, :k], x @ W + TAU * rng.normal(size=n), rcond=None)[0]
        errors.append(np.mean((new @ W + TAU * rng.normal(size=20) - new[:, :k] @ found) ** 2))
    standard_error = np.std(errors) / len(errors) ** 0.5
    expected = risk(k, n, LAM, W, TAU)
    assert abs(np.mean(errors) - expected) < 5 * standard_error < 0.05 * expected
    if k == 1:
        v = TAU**2 + sum(l * w**2 for l, w in zip(LAM[1:], W[1:], strict=True))
        mean = integrate.quad(lambda t: scipy.stats.chi2.pdf(t, n) / t, 0, np.inf)[0]
        assert expected == pytest.approx(v * (1 + mean), abs=1e-9)


@pytest.mark.equation("eq-autoencoders-crossing")
@pytest.mark.parametrize("k", [1, 2, 4])
def test_crossing_by_a_root_finder(k):
    def gap(n):
        return risk(k, n, LAM, W, TAU) - risk(5, n, LAM, W, TAU)

    root = scipy.optimize.brentq(gap, 6 + 1e-6, 1e4, xtol=1e-12, rtol=1e-14)
    assert root == pytest.approx(6 + TAU**2 * (5 - k) / (LAM[k:] * W[k:] ** 2).sum(), abs=1e-8)
    assert gap(root - 0.1) < 0 < gap(root + 0.1)


@pytest.mark.equation("eq-autoencoders-kept")
@pytest.mark.parametrize(("w1", "w2", "lam1", "lam2"), [(0.7, 1.9, 2.3, 0.6), (1.3, -0.4, 0.9, 0.7), (0.2, 2.1, 5.0, 1.2)])
def test_accuracy_from_one_number(w1, w2, lam1, lam2):
    """Given the label's argument t, the code has a Gaussian law; and twice the orthant probability of SciPy."""
    v = w1**2 * lam1 + w2**2 * lam2
    formula = 0.5 + math.asin(w1 * math.sqrt(lam1 / v)) / math.pi
    slope, rest = w1 * lam1 / v, math.sqrt(lam1 - (w1 * lam1) ** 2 / v)
    agree = integrate.quad(lambda t: 2 * scipy.stats.norm.pdf(t, scale=v**0.5) * scipy.stats.norm.cdf(slope * t / rest), 0, 40,
                           epsabs=1e-12)[0]  # fmt: skip
    assert formula == pytest.approx(agree, abs=1e-9)
    orthant = scipy.stats.multivariate_normal([0, 0], [[lam1, w1 * lam1], [w1 * lam1, v]]).cdf([0, 0])
    assert formula == pytest.approx(2 * orthant, abs=1e-6)


@pytest.mark.equation("eq-autoencoders-head")
def test_head_by_an_optimiser():
    """SciPy, by finite differences, finds scikit-learn's logistic regression."""
    rng = np.random.default_rng(3)
    y = np.arange(12) % 3
    z = rng.normal(size=(12, 2)) + y[:, None] * np.array([0.6, -0.4])

    def J(flat):
        B, c = flat[:6].reshape(3, 2), flat[6:]
        logits = z @ B.T + c
        log_p = [logits[i, y[i]] - math.log(sum(math.exp(v) for v in logits[i])) for i in range(12)]
        return (B**2).sum() / 2 - sum(log_p)

    head = LogisticRegression(tol=1e-10, max_iter=2000).fit(z, y)
    best = scipy.optimize.minimize(J, np.zeros(9), method="BFGS", options={"gtol": 1e-6})
    at_head = J(np.concatenate([head.coef_.ravel(), head.intercept_]))
    assert at_head == pytest.approx(best.fun, abs=1e-9)
    np.testing.assert_allclose(best.x[:6].reshape(3, 2), head.coef_, atol=1e-4)


@pytest.mark.equation("eq-autoencoders-paired")
def test_paired_interval():
    """As SciPy has it; and it holds the truth 95 times of 100, within 5 standard errors of 20,000 repetitions."""
    rng, S, n = np.random.default_rng(5), 6, 20_000
    luck = rng.normal(size=(n, S))
    a, b = 0.8 + 0.05 * luck + 0.02 * rng.normal(size=(n, S)), 0.75 + 0.04 * luck + 0.03 * rng.normal(size=(n, S))
    delta = a - b
    half = scipy.stats.t.ppf(0.975, S - 1) * delta.std(1, ddof=1) / S**0.5
    found = scipy.stats.ttest_rel(a[0], b[0]).confidence_interval(0.95)
    assert (delta[0].mean() - half[0], delta[0].mean() + half[0]) == pytest.approx((found.low, found.high), abs=1e-12)
    covered = (abs(delta.mean(1) - 0.05) < half).mean()
    assert abs(covered - 0.95) < 5 * (0.95 * 0.05 / n) ** 0.5
    C = np.cov(a[0], b[0])
    assert delta[0].var(ddof=1) == pytest.approx(C[0, 0] + C[1, 1] - 2 * C[0, 1], abs=1e-12)
