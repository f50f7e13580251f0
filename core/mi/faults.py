"""What a stranger's code may raise, made safe to say: one line whatever its text is."""

from __future__ import annotations

import opcode
import traceback
from pathlib import Path
from types import CodeType, FrameType, TracebackType

from mi.errors import MiError

LINE, DETAILS = 400, 40_000
_RAISE = opcode.opmap["RAISE_VARARGS"]


def is_fault(error: BaseException) -> bool:
    """Whether an exception is the fault of the code that was called; all are, but Ctrl-C.

    A ``KeyboardInterrupt`` that a ``raise`` statement made is no Ctrl-C: a signal interrupts between two
    statements. Without the distinction, a plugin that raises one could end every command as if by hand.
    """
    if not isinstance(error, KeyboardInterrupt):
        return True
    last = None
    for trace in _traces(error):
        last = trace
    return last is not None and last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE


def one_line(text: str, limit: int = LINE) -> str:
    """``text`` in one line of at most ``limit`` characters; what does not print is spelt out."""
    said = spelt(" ".join(text[: 4 * limit].split()))
    return said if len(said) <= limit and len(text) <= 4 * limit else f"{said[: limit - 1]}…"


def spelt(line: str) -> str:
    """A line with what does not print spelt out, but for tabs.

    Escape sequences would change the terminal, and marks of direction show another text than there is.
    """
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in line)


def sentence(error: BaseException) -> str:
    """``Type: message`` in one line; an error of `mi` is a sentence without its type. Never raises."""
    name = type(error).__name__
    try:
        said = one_line("".join((str(error),)))  # a copy: it may be a subclass of str
    except BaseException as evil:
        if not is_fault(evil):
            raise
        said = f"its message cannot be read ({type(evil).__name__})"
    if isinstance(error, MiError) and said:
        return said
    return one_line(f"{name}: {said}" if said else name)


def details(error: BaseException) -> str:
    """The traceback, its middle left out where it is very long. Never raises."""
    try:
        text = "".join(traceback.format_exception(error))
    except BaseException as evil:
        if not is_fault(evil):
            raise
        return sentence(error)
    half = DETAILS // 2
    return text if len(text) <= DETAILS else f"{text[:half]}\n  …\n{text[-half:]}"


def place(error: BaseException, file: str) -> str:
    """``name.py, line 7``: where in ``file`` it was raised; empty where that file had no part in it."""
    lines = [trace.tb_lineno for trace in _traces(error) if trace.tb_frame.f_code.co_filename == file]
    if not lines and isinstance(error, SyntaxError) and error.filename == file:
        lines = [error.lineno or 0]
    return f"{Path(file).name}, line {lines[-1]}" if lines else ""


def spot(error: BaseException, code: CodeType, module: str) -> str:
    """``package/module.py, line 23``: where in a function's own package (else file) it was raised.

    Args:
        error: what was raised.
        code: the function's.
        module: the name of the function's module.

    Returns:
        The innermost such place, relative to the package's parent; empty where there is none.
    """
    top = module.split(".")[0]
    for trace in reversed(_traces(error)):
        frame = trace.tb_frame
        name, file = str(frame.f_globals.get("__name__", "")), Path(frame.f_code.co_filename)
        if file != Path(code.co_filename) and name.split(".")[0] != top:
            continue
        parts = (*name.split("."), *(["__init__"] if file.stem == "__init__" else []))
        inside = file.with_suffix("").parts[-len(parts) :] == parts
        return f"{'/'.join(parts) + file.suffix if inside else file.name}, line {trace.tb_lineno}"
    return ""


def frames(error: BaseException) -> list[FrameType]:
    """The frames that it came through, the innermost first."""
    return [trace.tb_frame for trace in _traces(error)][::-1]


def _traces(error: BaseException) -> list[TracebackType]:
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append(trace)
        trace = trace.tb_next
    return found
