"""What a new plugin is called, and what else is called after it."""

from __future__ import annotations

import re
from importlib import util

from attrs import frozen

from mi.errors import ParameterError, PluginError
from mi.plugins import BUILTIN, survey

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_LENGTH = 30  # longer ones would break the lines of what is written


@frozen
class Names:
    """Everything that is named after a plugin.

    Attributes:
        plugin: such as ``rank_watch``: the name of the entry point, and the first part of every id.
    """

    plugin: str

    @property
    def package(self) -> str:
        """``mi_rank_watch``."""
        return f"mi_{self.plugin}"

    @property
    def distribution(self) -> str:
        """``mi-rank-watch``."""
        return self.package.replace("_", "-")

    @property
    def family(self) -> str:
        """``rank_watch_larger``."""
        return f"{self.plugin}_larger"


def checked_name(name: str) -> Names:
    """The names that follow from a plugin's.

    Raises:
        ParameterError: it cannot be a plugin's name.
        PluginError: it is taken by something installed.
    """
    if _NAME.fullmatch(name) is None or len(name) > MAX_LENGTH:
        raise ParameterError(
            f"plugin name is {name!r}, expected a lower-case identifier such as 'rank_watch' "
            f"of at most {MAX_LENGTH} characters"
        )
    if name == BUILTIN:
        raise ParameterError(f"plugin name {name!r} is reserved for what mi itself brings")
    names = Names(name)
    for candidate in survey(builtin=False):
        if candidate.record.name == name:
            raise PluginError(f"plugin {name} is installed already, by {candidate.record.source}")
    if util.find_spec(names.package) is not None:
        raise PluginError(f"plugin name is {name!r}, but a package {names.package} is installed already")
    return names
