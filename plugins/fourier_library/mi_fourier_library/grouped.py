"""Energies and shares by group of rows of a basis, over one axis and over two.

Same as `spectra` and `fractions`, but for any `Basis`: where those say frequency, these say group
of rows, and the constant takes no part here either. Axes are as in `transform`.
"""

from collections.abc import Sequence

from mi_fourier_library._arrays import Array, Axis, divide, like, namespace, resolve
from mi_fourier_library.basis import Basis
from mi_fourier_library.fractions import BLOCK, Fractions, living
from mi_fourier_library.groups import FiniteGroup


def group_energy(x: Array, basis: Basis, axis: Axis = -1, keep_other_axes: bool = False) -> Array:
    """Return the energy of `x` in each group of rows but the constant, in its squared unit.

    The sum of the squares of the coefficients in the group's rows, along an axis of the basis'
    length. Summed over the other axes the shape is (groups,); kept, it is that of `x` with the
    groups in place of the elements. With the constant's they sum to Σ x² (Parseval).

    Raises ValueError when the axis does not exist or is not as long as the basis, or when the
    values are not real floating-point numbers.
    """
    data, (number,) = resolve(x, (axis,))
    xp = namespace(data)
    _check_length(basis, data.shape[number])
    last = xp.moveaxis(data, number, -1)  # (..., n)
    squares = xp.matmul(last, like(basis.matrix, data).T) ** 2
    per_vector = xp.matmul(squares, like(basis.indicator[1:], data).T)  # (..., groups)
    if keep_other_axes:
        return xp.moveaxis(per_vector, -1, number)
    return xp.sum(per_vector, axis=tuple(range(data.ndim - 1)))


def group_share(x: Array, basis: Basis, axis: Axis = -1, keep_other_axes: bool = False) -> Array:
    """Return the energy of each group of rows as a share of all of them: `group_energy`, sum 1.

    A signal that does not vary along the axis, beyond the rounding of its own values, has no
    shares: NaN. Same errors.
    """
    data, (number,) = resolve(x, (axis,))
    xp = namespace(data)
    n = data.shape[number]
    values = group_energy(x, basis, axis, keep_other_axes)
    varying = xp.sum(values, axis=number if keep_other_axes else 0, keepdims=True)
    summed = number if keep_other_axes else tuple(range(data.ndim))
    whole = xp.sum(data**2, axis=summed, keepdims=keep_other_axes)
    rounding = 4 * n * float(xp.finfo(data.dtype).eps) ** 2 * whole
    return divide(values, varying, varying > rounding)


def group_cells(x: Array, basis: Basis, axes: Sequence[Axis] = (0, 1)) -> Array:
    """Return the energy of `x` in each pair of groups of rows, of the one axis and of the other.

    The two axes have the basis' length; the shape is (groups, groups, ...), the constant first in
    both, the other axes behind in their order. Everything sums to Σ x².

    Raises ValueError when the two axes do not exist, are the same or are not as long as the basis,
    or when the values are not real floating-point numbers.
    """
    data, (first, second) = resolve(x, axes)
    xp = namespace(data)
    for number in (first, second):
        _check_length(basis, data.shape[number])
    n = len(basis.matrix)
    grid = xp.moveaxis(data, (first, second), (0, 1))  # (n, n, ...)
    others = tuple(grid.shape[2:])
    rows, belongs = like(basis.matrix, data), like(basis.indicator, data)
    half = xp.matmul(rows, xp.reshape(grid, (n, -1)))  # (basis, n * others)
    half = xp.reshape(half, (n, n, -1))  # (basis, n, others)
    squares = xp.matmul(rows, half) ** 2  # (basis, basis, others)
    summed = xp.matmul(belongs, xp.matmul(belongs, xp.reshape(squares, (n, n, -1))).reshape(n, -1))
    groups = len(basis.groups)
    return xp.reshape(summed, (groups, groups, *others))


