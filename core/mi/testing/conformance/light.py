"""What a plugin imports before it is used; run in a process of its own.

``python -m mi.testing.conformance.light '{"plugins": […], "plugin": …, "family": …}'`` prints JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from mi.plugins.loading import HEAVY


class Spy(MetaPathFinder):
    """Remembers, for every heavy package, the line of code that imported it first."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Nothing: others find the module."""
        if fullname in HEAVY and not any(name in self.seen for name in HEAVY):
            frame: Any = sys._getframe(1)
            while frame is not None and "importlib" in frame.f_code.co_filename:
                frame = frame.f_back
            where = "" if frame is None else f"{frame.f_code.co_filename}, line {frame.f_lineno}"
            self.seen[fullname] = where
        return None


def look(plugins: Sequence[str], plugin: str, family: str) -> dict[str, Any]:
    """Load the plugin, ask it everything, and say what came with it."""
    from mi.testing.conformance.spec import Spec

    spec = Spec(plugin, tuple(plugins), family, {}, {}, 0, "0", "", "cpu")
    host = spec.host()
    host.family_codes()
    declared = spec.shipped(host)
    host.probe_kinds(declared)
    host.analyzers(declared)
    host.visualizations(declared)
    return {"heavy": [name for name in HEAVY if name in sys.modules]}


if __name__ == "__main__":
    spy = Spy()
    sys.meta_path.insert(0, spy)
    found = look(**json.loads(sys.argv[1]))
    print(json.dumps({**found, "by": spy.seen}))
