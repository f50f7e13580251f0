"""No room on the disk: one sentence, exit code 2, nothing half-visible; with room it goes on, to the bit.

Once for real, on a small file system that is filled up to the last pages; and once at each single change, by
an error that is raised in its place, which no real disk could be made to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from unbroken.analyses import SCENARIOS as ANALYSES
from unbroken.analyses import AnalysisNet
from unbroken.net import Net, order
from unbroken.trainings import SCENARIOS as TRAININGS
from unbroken.trainings import TrainingNet
from unbroken.warm import Server

ROOM = 4096  # pages of a small file system: 16 MiB


@pytest.fixture(scope="module")
def small(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of its own, of 16 MiB, that only the server has mounted."""
    if not server.mounts:
        pytest.skip("this system lets nobody mount a small file system (unshare -m)")
    place = tmp_path_factory.mktemp("small")
    server.shell(f"mount -t tmpfs -o size={ROOM * 4}k tmpfs {place}")
    yield place
    server.shell(f"umount {place}")


def _said(output: Path) -> str:
    """The one sentence of a command that found the disk full; a progress bar's lines aside."""
    lines = [line for line in output.read_text().splitlines() if line.startswith("mi: ")]
    assert len(lines) == 1, lines
    assert "Traceback" not in output.read_text()
    return lines[0]


@pytest.fixture(scope="module", params=["analysis", "training"])
def net(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Net:
    place = tmp_path_factory.mktemp("full")
    if request.param == "analysis":
        return AnalysisNet.lay(ANALYSES[1], server, place)
    return TrainingNet.lay(TRAININGS[1], server, place)


def test_on_a_disk_that_is_full_it_says_so_and_goes_on_when_there_is_room(
    net: Net, server: Server, small: Path, tmp_path: Path
) -> None:
    inside = server.seen(small)
    full = 0
    for free in (0, 4, 10, 30, 60):  # pages that are left
        server.shell(f"rm -rf {small}/* && cp -r {net.place / 'start'} {small}/ws && sync")
        root = small / "ws"
        ballast = f"$(( ($(stat -f -c %f {small}) - {free}) * 4096 ))"
        server.shell(f"head -c {ballast} /dev/zero > {small}/ballast")
        output = tmp_path / f"output-{free}"
        ended = server.run(order(root, net.scenario.command, output=output))
        if ended.code:
            full += 1
            assert ended.code == 2
            assert "No space left on device" in _said(output)
        net.look(net.paths(inside / "ws"), free)
        server.shell(f"rm {small}/ballast")
        assert server.run(order(root, net.scenario.command)).code == 0
        assert net.visible(net.paths(inside / "ws")) == net.after
    assert full > 2


def _fill(net: Net, at: int, output: Path) -> bool:
    root = net.fresh()
    ended = net.server.run(order(root, net.scenario.command, at=at, full=True, output=output))
    net.look(net.paths(root), at)
    if ended.code:
        assert ended.code == 2, (at, output.read_text())
        assert "No space left on device" in _said(output), at
    output.unlink()
    net.finish(root, at)
    return ended.code == 2


def test_full_from_a_seeded_change_on_it_says_so(net: Net, tmp_path: Path) -> None:
    output = tmp_path / "output"
    assert sum(_fill(net, at, output) for at, _ in islice(net.instants(seed=3), 5)) > 2


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_full_from_any_change_on_it_says_so(
    net: Net, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    output, instants = tmp_path / "output", range(1, len(net.trace) + 1, 3)
    for at in instants:
        _fill(net, at, output)
    record_property("times", len(instants))
