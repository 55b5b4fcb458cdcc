"""The exercise of the chapter ``flows`` on bits per dimension of images to whose levels noise was added.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.flows`. log_p is (N, S): S draws of the noise for each example.
"""

from __future__ import annotations

from math import exp, log
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table
from gmlib.exercises.flows.mistakes import mean

Vector = list[float]
Matrix = list[Vector]


@specification
def bits_per_dim(log_p: Matrix, D: int, levels: int) -> Vector:
    """Bits for each dimension from densities of (level + noise) / levels, averaged over the noise; eq-flows-dequantised."""
    return [(log(levels) - sum(row) / len(row) / D) / log(2) for row in log_p]


def bits_per_dim_inputs(rng: Random, number: int) -> dict:
    """Densities that belong to one to four bits for each dimension."""
    N, S, D, levels = 1 + number % 3, 2 + number % 3, rng.randint(3, 70), rng.choice((5, 9, 17, 32, 100))
    centres = [D * (log(levels) - rng.uniform(1, 4) * log(2)) for _ in range(N)]
    return {"log_p": [table(rng, S, mean=m, scale=1.5) for m in centres], "D": D, "levels": levels}


def of_draws(average=mean, change=lambda D, levels: log(levels), unit=lambda v, D: v / D / log(2)):
    """Minus ``average`` of the log-densities plus D times ``change``, in another unit."""
    return lambda log_p, D, levels: [unit(D * change(D, levels) - average(row), D) for row in log_p]


def log_mean_exp(values: Vector) -> float:
    top = max(values)
    return top + log(mean([exp(v - top) for v in values]))


BITS_PER_DIM = (
    Misconception("levels not counted", of_draws(change=lambda D, levels: 0.0),
        "This is about the scaled data, as if a level were 1 wide: dividing by levels costs log2(levels).",
        "这是缩放后的数据的值，仿佛一级的宽度就是 1：每一维都除以了 levels，因此要加 log2(levels)。"),
    Misconception("levels subtracted", of_draws(change=lambda D, levels: -log(levels)),
        "log2(levels) has the wrong sign: dividing by levels makes the density larger, and the bits must make up for it.",
        "log2(levels) 的符号反了：除以 levels 使密度变大，比特数要把它补回来。"),
    Misconception("levels once for all dimensions", of_draws(change=lambda D, levels: log(levels) / D),
        "The factor levels was counted once; it comes in each of the D dimensions.",
        "因子 levels 只算了一次；D 个维度各有一个。"),
    Misconception("256 levels", of_draws(change=lambda D, levels: log(256)),
        "256 levels are written into it; the number of levels is given.",
        "级数写死成了 256；级数是给定的。"),
    Misconception("one level less", of_draws(change=lambda D, levels: log(levels - 1)),
        "levels - 1 was used; the cells of all levels fill [0, 1), so each is 1 / levels wide.",
        "用了 levels - 1；所有级的小区间合起来填满 [0, 1)，所以每个宽 1 / levels。"),
    Misconception("nats", of_draws(unit=lambda v, D: v / D),
        "These are nats; divide by log 2.",
        "单位是奈特；应除以 log 2。"),
    Misconception("only one in bits", lambda log_p, D, levels: [log(levels) / log(2) - mean(row) / D for row in log_p],
        "The levels are counted in bits and the log-density in nats; convert both.",
        "级数那一项以比特计，对数密度却仍以奈特计；两项都要换算。"),
    Misconception("the other one in bits", lambda log_p, D, levels: [log(levels) - mean(row) / D / log(2) for row in log_p],
        "The log-density is counted in bits and the levels in nats; convert both.",
        "对数密度以比特计，级数那一项却仍以奈特计；两项都要换算。"),
    Misconception("not per dimension", of_draws(unit=lambda v, D: v / log(2)),
        "These are the bits of a whole example; divide by its D dimensions.",
        "这是整个样本的比特数；应除以维数 D。"),
    Misconception("log-mean-exp", of_draws(log_mean_exp),
        "The logarithm of the mean density is a tighter bound, but the mean of the log-densities is asked for.",
        "先对密度取平均再取了对数：这个界更紧，但要求的是对数密度的平均。"),
    Misconception("sum over the draws", of_draws(sum),
        "The draws of the noise are added up; they are repeats of the same example, so average them.",
        "把各次噪声的值相加了；它们是同一样本的重复，应取平均。"),
    Misconception("best draw", of_draws(max),
        "The best draw of the noise was taken, which no bound allows; average the draws.",
        "取了最好的一次噪声，任何界都不允许这样；应对各次取平均。"),
    Misconception("sign", of_draws(unit=lambda v, D: -v / D / log(2)),
        "The sign is turned: bits are minus the log-density.",
        "符号反了：比特数是负的对数密度。"),
    Misconception("one number", lambda log_p, D, levels: mean(of_draws()(log_p, D, levels)),
        "The examples are averaged too; each has a value of its own.",
        "对各个样本也取了平均；每个样本应各有一个值。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "flows-bits-per-dim": Exercise(bits_per_dim, bits_per_dim_inputs, BITS_PER_DIM),
}
