"""Numbers of things, for sentences: ``1 variant``, ``12,769 rows``, ``0 analyses``."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """The number, its thousands apart, with the noun as it then is.

    Args:
        number: how many.
        noun: of one: ``variant``, ``pass``, ``analysis``, ``family``.
    """
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """The noun of more than one, by the rules of the nouns that we use."""
    if noun.endswith("is"):
        return f"{noun[:-2]}es"
    if noun.endswith("s"):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def are(number: int) -> str:
    """``is`` or ``are``, after so many."""
    return "is" if number == 1 else "are"
