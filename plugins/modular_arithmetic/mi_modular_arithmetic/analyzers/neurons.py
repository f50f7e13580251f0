"""Which frequency each neuron computes with, and how that settles over training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mi_fourier_library import dominant, frequency_fractions
from mi_modular_arithmetic.sites import NEURONS

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject, TrajectoryData
    from mi_fourier_library import Fractions

SWITCH_FRACTION = (
    0.5  # a neuron has a state to switch from or to where one frequency holds half of its energy
)
TRANSIENT_PEAK, TRANSIENT_END = 0.05, 0.10


def neuron_frequencies(data: CheckpointData, *, site: str) -> dict[str, torch.Tensor]:
    """Energy shares by frequency, the dominant one and the runner-up of each neuron of a layer.

    ``fraction`` (neurons, n//2), ``rest`` (neurons,): sum to 1; NaN for dead neurons. ``dominant``,
    ``runner_up`` (neurons,): frequencies from 1, 0 for dead neurons; with their fractions.
    """
    fractions: Fractions = (
        data.derived("modular_arithmetic.neuron_fractions")
        if site == NEURONS
        else frequency_fractions(data.probe.fold(data.activations[site]))
    )
    strongest = dominant(fractions.frac)
    return {
        "fraction": fractions.frac,
        "rest": fractions.rest,
        "dominant": strongest.frequency,
        "dominant_fraction": strongest.fraction,
        "runner_up": strongest.runner_up,
        "runner_up_fraction": strongest.runner_up_fraction,
    }


def neuron_timeline(data: TrajectoryData, *, threshold: float) -> dict[str, np.ndarray]:
    """Commitment of neurons to frequencies over training; a neuron is committed from ``threshold`` on.

    ``count`` (epochs, n//2): committed neurons by frequency. ``live``, ``uncommitted``, ``homeless``,
    ``switched`` (epochs,): neurons that compute anything; that are live and committed to nothing; those of
    them that were committed before; that have another dominant frequency than when one last held half of
    their energy. ``transient`` (n//2,): 1 where at least 5 % of neurons were committed at some checkpoint and
    fewer than 10 % of that peak are at the last. ``switches``, ``settled`` (neurons,): changes of frequency;
    epoch from which the neuron has been committed to its final frequency without a break, -1 for never.
    ``order`` (neurons,): neurons by final frequency, then by final fraction, dead ones last.
    """
    artifacts = data.artifacts["modular_arithmetic.neuron_frequencies"]
    frequency = artifacts["dominant"].values  # (epochs, neurons)
    fraction = artifacts["dominant_fraction"].values
    epochs = artifacts["epoch"].values
    ks = artifacts["freq"].values
    state = committed_frequency(frequency, fraction, threshold)
    counts = committed_counts(state, ks)  # (epochs, n//2)
    live = frequency > 0
    before = np.maximum.accumulate(state > 0, axis=0)  # committed at this checkpoint or earlier
    switched = switch_events(committed_frequency(frequency, fraction, SWITCH_FRACTION))
    return {
        "count": counts,
        "live": live.sum(axis=1),
        "uncommitted": (live & (state == 0)).sum(axis=1),
        "homeless": (live & (state == 0) & before).sum(axis=1),
        "switched": switched.sum(axis=1),
        "transient": transient_frequencies(counts, frequency.shape[1]).astype(np.int8),
        "switches": switched.sum(axis=0),
        "settled": _settled(state, epochs),
        "order": neuron_order(frequency[-1], fraction[-1]),
    }


def committed_frequency(frequency: np.ndarray, fraction: np.ndarray, threshold: float) -> np.ndarray:
    """The dominant frequency where its fraction reaches ``threshold``, else 0; same shape."""
    return np.where((frequency > 0) & (np.nan_to_num(fraction, nan=0.0) >= threshold), frequency, 0)


def committed_counts(state: np.ndarray, ks: np.ndarray) -> np.ndarray:
    """Neurons by committed frequency: states (epochs, neurons) -> (epochs, frequencies)."""
    return np.stack([np.count_nonzero(state == k, axis=1) for k in ks], axis=1)


def transient_frequencies(counts: np.ndarray, neurons: int) -> np.ndarray:
    """Which frequencies came and went: bool (frequencies,) of counts (epochs, frequencies)."""
    peak = counts.max(axis=0)
    came = (peak >= TRANSIENT_PEAK * neurons) & (peak > 0)
    gone: np.ndarray = came & (counts[-1] < TRANSIENT_END * peak)
    return gone


def switch_events(state: np.ndarray) -> np.ndarray:
    """Where a neuron's state differs from its last one: bool, as ``state`` (epochs, neurons).

    Checkpoints at which the neuron had no state (0) are passed over: leaving a frequency and coming back to
    it is no switch.
    """
    events = np.zeros(state.shape, dtype=bool)
    last = state[0].copy()
    for e in range(1, len(state)):
        now = state[e]
        events[e] = (now > 0) & (last > 0) & (now != last)
        last = np.where(now > 0, now, last)
    return events


def neuron_order(frequency: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Neurons by dominant frequency, then by falling fraction; dead ones (frequency 0) last: (neurons,)."""
    dead = frequency == 0
    return np.lexsort((-np.nan_to_num(fraction, nan=-1.0), frequency, dead))


def _settled(state: np.ndarray, epochs: np.ndarray) -> np.ndarray:
    """Epoch of the first checkpoint of the unbroken stretch in the final state, -1 where that is none."""
    final = state[-1]
    same = np.logical_and.accumulate((state == final)[::-1], axis=0)[::-1]  # from here to the end
    return np.where(final > 0, epochs[same.argmax(axis=0)], -1)


def timeline_coordinates(subject: Subject, **options: object) -> dict[str, range]:
    """``place``: a neuron's place in the sorted order."""
    return {"place": range(len(subject.dimensions["neuron"]))}
