"""The family of permutations: names, products, split."""

from __future__ import annotations

import numpy as np
import pytest
from pair_kit import family, grid, make

from mi.errors import ParameterError
from mi_modular_arithmetic.composition.family import GroupComposition


def test_pairs_of_s5_are_a_grid_of_names_answered_with_their_product() -> None:
    code = GroupComposition(family("symmetric_group_composition").complete({}))
    axes = code.axes()
    assert list(axes) == ["left", "right"] and len(axes["left"]) == 120
    assert axes["left"][:3].tolist() == ["e", "(45)", "(34)"]
    rows = code.encode({"left": np.array(["(12)", "(123)"]), "right": np.array(["(123)", "(12)"])})
    names = axes["left"]
    # The right one acts first: 1 -> 2 -> 1, 2 -> 3, 3 -> 1 -> 2.
    assert rows.labels is not None and names[rows.labels].tolist() == ["(23)", "(13)"]
    assert names[rows.tokens].tolist() == [["(12)", "(123)"], ["(123)", "(12)"]]
    train = code.context()["train"]
    assert train.shape == (120, 120) and train.sum() == int(0.4 * 14_400)
    assert code.dimensions()["irrep"] == ["(4,1)", "(3,2)", "(3,1,1)", "(2,2,1)", "(2,1,1,1)", "(1,1,1,1,1)"]


def test_the_grid_is_complete_and_split_as_the_context_says() -> None:
    code = make("symmetric_group_composition")
    probe = grid(code)
    assert probe.shape == (6, 6) and probe.row_dims == ("left", "right")
    assert (probe.fold(probe.labels) == code.answers()).all()
    assert (probe.fold(probe.masks["train"]) == code.context()["train"]).all()
    assert (probe.masks["train"] ^ probe.masks["test"]).all()


def test_a_name_of_no_permutation_is_refused() -> None:
    code = make("symmetric_group_composition")
    with pytest.raises(ParameterError, match=r"right is '\(14\)', expected a permutation of 3 points"):
        code.encode({"left": np.array(["e"]), "right": np.array(["(14)"])})


@pytest.mark.parametrize("n", [1, 2, 6, 2.5, "five"])
def test_other_groups_are_out_of_bounds(n: object) -> None:
    with pytest.raises(ParameterError, match=r"n is .*, expected a whole number from 3 to 5"):
        family("symmetric_group_composition").complete({"n": n})
