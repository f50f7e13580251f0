"""How a training went, read from its loss history alone: the one classifier, and the phases of training.

A family takes part by the names of its metrics: ``train_accuracy``, ``test_accuracy`` and ``test_loss``.
What it does not measure is unknown, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import field, frozen

GROKKED, GENERALIZED, LAPSED = "grokked", "generalized", "lapsed"
MEMORIZED, UNLEARNED, UNMEASURED = "memorized", "unlearned", "unmeasured"
OUTCOMES = {
    GROKKED: "it memorized the training data first, and generalized later, to the end",
    GENERALIZED: "it generalized, to the end, as early as it memorized",
    LAPSED: "it answered test data right for a while, and not at the end",
    MEMORIZED: "it answers its training data right, and test data not",
    UNLEARNED: "it does not answer its training data right yet",
    UNMEASURED: "the accuracy on training or test data was not measured",
}
MEMORIZATION, FORMATION, CLEANUP = "memorization", "circuit formation", "clean-up"


@frozen(kw_only=True)
class Thresholds:
    """What is meant by each word.

    Attributes:
        accuracy: from which share of right answers on a set is right.
        sigma: epochs over which log10 of the test loss is smoothed (standard deviation of a Gaussian); not a
            share of the length, or the same trajectory trained longer would turn elsewhere.
        slope: the fall has not begun where the slope is below this share of the steepest.
        rebound: decades by which the test loss may end above its minimum.
    """

    accuracy: float = 0.99
    sigma: float = 25.0
    slope: float = 0.1
    rebound: float = 0.5


@frozen(kw_only=True)
class Phase:
    """One stretch of training, in epochs: ``name``, ``start``, ``end``."""

    name: str
    start: int
    end: int


@frozen(kw_only=True)
class Outcome:
    """How a training went.

    Attributes:
        label: one of ``OUTCOMES``.
        reasons: sentences, each with the number that decided and the threshold it was held against.
        memorized: first epoch at which the train accuracy is right; None for never.
        onset: walking back from ``turn``, the last epoch at which the fall was slower than ``slope`` of the
            steepest: where the test loss begins to fall.
        turn: epoch of the steepest fall of the smoothed log10 of the test loss; None where test accuracy was
            never right, since every curve falls steepest somewhere.
        grokked: epoch from which the test accuracy is right to the end; None where it is not.
        rebound: decades between the smoothed test loss at the end and its minimum after the onset; NaN
            without onset.
        phases: memorization to ``memorized``, circuit formation to ``onset``, clean-up to ``grokked``
            (Nanda et al. 2023) of what grokked; memorization alone of what memorized; else none.
        thresholds: those used.
        final: metric -> its last measured value.
        epochs: the last epoch measured; None when nothing is.
    """

    label: str
    reasons: tuple[str, ...]
    memorized: int | None
    onset: int | None
    turn: int | None
    grokked: int | None
    rebound: float
    phases: tuple[Phase, ...]
    thresholds: Thresholds
    final: Mapping[str, float] = field(factory=dict)
    epochs: int | None = None


def classify(losses: Mapping[str, Any], thresholds: Thresholds | None = None) -> Outcome:
    """The outcome of one training.

    Args:
        losses: ``epoch`` and one array a metric, (E,), NaN where not measured; a Dataset will do.
        thresholds: the defaults of :class:`Thresholds` when None.
    """
    limits = thresholds or Thresholds()
    train, test = measured(losses, "train_accuracy"), measured(losses, "test_accuracy")
    memorized = _first(train[0], train[1] >= limits.accuracy)
    reached = _first(test[0], test[1] >= limits.accuracy)
    grokked = held(test[0], test[1] >= limits.accuracy)
    onset, turn, rebound = None, None, float("nan")
    if reached is not None:
        onset, turn, rebound = _fall(*measured(losses, "test_loss"), limits)
    label = _label(len(train[0]) > 0 and len(test[0]) > 0, memorized, reached, grokked, onset)
    reasons = _reasons(limits, train, test, (memorized, reached, grokked, onset, turn), rebound)
    names = [str(name) for name in losses if str(name) != "epoch"]
    last = {name: measured(losses, name) for name in names}
    return Outcome(
        label=label,
        reasons=reasons,
        memorized=memorized,
        onset=onset,
        turn=turn,
        grokked=grokked,
        rebound=rebound,
        phases=_phases(label, memorized, onset, grokked, int(np.asarray(losses["epoch"])[0]) if last else 0),
        thresholds=limits,
        final={name: float(values[-1]) for name, (_, values) in last.items() if len(values)},
        epochs=max((int(epochs[-1]) for epochs, _ in last.values() if len(epochs)), default=None),
    )


def measured(losses: Mapping[str, Any], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs at which a metric was measured, and its values there; both empty where it never was."""
    if metric not in losses:
        return np.empty(0, dtype=np.int64), np.empty(0)
    epochs, values = np.asarray(losses["epoch"]), np.asarray(losses[metric], dtype=np.float64)
    there = ~np.isnan(values)
    return epochs[there], values[there]


