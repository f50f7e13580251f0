"""The order of changes: was every file on the disk by the time that something vouched for it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def unflushed(
    trace: Sequence[Sequence[str]], vouches: Callable[[str], str | None]
) -> list[tuple[str, list[str]]]:
    """Follow files through the changes of a work.

    Args:
        trace: ``[kind, path, other path]``, in order; see ``tripwire.py``.
        vouches: of a path that is renamed into place: what it vouches for (the beginning of paths), or None.

    Returns:
        What vouched too early, with the files that were not flushed since they were written. Names are not
        looked at: that a journal keeps them in order is relied upon.
    """
    dirty: set[str] = set()
    found = []
    for kind, *paths in trace:
        if kind == "write":
            dirty.add(paths[0])
        elif kind == "flush":
            dirty.discard(paths[0])
        elif kind == "rename":
            said = vouches(paths[1])
            if said is not None:
                late = sorted(p for p in dirty if p == paths[0] or p.startswith(said))
                if late:
                    found.append((paths[1], late))
            dirty = {_moved(p, *paths) for p in dirty if p != paths[1]}
        elif kind == "link" and paths[0] in dirty:
            dirty.add(paths[1])
        elif kind == "exchange":
            one, other = paths
            dirty = {_moved(p, one, other) if _below(p, one) else _moved(p, other, one) for p in dirty}
        elif kind == "remove":
            dirty.discard(paths[0])
    return found


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _moved(path: str, source: str, target: str) -> str:
    return target + path[len(source) :] if _below(path, source) else path
