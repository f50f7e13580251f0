"""What every family's training shares: loop, resume, states; importing it imports no torch."""

from mi.training.densify import DensifySummary, MismatchError, densify
from mi.training.loop import train
from mi.training.many import ManySummary, Outcome, train_many
from mi.training.outcome import DivergedError, TrainingInterrupted, TrainingSummary
from mi.training.record import TrainingRecord, read_record, variant_state

__all__ = [
    "DensifySummary",
    "DivergedError",
    "ManySummary",
    "MismatchError",
    "Outcome",
    "TrainingInterrupted",
    "TrainingRecord",
    "TrainingSummary",
    "densify",
    "read_record",
    "train",
    "train_many",
    "variant_state",
]
