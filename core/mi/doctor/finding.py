"""One thing that was looked at."""

from __future__ import annotations

from attrs import frozen

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@frozen
class Finding:
    """What was found, and how to mend it.

    Attributes:
        check: the group that it belongs to.
        subject: what was looked at, unique within the group.
        state: ``ok``; ``warning``: it works, and something should be done; ``problem``: it is broken.
        sentence: one sentence.
        mend: what to do, a command where there is one; empty when nothing is to be done.
    """

    check: str
    subject: str
    state: str
    sentence: str
    mend: str = ""
