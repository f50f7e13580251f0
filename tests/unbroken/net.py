"""Work that is killed at a change of the disk, and what must hold then and after it is run again."""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
from attrs import define, frozen
from unbroken.bench import copied, findings
from unbroken.warm import Order, Server

from mi.store.layout import VariantPaths


@frozen
class Scenario:
    """A workspace and the command that is killed in it.

    Attributes:
        name: in a few words.
        lay: writes the workspace, given a function that runs ``mi`` in it undisturbed.
        command: what is killed, and run again.
        after: commands that bring everything up to date after that; none where ``command`` does.
    """

    name: str
    lay: Callable[[Path, Callable[..., None]], None]
    command: tuple[str, ...]
    after: tuple[tuple[str, ...], ...] = ()


@define
class Net(ABC):
    """One scenario, laid out; each kill begins from a copy of it.

    Attributes:
        scenario, server, place: what, with whom, and a folder for it all.
        before, after: what is visible before the work and after it, undisturbed.
        trace: the changes that the undisturbed work made, in order.
    """

    scenario: Scenario
    server: Server
    place: Path
    before: Mapping[Any, Any]
    after: Mapping[Any, Any]
    trace: list[list[str]]

    @classmethod
    def lay(cls, scenario: Scenario, server: Server, place: Path) -> Self:
        """Lay the scenario out, and do its work once undisturbed."""
        start, straight = place / "start", place / "straight"

        def mi(*arguments: str) -> None:
            assert server.run(order(start, arguments)).code == 0

        scenario.lay(start, mi)
        copied(start, straight)
        ended = server.run(order(straight, scenario.command, trace=place / "trace"))
        assert ended.code == 0
        for more in scenario.after:
            assert server.run(order(straight, more)).code == 0
        assert findings(cls.paths(straight)) == []
        before, after = cls.visible(cls.paths(start)), cls.visible(cls.paths(straight))
        trace = [json.loads(line) for line in (place / "trace").read_text().splitlines()]
        assert len(trace) == ended.changes
        return cls(scenario, server, place, before, after, trace)

    def instants(self, seed: int) -> Iterator[tuple[int, float | None]]:
        """(change, delay) at random, for ever: half at once, half up to 2 ms later, between two changes."""
        chance = random.Random(f"{self.scenario.name} {seed}")
        while True:
            yield chance.randint(1, len(self.trace)), chance.choice([None, chance.uniform(0, 0.002)])

    def turns(self) -> list[int]:
        """Every change that a reader could notice, and the one after each: before it, and after it."""
        telling = [at for at, change in enumerate(self.trace, 1) if _telling(*change)]
        return sorted({*telling, *(at + 1 for at in telling if at < len(self.trace))})

    def own(self) -> dict[int, str]:
        """Changes that put something in place in the variant's folder itself -> its name."""
        root = self.paths(self.place / "straight").root
        renamed = {at: Path(change[2]) for at, change in enumerate(self.trace, 1) if change[0] == "rename"}
        return {at: place.name for at, place in renamed.items() if place.parent == root}

    def fresh(self) -> Path:
        """A copy of the workspace as it is before the work, always at the same place."""
        return copied(self.place / "start", self.place / "killed")

    def kill(self, at: int) -> None:
        """Kill at a change, look, run again, compare."""
        root = self.fresh()
        self._killed(root, at, None)
        self.finish(root, at)

    def kill_around_every_change(self) -> int:
        """The same at every one of :meth:`turns`; how many they are."""
        for at in self.turns():
            self.kill(at)
        return len(self.turns())

    def kill_at_random(self, count: int, seed: int) -> None:
        """Kill, look, run again, kill that one too, and so on; whenever one comes to its end, compare.

        Args:
            count: how many kills come before the end of what they kill.
            seed: of their instants.
        """
        root, done, kills = self.fresh(), self._done(self.before), 0
        for at, delay in self.instants(seed):
            killed = self._killed(root, at, delay)
            now = self._done(self.visible(self.paths(root)))
            assert done <= now, (self.scenario.name, at)  # what there was, stays
            kills += killed
            if not killed or kills == count:
                self.finish(root, at)
                self.fresh()
                now = self._done(self.before)
            if kills == count:
                return
            done = now

    def _killed(self, root: Path, at: int, delay: float | None) -> bool:
        ended = self.server.run(order(root, self.scenario.command, at=at, delay=delay))
        assert ended.code in (0, -9), (self.scenario.name, at, ended)
        self.look(self.paths(root), at)
        return ended.code != 0

    def _done(self, held: Mapping[Any, Any]) -> set[Any]:
        return {key for key, value in held.items() if self.after.get(key) == value}

    @staticmethod
    @abstractmethod
    def paths(root: Path) -> VariantPaths:
        """The variant's in a workspace."""

    @staticmethod
    @abstractmethod
    def visible(paths: VariantPaths) -> dict[Any, Any]:
        """All that a reader is shown."""

    @abstractmethod
    def look(self, paths: VariantPaths, at: int) -> None:
        """Assert of what is left by a kill at change ``at`` that it is whole and right."""

    def finish(self, root: Path, at: int) -> None:
        """The same command again, undisturbed, ends as if nothing had happened."""
        output = self.place / "output"
        for command in (self.scenario.command, *self.scenario.after):
            ended = self.server.run(order(root, command, output=output))
            assert ended.code == 0, output.read_text()
        assert self.visible(self.paths(root)) == self.after, (self.scenario.name, at)
        assert findings(self.paths(root)) == [], (self.scenario.name, at)


def laid(kind: type[Net], scenarios: Sequence[Scenario]) -> Any:
    """A fixture: one scenario after the other, each laid out once a module."""

    @pytest.fixture(scope="module", params=scenarios, ids=lambda one: one.name.replace(" ", "_"))
    def net(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Net:
        return kind.lay(request.param, server, tmp_path_factory.mktemp("killed"))

    return net


def _telling(kind: str, path: str, other: str = "") -> bool:
    """Whether a change is no flush, and not made in a folder or file that is not in place yet."""
    place = other or path
    return kind not in ("flush", "mkdir") and "/.staging/" not in place and not place.endswith(".partial")


def order(
    root: Path,
    arguments: tuple[str, ...],
    *,
    at: int = 0,
    full: bool = False,
    delay: float | None = None,
    trace: Path | str = "",
    output: Path | str = "/dev/null",
    environment: Mapping[str, str] | None = None,
) -> Order:
    """An order to run ``mi`` in a workspace, whose results are watched."""
    return Order(
        arguments=("-w", str(root), *arguments),
        root=root / "results",
        at=at,
        full=full,
        delay=delay,
        trace=str(trace),
        output=str(output),
        environment=environment or {},
    )
