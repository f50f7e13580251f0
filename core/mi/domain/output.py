"""What an analyzer declares of each array that it returns."""

from __future__ import annotations

from attrs import field, frozen

from mi.domain.values import as_tuple
from mi.errors import ParameterError


@frozen
class Output:
    """One named array that an analyzer returns.

    Attributes:
        dims: names of its dimensions, without ``epoch`` (which the store adds in front for scope
            ``checkpoint``). Each is resolved when work is planned: the analyzer's own
            ``coordinates``, the probe's axes (and ``row``), or the family's dimensions.
        dtype: numpy name of the stored dtype.
        units: physical or mathematical unit (``nats``, ``1``); empty when there is none.
        description: one line for users.
        fill: what stands for "missing"; NaN for floats, a sentinel that must be given for integers.
        gaps: whether NaN is an ordinary value that says that there is nothing to measure (the frequency of a
            dead neuron). Without it, NaN is flagged wherever the artifact shows, as an infinity always is.
    """

    dims: tuple[str, ...] = field(converter=as_tuple)
    dtype: str = "float32"
    units: str = ""
    description: str = ""
    fill: float | int | None = None
    gaps: bool = False

    @property
    def fill_value(self) -> float | int:
        """NaN for floats unless declared otherwise."""
        if self.fill is not None:
            return self.fill
        if self.dtype.startswith("float"):
            return float("nan")
        raise ParameterError(f"an output of dtype {self.dtype} must declare its `fill` sentinel")
