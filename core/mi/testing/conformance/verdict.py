"""How checks say what is broken, and when they have nothing to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import pytest

from mi.errors import MiError

T = TypeVar("T")


def broken(sentence: str) -> NoReturn:
    """Fail with one sentence and no traceback of the kit's own."""
    pytest.fail(sentence, pytrace=False)


def moot(reason: str) -> NoReturn:
    """Skip: another check says what is wrong, or the rule does not apply."""
    pytest.skip(reason)


def said(error: BaseException) -> str:
    """An exception in one line: an :class:`MiError`'s sentence, or type and message of another."""
    text = " ".join(str(error).split())
    if isinstance(error, MiError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def attempt(call: Callable[[], T], what: str, mend: str) -> T:
    """What ``call`` returns; where it raises, ``what`` is broken, and ``mend`` says how to mend it."""
    try:
        return call()
    except (Exception, SystemExit) as error:
        broken(f"{what} raises {said(error)}; {mend}")


@contextmanager
def quiet(reason: str) -> Iterator[None]:
    """Skip where the body raises: another check says why."""
    try:
        yield
    except (Exception, SystemExit) as error:
        moot(f"{reason} ({said(error)})")


def untitled(declaration: Any) -> list[str]:
    """Which texts for users a declaration and its options lack."""
    lacking = [name for name in ("title", "description") if not str(getattr(declaration, name, " ")).strip()]
    options = getattr(declaration, "options", {})
    return lacking + [f"options[{n!r}].description" for n, o in options.items() if not o.description.strip()]