def group_fractions(activations: Array, basis: Basis, axes: Sequence[Axis] = (0, 1)) -> Fractions:
    """Return the share of each neuron's energy over (a, b) that lies in each group of rows.

    activations: (n, n, neurons), or any shape in which `axes` are the two of the basis' length;
    all other axes, in their order, are then the neurons.
    frac: (neurons, groups), without the constant's: the energy of what is a function of the group
    in a, in b, or in both, over that of everything but the neuron's mean. For the circle these are
    the cells of `frequency_fractions`.
    rest: (neurons,), the share of what mixes groups; frac and rest sum to 1.

    Dead neurons, and those that are not finite, are NaN as in `frequency_fractions`. Raises
    ValueError as `group_cells`, and when there is no neuron.
    """
    data, (first, second) = resolve(activations, axes)
    xp = namespace(data)
    grid = xp.moveaxis(data, (first, second), (0, 1))
    neurons = tuple(grid.shape[2:])
    if 0 in neurons:
        raise ValueError(f"there are no neurons in the shape {tuple(data.shape)}")
    n, groups = grid.shape[0], len(basis.groups) - 1
    x = xp.reshape(grid, (n, grid.shape[1], -1))
    mean = xp.mean(xp.mean(x, axis=0), axis=0)  # (m,)
    x = x - mean
    cells = xp.concat(
        [group_cells(x[:, :, i : i + BLOCK], basis) for i in range(0, x.shape[2], BLOCK)], axis=-1
    )  # (groups + 1, groups + 1, m)
    both = xp.stack([cells[i, i, :] for i in range(1, groups + 1)])  # (groups, m)
    own = cells[1:, 0, :] + cells[0, 1:, :] + both
    # What centring has left over is taken out, as in `frequency_fractions`.
    total = xp.sum(xp.sum(x**2, axis=0), axis=0) - cells[0, 0, :]
    alive = living(total, (n * float(xp.finfo(x.dtype).eps) * mean) ** 2)
    frac = divide(own.T, total[:, None], alive[:, None])  # (m, groups)
    rest = 1 - xp.sum(frac, axis=-1)
    rest = xp.where(rest < 0, xp.zeros_like(rest), rest)
    return Fractions(xp.reshape(frac, (*neurons, groups)), xp.reshape(rest, neurons))


def character_coefficients(means: Array, group: FiniteGroup) -> Array:
    """Return how much of χ_ρ(s c⁻¹) the class means M (n, n) hold, of each irrep but the trivial.

    coef_ρ = n⁻² Σ_{s,c} χ_ρ(s c⁻¹) M[s, c], shape (irreps - 1,), in the unit of M: the χ_ρ(s c⁻¹)
    are orthogonal, each of the squared norm n². For logits of pairs (a, b) whose class s is a b it
    is the coefficient of χ_ρ(a b c⁻¹) (Chughtai, Chan & Nanda, *A Toy Model of Universality*,
    2023); for a cyclic group that of 2 cos(w_k (s - c)).

    Raises ValueError when M is not (n, n), or is not of real floating-point numbers.
    """
    xp = namespace(means)
    n = len(group.elements)
    if tuple(means.shape) != (n, n):
        raise ValueError(f"needs class means ({n}, {n}), not {tuple(means.shape)}")
    table = like(group.of_quotients[1:].reshape(-1, n * n), means)  # (irreps - 1, n * n)
    return xp.matmul(table, xp.reshape(means, (-1,))) / n**2


def character_variance(coefficients: Array, total: Array | float, group: FiniteGroup) -> Array:
    """Return n³ coef_ρ² / Σ L², the share of χ_ρ(a b c⁻¹) in the logits.

    coefficients: (irreps - 1,), of `character_coefficients`. total: Σ L² over the *complete* grid
    of pairs, L the logits minus their mean over c. NaN when it is 0.

    Raises ValueError when there is another number of coefficients, or they are not real
    floating-point numbers.
    """
    xp = namespace(coefficients)
    if tuple(coefficients.shape) != (len(group.irreps) - 1,):
        raise ValueError(
            f"needs {len(group.irreps) - 1} coefficients, not the shape {tuple(coefficients.shape)}"
        )
    energies = coefficients**2 * len(group.elements) ** 3
    whole = xp.zeros_like(energies) + total
    return divide(energies, whole, whole > 0)


def _check_length(basis: Basis, length: int) -> None:
    n = len(basis.matrix)
    if length != n:
        raise ValueError(f"an axis of {basis.name} has {n} elements, not {length}")
