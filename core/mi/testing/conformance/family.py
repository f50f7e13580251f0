"""Checks of a family: what it declares, its model, its training."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from mi.domain.code import VariantCode
from mi.domain.family import Family
from mi.domain.validate import validate_family
from mi.errors import ParameterError
from mi.plugins import Host
from mi.store.schema import RESERVED, coordinates, digest_of
from mi.testing.conformance.edges import edges_of
from mi.testing.conformance.family_training import TrainingChecks
from mi.testing.conformance.rows import check_rows, grid
from mi.testing.conformance.spec import Spec, Specimen
from mi.testing.conformance.verdict import attempt, broken, moot, quiet, said
from mi.testing.workspace import make_workspace


class FamilyConformance(TrainingChecks):
    """A family is valid, its models are seeded, hooked and swapped strictly, its training resumes to the bit.

    Attributes:
        refused: parameters (each a mapping, over ``parameters``) that the code must refuse.
        prompts: texts for ``encode_text``, where the family takes text.
        seed: the parameter that seeds the initialization; empty where nothing is drawn.
    """

    refused: ClassVar[tuple[dict[str, Any], ...]] = ()
    prompts: ClassVar[tuple[str, ...]] = ()

    def test_family_validates(self, spec: Spec, tmp_path: Any) -> None:
        """`mi families validate` finds nothing wrong in the family, its probes and its reports."""
        with quiet("see test_family_is_shipped"):
            workspace = make_workspace(tmp_path / "ws", *spec.plugins)
            if spec.family not in workspace.family_names():
                from mi.domain.scaffold import add_family

                add_family(workspace, spec.family)
        for verdict in validate_family(workspace, spec.family):
            if verdict.problem:
                broken(f"family {spec.family}: {verdict.problem}; mend that file, or name the plugin that "
                       "offers it in `beside`")  # fmt: skip

    def test_family_is_described(self, declared: Family) -> None:
        """The family has title and description, and each of its parameters a description."""
        lacking = [name for name in ("title", "description") if not getattr(declared, name).strip()]
        lacking += [
            f"parameters.{n}.description" for n, p in declared.parameters.items() if not p.description
        ]
        if lacking:
            broken(f"family {declared.name}: {lacking[0]} is empty; say it in a line in family.json")

    def test_parameters_are_refused_in_a_sentence(self, declared: Family, host: Host) -> None:
        """`check` raises ParameterError for what makes no model, and nothing else for any value in bounds."""
        for given in self.refused:
            parameters = declared.complete({**self.parameters, **given})
            try:
                host.variant_code(declared, parameters)
            except ParameterError:
                continue
            except Exception as error:
                broken(
                    f"family {declared.name}: {given} raises {said(error)}; "
                    "refuse it with ParameterError in check()"
                )
            broken(f"family {declared.name}: {given} is accepted; raise ParameterError for it in check()")
        usual = declared.complete(self.parameters)
        for name, parameter in declared.parameters.items():
            for value in edges_of(parameter):
                try:
                    host.variant_code(declared, {**usual, name: value})
                except ParameterError:
                    continue
                except Exception as error:
                    broken(
                        f"family {declared.name}: {name} = {value!r}, which its bounds allow, raises "
                        f"{said(error)}; refuse it with ParameterError in check(), or narrow the bounds"
                    )

    def test_rows_are_encoded(self, code: VariantCode) -> None:
        """`axes` are 1D coordinates; `encode` gives int64 tokens (rows, n_ctx), labels and masks."""
        axes = {name: np.asarray(values) for name, values in code.axes().items()}
        for name, values in axes.items():
            if values.ndim != 1 or not values.size or len(np.unique(values)) != len(values):
                broken(
                    f"{_of(code)}.axes()[{name!r}] has shape {values.shape}; return distinct 1D coordinates"
                )
        if axes:
            columns = grid(axes)
            rows = attempt(lambda: code.encode(columns), f"{_of(code)}.encode(the grid)", "encode every row")
            check_rows(f"{_of(code)}.encode", rows, len(next(iter(columns.values()))))
        if self.prompts:
            text = attempt(
                lambda: code.encode_text(list(self.prompts)), f"{_of(code)}.encode_text", "take these prompts"
            )
            check_rows(f"{_of(code)}.encode_text", text, len(self.prompts))
        if not axes and not self.prompts:
            moot("the family has no grid, and no `prompts` are given")

    def test_rows_are_encoded_one_by_one(self, code: VariantCode) -> None:
        """`encode` gives a row the same tokens, label and masks whichever rows are asked for with it."""
        columns = grid({name: np.asarray(values) for name, values in code.axes().items()})
        if not columns:
            moot("the family has no grid")
        with quiet("see test_rows_are_encoded"):
            whole = code.encode(columns)
            some = np.arange(len(whole.tokens))[::-3]
            part = code.encode({name: values[some] for name, values in columns.items()})
            pairs = {"tokens": (whole.tokens, part.tokens), "labels": (whole.labels, part.labels)}
            pairs |= {f"masks[{name!r}]": (whole.masks[name], part.masks[name]) for name in whole.masks}
        for name, (all_of_it, of_some) in pairs.items():
            if all_of_it is None and of_some is None:
                continue
            if all_of_it is None or of_some is None or not np.array_equal(all_of_it[some], of_some):
                broken(
                    f"{_of(code)}.encode gives other {name} for the same row among other rows; "
                    "make each row a function of its own coordinates"
                )

    def test_dimensions_can_be_stored(self, code: VariantCode) -> None:
        """`dimensions` are names with 1D coordinates of numbers or strings, none of them reserved."""
        axes = code.axes()
        for name, values in code.dimensions().items():
            where = f"{_of(code)}.dimensions()[{name!r}]"
            if name in (*RESERVED, "row"):
                broken(f"{where} has a reserved name; choose another")
            try:
                stored = coordinates(values)
            except TypeError as error:
                broken(f"{where}: {error}; give whole numbers, numbers or strings")
            if not stored.size:
                broken(f"{where} is empty; give a coordinate for each of its cells")
            if name in axes and not np.array_equal(stored, np.asarray(axes[name])):
                broken(f"{where} differs from the axis of that name; give one of the two another name")

    def test_context_is_plain(self, code: VariantCode, specimen: Specimen) -> None:
        """`context` holds numbers, strings and arrays, the same each time it is made."""
        with quiet("see test_family_is_shipped"):
            again = specimen.workspace.host.variant_code(specimen.family, code.parameters).context()
        for name, value in code.context().items():
            where = f"{_of(code)}.context()[{name!r}]"
            try:
                same = digest_of(value) == digest_of(again[name])
            except TypeError as error:
                broken(f"{where}: {error}; give numbers, strings, arrays, or lists and mappings of them")
            if not same:
                broken(f"{where} differs when it is made again; derive it from the parameters alone")


def _of(code: VariantCode) -> str:
    return type(code).__name__