def held(epochs: np.ndarray, right: np.ndarray) -> int | None:
    """The first epoch from which ``right`` holds to the end; None where it does not hold at the end."""
    if not len(right) or not right[-1]:
        return None
    wrong = np.flatnonzero(~right)
    return int(epochs[wrong[-1] + 1 if len(wrong) else 0])


def smoothed(y: np.ndarray, sigma: float) -> np.ndarray:
    """``y`` convolved with a Gaussian of standard deviation ``sigma``, cut off at 4 sigma: (n,).

    Beyond its ends ``y`` goes on as its mirror image.
    """
    reach = int(np.ceil(4 * sigma))
    if reach == 0:
        return y
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.convolve(np.pad(y, reach, mode="symmetric"), kernel / kernel.sum(), mode="valid")


def _first(epochs: np.ndarray, right: np.ndarray) -> int | None:
    found = np.flatnonzero(right)
    return int(epochs[found[0]]) if len(found) else None


def _fall(epochs: np.ndarray, loss: np.ndarray, limits: Thresholds) -> tuple[int | None, int | None, float]:
    """Onset and turn of the fall of log10(loss), and the rebound after it in decades.

    Between measurements the logarithm is interpolated linearly; a loss of 0 counts as the smallest above 0.
    """
    finite = np.isfinite(loss)
    positive = loss[finite & (loss > 0)]
    if len(epochs) < 2 or not len(positive):
        return None, None, float("nan")
    axis = np.arange(epochs[0], epochs[-1] + 1)
    y = np.interp(axis, epochs[finite], np.log10(np.maximum(loss[finite], positive.min())))
    y = smoothed(y, limits.sigma)
    slope = np.gradient(y)
    turn = int(slope.argmin())
    if slope[turn] >= 0:
        return None, None, float("nan")
    slow = np.flatnonzero(slope[:turn] > limits.slope * slope[turn])
    onset = int(slow[-1]) if len(slow) else 0
    return int(axis[onset]), int(axis[turn]), float(y[-1] - y[onset:].min())


def _label(
    known: bool, memorized: int | None, reached: int | None, grokked: int | None, onset: int | None
) -> str:
    if not known:
        return UNMEASURED
    if grokked is not None:
        begun = grokked if onset is None else onset
        return GROKKED if memorized is not None and memorized < begun else GENERALIZED
    if reached is not None:
        return LAPSED
    return MEMORIZED if memorized is not None else UNLEARNED


def _reasons(
    limits: Thresholds,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    found: tuple[int | None, int | None, int | None, int | None, int | None],
    rebound: float,
) -> tuple[str, ...]:
    memorized, reached, grokked, onset, turn = found
    least = f"{limits.accuracy:g}"
    said = [
        f"{name} accuracy was not measured" for name, s in (("train", train), ("test", test)) if not len(s[0])
    ]
    if memorized is not None:
        said.append(f"train accuracy is at least {least} from epoch {memorized:,}")
    elif len(train[0]):
        said.append(f"train accuracy stays below {least} (at most {train[1].max():.3g})")
    if grokked is not None:
        said.append(f"test accuracy is at least {least} from epoch {grokked:,} to the end")
    elif reached is not None:
        said.append(f"test accuracy is {least} at epoch {reached:,} and {test[1][-1]:.3g} at the end")
    elif len(test[0]):
        said.append(f"test accuracy stays below {least} (at most {test[1].max():.3g})")
    if onset is not None and turn is not None:
        said.append(f"test loss begins to fall at epoch {onset:,} and falls steepest at {turn:,}")
    if rebound > limits.rebound:
        said.append(
            f"test loss ends {rebound:.2g} decades above its minimum, more than {limits.rebound:g}: "
            "it rebounded"
        )
    return tuple(said)


def _phases(
    label: str, memorized: int | None, onset: int | None, grokked: int | None, first: int
) -> tuple[Phase, ...]:
    if memorized is None or label in (GENERALIZED, UNMEASURED, UNLEARNED):
        return ()
    ends = [(MEMORIZATION, memorized)]
    if label == GROKKED and onset is not None and grokked is not None:
        ends += [(FORMATION, onset), (CLEANUP, max(grokked, onset))]
    starts = [first, *(end for _, end in ends)]
    spans = zip(starts, ends, strict=False)
    return tuple(Phase(name=name, start=start, end=end) for start, (name, end) in spans if start < end)
