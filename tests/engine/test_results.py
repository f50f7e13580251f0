"""Results are checked without waiting for the device; what only shows later loses no more than its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve

from mi.domain.needs import ArtifactNeed
from mi.domain.output import Output
from mi.engine.analyze import analyze
from mi.engine.results import Copies, Result, conform
from mi.engine.staging import pack, packed_size
from mi.errors import PluginError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.store.schema import ArraySpec, GroupSpec

EPOCHS = (0, 50, 100, 200, 400)
WHOLE = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
DTYPES = [*WHOLE, "float16", "float32", "float64", "complex64"]


def made(value: Any, dtype: str) -> Result:
    array = ArraySpec("x", ("epoch", "n"), dtype, 0)
    spec = GroupSpec("full", "a.b", {"n": np.arange(len(value))}, (array,), "")
    return conform({"x": value}, spec, PluginError)


@pytest.mark.parametrize("stored", DTYPES)
@pytest.mark.parametrize("given", DTYPES)
def test_a_tensor_is_stored_as_numpy_would_store_it_or_refused(given: str, stored: str) -> None:
    values = np.array([0, 1, 100, 255, 40_000, -3, 2**31, 2.5])
    with np.errstate(over="ignore"):
        values = values.astype(np.int64).astype(given) if given in WHOLE else values.astype(given)
    if not np.can_cast(given, stored, casting="same_kind"):
        with pytest.raises(PluginError, match=f"has dtype {given}, expected {stored}"):
            made(torch.tensor(values), stored)
        return
    with np.errstate(over="ignore"):
        expected = values.astype(stored)
    fits = True
    if np.dtype(stored).kind in "iu":
        fits = all(int(a) == int(b) for a, b in zip(expected, values, strict=True))
    elif stored == "float16" != given:
        fits = not bool((np.isinf(expected) & np.isfinite(values)).any())
    result = made(torch.tensor(values), stored)
    if not fits:
        with pytest.raises(PluginError, match=f"output 'x' holds numbers that {stored} cannot"):
            result.settled()
        with pytest.raises(PluginError, match=f"output 'x' holds numbers that {stored} cannot"):
            made(values, stored)
        return
    for one in (result, made(values, stored)):
        found = one.settled()["x"]
        assert found.dtype == np.dtype(stored)
        assert found.tobytes() == expected.tobytes()


def test_a_result_is_nobodys_view() -> None:
    source = torch.arange(6.0)
    result = made(source[::2], "float32")
    source.fill_(9)
    assert result.settled()["x"].tolist() == [0, 2, 4]
    copies, others = Copies(result, "cpu"), Copies(result, "cpu")
    copies["x"].fill_(7)
    assert copies["x"].tolist() == [7, 7, 7]  # its reader's own, and the same whenever it is read
    assert others["x"].tolist() == [0, 2, 4]
    assert list(copies) == ["x"] and len(copies) == 1 and "y" not in copies


@pytest.mark.parametrize(
    "value", [torch.eye(3).to_sparse(), torch.ones(3, dtype=torch.complex64).conj(), torch.ones(3).bfloat16()]
)
def test_odd_tensors_are_made_plain_or_refused(value: torch.Tensor) -> None:
    if value.layout != torch.strided:
        with pytest.raises(PluginError, match="is no array"):
            made(value, "float32")
        return
    stored = "complex64" if value.is_complex() else "float32"
    assert made(value, stored).settled()["x"].tolist() == [1, 1, 1]


def test_packed_results_are_the_same() -> None:
    results = {
        str(i): made(torch.tensor(np.arange(i).astype(dtype)), "int8" if dtype == "int64" else dtype)
        for i, dtype in enumerate(DTYPES)
    }
    results["host"] = made(np.arange(5), "int64")
    assert results["8"].doubts  # travels along
    buffer = torch.zeros(packed_size(results) + 3, dtype=torch.uint8)
    packed = pack(results, buffer)
    for id, result in results.items():
        assert packed[id].settled()["x"].tobytes() == result.settled()["x"].tobytes()
        assert packed[id].settled()["x"].dtype == result.settled()["x"].dtype
    assert packed["12"].settled()["x"].size == 12
    buffer.zero_()
    assert not packed["12"].settled()["x"].any()  # in the buffer indeed
    wrong = {"a": made(torch.tensor([300]), "int8")}
    with pytest.raises(PluginError, match="holds numbers that int8 cannot"):
        pack(wrong, torch.zeros(packed_size(wrong), dtype=torch.uint8))["a"].settled()


def committed(variant: Any, id: str) -> list[int]:
    return list(ArtifactReader(VariantPaths(variant.folder)).committed("full", id))


def counts(at: int) -> Any:
    """An analyzer whose counts do not fit at one epoch, which no host can know when it returns."""

    def function(data: Any) -> dict[str, Any]:
        return {"energy": torch.tensor(300 if data.epoch == at else 3)}

    return function


@pytest.fixture
def counted(tiny: Any) -> Any:
    """``counted(epoch)``: ``tiny.energy`` counts wrongly there; the others build on it."""

    def one(at: int, moment: str = "checkpoint") -> None:
        outputs = {"energy": Output((), "int8", fill=-1)}
        ids = tiny.ANALYZERS
        ids["tiny.energy"] = evolve(ids["tiny.energy"], function=counts(at), outputs=outputs)
        ids["tiny.gap"] = evolve(
            ids["tiny.gap"],
            artifacts=(ArtifactNeed("tiny.energy", moment),),
            function=lambda data: {
                "gap": (data.artifacts if moment == "checkpoint" else data.reference)["tiny.energy"]["energy"]
                * 1.0
            },
        )
        ids["tiny.norms"] = evolve(
            ids["tiny.norms"],
            artifacts=(ArtifactNeed("tiny.gap"),),
            function=lambda data: {"norm": data.artifacts["tiny.gap"]["gap"].expand(3)},
        )

    return one


ASKED = ["tiny.energy", "tiny.gap", "tiny.norms", "tiny.grid"]


def test_what_does_not_fit_loses_its_epoch_and_all_that_was_made_from_it(make: Any, counted: Any) -> None:
    counted(100)
    variant = make()
    summary = analyze([variant], analyzers=ASKED)
    assert [f.message for f in summary.failures] == [
        "analyzer tiny.energy of plugin tiny (mi-tiny 1.0) at epoch 100: output 'energy' holds numbers that "
        "int8 cannot",
        "analyzer tiny.gap at epoch 100: skipped, because tiny.energy failed there",
        "analyzer tiny.norms at epoch 100: skipped, because tiny.gap failed there",
    ]
    rest = [e for e in EPOCHS if e != 100]
    for id in ASKED[:3]:
        assert committed(variant, id) == rest
    assert committed(variant, "tiny.grid") == list(EPOCHS)
    again = analyze([make()], analyzers=ASKED)
    assert len(again.failures) == 3
    assert committed(variant, "tiny.energy") == rest


def test_what_does_not_fit_at_the_reference_loses_the_dependents_everywhere(make: Any, counted: Any) -> None:
    counted(400, "reference")
    variant = make()
    summary = analyze([variant], analyzers=ASKED)
    why = "because tiny.energy failed at the reference checkpoint, epoch 400"
    told = [f.message for f in summary.failures]
    assert f"analyzer tiny.gap at epoch 50: skipped, {why}" in told
    assert committed(variant, "tiny.energy") == [0, 50, 100, 200]
    assert committed(variant, "tiny.gap") == committed(variant, "tiny.norms") == []
    assert committed(variant, "tiny.grid") == list(EPOCHS)


def test_in_strict_mode_what_does_not_fit_ends_the_command(
    make: Any, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MI_STRICT_PLUGINS", "1")
    counted(50)
    variant = make()
    with pytest.raises(PluginError, match="at epoch 50: output 'energy' holds numbers that int8 cannot"):
        analyze([variant], analyzers=ASKED)
    assert 0 in committed(variant, "tiny.energy")
    assert 50 not in committed(variant, "tiny.energy")
