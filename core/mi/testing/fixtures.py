"""pytest fixtures for plugin authors; installed with `mi-core` as a pytest plugin.

Light at import: what starts pytest in other projects must not pay for torch. No fixture is automatic.
Override :func:`mi_plugins` in a ``conftest.py`` to name the plugins under test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from mi.domain.workspace import Variant, Workspace
    from mi.plugins import Host
    from mi.testing.command import Ran
    from mi.testing.conformance.spec import Shelf


class LoadHost(Protocol):
    """``mi_host``: plugins by name, and others given as modules or objects."""

    def __call__(self, *plugins: str, given: Mapping[str, Any] | None = None) -> Host:
        """A new host."""


class MakeVariant(Protocol):
    """``mi_variant``: a family, parameters of a tiny model, how long to train."""

    def __call__(
        self,
        family: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        epochs: int = ...,
        schedule: str = ...,
        device: str = ...,
    ) -> Variant:
        """A trained variant."""


@pytest.fixture(scope="session")
def mi_plugins() -> tuple[str, ...]:
    """Names of the installed plugins that the other fixtures load; override it. None by default."""
    return ()


@pytest.fixture
def mi_home(tmp_path: Path) -> Path:
    """A folder for what `mi` keeps outside workspaces."""
    home = tmp_path / "mi-home"
    home.mkdir()
    return home


@pytest.fixture
def mi_isolated(mi_home: Path, mi_plugins: tuple[str, ...]) -> Iterator[None]:
    """The environment with no ``MI_*`` variable of the user's, and only ``mi_plugins`` loaded."""
    from mi.testing.tiny import PLUGIN
    from mi.testing.workspace import isolated

    with isolated(mi_home, *mi_plugins, PLUGIN):
        yield


@pytest.fixture
def mi_host(mi_home: Path, mi_isolated: None, mi_plugins: tuple[str, ...]) -> LoadHost:
    """``mi_host("mine", given={"other": module}) -> Host``: only these; ``mi_plugins`` when none is named."""
    from mi.testing.workspace import isolated_host

    def load(*plugins: str, given: Mapping[str, Any] | None = None) -> Host:
        return isolated_host(mi_home, *(plugins or mi_plugins), given=given)

    return load


@pytest.fixture
def mi_workspace(tmp_path: Path, mi_isolated: None, mi_plugins: tuple[str, ...]) -> Workspace:
    """A new workspace with ``mi_plugins`` and the kit's tiny family."""
    from mi.testing.workspace import make_workspace

    return make_workspace(tmp_path / "mi-workspace", *mi_plugins)


@pytest.fixture
def mi_variant(mi_workspace: Workspace) -> MakeVariant:
    """``mi_variant(family, {parameters}, epochs=…) -> Variant``, trained for a few steps."""
    from mi.testing.workspace import EPOCHS, SCHEDULE, make_variant

    def make(
        family: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        epochs: int = EPOCHS,
        schedule: str = SCHEDULE,
        device: str = "cpu",
    ) -> Variant:
        return make_variant(mi_workspace, family, parameters, epochs=epochs, schedule=schedule, device=device)

    return make


@pytest.fixture
def mi_tiny(mi_variant: MakeVariant) -> Variant:
    """A variant of the kit's tiny family: seeded, trained for 8 steps, checkpoints at 0, 2, 4, 6 and 8."""
    from mi.testing.tiny import FAMILY

    return mi_variant(FAMILY)


@pytest.fixture
def mi_tiny_model(mi_tiny: Variant) -> Any:
    """The tiny variant's hooked model, with the weights of its last checkpoint."""
    from mi.store.checkpoints import list_checkpoints, load_tensors
    from mi.store.layout import VariantPaths

    model = mi_tiny.code.build_model("cpu")
    last = list_checkpoints(VariantPaths(mi_tiny.folder))[-1]
    mi_tiny.code.load_weights(model, load_tensors(last.path))
    return model


@pytest.fixture
def mi_cli(mi_workspace: Workspace) -> Callable[..., Ran]:
    """``mi_cli("families", "--json") -> Ran``: the command in this process, on ``mi_workspace``."""
    from mi.testing.command import run

    return lambda *arguments: run("-w", str(mi_workspace.root), *arguments)


@pytest.fixture(scope="session")
def mi_shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Workspaces with tiny variants that the classes of checks share."""
    from mi.testing.conformance.spec import Shelf

    return Shelf(tmp_path_factory.mktemp("mi-shelf"))
