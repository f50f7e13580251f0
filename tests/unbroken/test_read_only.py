"""Results that cannot be written: what writes says so in a sentence, what reads works."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from unbroken.warm import Order, Server

from mi.store.layout import VariantPaths

Mi = Callable[..., tuple[int, str]]


@pytest.fixture(params=["written before", "copied"])
def sealed(request: pytest.FixtureRequest, server: Server, trained: Path) -> Iterator[Path]:
    """A workspace whose results are on a file system that is mounted read-only.

    As it was written here, and as a copy would come that somebody made without hidden files.
    """
    if not server.mounts:
        pytest.skip("this system lets nobody mount a folder read-only (unshare -m)")
    if request.param == "copied":
        (trained / "results" / "sample_sums" / "n7_seed0" / ".lock").unlink()
    results = trained / "results"
    server.shell(f"mount --bind {results} {results} && mount -o remount,bind,ro {results}")
    yield trained
    server.shell(f"umount {results}")


@pytest.fixture
def mi(server: Server, sealed: Path, tmp_path: Path) -> Mi:
    """Exit code and output of ``mi …`` in that workspace."""

    def run(*arguments: str) -> tuple[int, str]:
        output = tmp_path / "output"
        output.unlink(missing_ok=True)
        ended = server.run(Order(arguments=("-w", str(sealed), *arguments), root=sealed, output=str(output)))
        return ended.code, output.read_text()

    return run


@pytest.mark.parametrize(
    "command",
    [
        ("analyze", "n7_seed0", "--keep", "hook_*"),
        ("clean", "n7_seed0", "--yes"),
        ("train", "sample_sums", "--epochs", "60", "--resume"),
        ("train", "sample_sums", "--set", "seed=5"),
    ],
    ids=lambda command: "_".join(command[:1]),
)
def test_what_writes_says_that_it_cannot(mi: Mi, sealed: Path, command: tuple[str, ...]) -> None:
    before = _files(sealed)
    code, said = mi(*command)
    assert code == 2
    assert re.fullmatch(r"mi: .*cannot be written \(Read-only file system\)\n", said), said
    assert _files(sealed) == before


def test_what_reads_works(mi: Mi, sealed: Path, tmp_path: Path) -> None:
    before = _files(sealed)
    for command in (("show", "n7_seed0"), ("variants",), ("checkpoints", "n7_seed0")):
        code, said = mi(*command)
        assert (command, code) == (command, 0), said
    code, said = mi("verify", "n7_seed0", "--sample", "3", "--seed", "1")
    assert code == 0, said
    assert "3 computed again: 3 equal to the bit" in said
    code, said = mi("analyze", "n7_seed0", "--dry-run")
    assert code == 0, said
    assert "0 stale, 0 forward passes" in said
    code, said = mi("analyze", "n7_seed0")
    assert code == 0, said
    assert "0 forward passes, everything fresh (" in said
    code, said = mi("clean", "n7_seed0", "--dry-run")
    assert (code, said) == (0, "n7_seed0: nothing to drop\n")
    code, said = mi("report", "build", "default", "n7_seed0", "--to", str(tmp_path / "report.html"))
    assert code == 0, said
    assert (tmp_path / "report.html").stat().st_size > 100_000
    assert _files(sealed) == before


def test_it_is_served(server: Server, sealed: Path, tmp_path: Path) -> None:
    output = tmp_path / "served"
    child = server.start(
        Order(arguments=("-w", str(sealed), "serve", "--port", "0"), root=sealed, output=str(output))
    )
    try:
        url, end = "", time.monotonic() + 60
        while not url and time.monotonic() < end:
            found = re.search(r"http://127\.0\.0\.1:\d+", output.read_text() if output.exists() else "")
            url = found.group() if found else ""
            time.sleep(0.02)
        for path in ("/", "/report?family=sample_sums&variant=n7_seed0"):
            with urllib.request.urlopen(url + path, timeout=60) as answer:
                assert answer.status == 200
                assert "n7_seed0" in answer.read().decode()
    finally:
        os.kill(child, signal.SIGINT)
        ended = server.wait(child)
    assert ended.code in (0, 130)


def test_a_folder_that_its_user_may_not_write_is_said(server: Server, trained: Path, tmp_path: Path) -> None:
    """By its mode: for root, who writes through modes, in a process of another user."""
    output = tmp_path / "output"
    output.touch()
    nobody = 65534 if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:  # a test's own folder is closed to others
        root = Path(shutil.copytree(trained, Path(folder) / "ws"))
        paths = VariantPaths(root / "results" / "sample_sums" / "n7_seed0")
        for place in (Path(folder), output):
            place.chmod(0o777)
        paths.lock.unlink()
        paths.root.chmod(0o555)
        order = Order(
            arguments=("-w", str(root), "analyze", "n7_seed0", "--keep", "hook_*"),
            root=root,
            output=str(output),
            user=nobody,
        )
        ended = server.run(order)
        paths.root.chmod(0o755)
    assert ended.code == 2
    assert re.fullmatch(r"mi: .*n7_seed0: cannot be written \(Permission denied\)\n", output.read_text())


def _files(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below with its size and time of change."""
    found = {}
    for file in sorted(root.rglob("*")):
        stat = file.stat()
        found[str(file.relative_to(root))] = (stat.st_size, stat.st_mtime_ns)
    return found
