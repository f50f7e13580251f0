"""What keeps shared tensors unchanged, on the CPU by checksum and elsewhere by torch's own count of edits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve

from mi.domain.site import Site
from mi.engine import guard
from mi.engine.analyze import analyze
from mi.engine.guard import Watch, checksum, unrecorded
from mi.errors import PluginError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

LARGE = 300_000  # bytes: of several rows of the checksum


def edits(size: int) -> dict[str, Any]:
    return {
        "first byte": lambda x: x.__setitem__(0, x[0] ^ 1),
        "last byte": lambda x: x.__setitem__(-1, x[-1] ^ 128),
        "turned round": lambda x: x.__setitem__(slice(None), x[::-1].copy()),
        "sorted": lambda x: x.sort(),
        "moved by a word": lambda x: x.__setitem__(slice(None), np.roll(x, 8)),
        "halves change places": lambda x: x.__setitem__(slice(None), np.roll(x, size // 2)),
        "all zero": lambda x: x.fill(0),
    }


@pytest.mark.parametrize("size", [100, 2**16, 2**16 + 1, LARGE, LARGE + 5])
@pytest.mark.parametrize("edit", edits(1))
def test_every_edit_changes_the_checksum(size: int, edit: str) -> None:
    data = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8)
    before = checksum(data)
    assert checksum(data.copy()) == before
    edits(size)[edit](data)
    assert checksum(data) != before


def test_an_edit_is_found_under_every_name_of_its_memory() -> None:
    with torch.inference_mode():
        memory = torch.zeros(4, 3)
    watch = Watch()
    watch.add("whole", memory)
    watch.add("row", memory[1])
    memory.numpy()[1] = 1
    assert watch.changed({"row"}, "one") == ["row", "whole"]
    assert watch.changed({"whole"}, "another") == []
    with pytest.raises(PluginError, match="one changed whole in place"):
        watch.refuse({"whole"})


def test_away_from_the_cpu_edits_are_counted_by_torch() -> None:
    with unrecorded("meta"):
        memory = torch.zeros(4, 3, device="meta")
    assert not memory.is_inference()  # it would keep no count
    watch = Watch()
    watch.add("whole", memory)
    watch.add("row", memory[1])
    assert watch.changed({"row", "whole"}, "one") == []
    with torch.no_grad():
        memory[0].add_(1)
    assert watch.changed({"row"}, "one") == ["row", "whole"]
    with unrecorded("cpu"):
        assert torch.zeros(1).is_inference()


def edit_site(data: Any) -> dict[str, Any]:
    data.site("hook_hidden", -1).mul_(2)
    return {"energy": 0.0}


def edit_weights(data: Any) -> dict[str, Any]:
    with torch.inference_mode():  # which an inference tensor would let pass
        data.weights["inner"].zero_()
    return {"energy": 0.0}


@pytest.mark.parametrize(
    ("function", "what"), [(edit_site, "site hook_hidden@-1"), (edit_weights, "weights inner")]
)
def test_without_checksums_the_author_is_named_and_siblings_are_spared(
    make: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch, function: Any, what: str
) -> None:
    """The way of an accelerator, on the CPU: ordinary tensors, no look at their memory."""
    plain = guard.as_bytes
    monkeypatch.setattr(guard, "as_bytes", lambda x: None if isinstance(x, torch.Tensor) else plain(x))
    for module in ("batches", "capture", "readahead"):
        monkeypatch.setattr(f"mi.engine.{module}.unrecorded", lambda device: torch.no_grad())
    tiny.ANALYZERS["tiny.energy"] = evolve(
        tiny.ANALYZERS["tiny.energy"], function=function, sites=(Site("hook_hidden", -1),), weights=True
    )
    variant = make()
    summary = analyze([variant], analyzers=["tiny.energy", "tiny.share", "tiny.norms"], epochs=[50])
    told = [f.message for f in summary.failures]
    assert f"changed {what} in place, which others read too" in told[0]
    assert told[1].endswith(f"cannot run, because analyzer tiny.energy changed {what} in place")
    assert len(told) == 2
    reader = ArtifactReader(VariantPaths(variant.folder))
    spared = "tiny.norms" if function is edit_site else "tiny.share"
    assert list(reader.committed("full", spared)) == [50]
