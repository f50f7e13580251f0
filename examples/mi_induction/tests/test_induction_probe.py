from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mi import ParameterError, Probe
from mi_induction.family import AttentionOnly
from mi_induction.probes import match_depth, repeated_segments, targets_of

SIZES = {"context": 32, "vocabulary": 64, "segment_min": 4, "segment_max": 14}


def build(rows: int = 8, segment: int = 10, seed: int = 0, **sizes: int) -> Probe:
    code = AttentionOnly(SIZES | sizes)
    return repeated_segments(code, {"rows": rows, "segment": segment, "seed": seed}, Path())


def test_the_segment_stands_at_the_same_two_places_of_every_row() -> None:
    probe = build()
    full = np.concatenate([probe.tokens, np.asarray(probe.labels)[:, None]], axis=1)
    assert full.shape == (8, 33)
    assert (full[:, 0] == 64).all()
    assert (full[:, 7:17] == full[:, 23:33]).all()
    assert all(len(set(row)) == 33 - 10 for row in full.tolist()), "something else repeats"


def test_twins_differ_in_one_token_and_the_label() -> None:
    probe = build()
    base, twin = probe.tokens[probe.masks["base"]], probe.tokens[probe.masks["twin"]]
    assert len(base) == len(twin) == 4
    rows, positions = np.nonzero(base != twin)
    assert positions.tolist() == [16] * 4 and rows.tolist() == [0, 1, 2, 3]
    labels = np.asarray(probe.labels)
    assert (labels[::2] == base[:, 16]).all() and (labels[1::2] == twin[:, 16]).all()


def test_a_saved_probe_stays_the_same_rows() -> None:
    assert build().tokens[0].tolist()[:6] == [64, 29, 43, 61, 34, 33]
    assert build(seed=1).digest != build().digest


def test_a_third_of_the_context_is_the_segment_unless_it_is_given() -> None:
    assert build(segment=0).digest == build(segment=10).digest
    assert match_depth(build(segment=0, context=16, segment_max=8)).max() == 5


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"rows": 7}, "rows is 7, expected an even number"),
        ({"segment": 17}, "segment is 17, expected at most 16"),
        ({"vocabulary": 22}, "takes 23 different tokens a row, expected at most the vocabulary's 22"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        build(**given)


def test_the_depth_of_a_match_counts_the_tokens_that_came_before_in_this_order() -> None:
    probe = Probe(tokens=np.array([[9, 1, 2, 3, 1, 2, 3, 7, 2, 2, 2]]))
    # 1 2 3 comes back, 7 is new, 2 stood earlier but neither after 7 nor after 2, and then after 2 it did
    assert match_depth(probe).tolist() == [[0, 0, 0, 1, 2, 3, 0, 1, 1, 2, -1]]
    assert targets_of(probe).tolist() == [[1, 2, 3, 1, 2, 3, 7, 2, 2, 2, -1]]


def test_the_label_is_the_last_target() -> None:
    probe = build()
    assert (match_depth(probe)[:, 22:] == np.arange(1, 11)).all()
    assert (match_depth(probe)[:, :22] == 0).all()
    assert (targets_of(probe)[:, -1] == probe.labels).all()


def test_prompts_become_rows() -> None:
    code = AttentionOnly(SIZES)
    assert code.encode_text(["3 14 3", "1 2 1"]).tokens.tolist() == [[64, 3, 14, 3], [64, 1, 2, 1]]
    for prompts in (["3 64"], ["3 x"], ["1 2", "1"], [""]):
        with pytest.raises(ParameterError, match="prompt"):
            code.encode_text(prompts)
