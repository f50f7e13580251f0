"""Security headers on every response, whichever handler made it."""

from __future__ import annotations

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

# A plain page runs no script of others' and evaluates no string.
PLAIN_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": PLAIN_POLICY,
}


def document_policy(host: str) -> str:
    """The content policy of a page with Bokeh figures.

    BokehJS compiles its callbacks from strings, hence ``unsafe-eval``; what is left keeps every other
    origin out.

    Args:
        host: the request's ``Host``, already found to be allowed.
    """
    return (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        f"style-src 'self' 'unsafe-inline'; connect-src 'self' ws://{host} wss://{host}; "
        "img-src 'self' data: blob:; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
        "base-uri 'none'"
    )


class SecurityHeaders(OutputTransform):
    """Adds the headers to whatever is about to be sent, without overruling the handler's own."""

    def __init__(self, request: HTTPServerRequest) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """The first chunk unchanged, its headers completed."""
        for name, value in FIXED.items():
            if name not in headers:
                headers[name] = value
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store"
        headers.pop("Server", None)
        return status_code, headers, chunk
