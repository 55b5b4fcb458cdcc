"""A sparse code with an overcomplete dictionary: its decoder's rows have length one, and units that died can be revived."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from gmlib.core import check_batch, check_count, check_shape


class SparseCoder(nn.Module):
    """z = ReLU(W x + b), and back by a dictionary whose rows always have length one: r = z A + c.

    Args:
        D: dimensions of x.
        units: of the code, as a rule more than D.

    Source: Olshausen and Field 1996, with an encoder in the place of inference; in the book eq-autoencoders-dictionary.

    Example:
        >>> model = SparseCoder(32, 48)
        >>> model.encoder(torch.zeros(5, 32)).shape, model(torch.zeros(5, 32)).shape
        (torch.Size([5, 48]), torch.Size([5, 32]))
    """

    def __init__(self, D: int, units: int):
        super().__init__()
        start = torch.nn.functional.normalize(torch.randn(check_count(units, "units"), check_count(D, "D")), dim=1)
        self.A, self.c = nn.Parameter(start.clone()), nn.Parameter(torch.zeros(D))
        self.W, self.b = nn.Parameter(start.clone()), nn.Parameter(torch.zeros(units))

    @property
    def atoms(self) -> Tensor:
        """The dictionary: rows of length one, shape ``(units, D)``."""
        return nn.functional.normalize(self.A, dim=1)

    def encoder(self, x: Tensor) -> Tensor:
        return ((check_shape(x, "x", self.c.numel()) - self.c) @ self.W.T + self.b).relu()

    def decoder(self, z: Tensor) -> Tensor:
        return check_shape(z, "z", self.b.numel()) @ self.atoms + self.c  # eq-autoencoders-dictionary

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def dead_units(model: SparseCoder, x: Tensor) -> Tensor:
    """Which units are 0 for every example: True or False, shape ``(units,)``. Such a unit gets no gradient either.

    Args:
        model: its encoder is asked.
        x: examples, shape ``(N, D)``.

    Raises:
        ValueError: on another shape, or a NaN.
    """
    if check_batch(x, "x", model.c.numel()).ndim != 2:
        raise ValueError(f"x must have shape (N, {model.c.numel()}), got {tuple(x.shape)}")
    with torch.no_grad():
        return (model.encoder(x) == 0).all(0)


@torch.no_grad()
def revive(
    model: SparseCoder, x: Tensor, optimizer: torch.optim.Optimizer | None = None, generator: torch.Generator | None = None
) -> int:
    """Point each dead unit at what the code explains worst; returns how many there were.

    Its atom becomes the residual of an example drawn with a probability proportional to its squared error; its encoder half
    of that, with bias 0; and what the optimiser remembers of it is forgotten.

    Args:
        model: changed in place.
        x: examples, shape ``(N, D)``.
        optimizer: of the model's parameters, with a state such as Adam's.
        generator: of the examples drawn.

    Source: in the book, in the notebook on regularised autoencoders.

    Example:
        >>> model = SparseCoder(2, 3)
        >>> model.b.data.fill_(-9.0)
        tensor([-9., -9., -9.])
        >>> revive(model, torch.randn(50, 2)), revive(model, torch.randn(50, 2))
        (3, 0)
    """
    dead = dead_units(model, x).nonzero().flatten()
    if len(dead) == 0:
        return 0
    residual = x - model(x)
    drawn = torch.multinomial(residual.square().sum(1), len(dead), replacement=True, generator=generator)
    atoms = nn.functional.normalize(residual[drawn], dim=1)
    model.A[dead], model.W[dead], model.b[dead] = atoms, atoms / 2, 0.0
    for p in (model.A, model.W, model.b):
        for value in (optimizer.state.get(p, {}) if optimizer else {}).values():
            if isinstance(value, Tensor) and value.shape == p.shape:
                value[dead] = 0
    return len(dead)


def matched_cosines(atoms: Tensor, truth: Tensor) -> Tensor:
    """How well a dictionary is recovered: cosines of its atoms with those of the truth, matched one to one for the largest sum.

    Args:
        atoms: shape ``(units, D)``, at least as many as in ``truth``.
        truth: shape ``(M, D)``.

    Returns:
        Of each atom of the truth, shape ``(M,)``.

    Raises:
        ValueError: on shapes that do not fit.

    Example:
        >>> matched_cosines(torch.eye(3), torch.eye(3)[[2, 0]])
        tensor([1., 1.])
    """
    check_batch(truth, "truth")
    check_batch(atoms, "atoms", truth.shape[-1])
    if truth.ndim != 2 or atoms.ndim != 2 or len(atoms) < len(truth):
        raise ValueError(f"atoms must be a matrix with at least {len(truth)} rows, got {tuple(atoms.shape)}")
    cosine = nn.functional.normalize(truth, dim=1) @ nn.functional.normalize(atoms, dim=1).T
    rows, columns = linear_sum_assignment(cosine.detach().cpu().numpy(), maximize=True)
    return cosine[torch.as_tensor(rows), torch.as_tensor(columns)]
