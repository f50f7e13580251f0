"""Which addresses may be served, and which requests are ours: the guard in front of every route."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from attrs import frozen
from tornado.httputil import HTTPHeaders

from mi.errors import ParameterError

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_NAME = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?)(:[0-9]{1,5})?")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_name(name: str) -> str:
    """An ``--allow-host`` as a ``Host`` header would say it: ``name`` or ``name:port``.

    Raises:
        ParameterError: a pattern, an address with a path, or no name at all.
    """
    lowered = name.strip().lower()
    if _NAME.fullmatch(lowered) is None:
        raise ParameterError(
            f"--allow-host is {name!r}, expected a host name such as mi.example or mi.example:80"
        )
    return lowered


def allowed_hosts(port: int, extra: Iterable[str] = ()) -> frozenset[str]:
    """``Host`` headers that are answered: loopback at ``port``, and names allowed by the user.

    Args:
        port: the port that is listened on. Browsers leave 80 out.
        extra: names from ``--allow-host``; one without a port is allowed at ``port`` and, for a proxy in
            front, without one.
    """
    hosts = {f"{name}:{port}" for name in LOOPBACK}
    if port == 80:
        hosts |= set(LOOPBACK)
    for name in map(parse_name, extra):
        bare = re.search(r":[0-9]{1,5}$", name) is None or name.endswith("]")
        hosts |= {name, f"{name}:{port}"} if bare else {name}
    return frozenset(hosts)


@frozen
class HostGuard:
    """Refuses requests for foreign hosts and from foreign pages.

    Tornado takes a websocket whose ``Origin`` equals its ``Host`` for its own, whatever that host is, so
    that a name rebound to 127.0.0.1 gets in; only a list of our own names stops it.

    Attributes:
        hosts: ``Host`` headers that are answered.
    """

    hosts: frozenset[str]

    def refusal(self, headers: HTTPHeaders) -> str | None:
        """Why a request with these headers is not answered, or None."""
        if headers.get("Host", "").lower() not in self.hosts:
            return "This host name is not served here. Start with --allow-host to allow it."
        origin = headers.get("Origin")
        if origin is not None and _netloc(origin) not in self.hosts:
            return "Requests from other origins are not answered."
        if headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            # A link in a notebook or chat may open a page here; nothing else may come from elsewhere:
            # each embedded or fetched page would cost a session.
            mode, target = (headers.get(f"Sec-Fetch-{part}") for part in ("Mode", "Dest"))
            if (mode, target) != ("navigate", "document"):
                return "Requests from other sites are not answered."
        return None


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # an unclosed bracket
        return ""
