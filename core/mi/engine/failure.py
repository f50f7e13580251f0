"""One thing that went wrong while the rest went on."""

from __future__ import annotations

from attrs import frozen

from mi.errors import PluginError


@frozen
class Failure:
    """One thing that went wrong, kept while the rest goes on.

    Attributes:
        variant: the variant's name.
        message: one sentence.
        analyzer: whose results are missing; empty for all of the checkpoint's.
        epoch: the checkpoint; None for what spans the trajectory.
        details: traceback of what the analyzer raised; of its first failure alone.
    """

    variant: str
    message: str
    analyzer: str = ""
    epoch: int | None = None
    details: str = ""


class StrictError(PluginError):
    """An analyzer's failure that ends the command, since ``MI_STRICT_PLUGINS`` asks for it."""
