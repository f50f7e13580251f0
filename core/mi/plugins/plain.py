"""The requirement that nearly every plugin states, judged without ``packaging``.

Importing ``packaging`` costs as much as everything else that `mi plugins` does. What is not exactly
``mi-core>=A,<B`` in plain numbers, and met, is left to :mod:`mi.plugins.versions`; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mi import __version__

API_VERSION = ".".join(__version__.split(".")[:2])
OURS = re.compile(r"\s*mi[-_.]+core(?![\w.-])", re.IGNORECASE)
_NUMBERS = r"(\d+(?:\.\d+)*)"
_PLAIN = re.compile(
    rf"mi[-_.]core *(?:>= *{_NUMBERS} *, *< *{_NUMBERS}|< *{_NUMBERS} *, *>= *{_NUMBERS})", re.IGNORECASE
)


def plainly_met(requires: Iterable[str], ours: str = __version__) -> str | None:
    """``>=A,<B`` where that is the one requirement on ``mi-core`` and ``ours`` fits; None for all else."""
    stated = [text for text in requires if OURS.match(text)]
    match = _PLAIN.fullmatch(stated[0].strip()) if len(stated) == 1 else None
    if match is None or re.fullmatch(_NUMBERS, ours) is None:
        return None
    low, high = (match[1], match[2]) if match[1] else (match[4], match[3])
    return f">={low},<{high}" if _release(low) <= _release(ours) < _release(high) else None


def _release(text: str) -> tuple[int, ...]:
    """Numbers that compare as versions do: 1 and 1.0 are the same."""
    numbers = [int(part) for part in text.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
