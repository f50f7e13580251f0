"""Discovery, isolation and records of plugins.

The host goes plugin by plugin. One that fails, by raising, by exiting, by declaring nonsense, loses only its
own contribution, and the failure is kept as data. There is no global manager: :func:`load_host` returns a
value that is passed on.
"""

from mi.plugins.host import HOOKS, Host
from mi.plugins.loading import load_host
from mi.plugins.records import Failure, Record
from mi.plugins.survey import BUILTIN, GROUP, survey
from mi.plugins.versions import API_VERSION

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
