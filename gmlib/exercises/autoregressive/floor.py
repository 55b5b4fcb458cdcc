"""The exercise of the chapter ``autoregressive`` on what it costs not to see all pixels before.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.autoregressive`. The table p has one axis for each of D variables; sees
is (D, D), with a 1 in row i and column j where the conditional of variable i sees variable j.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, Numbers, specification, table

Cells = list[tuple[tuple[int, ...], float]]
Flags = list[list[int]]


@specification
def kl_floor(p: Numbers, sees: Flags) -> float:
    """The mean of log p(x) - sum_i log p(x_i | what i sees), conditionals of p itself; eq-autoregressive-floor."""
    cells, total = list(cells_of(p)), 0.0
    for x, q in cells:
        total += q * log(q)
        for i, row in enumerate(sees):
            context = [j for j, seen in enumerate(row) if seen]
            total -= q * log(mass(cells, [*context, i], x) / mass(cells, context, x))
    return total


def cells_of(p: Numbers, before: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], float]]:
    """Each x with its probability."""
    if isinstance(p, list):
        for k, part in enumerate(p):
            yield from cells_of(part, (*before, k))
    else:
        yield before, p


def mass(cells: Cells, keep: list[int], x: tuple[int, ...]) -> float:
    """The probability that the variables ``keep`` are as in x."""
    return sum(q for y, q in cells if all(y[j] == x[j] for j in keep))


# --- inputs -------------------------------------------------------------------------------------------------

SHAPES = ((2, 3, 2), (2, 2, 2, 2), (3, 2), (3, 2, 2), (2, 2, 3, 2), (2, 4))


def kl_floor_inputs(rng: Random, number: int) -> dict:
    """Two, three or four variables; of three or more, some context is empty in part. All mistakes are far from what is right."""
    shape = SHAPES[number % len(SHAPES)]
    while True:
        p = normalised(table(rng, *shape, scale=1.3))
        sees = [[rng.randint(0, 1) if j < i else 0 for j in range(len(shape))] for i in range(len(shape))]
        if len(shape) == 2:
            sees = [[0, 0], [0, 0]]
        if generic(p, sees):
            return {"p": p, "sees": sees}


def normalised(logits: Numbers) -> Numbers:
    total = sum(exp(v) for _, v in cells_of(logits))

    def part(v: Numbers) -> Numbers:
        return [part(one) for one in v] if isinstance(v, list) else exp(v) / total

    return part(logits)


def generic(p: Numbers, sees: Flags) -> bool:
    """A floor of some height; with more than two variables, all mistakes differ from it and from each other."""
    right = floor()(p, sees)
    wrong = [m.compute(p, sees) for m in FLOOR] if len(sees) > 2 else []
    return right > 0.03 and all(abs(u - v) > 0.004 for i, u in enumerate([right, *wrong]) for v in wrong[i:])


# --- mistakes -----------------------------------------------------------------------------------------------


def entropy(cells: Cells, keep: list[int]) -> float:
    return -sum(q * log(mass(cells, keep, x)) for x, q in cells)


def seen_by(i: int, sees: Flags) -> list[int]:
    return [j for j, seen in enumerate(sees[i]) if seen]


def conditional(cells: Cells, i: int, context: list[int]) -> float:
    return entropy(cells, sorted({*context, i})) - entropy(cells, context)


def floor(context=seen_by, term=conditional, finish=lambda terms, H: sum(terms) - H):
    """What ``finish`` makes of the conditionals' entropies and that of x."""

    def wrong(p: Numbers, sees: Flags) -> float:
        cells, D = list(cells_of(p)), len(sees)
        return finish([term(cells, i, context(i, sees)) for i in range(D)], entropy(cells, list(range(D))))

    return wrong


