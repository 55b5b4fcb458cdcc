"""The exercise of the chapter ``gan`` that is worked out on paper: two games, and the critic that a penalty shapes.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.gan`. eta, eta_large are steps below and above 2; gamma,
gamma_large are weights of R1 below and above 1; d is a distance and lam the penalty's weight.
"""

from __future__ import annotations

from math import sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

Vector = list[float]
NAMES = ("simultaneous", "alternating", "alternating_large", "rate", "rate_large", "slope", "difference")


@specification
def by_hand(eta: float, eta_large: float, gamma: float, gamma_large: float, d: float, lam: float) -> Vector:
    """Three moduli, two rates, a slope and a difference, in the order of NAMES.

    In the book eq-gan-simultaneous, eq-gan-alternating, eq-gan-dirac and eq-gan-penalised-points.
    """
    return right_numbers(eta, eta_large, gamma, gamma_large, d, lam)


def right_numbers(e: float, E: float, g: float, G: float, d: float, lam: float) -> Vector:
    return [sqrt(1 + e**2), 1.0, larger(E), g / 2, (G - sqrt(G**2 - 1)) / 2, 1 + d / (2 * lam), d + d**2 / (2 * lam)]


def larger(E: float) -> float:
    """The larger modulus of the roots of x^2 - (2 - E^2) x + 1, which are real and negative for E above 2."""
    return (E**2 - 2 + sqrt((E**2 - 2) ** 2 - 4)) / 2


def by_hand_inputs(rng: Random, number: int) -> dict:
    """One decimal each; the mistakes differ from what is right and from each other, and no right number from another's place.

    None is 1/2, 1 or 2: there a square is a double, a quotient a product, and a modulus of 1/2 a rate.
    """
    while True:
        numbers = [(3, 13), (21, 28), (3, 9), (12, 24), (6, 34), (3, 60)]
        case = [rng.randint(low, high) / 10 for low, high in numbers]
        if not {0.5, 1.0, 2.0} & {*case} and distinct(*case):
            return dict(zip(("eta", "eta_large", "gamma", "gamma_large", "d", "lam"), case))


def distinct(*case: float) -> bool:
    right, wrong = right_numbers(*case), [m.compute(*case) for m in BY_HAND]
    values = sorted([*right, 2.0, 3.0, 4.0, 5.0])
    if min(b - a for a, b in zip(values, values[1:])) < 0.03:
        return False
    return all(map(clear_of(right), wrong)) and not any(alike(a, b) for i, a in enumerate(wrong) for b in wrong[:i])


def clear_of(right: Vector):
    """Whether the numbers that a mistake changes are far from those that should stand there, and are some."""

    def clear(values: Vector) -> bool:
        changed = [(v, r) for v, r in zip(values, right) if v != r]
        apart = all(abs(v - r) > 0.06 for v, r in changed)
        return changed != [] and apart and all(abs(v - r) > 0.03 for v, _ in changed for _, r in changed)

    return clear


def alike(one: Vector, other: Vector) -> bool:
    return all(abs(a - b) < 0.03 for a, b in zip(one, other))


def paper(**places):
    """The right numbers but for those named, each a function of eta, eta_large, gamma, gamma_large, d and lam."""

    def wrong(eta: float, eta_large: float, gamma: float, gamma_large: float, d: float, lam: float) -> Vector:
        case = (eta, eta_large, gamma, gamma_large, d, lam)
        return [places[name](*case) if name in places else v for name, v in zip(NAMES, right_numbers(*case))]

    return wrong


