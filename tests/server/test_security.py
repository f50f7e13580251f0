"""Raw requests to a real server: who is answered, and with which headers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from sample_plugin import FAMILY, run
from server.serving import Served, served

from mi.domain.workspace import Workspace

ROUTES = ["/", "/report", f"/report?family={FAMILY}", "/static/js/bokeh.min.js", "/report/ws", "/healthz",
          "/favicon.ico", "/assets/server.css", "/nowhere"]  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sample_only: None) -> Iterator[Served]:
    """A workspace with one family and no variant."""
    folder = tmp_path_factory.mktemp("secure") / "ws"
    assert run("init", str(folder)).code == 0
    assert run("-w", str(folder), "families", "add", FAMILY).code == 0
    with served(Workspace.open(folder)) as running:
        yield running


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "localhost:1", ""])
def test_a_foreign_host_is_refused_on_every_route(site: Served, path: str, host: str) -> None:
    answer = site.get(path, {"Host": host.format(port=site.port)})
    assert answer.status == 403
    assert FAMILY not in answer.body
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_own_hosts_are_answered(site: Served, name: str) -> None:
    assert site.get("/", {"Host": f"{name}:{site.port}"}).status == 200


def test_a_rebound_websocket_is_refused(site: Served) -> None:
    evil = f"evil.example:{site.port}"
    assert site.socket("/report/ws", host=evil, origin=f"http://{evil}").status == 403


def test_a_websocket_from_another_origin_is_refused(site: Served) -> None:
    assert site.socket("/report/ws", origin="http://evil.example").status == 403
    assert site.socket("/report/ws", origin="http://localhost:1").status == 403


@pytest.mark.parametrize("token", ["x", "e30", "e30.e30", "eyJzZXNzaW9uX2lkIjoieCJ9", "é.é", "a.b.c", ""])
def test_a_websocket_with_a_forged_token_is_refused(site: Served, token: str) -> None:
    answer = site.socket(
        "/report/ws", origin=f"http://127.0.0.1:{site.port}", token=token.encode().decode("latin-1")
    )
    assert answer.status == 403
    assert site.sessions == []


GONE = [
    "/report/autoload.js?bokeh-autoload-element=x", "/report/metadata", "/autoload.js",
    "/report/static/js/bokeh.min.js", "/static/extensions/x.js", "/index.html",
]  # fmt: skip
OUTSIDE = [
    "/static/../../pyproject.toml", "/static/%2e%2e/%2e%2e/x", "/assets/../render.py", "/assets/..",
    "/static//etc/passwd", "/static/js/../../../../application/__init__.py",
]  # fmt: skip


@pytest.mark.parametrize("path", GONE)
def test_routes_that_nobody_needs_are_gone(site: Served, path: str) -> None:
    answer = site.get(path, {"Origin": f"http://127.0.0.1:{site.port}"})
    assert answer.status == 404
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert site.sessions == []


@pytest.mark.parametrize(
    "path", ["/report?bokeh-session-id=mine", "/report?bokeh-token=e30", "/report?bokeh-token=e30.x"]
)
def test_a_session_id_cannot_be_chosen(site: Served, path: str) -> None:
    assert site.get(path).status == 403
    assert site.get("/report", {"Bokeh-Session-Id": "mine"}).status == 403
    assert site.sessions == []


@pytest.mark.parametrize("path", ROUTES)
def test_every_answer_carries_the_security_headers(site: Served, path: str) -> None:
    for host in (f"localhost:{site.port}", "evil.example"):
        headers = site.get(path, {"Host": host}).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert (
            "object-src 'none'" in headers["Content-Security-Policy"]
            or "default-src 'none'" in headers["Content-Security-Policy"]
        )
        assert "Set-Cookie" not in headers
        assert "Server" not in headers
        if not path.startswith(("/static", "/favicon", "/assets")):
            assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/report", "/healthz"])
def test_nothing_but_get_is_answered(site: Served, method: str, path: str) -> None:
    answer = site.get(path, method=method, body=b"")
    assert answer.status == 405
    assert "Traceback" not in answer.body


def test_a_large_body_is_not_read(site: Served) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as raw:
        raw.sendall(
            f"POST / HTTP/1.1\r\nHost: localhost:{site.port}\r\nContent-Length: 10000000\r\n\r\n".encode()
        )
        assert raw.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


def test_health_makes_no_session(site: Served) -> None:
    import json

    import mi

    answer = site.get("/healthz")
    assert answer.status == 200
    assert json.loads(answer.body) == {"status": "ok", "version": mi.__version__}
    assert site.sessions == []


def test_the_server_listens_on_loopback_alone(site: Served) -> None:
    assert site.running.base.address == "127.0.0.1"
    assert [s.getsockname()[0] for s in site.running.base._http._sockets.values()] == ["127.0.0.1"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_static_files_cannot_be_left(site: Served, path: str) -> None:
    answer = site.get(path)
    assert answer.status in (403, 404)
    assert "import" not in answer.body
    assert "root:" not in answer.body


HOSTILE = [
    "../../etc/passwd", "..%2f..", "....//", "/etc/passwd", "C:\\windows", "file:///etc/passwd", "~root",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'", "javascript:alert(1)",
    "</title><script>x</script>", "<svg/onload=alert(1)>", "{{7*7}}", "{% raise %}", "${7*7}", "%s%n", "{0}",
    "\x00", "a\x00b", "\x1b[31m", "a\r\nSet-Cookie: x=1", "\u202eevil", "😀" * 20, "ﬁ", "İ", "́", "﷽",
    "a" * 1500, "-1", "1e999", "NaN", "0x10", "1_000", "٣٤", " ", "+", "&", "=", "#", "?", "null", "None",
    "true", "[]", "()", "*", ".", "..", "-", "--help", "sample_sums/../x", "sample_sums\x00", "SAMPLE_SUMS",
    "sample_sum", "con", "nul", "a/b/c", "%00", "%ff", "%c0%ae", "\ufeff", "\u0130", "'; drop table x; --",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["family", "variant", "report", "epoch", "other"])
def test_hostile_arguments_are_answered_with_a_page(site: Served, name: str, value: str) -> None:
    for query in (f"{name}={quote(value)}", f"family={FAMILY}&{name}={quote(value)}"):
        answer = site.get(f"/report?{query}")
        assert answer.status in (200, 404)
        assert "Traceback" not in answer.body
        assert "<!doctype html>" in answer.body
        if any(c in value for c in "<\"'"):
            assert value not in answer.body
        for control in ("\x00", "\x1b", "\u202e"):
            assert control not in answer.body
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "query",
    [
        "family=%ff%fe",
        "family=%",
        "%00=%00",
        "&&&",
        "family",
        "=x",
        "family=" + "a" * 3000,
        "x" * 60000,
        ";;",
        "a=1;b=2",
        "&".join(f"k{i}=1" for i in range(300)),
    ],
)
def test_malformed_queries_are_answered_with_a_page(site: Served, query: str) -> None:
    answer = site.get(f"/report?{query}")
    assert answer.status in (200, 400, 404, 414)
    assert "Traceback" not in answer.body
    assert site.sessions == []


def test_an_unknown_family_lists_the_nearest(site: Served) -> None:
    answer = site.get("/report?family=sample_sum")
    assert answer.status == 404
    assert f'<a href="/report?family={FAMILY}">{FAMILY}</a>' in answer.body


def test_a_family_without_variants_says_what_to_type(site: Served) -> None:
    answer = site.get("/report")
    assert answer.status == 404
    assert f"<code>mi train {FAMILY}</code>" in answer.body
