"""Report pages over plain HTTP: which page an address gives, and that no page harms another."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
import time
from pathlib import Path

import pytest
from sample_plugin import FAMILY, run
from server.samples import add_variant
from server.serving import Answer, Served, served

from mi.domain.workspace import Workspace
from mi.server.query import REPORT_PATH

N7 = f"/report?family={FAMILY}&variant=n7_seed0"


def token_of(answer: Answer) -> str:
    found = re.search(r'"token":"([^"]+)"', answer.body)
    assert found is not None
    return found[1]


def clear(site: Served) -> None:
    """Drop every session now; tabs that were just closed are waited for."""
    for _ in range(200):
        if not any(session.connection_count for session in site.sessions):
            break
        time.sleep(0.05)

    async def work() -> None:
        for session in site.sessions:
            session.request_expiration()
        await site.running.base._tornado.applications[REPORT_PATH]._cleanup_sessions(0)

    asyncio.run_coroutine_threadsafe(work(), site.loop).result(20)
    assert site.sessions == []


def test_a_report_page_makes_one_session(lab: Served) -> None:
    clear(lab)
    answer = lab.get(N7)
    assert answer.status == 200
    assert len(lab.sessions) == 1
    assert "n7_seed0 · Default · mi" in answer.body
    policy = answer.headers["Content-Security-Policy"]
    assert f"connect-src 'self' ws://127.0.0.1:{lab.port} wss://127.0.0.1:{lab.port};" in policy
    assert "frame-ancestors 'none'" in policy
    assert "*" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    clear(lab)


def test_nothing_is_loaded_from_elsewhere(lab: Served) -> None:
    loaded = re.findall(r'(?:src|href)="([^"]*)"', lab.get(N7).body)
    assert any("/static/js/bokeh.min.js" in url for url in loaded)
    assert [url for url in loaded if re.match(r"[a-z]+:|//", url) and not url.startswith("data:")] == []
    clear(lab)


def test_a_signed_token_opens_its_session_and_no_other_host_may_use_it(lab: Served) -> None:
    token = token_of(lab.get(N7))
    own, evil = f"127.0.0.1:{lab.port}", f"evil.example:{lab.port}"
    assert lab.socket("/report/ws", origin=f"http://{own}", token=token).status == 101
    assert lab.socket("/report/ws", host=evil, origin=f"http://{evil}", token=token).status == 403
    assert lab.socket("/report/ws", origin=f"http://{evil}", token=token).status == 403
    changed = token[:20] + ("A" if token[20] != "A" else "B") + token[21:]
    assert lab.socket("/report/ws", token=changed).status == 403
    clear(lab)
    assert lab.socket("/report/ws", origin=f"http://{own}", token=token).status == 410
    assert lab.sessions == [], "a page whose session has gone makes no new one"


def test_a_token_carries_no_header_and_no_cookie(lab: Served) -> None:
    from bokeh.util.token import get_token_payload

    answer = lab.get(N7, {"Cookie": "secret=1", "User-Agent": "me", "Accept-Language": "eo"})
    payload = get_token_payload(token_of(answer))
    assert payload["headers"] == {}
    assert payload["cookies"] == {}
    clear(lab)


def test_defaults_are_the_first_variant_and_the_default_report(lab: Served) -> None:
    answer = lab.get("/report")
    assert answer.status == 200
    assert "n11_seed0 · Default · mi" in answer.body
    clear(lab)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("variant=n8_seed0", 404, "no variant of sample_sums named &#39;n8_seed0&#39;"),
        ("variant=n7_seed0&report=defualt", 404, "no report of sample_sums named &#39;defualt&#39;"),
        ("variant=n7_seed0&report=broken", 409, "panels[0].visualisation is &#39;&lt;b&gt;&#39;"),
        ("variant=n7_seed0&report=no_probe", 409, "unknown probe of family sample_sums &#39;none&#39;"),
    ],
)
def test_what_cannot_be_shown_is_a_page_that_says_why(
    lab: Served, query: str, status: int, said: str
) -> None:
    answer = lab.get(f"/report?family={FAMILY}&{query}")
    assert answer.status == status
    assert said in answer.body
    assert "Traceback" not in answer.body
    assert str(lab.running.url) not in answer.body
    assert '<option value="/report?family=sample_sums&amp;variant=n9_seed0' in answer.body, (
        "others can be chosen"
    )
    clear(lab)


def test_the_nearest_names_are_links_that_keep_the_rest(lab: Served) -> None:
    answer = lab.get(f"/report?family={FAMILY}&variant=n7_sed0&epoch=20")
    assert f'href="/report?family={FAMILY}&amp;variant=n7_seed0&amp;epoch=20"' in answer.body


@pytest.mark.parametrize("report", ["empty", "trouble"])
@pytest.mark.parametrize("variant", ["n7_seed0", "n11_seed0", "n13_seed0", "n15_seed0"])
def test_every_state_of_a_variant_has_a_page(lab: Served, report: str, variant: str) -> None:
    answer = lab.get(f"/report?family={FAMILY}&variant={variant}&report={report}&epoch=7")
    assert answer.status == 200
    assert "<script>alert" not in answer.body
    assert "Traceback" not in answer.body
    if report == "trouble":
        assert "ZeroDivisionError" in answer.body or variant == "n15_seed0"
        assert "No such visualization" in answer.body
        assert "did you mean sample.right" in answer.body
    if variant == "n13_seed0" and report == "trouble":
        assert "mi analyze n13_seed0" in answer.body
    if variant == "n15_seed0" and report == "trouble":
        assert "mi train sample_sums" in answer.body
    clear(lab)


def test_one_command_mends_all_panels_that_lack_artifacts(modular: Served) -> None:
    workspace = modular.running.site.workspace
    variant = workspace.variants()[0]
    hidden = variant.folder.rename(variant.folder.with_name("hidden"))
    try:
        shutil.copytree(hidden, variant.folder, ignore=shutil.ignore_patterns("artifacts.zarr", "commits"))
        answer = modular.get(f"/report?variant={variant.name}")
        assert "panels wait for their analyses" in answer.body
        assert f"<code>mi analyze {variant.name}</code>" in answer.body
    finally:
        shutil.rmtree(variant.folder)
        hidden.rename(variant.folder)


def test_a_slow_page_holds_up_no_other(lab: Served) -> None:
    from mi_trouble import GO, WAITING

    answers: list[Answer] = []
    slow = threading.Thread(target=lambda: answers.append(lab.get(f"{N7}&report=slow")))
    slow.start()
    try:
        assert WAITING.wait(60)
        for path in ("/healthz", "/", "/assets/server.css", N7):
            assert lab.get(path).status == 200
        assert answers == []
    finally:
        GO.set()
        slow.join(60)
    assert answers[0].status == 200
    clear(lab)


def test_pages_are_limited_and_left_ones_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ws"
    assert run("init", str(folder)).code == 0
    assert run("-w", str(folder), "families", "add", FAMILY).code == 0
    workspace = Workspace.open(folder)
    add_variant(workspace, FAMILY, {"size": 7}, last=10)
    with served(workspace) as site:
        site.running.site.max_sessions = 2
        monkeypatch.setattr("mi.server.limits.HURRIED_LIFETIME_MS", 60_000)
        assert [site.get(N7).status for _ in range(2)] == [200, 200]
        full = site.get(N7)
        assert full.status == 503
        assert full.headers["Retry-After"] == "10"
        assert "Too many open pages" in full.body
        assert site.get("/").status == 200
        monkeypatch.setattr("mi.server.limits.HURRIED_LIFETIME_MS", 100)
        time.sleep(0.2)  # longer than that, whatever the machine is doing
        assert site.get(N7).status == 200
        shutil.rmtree(folder / "results" / FAMILY)
        assert site.get(N7).status == 404
        assert site.get("/").status == 200


def test_the_command_names_analyses_that_run_only_when_they_are_named(modular: Served) -> None:
    workspace = modular.running.site.workspace
    variant = workspace.variants()[0]
    used = {use.id for use in variant.family.analyzers}
    named = ["geometry_library.sharpness", "geometry_library.top_curvature"]
    assert used.isdisjoint(named)
    answer = modular.get(f"/report?variant={variant.name}&report=dynamics")
    assert "2 of 8 panels wait for their analyses" in answer.body
    assert f"<code>mi analyze {variant.name} --analyzers {','.join(named)}</code>" in answer.body