BY_HAND = (
    Misconception("modulus not rooted", paper(simultaneous=lambda e, E, g, G, d, lam: 1 + e**2),
        "This is the determinant of the simultaneous step, the square of the modulus.",
        "这是同时走一步的矩阵的行列式，即模的平方。"),
    Misconception("no imaginary unit", paper(simultaneous=lambda e, E, g, G, d, lam: 1 + e),
        "The eigenvalues of the simultaneous step are complex: real and imaginary part add as squares.",
        "同时走的特征值是复数：实部与虚部要平方相加。"),
    Misconception("steps as the flow", paper(simultaneous=lambda e, E, g, G, d, lam: 1.0),
        "Only the flow keeps the distance from the origin; simultaneous steps of finite length do not.",
        "只有连续的流能保持到原点的距离不变；步长有限时，同时走不能。"),
    Misconception("alternating as simultaneous", paper(alternating=lambda e, E, g, G, d, lam: sqrt(1 + e**2),
        alternating_large=lambda e, E, g, G, d, lam: sqrt(1 + E**2)),
        "The second player must see the new value of the first one: this is the modulus of simultaneous steps.",
        "第二个玩家应当看到第一个玩家的新值：这里写的是同时走的模。"),
    Misconception("formula beyond the limit", paper(alternating_large=lambda e, E, g, G, d, lam: 1.0),
        "For the large step the eigenvalues are real: their product is that of the small step, but they no longer have equal moduli.",
        "步长较大时特征值是实数：它们的乘积与小步长时一样，但模不再相等。"),
    Misconception("smaller modulus", paper(alternating_large=lambda e, E, g, G, d, lam: 1 / larger(E)),
        "This is the smaller of the two moduli; the larger one decides what the steps do in the end.",
        "这是两个模中较小的；最终起决定作用的是较大的那个。"),
    Misconception("eigenvalue for its modulus", paper(alternating_large=lambda e, E, g, G, d, lam: -larger(E)),
        "A modulus is never negative: this is the eigenvalue itself.",
        "模从不为负：这是特征值本身。"),
    Misconception("no half in the eigenvalues", paper(rate=lambda e, E, g, G, d, lam: g,
        rate_large=lambda e, E, g, G, d, lam: G - sqrt(G**2 - 1)),
        "The rate is twice too large: the formula for the roots of a quadratic has a half.",
        "速率大了一倍：二次方程的求根公式里有系数 1/2。"),
    Misconception("R1 without its half", paper(rate=lambda e, E, g, G, d, lam: g,
        rate_large=lambda e, E, g, G, d, lam: G - sqrt(G**2 - 1 / 4)),
        "The penalty R1 has the weight gamma over two; here it has gamma.",
        "惩罚项 R1 的权重是 gamma 的一半；这里用了 gamma。"),
    Misconception("damping beyond the limit", paper(rate_large=lambda e, E, g, G, d, lam: G / 2),
        "Above critical damping the eigenvalues are real and differ; the slower one decides.",
        "超过临界阻尼时，特征值是两个不同的实数；起决定作用的是较慢的那个。"),
    Misconception("faster eigenvalue", paper(rate_large=lambda e, E, g, G, d, lam: (G + sqrt(G**2 - 1)) / 2),
        "This is the faster of the two rates; in the end the slower one is left.",
        "这是两个速率中较快的；最终剩下的是较慢的那个。"),
    Misconception("real parts for rates", paper(rate=lambda e, E, g, G, d, lam: -g / 2,
        rate_large=lambda e, E, g, G, d, lam: -(G - sqrt(G**2 - 1)) / 2),
        "These are real parts of eigenvalues; the rate at which the distance shrinks is minus that.",
        "这是特征值的实部；距离缩小的速率是它的相反数。"),
    Misconception("modulus for the rate", paper(rate=lambda e, E, g, G, d, lam: 0.5),
        "The modulus of an eigenvalue of a flow says nothing of its damping: take the real part.",
        "流的特征值的模说明不了阻尼：应当取实部。"),
    Misconception("slope for the difference", paper(difference=lambda e, E, g, G, d, lam: 1 + d / (2 * lam)),
        "This is the slope once more; the difference is the slope times the distance.",
        "这里又写了一遍斜率；值之差等于斜率乘以距离。"),
    Misconception("no half in the critic", paper(slope=lambda e, E, g, G, d, lam: 1 + d / lam,
        difference=lambda e, E, g, G, d, lam: d + d**2 / lam),
        "The derivative of the square has a factor two, which belongs under the distance here.",
        "平方的导数有系数 2，在这里应出现在分母上。"),
    Misconception("critic as W_1", paper(slope=lambda e, E, g, G, d, lam: 1.0, difference=lambda e, E, g, G, d, lam: d),
        "The penalty was taken for a constraint: a critic gains more by exceeding the slope that the penalty names.",
        "把惩罚当成了约束：让斜率超过惩罚项所定的值，评判器得到的更多。"),
    Misconception("objective for the difference", paper(difference=lambda e, E, g, G, d, lam: d + d**2 / (4 * lam)),
        "This is the objective, from which the penalty has been taken off; the difference of the critic is asked for.",
        "这是目标函数的值，已经减去了惩罚；要求的是评判器的值之差。"),
    Misconception("sign of the penalty's gain", paper(slope=lambda e, E, g, G, d, lam: 1 - d / (2 * lam),
        difference=lambda e, E, g, G, d, lam: d - d**2 / (2 * lam)),
        "The penalised slope is steeper, and not flatter, than the one that the penalty names.",
        "加惩罚时，最优斜率比惩罚项所定的更陡，而不是更平。"),
    Misconception("optimum of the wrong sign", paper(slope=lambda e, E, g, G, d, lam: -1 + d / (2 * lam),
        difference=lambda e, E, g, G, d, lam: -d + d**2 / (2 * lam)),
        "This is the second stationary point, of the other sign: a critic may be trapped there, but it is not the best one.",
        "这是符号相反的另一个驻点：评判器可能困在那里，但它不是最优的。"),
    Misconception("weight upside down", paper(slope=lambda e, E, g, G, d, lam: 1 + d * lam / 2,
        difference=lambda e, E, g, G, d, lam: d + d**2 * lam / 2),
        "The weight of the penalty stands in the numerator: a heavier penalty must bring the slope nearer to the one that it names.",
        "惩罚的权重写到了分子上：惩罚越重，斜率应当越接近惩罚项所定的值。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    # one set of numbers for each student, and results that were rounded by hand
    "gan-paper": Exercise(by_hand, by_hand_inputs, BY_HAND, cases=1, tolerance=2e-3),
}
