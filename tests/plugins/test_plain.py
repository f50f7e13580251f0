"""The quick judgement of a plain requirement never differs from the one that `packaging` gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from mi.plugins.plain import plainly_met
from mi.plugins.versions import bounded_requirement, check_requires

numbers = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
cores = st.one_of(numbers, st.sampled_from(["0.1.0rc1", "1.0.dev3", "0.2.post1", "2!0.1"]))
names = st.sampled_from(["mi-core", "mi_core", "MI.Core", "mi--core", "mi-core-extra", "numpy"])
tails = st.sampled_from(["", ' ; python_version >= "3"', ' ; extra == "x"', ",!=0.1", ".*", "rc1"])


@st.composite
def requirements(draw: st.DrawFn) -> str:
    low, high = draw(numbers), draw(numbers)
    bounds = draw(
        st.sampled_from([f">={low},<{high}", f"<{high},>={low}", f">= {low} , < {high}", f">={low}"])
    )
    return f"{draw(names)}{bounds}{draw(tails)}"


@given(st.lists(requirements(), max_size=3), cores)
def test_what_is_plainly_met_is_what_packaging_says(requires: list[str], core: str) -> None:
    plain = plainly_met(requires, core)
    if plain is not None:
        verdict = check_requires(requires, core)
        assert (verdict.refusal, verdict.warnings) == ("", [])
        assert verdict.api == plain


@given(numbers, numbers, numbers)
def test_a_plain_requirement_that_fits_is_plainly_met(low: str, high: str, core: str) -> None:
    fits = Version(low) <= Version(core) < Version(high)
    for text in (f"mi-core>={low},<{high}", f"mi-core<{high},>={low}"):
        assert plainly_met(["numpy", text], core) == (f">={low},<{high}" if fits else None)


def test_the_scaffold_s_requirement_is_plainly_met() -> None:
    assert plainly_met([bounded_requirement()]) is not None


def test_the_strategies_reach_both_answers() -> None:
    assert plainly_met(["mi-core>=0.1,<1"], "0.1.0") == ">=0.1,<1"
    assert plainly_met(["mi-core>=0.1,<1", "mi--core>=7"], "0.1.0") is None
