"""The rule that cuts arrays into chunks, and the hash that names content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi.store.schema import (
    BLOCK,
    CHUNK_BYTES,
    INNER_BYTES,
    ROW_BYTES,
    SHARD_BYTES,
    Cut,
    coordinates,
    cut,
    digest_of,
)

sizes = st.integers(1, 600)


@given(length=sizes, inner=st.lists(sizes, max_size=3), itemsize=st.sampled_from([1, 2, 4, 8]))
def test_every_file_lies_inside_one_block(length: int, inner: list[int], itemsize: int) -> None:
    pieces = cut((length, *inner), itemsize, epochal=True, layout="blocks")
    assert len(pieces.file) == len(pieces.inner) == 1 + len(inner)
    assert BLOCK % pieces.file[0] == 0 or length <= BLOCK
    assert pieces.file[0] <= max(min(length, BLOCK), 1)
    assert itemsize * int(np.prod(pieces.inner)) <= max(INNER_BYTES, CHUNK_BYTES)
    row = itemsize * int(np.prod(inner, dtype=np.int64))
    if pieces.file[0] > 1:
        assert row * pieces.file[0] <= (SHARD_BYTES if row >= ROW_BYTES else CHUNK_BYTES)
        assert pieces.file[1:] == pieces.inner[1:] == tuple(inner)
        assert pieces.inner[0] == (1 if row >= ROW_BYTES else pieces.file[0])


@pytest.mark.parametrize(
    ("shape", "layout", "file", "inner"),
    [
        ((61,), "blocks", (61,), (61,)),
        ((200,), "blocks", (64,), (64,)),
        ((200,), "whole", (200,), (200,)),
        ((200, 300), "whole", (200, 300), (1, 300)),  # 1.2 kB an epoch
        ((200, 113, 113), "whole", (64, 113, 113), (1, 113, 113)),  # 51 kB
        ((95, 113, 113, 5), "blocks", (32, 113, 113, 5), (1, 113, 113, 5)),  # 255 kB
        ((95, 1024, 1024), "blocks", (2, 1024, 1024), (1, 1024, 1024)),  # 4 MB
        ((95, 2048, 1200), "blocks", (1, 2048, 1200), (1, 2048, 1200)),  # 10 MB
        ((95, 512, 113, 113), "blocks", (1, 328, 113, 113), (1, 328, 113, 113)),  # 26 MB: the only kind split
    ],
)
def test_cuts_of_known_results(
    shape: tuple[int, ...], layout: str, file: tuple[int, ...], inner: tuple[int, ...]
) -> None:
    assert cut(shape, 4, epochal=True, layout=layout) == Cut(file, inner)


def test_without_an_epoch_axis_an_array_is_one_chunk() -> None:
    assert cut((3000, 7), 4, epochal=False, layout="blocks") == Cut((3000, 7), (3000, 7))
    assert cut((), 4, epochal=False, layout="blocks") == Cut((), ())


def test_a_digest_tells_content_apart_and_nothing_else() -> None:
    base = {"a": 1, "b": [1.5, "x", None, True], "c": np.arange(3)}
    assert digest_of(base) == digest_of(dict(reversed(base.items())))
    others = [
        base | {"a": 1.0},
        base | {"a": True},
        base | {"b": [1.5, "x", None]},
        base | {"c": np.arange(3).astype(np.int32)},
        base | {"c": np.arange(3)[:, None]},
        base | {"d": 0},
    ]
    assert len({digest_of(o) for o in [base, *others]}) == 1 + len(others)
    with pytest.raises(TypeError, match="cannot hash a object"):
        digest_of({"a": object()})


def test_coordinates_are_numbers_or_strings() -> None:
    assert coordinates(range(1, 4)).tolist() == [1, 2, 3]
    assert coordinates(np.arange(3, dtype=np.int32)).dtype == np.int64
    assert coordinates([0.5]).dtype == np.float64
    assert coordinates(["x", "long"]).tolist() == ["x", "long"]
    with pytest.raises(TypeError, match="expected whole numbers"):
        coordinates([object()])
    with pytest.raises(TypeError, match="expected 1"):
        coordinates(np.zeros((2, 2)))


def test_a_large_epoch_that_is_read_in_batches_is_one_file_of_small_chunks() -> None:
    pieces = cut((61, 113, 113, 512), 4, epochal=True, layout="blocks", batched=True)
    assert pieces.inner == (1, 4, 113, 512)  # under 1 MiB
    assert pieces.file == (1, 116, 113, 512)  # the next whole number of chunks
    pieces = cut((61, 100_000, 3, 512), 4, epochal=True, layout="blocks", batched=True)
    assert pieces.inner == (1, 170, 3, 512)
    assert pieces.file == (1, 43_690, 3, 512)  # 256 MiB at most
    assert cut((61, 113, 6), 4, epochal=True, layout="blocks", batched=True) == cut(
        (61, 113, 6), 4, epochal=True, layout="blocks"
    )
