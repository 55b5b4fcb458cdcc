"""The exercise of the chapter ``diffusion`` on a sampler that jumps, in which two bugs are to be found.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.diffusion`. Points x are (N, D), noise z is (S, N, D), one for each
jump; S divides T. Data are N(mu, v) in each dimension, with mu of shape (D,).
"""

from __future__ import annotations

from math import prod, sqrt
from random import Random

from gmlib.exercises.diffusion.mistakes import alpha_bars
from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


def jump(x: Matrix, a: float, b: float, mu: Vector, v: float, noise: Matrix) -> Matrix:
    """A draw of x_r given x_t, of alpha-bar b and a: the regression of the one on the other, both being Gaussian."""
    var_t, var_r = a * v + 1 - a, b * v + 1 - b
    slope = sqrt(a / b) * var_r / var_t
    rest = sqrt(max(var_r - slope**2 * var_t, 0.0))
    return [[sqrt(b) * m + slope * (u - sqrt(a) * m) + rest * e for u, m, e in zip(row, mu, own)] for row, own in zip(x, noise)]


@specification
def sample(x: Matrix, beta: Vector, z: list[Matrix], mu: Vector, v: float) -> Matrix:
    """From T to 0 in equal jumps, one for each noise, each between the alpha-bars of its two times; eq-diffusion-ancestral."""
    T = len(beta) - 1
    length, now = T // len(z), T
    for noise in z:
        then = now - length
        x = jump(x, prod(1 - b for b in beta[1 : now + 1]), prod(1 - b for b in beta[1 : then + 1]), mu, v, noise)
        now = then
    return x


def sample_inputs(rng: Random, number: int) -> dict:
    """Between 2 and T jumps; in every third case all T."""
    S, length = ((2, 3), (4, 1), (3, 2), (3, 3), (5, 1), (2, 4))[number % 6]
    N, D = 1 + number % 3, 1 + number % 2
    beta = [0.0, *(rng.uniform(0.08, 0.45) for _ in range(S * length))]
    v = rng.choice((rng.uniform(0.3, 0.7), rng.uniform(1.5, 2.5)))
    return {"x": table(rng, N, D), "beta": beta, "z": table(rng, S, N, D), "mu": table(rng, D, mean=1.2), "v": v}


