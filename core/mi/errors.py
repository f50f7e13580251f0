"""Every error that a user can cause or mend, each with one clear sentence as its message.

The command line prints the sentence and exits with code 2; ``--debug`` shows the traceback too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class MiError(Exception):
    """Base class: something the user can understand and mend."""


class FormatError(MiError):
    """A declaration (family.json, a probe, a report, a config) that does not hold what it must.

    ``because`` is a refusal in words of its own, said instead of the value and what was expected.
    """

    def __init__(self, file: object, field: str, value: Any, expected: str = "", because: str = "") -> None:
        self.file, self.field, self.value = str(file), field, value
        self.expected, self.because = expected, because
        said = f": {because}" if because else f" is {value!r}, expected {expected}"
        super().__init__(f"{file}: {field}{said}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.file, self.field, self.value, self.expected, self.because)


class ParameterError(MiError):
    """A domain parameter, option or setting outside what its declaration allows."""


class UnknownNameError(MiError):
    """A family, variant, analyzer, probe, report, visualization or epoch that does not exist."""


class PluginError(MiError):
    """A plugin that could not be loaded, or that does not keep its contract."""


class PluginWarning(UserWarning):
    """What a plugin did wrong, or a local one that is not run, where there is no terminal to say it on."""


class DataWarning(UserWarning):
    """Values that are not finite, where there is no page to say it on."""


class PlanError(MiError):
    """Work that cannot be done as asked: a missing site, an unmet need, a cycle."""


class NotApplicableError(PlanError):
    """An analyzer that does not fit this model or probe: skipped, unless it was asked for by name."""


class CheckpointError(MiError):
    """A checkpoint that is damaged, missing or does not fit its family."""


class StoreError(MiError):
    """A results folder that cannot be read or written."""


class LockedError(StoreError):
    """Another process is writing this variant."""


def nearest(name: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """Known names most similar to ``name``, best first; substring matches count as similar."""
    import difflib

    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=limit, cutoff=0.5)
    contained = [n for n in names if name and name in n and n not in close]
    return (close + contained)[:limit]


def unknown(kind: str, name: str, known: Iterable[str], *, hint: str = "") -> UnknownNameError:
    """Sentence for a name that does not exist: the nearest names, or all of them when few."""
    names = sorted(set(known))
    near = nearest(name, names)
    if near:
        tail = f"did you mean {' or '.join(near)}?"
    elif not names:
        tail = f"there is no {kind} here."
    elif len(names) <= 12:
        tail = f"known: {', '.join(names)}."
    else:
        tail = f"known: {', '.join(names[:12])} and {len(names) - 12} more."
    return UnknownNameError(f"unknown {kind} {name!r}: {tail}" + (f" {hint}" if hint else ""))
