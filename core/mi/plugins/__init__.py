"""Discovery, isolation and records of plugins.

The host goes plugin by plugin. One that fails, by raising, by exiting, by declaring nonsense, loses only its
own contribution, and the failure is kept as data. There is no global manager: :func:`load_host` returns a
value that is passed on.

What a survey does not need (pluggy, the declarations) is imported on first use: `mi plugins` answers at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mi.entrypoints import PLUGINS as GROUP
from mi.plugins.plain import API_VERSION
from mi.plugins.records import Failure, Record
from mi.plugins.survey import BUILTIN, survey

if TYPE_CHECKING:
    from mi.plugins.host import HOOKS, Host
    from mi.plugins.loading import load_host

__all__ = [
    "API_VERSION",
    "BUILTIN",
    "GROUP",
    "HOOKS",
    "Failure",
    "Host",
    "Record",
    "load_host",
    "survey",
]

_ON_USE = {"HOOKS": "mi.plugins.host", "Host": "mi.plugins.host", "load_host": "mi.plugins.loading"}


def __getattr__(name: str) -> Any:
    if name in _ON_USE:
        return getattr(importlib.import_module(_ON_USE[name]), name)
    raise AttributeError(f"module 'mi.plugins' has no attribute {name!r}")
