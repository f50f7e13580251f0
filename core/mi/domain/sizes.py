"""Amounts of memory and of work in words: ``512MB``, ``8GiB``, ``3.2 GFLOP``."""

from __future__ import annotations

import re

from mi.errors import ParameterError

_UNITS = {"": 1, "B": 1} | {
    unit: base**power
    for power, letter in enumerate("KMGT", start=1)
    for unit, base in ((f"{letter}B", 1000), (f"{letter}IB", 1024), (letter, 1000))
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def parse_bytes(text: str, name: str = "--memory") -> int:
    """Bytes that ``text`` stands for: MB and GB are powers of 1000, MiB and GiB of 1024.

    Raises:
        ParameterError: names ``name``, the value and what was expected.
    """
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * _UNITS.get(found[2].upper(), 0)) if found else 0
    if size < 1:
        raise ParameterError(f"{name} is {text!r}, expected a size such as 512MB, 8GB or 8GiB")
    return size


def said_bytes(size: float) -> str:
    """Bytes for people: ``3.2 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def said_operations(count: float) -> str:
    """Floating-point operations for people: ``3.2 GFLOP``."""
    for unit in ("FLOP", "kFLOP", "MFLOP", "GFLOP"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TFLOP"
