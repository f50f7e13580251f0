"""The variant's lock: one writer, and askers that never get in a writer's way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mi.errors import LockedError
from mi.store.layout import VariantPaths
from mi.store.lock import is_locked, variant_lock


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    paths = VariantPaths(tmp_path / "v")
    with variant_lock(paths):
        assert is_locked(paths)
        with pytest.raises(LockedError, match="v: another process"), variant_lock(paths):
            pass
    assert not is_locked(paths)


def test_asking_never_refuses_a_writer(tmp_path: Path) -> None:
    paths = VariantPaths(tmp_path / "v")
    with variant_lock(paths):
        pass
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            is_locked(paths)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for _ in range(50):
            with variant_lock(paths):
                pass
    finally:
        stop.set()
        asker.join()
