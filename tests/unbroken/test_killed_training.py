"""``kill -9`` of a training at any instant: what is visible is whole, the rerun ends as if undisturbed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from unbroken.net import Net, Scenario
from unbroken.trainings import SCENARIOS, TrainingNet
from unbroken.warm import Server


@pytest.fixture(scope="module", params=SCENARIOS, ids=lambda one: one.name.replace(" ", "_"))
def net(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Net]:
    scenario: Scenario = request.param
    place: Path = tmp_path_factory.mktemp("killed")
    yield TrainingNet.lay(scenario, server, place)


def test_killed_at_seeded_instants_it_ends_as_if_undisturbed(net: Net) -> None:
    assert net.kills(net.instants(10, seed=1)) > 4


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_at_a_hundred_instants_it_ends_as_if_undisturbed(net: Net) -> None:
    assert net.kills(net.instants(100, seed=2)) > 50


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_around_every_change_it_ends_as_if_undisturbed(net: Net) -> None:
    for at in net.turns():
        net.kill(at)