def right_times(T: int, S: int) -> list[int]:
    return [T - i * (T // S) for i in range(S + 1)]


def too_early(T: int, S: int) -> list[int]:
    """The buggy code's: S + 2 equal parts, the last left out, and cut off to whole numbers."""
    return [i * T // (S + 1) for i in range(S, -1, -1)]


def right_entries(table: Vector, t: int, r: int) -> tuple[float, float]:
    return table[t], table[r]


def shifted(table: Vector, t: int, r: int) -> tuple[float, float]:
    """alpha-bar of the step before each of the two times, and 1 before time 0."""
    return table[max(t - 1, 0)], table[max(r - 1, 0)]


def jumps(times=right_times, entries=right_entries, noises=lambda z: z, last: float = 1.0):
    """A sampler with those times, that look up the two alpha-bars by ``entries``; ``last`` scales the noise of the last jump."""

    def wrong(x: Matrix, beta: Vector, z: list[Matrix], mu: Vector, v: float) -> Matrix:
        at, table, own = times(len(beta) - 1, len(z)), alpha_bars(beta), noises(z)
        pairs = list(zip(at, at[1:]))
        for i, ((t, r), noise) in enumerate(zip(pairs, own)):
            factor = last if i == len(pairs) - 1 else 1.0
            x = jump(x, *entries(table, t, r), mu, v, [[factor * e for e in row] for row in noise])
        return x

    return wrong


SAMPLE = (
    Misconception("both bugs", jumps(too_early, shifted),
        "Both bugs are still there.",
        "两个错误都还在。"),
    Misconception("times", jumps(too_early),
        "The alpha-bars are right now; but the times do not begin at T, although x does.",
        "alpha-bar 对了；但时刻不是从 T 开始的，而 x 属于时刻 T。"),
    Misconception("shifted table", jumps(entries=shifted),
        "The times are right now; but both alpha-bars are those of one step before.",
        "时刻对了；但两个 alpha-bar 都是前一步的。"),
    Misconception("start shifted", jumps(entries=lambda table, t, r: (shifted(table, t, r)[0], table[r])),
        "The alpha-bar of the time where a jump begins is that of one step before; x_t has as much noise as time t says.",
        "跳跃起点的 alpha-bar 用了前一步的；x_t 的噪声应是时刻 t 的噪声。"),
    Misconception("end shifted", jumps(entries=lambda table, t, r: (table[t], shifted(table, t, r)[1])),
        "The alpha-bar of the time where a jump ends is that of one step before this time.",
        "跳跃终点的 alpha-bar 用了前一步的。"),
    Misconception("one step of the chain", jumps(entries=lambda table, t, r: (table[t], table[t - 1])),
        "Each jump ends at alpha-bar_{t-1}, one step of the chain; it goes further, to the next of the chosen times.",
        "每次跳跃都到 alpha-bar_{t-1} 为止，只是链的一步；它应当跳得更远，到选定的下一个时刻。"),
    Misconception("wrapped index", jumps(entries=lambda table, t, r: (table[t - 1], table[r - 1])),
        "The tables were read at t - 1 and r - 1; where r is 0, the index -1 is the last entry, the noisiest.",
        "查表时用了 t - 1 与 r - 1；r 为 0 时，下标 -1 指的是最后一项，即噪声最大的那项。"),
    Misconception("stops early", jumps(lambda T, S: right_times(T, S)[:-1]),
        "The last jump, to the data, is missing.",
        "漏了最后一次跳跃，即跳到数据的那次。"),
    Misconception("starts late", jumps(lambda T, S: right_times(T, S)[1:], noises=lambda z: z[1:]),
        "The first jump is missing: x belongs to time T.",
        "漏了第一次跳跃：x 属于时刻 T。"),
    Misconception("times rise", jumps(lambda T, S: right_times(T, S)[::-1]),
        "The times rise; the way back begins at T and ends at 0.",
        "时刻是递增的；往回走应从 T 开始，到 0 结束。"),
    Misconception("length and number exchanged", jumps(lambda T, S: list(range(T, -1, -S))),
        "The times fall by S; it is the number of jumps that is S, and each has the length T / S.",
        "时刻每次减少了 S；S 是跳跃的次数，每次的长度是 T / S。"),
    Misconception("last jump without noise", jumps(last=0.0),
        "The last jump has no noise. A sampler with a network leaves it out; here the jump is exact, and its noise belongs to "
        "the data's law.",
        "最后一次跳跃没有加噪声。用网络的采样器会省去它；这里的跳跃是精确的，它的噪声属于数据的分布。"),
    Misconception("same noise each time", jumps(noises=lambda z: [z[0]] * len(z)),
        "Each jump uses the first noise; every jump needs a new one.",
        "每次跳跃都用了第一个噪声；每次都要用新的。"),
    Misconception("noise in reverse", jumps(noises=lambda z: z[::-1]),
        "The law is right, but the noise is used from the last to the first; z[0] belongs to the first jump, from T.",
        "分布是对的，但噪声从最后一个往前用了；z[0] 属于从 T 开始的第一次跳跃。"),
    Misconception("one jump", jumps(lambda T, S: [T, 0]),
        "One jump from T to 0 was made. For Gaussian data that is exact too, but a jump for each noise in z is asked for.",
        "从 T 到 0 只跳了一次。对高斯数据这也是精确的，但要求的是 z 中每个噪声各对应一次跳跃。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "diffusion-jumps": Exercise(sample, sample_inputs, SAMPLE),
}
