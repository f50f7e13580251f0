"""What a page's address asks for. Query arguments are hostile: each is looked up, none is used as it came."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from attrs import frozen

REPORT_PATH = "/report"
KNOWN = ("family", "variant", "report", "epoch")
MAX_LENGTH = 2048
_EPOCH = re.compile(r"[0-9]{1,12}", re.ASCII)
_SHOWN = 60


@frozen
class Query:
    """A parsed query; names are not yet known to exist.

    Attributes:
        family, variant, report: names asked for, None where none was.
        epoch: the epoch asked for.
        notices: sentences on what was dropped.
    """

    family: str | None = None
    variant: str | None = None
    report: str | None = None
    epoch: int | None = None
    notices: tuple[str, ...] = ()


def parse_query(arguments: Mapping[str, Sequence[bytes]]) -> Query:
    """A query from raw arguments: the last of repeated ones counts, empty ones count as absent."""
    text: dict[str, str] = {}
    notices: list[str] = []
    for name, values in arguments.items():
        if name not in KNOWN:
            notices.append(f"ignored: {shown(name)}")
        elif values and values[-1].strip():
            text[name] = values[-1].decode("utf-8", "replace").strip()
    epoch = text.pop("epoch", None)
    if epoch is not None and _EPOCH.fullmatch(epoch) is None:
        notices.append(f"epoch {shown(epoch)} is no whole number")
        epoch = None
    return Query(**text, epoch=None if epoch is None else int(epoch), notices=tuple(notices[:4]))


def shown(text: str) -> str:
    """Hostile text in a sentence: quoted, control characters spelt out, cut to a line."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def report_url(
    family: str | None = None,
    variant: str | None = None,
    report: str | None = None,
    epoch: int | None = None,
) -> str:
    """The address of a report; what is None is left out and decided when the page is opened."""
    parts = {"family": family, "variant": variant, "report": report, "epoch": epoch}
    given = {name: value for name, value in parts.items() if value is not None}
    return f"{REPORT_PATH}?{urlencode(given)}" if given else REPORT_PATH
