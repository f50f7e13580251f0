"""A workspace with the gallery, one a test module: tests there only read it, or add variants of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from views.workshop import add_variant, installed, new_workspace

from mi.domain.workspace import Variant, Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with installed():
        yield new_workspace(tmp_path_factory.mktemp("gallery") / "ws")


@pytest.fixture(scope="module")
def variant(workspace: Workspace) -> Variant:
    return add_variant(workspace)
