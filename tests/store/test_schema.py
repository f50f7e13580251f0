"""The rule that cuts arrays into chunks, and the hash that names content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi.store.schema import BLOCK, CHUNK_BYTES, INNER_BYTES, chunk_shape, coordinates, digest_of

sizes = st.integers(1, 600)


@given(length=sizes, inner=st.lists(sizes, max_size=3), itemsize=st.sampled_from([1, 2, 4, 8]))
def test_every_chunk_lies_inside_one_block(length: int, inner: list[int], itemsize: int) -> None:
    chunks = chunk_shape((length, *inner), itemsize, epochal=True, layout="blocks")
    assert len(chunks) == 1 + len(inner)
    assert BLOCK % chunks[0] == 0 or length <= BLOCK
    assert chunks[0] <= max(min(length, BLOCK), 1)
    assert itemsize * int(np.prod(chunks)) <= max(INNER_BYTES, CHUNK_BYTES)
    if chunks[0] > 1:
        assert itemsize * int(np.prod(chunks)) <= CHUNK_BYTES
        assert chunks[1:] == tuple(inner)


@pytest.mark.parametrize(
    ("shape", "layout", "chunks"),
    [
        ((61,), "blocks", (61,)),
        ((200,), "blocks", (64,)),
        ((200,), "whole", (200,)),
        ((200, 113, 113), "whole", (16, 113, 113)),  # 51 kB an epoch
        ((95, 113, 113, 5), "blocks", (4, 113, 113, 5)),  # 255 kB
        ((95, 512, 113, 113), "blocks", (1, 328, 113, 113)),  # 26 MB: the only kind that is split
    ],
)
def test_chunks_of_known_results(shape: tuple[int, ...], layout: str, chunks: tuple[int, ...]) -> None:
    assert chunk_shape(shape, 4, epochal=True, layout=layout) == chunks


def test_without_an_epoch_axis_an_array_is_one_chunk() -> None:
    assert chunk_shape((3000, 7), 4, epochal=False, layout="blocks") == (3000, 7)
    assert chunk_shape((), 4, epochal=False, layout="blocks") == ()


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
