"""Places to test in: a host that loads only what is named, a workspace, variants trained in moments."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi.testing.tiny import FAMILY, PLUGIN

if TYPE_CHECKING:
    from mi.domain.workspace import Variant, Workspace
    from mi.plugins import Host

EPOCHS, SCHEDULE = 8, "0::2"
_KEPT = ("MI_CHROMIUM",)  # where a tool lies, which changes nothing that `mi` does
_LOCAL = '''"""The kit's own plugin."""

from mi.testing.tiny import analyze, register_family, visualize

MI_API = "{version}"
'''


def environment(home: Path, *plugins: str) -> dict[str, str]:
    """The ``MI_*`` variables of an isolated session: the named plugins alone, nothing of the user's own.

    Args:
        home: a folder for what `mi` keeps outside workspaces.
        plugins: names of plugins; the core's own is always loaded.
    """
    return {"MI_HOME": str(home), "MI_LOAD_PLUGINS": ",".join(plugins), "MI_TRUST": "1"}


@contextmanager
def isolated(home: Path, *plugins: str) -> Iterator[None]:
    """``os.environ`` with these ``MI_*`` variables and no other; undone at the end."""
    before = {k: v for k, v in os.environ.items() if k.startswith("MI_") and k not in _KEPT}
    now = environment(home, *plugins)
    for name in before:
        del os.environ[name]
    os.environ.update(now)
    try:
        yield
    finally:
        for name in now:
            os.environ.pop(name, None)
        os.environ.update(before)


def isolated_host(
    home: Path, *plugins: str, root: Path | None = None, given: Mapping[str, Any] | None = None
) -> Host:
    """A host that loads the core's own plugin and the named ones, whatever else is installed.

    Args:
        home: a folder for what `mi` keeps outside workspaces.
        plugins: names of installed plugins, or of local ones of ``root``.
        root: a workspace's folder.
        given: further plugins by name, as modules or objects that hold hook implementations.

    Raises:
        UnknownNameError: a name that nothing bears.
    """
    from mi.errors import unknown
    from mi.plugins import load_host

    host = load_host(root, environ=environment(home, *plugins), given=given)
    known = [record.name for record in host.records]
    for name in plugins:
        if name not in known:
            raise unknown("plugin", name, known, hint="Is its distribution installed here?")
    return host


def make_workspace(root: Path, *plugins: str) -> Workspace:
    """A new workspace whose host loads the named plugins and the kit's own, ``testing``.

    The kit's plugin is a local one, so that commands see it too (in an :func:`isolated` environment).
    Its tiny family is there already.
    """
    from mi.domain.scaffold import add_family, create_workspace
    from mi.domain.workspace import Workspace
    from mi.plugins import API_VERSION

    create_workspace(root)
    (root / "local_plugins").mkdir(exist_ok=True)
    (root / "local_plugins" / f"{PLUGIN}.py").write_text(_LOCAL.format(version=API_VERSION))
    workspace = Workspace(root, isolated_host(root / ".home", *plugins, PLUGIN, root=root))
    add_family(workspace, FAMILY)
    return workspace


def make_variant(
    workspace: Workspace,
    family: str = FAMILY,
    parameters: Mapping[str, Any] | None = None,
    *,
    epochs: int = EPOCHS,
    schedule: str = SCHEDULE,
    device: str = "cpu",
) -> Variant:
    """A variant, trained for a few steps; one that exists is returned as it is.

    Args:
        workspace: where.
        family: a family of the workspace, or one that a plugin ships, which is added.
        parameters: domain parameters that differ from the defaults; choose those of a tiny model.
        epochs: optimizer steps.
        schedule: checkpoints to keep.
        device: a torch device.
    """
    from mi.domain.scaffold import add_family
    from mi.training import train

    if family not in workspace.family_names():
        add_family(workspace, family)
    variant = workspace.declare(workspace.family(family), parameters or {})
    if not variant.exists:
        with one_thread():
            train(variant, epochs=epochs, schedule=schedule, device=device)
    return variant


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: in tiny models threads only wait for one another."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
