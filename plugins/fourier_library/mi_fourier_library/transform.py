"""Coefficients of arrays in the real Fourier basis of Z_n, along one axis.

An axis is a number, or the name of a dimension of an array that has names (`dims`, as an xarray
DataArray has); the result is a plain array. Units are those of the input throughout.
"""

from typing import NamedTuple

import numpy as np

from mi_fourier_library._arrays import Array, Axis, like, namespace, resolve
from mi_fourier_library.bases import normalization, real_basis


class Waves(NamedTuple):
    """a_k and b_k of x[j] = mean + Σ_k a_k cos(w_k j) + b_k sin(w_k j), j = 0 .. n-1."""

    cosine: Array
    sine: Array


class AmplitudePhase(NamedTuple):
    """A_k >= 0 and φ_k in (-π, π] of x[j] = mean + Σ_k A_k cos(w_k j - φ_k)."""

    amplitude: Array
    phase: Array


def to_basis(x: Array, axis: Axis = -1) -> Array:
    """Return the coefficients of `x` in `real_basis(n)` along an axis of length n, shape as `x`.

    The basis is orthonormal, so that sums of squares are kept (Parseval).

    Raises ValueError when the axis does not exist or is shorter than 2, or when the values are
    not real floating-point numbers.
    """
    data, (number,) = resolve(x, (axis,))
    xp = namespace(data)
    basis = like(real_basis(data.shape[number]), data)  # (basis, n)
    last = xp.moveaxis(data, number, -1)  # (..., n)
    return xp.moveaxis(xp.matmul(last, basis.T), -1, number)


def from_basis(coefficients: Array, axis: Axis = -1) -> Array:
    """Return the array whose coefficients are given: the inverse of `to_basis`, same errors."""
    data, (number,) = resolve(coefficients, (axis,))
    xp = namespace(data)
    basis = like(real_basis(data.shape[number]), data)  # (basis, n)
    last = xp.moveaxis(data, number, -1)  # (..., basis)
    return xp.moveaxis(xp.matmul(last, basis), -1, number)


def split_waves(coefficients: Array) -> Waves:
    """Split coefficients (..., n) in the real basis into cosines and sines, each (..., n//2).

    The sine that the last frequency of an even n lacks is 0. The constant is dropped.
    """
    xp = namespace(coefficients)
    cosine = coefficients[..., 1::2]
    sine = coefficients[..., 2::2]
    if sine.shape[-1] < cosine.shape[-1]:
        sine = xp.concat([sine, xp.zeros_like(cosine[..., :1])], axis=-1)
    return Waves(cosine, sine)


def waves(x: Array, axis: Axis = -1) -> Waves:
    """Return a_k = (ε_k/n) Σ_j x[j] cos(w_k j) and b_k, the same with sin, for k = 1 .. n//2.

    Each has the shape of `x` with n//2 in place of n on the axis. Together with the mean they
    give x back: x[j] = mean + Σ_k a_k cos(w_k j) + b_k sin(w_k j). Same errors as `to_basis`.
    """
    data, (number,) = resolve(x, (axis,))
    xp = namespace(data)
    n = data.shape[number]
    # A row of the basis is sqrt(ε_k/n) times the wave, so that one more such factor is missing.
    scale = like(np.sqrt(normalization(n) / n), data)  # (n//2,)
    cosine, sine = split_waves(to_basis(xp.moveaxis(data, number, -1)))  # (..., n//2)
    return Waves(xp.moveaxis(cosine * scale, -1, number), xp.moveaxis(sine * scale, -1, number))


def amplitude_phase(x: Array, axis: Axis = -1) -> AmplitudePhase:
    """Return A_k and φ_k for k = 1 .. n//2: x[j] = mean + Σ_k A_k cos(w_k j - φ_k).

    Each has the shape of `x` with n//2 in place of n on the axis; phases are in radians, in
    (-π, π]. At k = n/2 of an even n the phase is 0 or π; where the amplitude is 0 it is 0 and
    means nothing. Same errors as `to_basis`.
    """
    data, _ = resolve(x, (axis,))
    xp = namespace(data)
    cosine, sine = waves(x, axis)
    return AmplitudePhase(xp.hypot(cosine, sine), xp.atan2(sine, cosine))
