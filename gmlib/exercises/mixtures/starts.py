"""The exercise of the chapter ``mixtures`` in which two bugs are to be found: the best of several starts.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.mixtures`. Points x are (N,), starts (R, K), of
components that have even weights and the variance 1.
"""

from __future__ import annotations

from math import exp, log, nan, pi
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

Vector = list[float]
Matrix = list[Vector]


@specification
def best_start(x: Vector, starts: Matrix, steps: int) -> Vector:
    """After so many steps from each start: the means whose own log-likelihood is largest, and that. One that broke down does not count."""
    ends = []
    for mu in starts:
        for _ in range(steps):
            mu = em_step(x, mu)
        value = log_likelihood(x, mu)
        if value == value:
            ends.append((value, mu))
    value, mu = max(ends)
    return [*mu, value]


def joint(x: Vector, mu: Vector) -> Matrix:
    """Density over K of each component, (N, K): even weights, variance 1."""
    return [[exp(-0.5 * (v - m) ** 2) / (2 * pi) ** 0.5 / len(mu) for m in mu] for v in x]


def em_step(x: Vector, mu: Vector) -> Vector:
    """New means; NaN for a component to which no point belongs."""
    r = [[p / sum(row) for p in row] for row in joint(x, mu)]
    n = [sum(column) for column in zip(*r)]
    return [sum(row[k] * v for row, v in zip(r, x)) / n[k] if n[k] else nan for k in range(len(mu))]


def log_likelihood(x: Vector, mu: Vector) -> float:
    return sum(log(sum(row)) for row in joint(x, mu))


def best_start_inputs(rng: Random, number: int) -> dict:
    """Three clusters and three or two means. In half of the cases a start has a centre so far away that no point is left to it: that one
    breaks down, first, last or between.
    """
    K, steps = 3 - number % 2, 2 + number // 4 % 2
    broken = number % 4 < 2
    while True:
        centres = [c + rng.uniform(-0.6, 0.6) for c in (-3.1, 0.0, 2.9)]
        x = [c + 0.9 * rng.gauss(0, 1) for c in centres for _ in range(2 + number % 2)]
        starts = [[v + 1.5 * rng.gauss(0, 1) for v in rng.sample(x, K)] for _ in range(4)]
        if broken:
            lost = rng.choice((0, 1, 3))
            starts[lost][rng.randrange(K)] = rng.choice((-1, 1)) * rng.uniform(300, 400)
        case = {"x": x, "starts": starts, "steps": steps}
        if generic(**case):
            return case


def generic(x: Vector, starts: Matrix, steps: int) -> bool:
    """The best start is neither the last sound one nor the one that is best before the first step, and far enough from the others; the
    last step tells; no density is near zero."""
    firsts, sound = [], []
    for mu in starts:
        if max(map(abs, mu)) < 100:
            firsts.append(log_likelihood(x, mu))
            sound.append(run(x, mu, steps))
    ends = [r[-1][1] for r in sound]
    best = ends.index(max(ends))
    others = [v for i, v in enumerate(ends) if i != best]
    told = best not in (len(ends) - 1, firsts.index(max(firsts))) and ends[best] - max(others) > 0.02
    return told and ends[best] - sound[best][-2][1] > 0.003 and min(firsts) > -20 * len(x)


def run(x: Vector, mu: Vector, steps: int) -> list[tuple[Vector, float]]:
    """The means and their log-likelihood at the start and after each step."""
    trail = [(mu, log_likelihood(x, mu) if all(m == m for m in mu) else nan)]
    for _ in range(steps):
        mu = em_step(x, mu)
        trail.append((mu, log_likelihood(x, mu)))
    return trail


def higher(v: float) -> float:
    """For comparing: what broke down comes last."""
    return v if v == v else -1e300


def chosen(by=lambda r: higher(r[-1][1]), means=lambda best, runs: best[-1][0], value=lambda best, runs: best[-1][1],
           more=0, put=lambda mu, v: [*mu, v]):  # fmt: skip
    """Of the start that is best ``by`` something, ``means`` and ``value``; ``more`` steps than asked for."""

    def wrong(x: Vector, starts: Matrix, steps: int) -> Vector:
        runs = [run(x, mu, steps + more) for mu in starts]
        best = max(runs, key=by)
        return put(means(best, runs), value(best, runs))

    return wrong


def stale(r: list) -> float:
    """The number that the last step computed on its way: that of the means before it."""
    return higher(r[-2][1])


def sound_of(runs: list) -> list:
    return [r for r in runs if r[-1][1] == r[-1][1]]


def going_on(x: Vector, starts: Matrix, steps: int) -> Vector:
    """No start but the first is used: each run goes on where the last one stopped."""
    mu, value = run(x, starts[0], steps * len(starts))[-1]
    return [*mu, value]


