"""Probes larger than memory: rows are made when they are read, in whatever pieces, and are the same rows."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from mi.builtin import probes
from mi.domain import probe as probe_module
from mi.domain.code import VariantCode
from mi.domain.probe import Probe, probe_from_rows
from mi.errors import FormatError, ParameterError, PlanError, StoreError

HUGE = 10_007  # squared: a hundred million rows, 3.4 GB of tokens, coordinates, labels and masks


@pytest.fixture
def sums(sample_site: Path) -> Callable[[int], VariantCode]:
    from mi_sample.family import Sums

    return lambda size: Sums({"size": size, "seed": 0, "decay": 0.0})


def in_memory(probe: Probe) -> Probe:
    """The same probe, of arrays that are given whole."""
    return Probe(
        tokens=probe.tokens,
        axes=probe.axes,
        columns=probe.columns,
        complete=probe.complete,
        labels=probe.labels,
        masks=probe.masks,
    )


def same(one: Probe, other: Probe) -> None:
    assert one.arrays.keys() == other.arrays.keys()
    for name, values in one.arrays.items():
        np.testing.assert_array_equal(values, other.arrays[name], err_msg=name)


def test_a_grid_of_a_hundred_million_rows_takes_the_memory_of_what_is_read(sums: Any) -> None:
    tracemalloc.start()
    try:
        probe = probes.full_grid(sums(HUGE), {}, Path())
        assert (len(probe), probe.shape, probe.n_ctx) == (HUGE**2, (HUGE, HUGE), 2)
        assert (probe.labelled, probe.mask_names, probe.row_bytes) == (True, ("train", "test"), 42)
        last = probe.part(slice(HUGE**2 - 3, None))
        assert last.columns["y"].tolist() == [HUGE - 3, HUGE - 2, HUGE - 1]
        assert last.tokens[:, 0].tolist() == [HUGE - 1] * 3
        assert last.labels is not None and last.labels.tolist() == [HUGE - 4, HUGE - 3, HUGE - 2]
        assert not last.complete
        rows, batch = next(probe.batches(1000))
        assert (rows, batch.columns["y"].tolist()) == (slice(0, 1000), list(range(1000)))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_rows_that_outgrow_what_is_given_are_refused_all_at_once_in_a_sentence(sums: Any) -> None:
    probe = probes.full_grid(sums(HUGE), {}, Path()).limited(2 * 10**9)
    said = r"the probe's 100,140,049 rows take 4.21 GB all together, more than the 2 GB of memory given"
    for read in (lambda: probe.tokens, lambda: probe.labels, lambda: probe.columns, lambda: probe.masks):
        with pytest.raises(PlanError, match=said):
            read()
    assert probe.part(slice(5, 7)).tokens.tolist() == [[0, 5], [0, 6]]
    small = probes.full_grid(sums(7), {}, Path())
    assert small.limited(2058) is small
    with pytest.raises(PlanError, match=r"49 rows take 2.06 kB all together, more than the 2\.06 kB"):
        _ = small.limited(2057).tokens


def test_a_sealed_probe_gives_parts_alone(sums: Any) -> None:
    for probe in (probes.full_grid(sums(7), {}, Path()), Probe(tokens=np.arange(6).reshape(3, 2))):
        sealed = probe.sealed("not all at once")
        assert (len(sealed), sealed.n_ctx, sealed.digest) == (len(probe), 2, probe.digest)
        with pytest.raises(PlanError, match="not all at once"):
            _ = sealed.tokens
        same(sealed.part(slice(1, 3)), probe.part(slice(1, 3)))
        if not probe.labelled:
            assert sealed.labels is None  # as the question whether there are labels is asked


def test_the_digest_does_not_depend_on_how_rows_are_read(sums: Any, monkeypatch: Any) -> None:
    whole = probes.full_grid(sums(31), {}, Path())
    eager = in_memory(whole).digest
    assert whole.digest == eager
    for size in (1, 100, 2**13):
        monkeypatch.setattr(probe_module, "READ_BYTES", size)
        monkeypatch.setattr("mi.domain.lazyprobe.READ_BYTES", size)
        streamed = probes.full_grid(sums(31), {}, Path())
        assert streamed.digest == eager
        assert "_all" not in vars(streamed)
        assert in_memory(whole).digest == eager
        same(streamed, whole)  # all at once after all, filled in pieces
    for other in (
        probes.full_grid(sums(29), {}, Path()),
        whole.part(slice(None)),  # the same rows, which do not say that they are the grid
        Probe(tokens=whole.tokens, axes=whole.axes, columns=whole.columns, complete=True),
    ):
        assert other.digest != eager


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_filters_and_samples_are_the_same_rows_in_whatever_pieces(
    sums: Any, monkeypatch: Any, piece: int
) -> None:
    code = sums(11)
    where = ["x < 5 or label == 3", 'split == "test"']
    kinds = {
        probes.filtered: {"where": where},
        probes.sample: {"where": where, "rows": 13, "seed": 2},
    }
    expected = {kind: kind(code, options, Path()) for kind, options in kinds.items()}
    monkeypatch.setattr(probes, "PIECE", piece)
    for kind, options in kinds.items():
        same(kind(code, options, Path()), expected[kind])
    grid = probes.full_grid(code, {}, Path())
    assert grid.labels is not None
    kept = np.flatnonzero(((grid.columns["x"] < 5) | (grid.labels == 3)) & grid.masks["test"])
    np.testing.assert_array_equal(expected[probes.filtered].tokens, grid.tokens[kept])
    order = np.argsort(np.random.PCG64(2).random_raw(len(kept)), kind="stable")
    drawn = kept[np.sort(order[:13])]
    np.testing.assert_array_equal(expected[probes.sample].tokens, grid.tokens[drawn])


def test_a_file_of_coordinates_gives_the_rows_that_the_same_csv_gives(sums: Any, tmp_path: Path) -> None:
    code, draws = sums(11), np.random.RandomState(0)
    listed = draws.randint(0, 11, (40, 2))
    np.save(tmp_path / "rows.npy", listed.astype(np.uint8))
    text = "\n".join(["x,y", *(f"{x},{y}" for x, y in listed)])
    (tmp_path / "rows.csv").write_text(text)
    npy, csv = (probes.rows_of_file(code, {"file": f"rows.{e}"}, tmp_path) for e in ("npy", "csv"))
    same(npy, csv)
    assert npy.digest == csv.digest
    assert not npy.complete
    whole = np.stack([values.ravel() for values in np.indices((11, 11))], axis=1)
    np.save(tmp_path / "rows.npy", whole)
    grid = probes.rows_of_file(code, {"file": "rows.npy"}, tmp_path)
    assert grid.complete and grid.digest == probes.full_grid(code, {}, Path()).digest
    np.save(tmp_path / "rows.npy", whole[::-1].copy())
    assert not probes.rows_of_file(code, {"file": "rows.npy"}, tmp_path).complete


def test_rows_of_tokens_are_read_from_their_file_when_they_are_needed(sums: Any, tmp_path: Path) -> None:
    code, tokens = sums(11), np.random.RandomState(1).randint(0, 11, (50, 6))
    np.save(tmp_path / "tokens.npy", tokens.astype(np.uint16))
    np.save(tmp_path / "labels.npy", tokens[:, 0].astype(np.int32))
    both = {"file": "tokens.npy", "labels": "labels.npy"}
    probe = probes.tokens_of_file(code, both, tmp_path).limited(0)
    part = probe.part(slice(20, 30))
    assert part.tokens.dtype == np.int64
    np.testing.assert_array_equal(part.tokens, tokens[20:30])
    np.testing.assert_array_equal(part.labels, tokens[20:30, 0])  # type: ignore[arg-type]
    assert probe.digest == Probe(tokens=tokens, labels=tokens[:, 0]).digest
    alone = probes.tokens_of_file(code, {"file": "tokens.npy", "labels": ""}, tmp_path)
    assert not alone.labelled and alone.labels is None
    with (tmp_path / "tokens.npy").open("r+b") as file:  # cut off between two reads: named, no signal
        file.truncate(300)
    with pytest.raises(StoreError, match=r"tokens.npy: ends within row 14"):
        _ = probe.part(slice(10, 20)).tokens


@pytest.mark.parametrize(
    "kind, array, expected",
    [
        ("rows", np.array([[0, 1], [3, 11]]), "row 1, column y is 11, expected one of 0, 1, 2"),
        ("rows", np.zeros((4, 3), int), "columns is 3, expected 2: x, y"),
        ("rows", np.zeros((4, 2)), "array is 'float64 (4, 2)', expected whole numbers, (rows, axes)"),
        ("rows", np.zeros(4, int), "array is 'int64 (4,)', expected whole numbers, (rows, axes)"),
        ("rows", np.zeros((4, 2), int, order="F"), "array is 'in column order', expected rows one after"),
        ("rows", np.array([["a", "b"]], object), "array is 'object (1, 2)', expected whole numbers"),
        ("tokens", np.array([[0, 1], [3, -2]]), "row 1, token 1 is -2, expected 0 or more"),
        ("labels", np.arange(3), "rows is 3, expected 2, as in"),
        ("labels", np.zeros((2, 1), int), "array is 'int64 (2, 1)', expected whole numbers, (rows,)"),
    ],
)
def test_a_bad_array_is_refused_with_its_place(
    sums: Any, tmp_path: Path, kind: str, array: np.ndarray, expected: str
) -> None:
    np.save(tmp_path / "tokens.npy", np.ones((2, 2), int))
    np.save(tmp_path / f"{kind}.npy", array, allow_pickle=True)
    with pytest.raises(FormatError) as caught:
        if kind == "rows":
            probes.rows_of_file(sums(11), {"file": "rows.npy"}, tmp_path)
        else:
            labels = "labels.npy" if kind == "labels" else ""
            probes.tokens_of_file(sums(11), {"file": "tokens.npy", "labels": labels}, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / kind}.npy: ")
    assert expected in str(caught.value)


def test_a_file_that_is_no_array_or_cut_off_is_refused(sums: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    for content, expected in (
        (b"x,y\n1,2\n", "expected an array as numpy.save writes it"),
        (b"", "expected"),
    ):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=expected):
            probes.rows_of_file(sums(11), {"file": "rows.npy"}, tmp_path)
    np.save(path, np.zeros((4, 2), np.int64))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match="file is '63 bytes of values', expected 64"):
        probes.rows_of_file(sums(11), {"file": "rows.npy"}, tmp_path)
    with pytest.raises(StoreError, match=r"none\.npy: no such file"):
        probes.rows_of_file(sums(11), {"file": "none.npy"}, tmp_path)


def test_rows_of_chosen_coordinates_are_encoded_when_they_are_read(sums: Any) -> None:
    code, asked = sums(11), []
    encode = code.encode
    code.encode = lambda columns: asked.append(len(columns["x"])) or encode(columns)
    probe = probe_from_rows(code, {"x": np.arange(11), "y": np.zeros(11, int)}, complete=False).limited(0)
    assert asked == [1]  # a look at one row
    assert probe.part(slice(2, 5)).tokens.tolist() == [[2, 0], [3, 0], [4, 0]]
    assert sum(asked) <= 5


def test_a_family_that_encodes_another_number_of_rows_is_named(sums: Any) -> None:
    code = sums(11)
    encode = code.encode
    code.encode = lambda columns: encode({name: values[:1] for name, values in columns.items()})
    probe = probe_from_rows(code, {"x": np.arange(3), "y": np.arange(3)}, complete=False)
    with pytest.raises(ParameterError, match=r"made tokens of shape \(1, 2\) of 3 rows, expected"):
        _ = probe.tokens


def test_a_probe_that_is_evolved_holds_its_rows(sums: Any) -> None:
    lazy = probe_from_rows(sums(11), {"x": np.arange(3), "y": np.arange(3)}, complete=False)
    other = evolve(lazy, tokens=lazy.tokens + 1)
    assert type(other) is Probe
    assert other.tokens.tolist() == [[1, 1], [2, 2], [3, 3]]
    assert other.columns["x"].tolist() == [0, 1, 2] and not other.complete
    assert evolve(lazy).digest == lazy.digest != other.digest
