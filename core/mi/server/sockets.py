"""The listening socket: one sentence when it cannot be had."""

from __future__ import annotations

import errno
import socket

from mi.errors import ParameterError


def bind(host: str, port: int) -> tuple[list[socket.socket], int]:
    """Sockets that listen on ``host``, and their port.

    Args:
        host: name or address; always explicit, since an empty one would listen on every interface.
        port: 0 takes a free one.

    Raises:
        ParameterError: the port is taken or not allowed, or the host is none of this machine's.
    """
    from tornado.netutil import bind_sockets

    try:
        sockets = bind_sockets(port, address=host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ParameterError(
                f"port {port} of {host} is taken; name another with --port, or --port 0 for a free one"
            ) from None
        if error.errno == errno.EACCES:
            raise ParameterError(
                f"port {port} needs rights that this user lacks; name one above 1023 with --port"
            ) from None
        raise ParameterError(
            f"--host is {host!r}, expected an address of this machine ({error.strerror})"
        ) from None
    if not sockets:
        raise ParameterError(f"--host is {host!r}, expected an address of this machine")
    return sockets, sockets[0].getsockname()[1]
