from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders

from mi.errors import ParameterError
from mi.server.hosts import HostGuard, allowed_hosts, is_loopback, parse_name
from mi.server.run import check_host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost", "::1", "[::1]"])
def test_loopback_addresses_are_recognized(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "localhost.evil.org", "127.0.0.1.nip.io"]
)
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_only_our_names_at_our_port_are_allowed() -> None:
    assert allowed_hosts(5006) == {"localhost:5006", "127.0.0.1:5006", "[::1]:5006"}


def test_browsers_leave_port_80_out() -> None:
    assert {"localhost", "localhost:80"} <= allowed_hosts(80)


def test_an_allowed_name_counts_with_our_port_and_behind_a_proxy() -> None:
    extra = allowed_hosts(5006, ["Lab.Example", "other.example:8443", "[fe80::1]"]) - allowed_hosts(5006)
    assert extra == {"lab.example", "lab.example:5006", "other.example:8443", "[fe80::1]", "[fe80::1]:5006"}


@pytest.mark.parametrize(
    "name", ["*", "*.example", "http://lab.example", "lab.example/x", "", "a b", "x:123456"]
)
def test_a_pattern_or_address_is_no_host_name(name: str) -> None:
    with pytest.raises(ParameterError, match="expected a host name"):
        parse_name(name)


def test_a_host_that_others_reach_needs_the_names_it_is_reached_by() -> None:
    with pytest.raises(ParameterError, match=r"no password.*--allow-host"):
        check_host("0.0.0.0", [])
    check_host("0.0.0.0", ["lab.example"])
    check_host("127.0.0.1", [])


def _refusal(**headers: str) -> str | None:
    given = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    return HostGuard(allowed_hosts(5006)).refusal(given)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:5006",
        "localhost",
        "localhost:5007",
        "localhost:5006.evil",
        "127.0.0.1:5006, x",
        "",
        "localhost.:5006",
    ],
)
def test_foreign_hosts_are_refused(host: str) -> None:
    assert _refusal(Host=host) is not None


def test_own_hosts_are_answered_in_either_case() -> None:
    assert _refusal(Host="LOCALHOST:5006") is None
    assert _refusal(Host="[::1]:5006", Origin="http://[::1]:5006") is None


@pytest.mark.parametrize("origin", ["http://evil.example:5006", "null", "http://[", "http://localhost:5007"])
def test_foreign_origins_are_refused(origin: str) -> None:
    assert _refusal(Host="localhost:5006", Origin=origin) is not None


def test_a_link_elsewhere_may_open_a_page_and_nothing_else() -> None:
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert _refusal(Host="localhost:5006", **link, Sec_Fetch_Dest="document") is None
    assert _refusal(Host="localhost:5006", **link, Sec_Fetch_Dest="iframe") is not None
    assert _refusal(Host="localhost:5006", Sec_Fetch_Site="same-site", Sec_Fetch_Mode="no-cors") is not None
    assert _refusal(Host="localhost:5006", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors") is None