def argmax_with_nan(x: Vector, starts: Matrix, steps: int) -> Vector:
    ends = [run(x, mu, steps)[-1] for mu in starts]
    lost = [end for end in ends if end[1] != end[1]]
    mu, value = lost[0] if lost else max(ends, key=lambda end: end[1])
    return [*mu, value]


def averaged(x: Vector, starts: Matrix, steps: int) -> Vector:
    ends = [r[-1][0] for r in sound_of([run(x, mu, steps) for mu in starts])]
    mu = [sum(column) / len(ends) for column in zip(*ends)]
    return [*mu, log_likelihood(x, mu)]


def per_point(x: Vector, starts: Matrix, steps: int) -> Vector:
    *mu, value = chosen()(x, starts, steps)
    return [*mu, value / len(x)]


BEST = (
    Misconception("both bugs", chosen(stale, value=lambda best, runs: runs[-1][-2][1]),
        "Both bugs are still there.",
        "两个错误都还在。"),
    Misconception("value of the last start", chosen(value=lambda best, runs: runs[-1][-1][1]),
        "The number is now that of the means after the last step; but it is reported for the last start, whichever was best.",
        "现在这个数属于最后一步之后的均值；但无论哪个初值最好，报告的都是最后一个初值的。"),
    Misconception("value before the last step", chosen(stale, value=lambda best, runs: best[-2][1]),
        "The number now belongs to the best start; but to its means before the last step, not to those that are returned.",
        "现在这个数属于最好的初值；但它是最后一步之前的均值的，不是所返回的均值的。"),
    Misconception("last start", chosen(lambda r: 0.0, lambda best, runs: runs[-1][-1][0], lambda best, runs: runs[-1][-1][1]),
        "This is the last start, not the best one.",
        "这是最后一个初值，不是最好的那个。"),
    Misconception("first start", chosen(lambda r: 0.0),
        "This is the first start, not the best one.",
        "这是第一个初值，不是最好的那个。"),
    Misconception("worst start", chosen(lambda r: -r[-1][1] if r[-1][1] == r[-1][1] else -1e300),
        "This is the worst start: the log-likelihood should be as large as possible.",
        "这是最差的初值：对数似然应当尽可能大。"),
    Misconception("NaN taken for the largest", argmax_with_nan,
        "Right where no start breaks down. A start that does has a NaN for its log-likelihood, and `argmax` takes that for the largest "
        "number of all.",
        "没有初值崩溃时是对的。崩溃的初值，对数似然是 NaN，而 argmax 把它当成最大的数。"),
    Misconception("last means", chosen(means=lambda best, runs: runs[-1][-1][0]),
        "The number is that of the best start; but the means are those of the last one.",
        "数是最好的初值的；但均值是最后一个初值的。"),
    Misconception("best before the first step", chosen(lambda r: higher(r[0][1]) if r[-1][1] == r[-1][1] else -1e300),
        "The starts were compared before the first step; compare them after the last.",
        "各初值是在第一步之前比较的；应当在最后一步之后比较。"),
    Misconception("one chain", going_on,
        "Each run goes on where the one before it stopped; every start must be taken from the table.",
        "每次运行都从上一次的终点接着走；每个初值都应取自表中。"),
    Misconception("one step less", chosen(more=-1),
        "One step is missing.",
        "少走了一步。"),
    Misconception("one step more", chosen(more=1),
        "There is one step too many.",
        "多走了一步。"),
    Misconception("mean over the points", per_point,
        "The log-likelihood is a mean over the points; the sum is asked for.",
        "对数似然取成了对点的平均；要求的是总和。"),
    Misconception("means averaged", averaged,
        "The means were averaged over the starts. Components have no order that all starts share, and between two hills there may be "
        "a valley.",
        "把各初值的均值平均了。各次运行的分量没有共同的次序，两座山之间也可能是山谷。"),
    Misconception("value averaged", chosen(value=lambda best, runs: sum(r[-1][1] for r in sound_of(runs)) / len(sound_of(runs))),
        "The means are right; the number is the average over the starts, and should be that of these means.",
        "均值对了；但数是对各初值的平均，应当是这些均值的。"),
    Misconception("sorted", chosen(put=lambda mu, v: [*sorted(mu), v]),
        "The means were sorted; leave them in the order of the start.",
        "把均值排了序；应保持初值中的次序。"),
    Misconception("value first", chosen(put=lambda mu, v: [v, *mu]),
        "The numbers are right, but the log-likelihood belongs after the means.",
        "数都对，但对数似然应放在均值之后。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "mixtures-best": Exercise(best_start, best_start_inputs, BEST, cases=8),
}
