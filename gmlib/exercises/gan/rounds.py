"""The exercise of the chapter ``gan`` on one round of both players, in which a bug is to be found.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.gan`. Points real are (n, d) and noise z is (m, k); G(z) = z A
with A of shape (k, d), and D(x) = sigmoid(x w) with w of shape (d,).
"""

from __future__ import annotations

from math import exp
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, Numbers, specification, table
from gmlib.exercises.gan.mistakes import mean

Vector = list[float]
Matrix = list[Vector]


def sigmoid(o: float) -> float:
    return 1 / (1 + exp(-o))


def dot(a: Vector, b: Vector) -> float:
    return sum(u * v for u, v in zip(a, b))


def generated(z: Matrix, A: Matrix) -> Matrix:
    return [[dot(row, column) for column in zip(*A)] for row in z]


def by_w(real: Matrix, fake: Matrix, w: Vector, reduce=mean) -> Vector:
    """The gradient of the discriminator's loss by w: -log sigmoid(o) of real points, -log(1 - sigmoid(o)) of generated ones."""
    return [reduce([-sigmoid(-dot(x, w)) * x[j] for x in real]) + reduce([sigmoid(dot(x, w)) * x[j] for x in fake])
            for j in range(len(w))]  # fmt: skip


def own_loss(o: float) -> float:
    """The derivative by the logit of -log sigmoid(o), which the generator minimises."""
    return -sigmoid(-o)


def saturated(o: float) -> float:
    """The derivative by the logit of log(1 - sigmoid(o))."""
    return -sigmoid(o)


def of_discriminator(o: float) -> float:
    """The derivative by the logit of -log(1 - sigmoid(o)), the discriminator's loss."""
    return sigmoid(o)


def by_A(z: Matrix, A: Matrix, w: Vector, slope=own_loss, reduce=mean) -> Matrix:
    logits = [dot(x, w) for x in generated(z, A)]
    return [[reduce([slope(o) * row[i] * w_j for o, row in zip(logits, z)]) for w_j in w] for i in range(len(A))]


def stepped(v: Numbers, gradient: Numbers, eta: float) -> Numbers:
    """v - eta * gradient, of nested lists."""
    return [stepped(a, b, eta) for a, b in zip(v, gradient)] if isinstance(v, list) else v - eta * gradient


@specification
def train_round(real: Matrix, z: Matrix, A: Matrix, w: Vector, eta: float) -> Matrix:
    """The new A, and the new w as the last row: w by -V, then A by the non-saturating loss under the new w."""
    new_w = stepped(w, by_w(real, generated(z, A), w), eta)
    return [*stepped(A, by_A(z, A, new_w), eta), new_w]


def train_round_inputs(rng: Random, number: int) -> dict:
    n, m, k, d = 2 + number % 3, 3 + number % 2, 2 + number % 2, 2 + number // 2 % 2
    return {"real": table(rng, n, d, mean=0.8), "z": table(rng, m, k), "A": table(rng, k, d), "w": table(rng, d),
            "eta": rng.uniform(0.3, 0.9)}  # fmt: skip


def one_round(d=lambda real, z, A, w: by_w(real, generated(z, A), w), g=lambda z, A, w, new_w: by_A(z, A, new_w), **signs):
    """A round in which w follows ``d`` and A follows ``g``."""

    def wrong(real: Matrix, z: Matrix, A: Matrix, w: Vector, eta: float) -> Matrix:
        new_w = stepped(w, d(real, z, A, w), eta * signs.get("w", 1))
        return [*stepped(A, g(z, A, w, new_w), eta * signs.get("A", 1)), new_w]

    return wrong


def both_moved_by_g(real: Matrix, z: Matrix, A: Matrix, w: Vector, eta: float) -> Matrix:
    *new_A, new_w = one_round()(real, z, A, w, eta)
    fake = generated(z, A)
    pull = [mean([own_loss(dot(x, new_w)) * x[j] for x in fake]) for j in range(len(w))]
    return [*new_A, stepped(new_w, pull, eta)]


def both_moved_by_d(real: Matrix, z: Matrix, A: Matrix, w: Vector, eta: float) -> Matrix:
    moved = stepped(A, by_A(z, A, w, of_discriminator), eta)
    new_w = stepped(w, by_w(real, generated(z, A), w), eta)
    return [*stepped(moved, by_A(z, moved, new_w), eta), new_w]


def added_up(z: Matrix, A: Matrix, w: Vector, new_w: Vector) -> Matrix:
    return [[a + b for a, b in zip(*rows)] for rows in zip(by_A(z, A, w, of_discriminator), by_A(z, A, new_w))]


