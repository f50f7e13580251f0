"""What every family's training shares: loop, resume, states; importing it imports no torch."""

from mi.training.loop import train
from mi.training.outcome import DivergedError, TrainingInterrupted, TrainingSummary
from mi.training.record import TrainingRecord, read_record, variant_state

__all__ = [
    "DivergedError",
    "TrainingInterrupted",
    "TrainingRecord",
    "TrainingSummary",
    "read_record",
    "train",
    "variant_state",
]
