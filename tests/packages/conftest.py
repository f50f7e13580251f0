"""Built distributions, and environments that hold nothing but them; made once, whatever the workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from packages.clean_venv import CleanVenv, make_once
from packages.distributions import Distribution, build_all


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "packages"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def distributions(shared: Path) -> list[Distribution]:
    """Every distribution of the repository, built."""
    return build_all(shared)


@pytest.fixture(scope="session")
def clean(shared: Path, distributions: list[Distribution]) -> CleanVenv:
    """An environment with our wheels and what they require; nobody installs anything more into it."""
    return make_once(shared / "clean", [d.wheel for d in distributions])
