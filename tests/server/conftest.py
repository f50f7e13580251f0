"""A served workspace of the sample plugin, shared by tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sample_plugin import SITE, mi, root, sample_site


@pytest.fixture(scope="session")
def sample_only() -> Iterator[None]:
    """`tests/sample` as the only plugin, for the whole session's use of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SITE)
        patch.setenv("MI_LOAD_PLUGINS", "sample")
        patch.delenv("MI_WORKSPACE", raising=False)
        yield


__all__ = ["mi", "root", "sample_site"]
