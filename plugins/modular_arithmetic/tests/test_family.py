from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from mi.domain.family import load_family
from mi.errors import ParameterError
from mi_modular_arithmetic.data import train_mask, train_size
from mi_modular_arithmetic.family import ModularTransformer
from mi_modular_arithmetic.primes import is_prime, nearest_primes

SHIPPED = Path(str(files("mi_modular_arithmetic"))) / "families" / "modular_addition_1layer"
FAMILY = load_family(SHIPPED / "family.json")


def _code(**given: object) -> ModularTransformer:
    return ModularTransformer(FAMILY.complete(given))


def test_the_repositorys_family_is_the_shipped_one() -> None:
    declared = Path(__file__).parents[3] / "model_families" / "modular_addition_1layer"
    here, there = ({p.relative_to(d) for d_ in [d] for p in d_.rglob("*.json")} for d in (SHIPPED, declared))
    assert here == there
    assert Path("family.json") in here
    for name in here:
        assert (SHIPPED / name).read_bytes() == (declared / name).read_bytes(), name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "p113_seed999"),
        ({"prime": 59, "train_fraction": 0.5}, "p59_seed999_frac0.5"),
        ({"prime": 59, "seed": 485, "train_fraction": 0.5}, "p59_seed485_frac0.5"),
        ({"data_seed": 1, "weight_decay": 2.0, "d_mlp": 64}, "p113_seed999_dseed1_mlp64_wd2"),
    ],
)
def test_variants_are_named_by_what_differs(given: dict[str, object], name: str) -> None:
    assert FAMILY.variant_name(FAMILY.complete(given)) == name


@pytest.mark.parametrize(
    ("prime", "near"), [(4, "3 or 5"), (100, "97 or 101"), (1000, "997 or 1009"), (9, "7 or 11")]
)
def test_a_composite_modulus_is_refused_with_the_nearest_primes(prime: int, near: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        _code(prime=prime)
    assert str(refusal.value) == f"prime is {prime}, expected a prime of at least 3; the nearest: {near}"


@pytest.mark.parametrize("prime", [2, 1, -7, 3.5, "x", True, 10_007])
def test_a_modulus_out_of_bounds_is_refused(prime: object) -> None:
    with pytest.raises(ParameterError, match=r"prime is .*, expected a whole number from 3 to 1000"):
        FAMILY.complete({"prime": prime})


@pytest.mark.parametrize("fraction", [0.0, 1.0, 1e-9])
def test_a_split_without_training_or_test_pairs_is_refused(fraction: float) -> None:
    with pytest.raises(ParameterError, match=r"train_fraction is .*, which trains on \d+ of 12769 pairs"):
        _code(train_fraction=fraction)


def test_primes() -> None:
    assert [n for n in range(-3, 30) if is_prime(n)] == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert nearest_primes(1) == [3]
    assert nearest_primes(5) == [3, 7]


def test_tokens_labels_and_masks_of_pairs() -> None:
    rows = _code(prime=7).encode({"a": np.array([6, 0, 3]), "b": np.array([5, 0, 2])})
    assert rows.tokens.tolist() == [[6, 5, 7], [0, 0, 7], [3, 2, 7]]
    assert rows.labels is not None
    assert rows.labels.tolist() == [4, 0, 5]
    assert (rows.masks["train"] ^ rows.masks["test"]).all()


def test_the_split_depends_on_the_data_seed_alone() -> None:
    split = _code(prime=59).context()["train"]
    assert split.shape == (59, 59)
    assert split.sum() == train_size(59, 0.3) == 1044
    assert np.array_equal(split, _code(prime=59, seed=1, d_model=64, learning_rate=0.1).context()["train"])
    other = _code(prime=59, data_seed=1).context()["train"]
    assert other.sum() == split.sum()
    # Two independent splits of 30 % agree on 30 % of 30 %, give or take.
    assert 0.2 < (other & split).sum() / split.sum() < 0.4
    rows, columns = split.mean(axis=1), split.mean(axis=0)
    assert 0.05 < rows.min() < 0.3 < rows.max() < 0.6
    assert 0.05 < columns.min() < 0.3 < columns.max() < 0.6


@pytest.mark.parametrize(
    ("data_seed", "first", "digest"),
    [
        (598, [0, 1, 2, 4, 5, 6, 7, 10], "9a34b2b7ba08f58f"),
        (0, [0, 2, 4, 5, 14, 15, 18, 21], "c717a061bbab3a90"),
    ],
)
def test_the_split_is_the_one_that_it_has_always_been(data_seed: int, first: list[int], digest: str) -> None:
    """Variants are compared over years: other random numbers must not pass unnoticed."""
    import hashlib

    mask = train_mask(59, 0.5, data_seed)
    assert np.flatnonzero(mask)[:8].tolist() == first
    assert hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=8).hexdigest() == digest


@pytest.mark.parametrize(("p", "seed"), [(3, 0), (59, 598), (113, 2**32 - 1)])
def test_the_split_is_drawn_as_torch_draws_it(p: int, seed: int) -> None:
    import torch

    order = torch.randperm(p * p, generator=torch.Generator().manual_seed(seed))
    expected = set(order[: train_size(p, 0.3)].tolist())
    assert set(np.flatnonzero(train_mask(p, 0.3, seed)).tolist()) == expected


def test_a_larger_fraction_contains_the_smaller_one() -> None:
    assert (train_mask(59, 0.5, 598) | ~train_mask(59, 0.3, 598)).all()


def test_dimensions_and_context() -> None:
    code = _code(prime=7, d_mlp=20, n_heads=2)
    dimensions = {name: list(values) for name, values in code.dimensions().items()}
    assert dimensions["freq"] == [1, 2, 3]
    assert dimensions["residue"] == list(range(7))
    assert dimensions["token"] == list(range(8))
    assert dimensions["neuron"] == list(range(20))
    assert dimensions["head"] == [0, 1]
    assert dimensions["position"] == [0, 1, 2]
    assert dimensions["element"] == list(range(7))
    context = code.context()
    assert (context["p"], context["period"], context["structure"]) == (7, 7, "sum")
    assert context["residues"][3, 6] == 2
    assert context["elements"].tolist() == context["classes"].tolist() == list(range(7))
    assert list(code.axes()) == ["a", "b"]


def test_importing_and_checking_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from mi.domain.family import load_family; from pathlib import Path\n"
        "from mi_modular_arithmetic.family import ModularTransformer\n"
        "ModularTransformer(load_family(Path(sys.argv[1])).complete({}))\n"
        "assert not {'torch', 'transformer_lens', 'xarray', 'zarr'} & set(sys.modules)\n"
        "import mi_modular_arithmetic.plugin"
    )
    subprocess.run([sys.executable, "-c", code, str(SHIPPED / "family.json")], check=True)
    light = "import sys, mi_modular_arithmetic.plugin; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", light], check=True)
