"""`mi serve` as a process: it starts fast, says where it is, and ends when told."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sample_plugin import SITE, refusal, run_process
from server.serving import Served

MAIN = "from mi.cli import main; main()"


@contextmanager
def process(root: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environ = {**os.environ, "PYTHONPATH": str(SITE), "MI_LOAD_PLUGINS": "sample"}
    command = [sys.executable, "-c", MAIN, "-w", str(root), "serve", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def address(running: subprocess.Popen[str], root: Path) -> str:
    assert running.stdout is not None
    line = running.stdout.readline()
    found = re.fullmatch(rf"Serving {re.escape(str(root))} at (http://127\.0\.0\.1:(\d+)/)\n", line)
    assert found is not None, line
    return found[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_its_address_once_and_ends_cleanly(root: Path, number: signal.Signals) -> None:
    with process(root, "--port", "0") as running:
        url = address(running, root)
        with urllib.request.urlopen(f"{url}healthz", timeout=60) as answer:
            assert json.load(answer)["status"] == "ok"
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (0, "Stopped.\n", "")


def test_requests_are_accepted_within_three_seconds(root: Path) -> None:
    """Of a processor: how long those are depends on who else is at work."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    with process(root, "--port", "0") as running:
        url = address(running, root)
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.status == 200
    assert 0 < used() - before < 3


def test_a_port_that_is_taken_is_one_sentence(root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(run_process("-w", str(root), "serve", "--port", str(port)))
    assert said == f"port {port} of 127.0.0.1 is taken; name another with --port, or --port 0 for a free one"


def test_a_host_of_another_machine_is_one_sentence(root: Path) -> None:
    said = refusal(run_process("-w", str(root), "serve", "--host", "192.0.2.1", "--allow-host", "x.example"))
    assert said.startswith("--host is '192.0.2.1', expected an address of this machine")


def test_an_open_address_needs_names_and_is_warned_of(root: Path) -> None:
    assert "no password" in refusal(run_process("-w", str(root), "serve", "--host", "0.0.0.0"))
    assert "expected a host name" in refusal(
        run_process("-w", str(root), "serve", "--host", "0.0.0.0", "--allow-host", "*")
    )
    with process(root, "--port", "0", "--host", "0.0.0.0", "--allow-host", "lab.example") as running:
        assert running.stdout is not None
        port = re.search(r"http://0\.0\.0\.0:(\d+)/", running.stdout.readline())[1]  # type: ignore[index]
        for host, status in (("lab.example", 200), (f"lab.example:{port}", 200), (f"0.0.0.0:{port}", 403)):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/healthz", headers={"Host": host})
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    assert answer.status == status
            except urllib.error.HTTPError as error:
                assert error.code == status
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert err == "mi: warning: other machines can reach this page, and it asks for no password\n"


def test_no_workspace_is_one_sentence(tmp_path: Path) -> None:
    assert "is no workspace" in refusal(run_process("-w", str(tmp_path), "serve"))


WITHOUT_TORCH = """
import sys
sys.path.insert(0, sys.argv[2])
from server.serving import served
from mi.domain.workspace import Workspace
with served(Workspace.open(sys.argv[1])) as site:
    assert site.get("/").status == 200
    answer = site.get("/report")
    assert answer.status == 200, answer.body
    assert answer.body.count('class="card ok"') >= 8, answer.body
print(sorted({"torch", "transformer_lens", "datasets"} & set(sys.modules)))
"""


@pytest.mark.browser  # shares the small model of the browser tests
def test_a_report_is_served_without_torch(modular: Served) -> None:
    root = modular.running.site.workspace.root
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(root), str(Path(__file__).parents[1])],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