def unweighted(cells: Cells, i: int, context: list[int]) -> float:
    """The mean over the contexts' values, all alike."""
    values = {tuple(x[j] for j in context) for x, _ in cells}
    parts = [[(x, q) for x, q in cells if tuple(x[j] for j in context) == value] for value in values]
    laws = [[(x, q / sum(r for _, r in part)) for x, q in part] for part in parts]
    return sum(entropy(law, [i]) for law in laws) / len(laws)


def reversed_kl(p: Numbers, sees: Flags) -> float:
    cells, total = list(cells_of(p)), 0.0
    for x, q in cells:
        log_model = 0.0
        for i in range(len(sees)):
            context = seen_by(i, sees)
            log_model += log(mass(cells, [*context, i], x) / mass(cells, context, x))
        total += exp(log_model) * (log_model - log(q))
    return total


FLOOR = (
    Misconception("bits", floor(finish=lambda terms, H: (sum(terms) - H) / log(2)),
        "This is the floor in bits; it is asked for in nats.",
        "这是以比特为单位的下限；要求以奈特为单位。"),
    Misconception("mean", floor(finish=lambda terms, H: (sum(terms) - H) / len(terms)),
        "This is the floor for each variable; that of all variables together is asked for.",
        "这是平均到每个变量的下限；要求的是所有变量合起来的。"),
    Misconception("entropy not subtracted", floor(finish=lambda terms, H: sum(terms)),
        "This is the best cross-entropy that the model can reach; the floor of the divergence is what it exceeds the entropy of x by.",
        "这是模型能达到的最小交叉熵；散度的下限是它超出 x 的熵的部分。"),
    Misconception("marginals", floor(lambda i, sees: []),
        "The contexts do not count: this is the floor of a model whose variables are independent.",
        "没有用到上下文：这是各变量相互独立的模型的下限。"),
    Misconception("sign", floor(finish=lambda terms, H: H - sum(terms)),
        "The sign is wrong: a divergence is never negative.",
        "符号反了：散度绝不为负。"),
    Misconception("own variable", floor(lambda i, sees: [*seen_by(i, sees), i]),
        "Each conditional is also given the variable itself; nothing is left to be uncertain of.",
        "每个条件分布的条件里也有该变量自己；这样就没有任何不确定的了。"),
    Misconception("everything before", floor(lambda i, sees: list(range(i))),
        "Each conditional was given all variables before it; such a model loses nothing. Take those that it sees.",
        "每个条件分布的条件里都有前面的全部变量；这样的模型毫无损失。应当只取它看到的。"),
    Misconception("joint with the context", floor(term=lambda cells, i, context: entropy(cells, sorted({*context, i}))),
        "These are the entropies of each variable together with its context; that of the context must come off.",
        "这是每个变量与其上下文的联合熵；还要减去上下文的熵。"),
    Misconception("transposed", floor(lambda i, sees: [j for j in range(len(sees)) if sees[j][i]]),
        "Rows and columns of `sees` are exchanged: row i says what variable i sees.",
        "sees 的行与列放反了：第 i 行说的是变量 i 看到什么。"),
    Misconception("the unseen", floor(lambda i, sees: [j for j in range(i) if not sees[i][j]]),
        "The contexts are what is not seen; a 1 in `sees` stands for a variable that is seen.",
        "取成了看不到的变量；sees 里的 1 表示看得到。"),
    Misconception("contexts alike", floor(term=unweighted),
        "The values of the context all count alike; each counts with its probability.",
        "上下文的各个取值，权重取成一样了；应当按各自的概率加权。"),
    Misconception("reversed", reversed_kl,
        "This is the divergence from the other side, KL(q || p); the one that training makes small is KL(p || q).",
        "这是反方向的散度 KL(q || p)；训练要减小的是 KL(p || q)。"),
    Misconception("divided by the entropy", floor(finish=lambda terms, H: sum(terms) / H),
        "The entropy was divided by; it is subtracted.",
        "除以了熵；应当减去。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "autoregressive-floor": Exercise(kl_floor, kl_floor_inputs, FLOOR),
}