def generator_first(real: Matrix, z: Matrix, A: Matrix, w: Vector, eta: float) -> Matrix:
    new_A = stepped(A, by_A(z, A, w), eta)
    return [*new_A, stepped(w, by_w(real, generated(z, new_A), w), eta)]


def old_w_returned(real: Matrix, z: Matrix, A: Matrix, w: Vector, eta: float) -> Matrix:
    return [*one_round()(real, z, A, w, eta)[:-1], w]


def w_above(real: Matrix, z: Matrix, A: Matrix, w: Vector, eta: float) -> Matrix:
    *new_A, new_w = one_round()(real, z, A, w, eta)
    return [new_w, *new_A]


TRAIN_ROUND = (
    Misconception("still detached", one_round(A=0),
        "A has not moved: no gradient comes through `detach()`, and the generator's step needs it.",
        "A 没有动：梯度传不过 `detach()`，而生成器这一步需要梯度。"),
    Misconception("generator's loss moves w", both_moved_by_g,
        "A moves as it should, but the generator's loss has moved w as well: its step may change A only.",
        "A 的移动是对的，但生成器的损失把 w 也移动了：这一步只能改变 A。"),
    Misconception("discriminator's loss moves A", both_moved_by_d,
        "The discriminator's loss has moved A as well: there the generated points are to be detached, or the step is for w only.",
        "判别器的损失把 A 也移动了：在那里应当对生成点用 detach，或者让那一步只改变 w。"),
    Misconception("gradients added up", one_round(g=added_up),
        "The gradient of A still holds what the discriminator's loss left in it; detach the points there, or set it to zero before the "
        "generator's step.",
        "A 的梯度里还留着判别器损失的那一份；应当在那里对生成点用 detach，或在生成器的步骤之前清零。"),
    Misconception("old discriminator", one_round(g=lambda z, A, w, new_w: by_A(z, A, w)),
        "The generator's step was taken against the old w; the logits must be computed anew after the discriminator's step.",
        "生成器这一步面对的是旧的 w；判别器走完之后，要重新计算对数几率。"),
    Misconception("generator first", generator_first,
        "The generator moved first; here the discriminator does.",
        "生成器先走了；这里应当判别器先走。"),
    Misconception("saturating", one_round(g=lambda z, A, w, new_w: by_A(z, A, new_w, saturated)),
        "The generator follows the saturating loss; the non-saturating one is asked for.",
        "生成器用的是饱和损失；要求的是非饱和损失。"),
    Misconception("discriminator's label", one_round(g=lambda z, A, w, new_w: by_A(z, A, new_w, of_discriminator)),
        "The generator minimises the discriminator's own loss: its points have the label 0 there, and should have 1.",
        "生成器最小化的是判别器自己的损失：在那个损失里生成点的标签是 0，而这里应当是 1。"),
    Misconception("sign of the generator's step", one_round(A=-1),
        "The generator's step goes uphill: it should lower its loss.",
        "生成器的步子走反了，它的损失在上升：应当使损失下降。"),
    Misconception("sign of the discriminator's step", one_round(w=-1),
        "The discriminator's step goes the wrong way: it should lower -V.",
        "判别器的步子走反了：应当使 -V 下降。"),
    Misconception("labels exchanged", one_round(lambda real, z, A, w: by_w(generated(z, A), real, w)),
        "In the discriminator's loss real and generated points are exchanged.",
        "判别器的损失里，真实的点与生成的点放反了。"),
    Misconception("discriminator stands still", one_round(w=0),
        "w has not moved.",
        "w 没有动。"),
    Misconception("old w returned", old_w_returned,
        "A is right, but the last row is the old w.",
        "A 对了，但最后一行是旧的 w。"),
    Misconception("w above A", w_above,
        "The numbers are right, but w belongs below A, as the last row.",
        "数都对，但 w 应放在 A 下面，作为最后一行。"),
    Misconception("halved", one_round(w=0.5),
        "The discriminator's loss is half of -V here: its two parts are to be added, not averaged.",
        "这里判别器的损失只有 -V 的一半：两部分应当相加，而不是取平均。"),
    Misconception("sums", one_round(lambda real, z, A, w: by_w(real, generated(z, A), w, sum),
        lambda z, A, w, new_w: by_A(z, A, new_w, reduce=sum)),
        "The examples were added up; the losses are means.",
        "对样本求了和；损失应当取平均。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "gan-round": Exercise(train_round, train_round_inputs, TRAIN_ROUND),
}
