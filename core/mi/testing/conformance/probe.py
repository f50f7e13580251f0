"""Checks of probe kinds: the same rows each time, consistent, saved and read back, within the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mi.domain.code import VariantCode
from mi.domain.probe import Probe, ProbeKind, ProbeSpec
from mi.domain.values import check_options
from mi.errors import MiError
from mi.refs import resolve
from mi.testing.conformance.edges import edges
from mi.testing.conformance.plugin import PluginConformance
from mi.testing.conformance.process import left_behind
from mi.testing.conformance.rows import check_rows, grid
from mi.testing.conformance.spec import Specimen
from mi.testing.conformance.verdict import attempt, broken, moot, quiet, said, untitled


class ProbeConformance(PluginConformance):
    """A probe kind builds the same consistent rows for the same options, or refuses them in a sentence.

    Attributes:
        kinds: ids of probe kinds; all of the plugin's by default.
        files: name -> text of files that lie beside the probe's, for kinds that read one.
        vocabulary: tokens are below this; by default what the model says of itself.
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    files: ClassVar[Mapping[str, str]] = {}
    vocabulary: ClassVar[int] = 0

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test a probe kind."""
        if "kind" in metafunc.fixturenames:
            ids = type(self).kinds or type(self).offered("provide_probe")
            metafunc.parametrize("kind", ids, indirect=True, ids=ids, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def kind(cls, specimen: Specimen, request: pytest.FixtureRequest) -> ProbeKind:
        """One probe kind."""
        known = specimen.workspace.host.probe_kinds(specimen.family)
        if request.param not in known:
            broken(f"probe kind {request.param} is not offered to family {cls.family}; correct `kinds`")
        return known[request.param]

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, specimen: Specimen) -> Path:
        """Where probes are saved, with ``files`` in it."""
        assert specimen.family.folder is not None
        folder = specimen.family.folder / "probes"
        for name, text in cls.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def code(cls, specimen: Specimen) -> VariantCode:
        """The tiny variant's code."""
        family = specimen.family
        with quiet("the family's code fails; see FamilyConformance"):
            return specimen.workspace.host.variant_code(family, family.complete(cls.parameters))

    @pytest.fixture(scope="class")
    @classmethod
    def built(cls, kind: ProbeKind, code: VariantCode, folder: Path) -> Probe:
        """The probe that the kind builds with ``options``."""
        with quiet("see test_kind_builds"):
            probe = _build(kind, code, cls._given(kind), folder)
            assert isinstance(probe, Probe) and probe.tokens.ndim == 2 and probe.tokens.dtype == np.int64
            return probe

    @classmethod
    def _given(cls, kind: ProbeKind) -> dict[str, Any]:
        return dict(cls.options.get(kind.id, {}))

    def test_kinds_are_offered(self) -> None:
        """The plugin offers a probe kind to the family."""
        if not type(self).offered("provide_probe"):
            broken(f"plugin {self.plugin} offers no probe kind to family {self.family}; return one from "
                   "provide_probe(family), or name another family")  # fmt: skip

    def test_kind_is_described(self, kind: ProbeKind) -> None:
        """The kind has title and description, and each of its options a description."""
        if lacking := untitled(kind):
            broken(f"probe kind {kind.id}: {lacking[0]} is empty; say it in a line")

    def test_kind_builds(self, kind: ProbeKind, code: VariantCode, folder: Path) -> None:
        """`build` returns a Probe with rows: int64 tokens (rows, n_ctx), labels and masks of all rows."""
        who = f"probe kind {kind.id}"
        probe = attempt(
            lambda: _build(kind, code, self._given(kind), folder),
            f"{who}: build",
            "or give it other `options`",
        )
        if not isinstance(probe, Probe):
            broken(f"{who}: build returns {type(probe).__name__}; return a Probe")
        if not len(probe):
            broken(f"{who}: build chooses no row; choose one, or raise ParameterError")
        check_rows(who, probe, len(probe))

    def test_probe_is_consistent(self, kind: ProbeKind, built: Probe) -> None:
        """Columns belong to axes and hold their coordinates; `complete` says whether rows are the grid."""
        who, rows = f"probe kind {kind.id}", len(built)
        axes = {name: np.asarray(values) for name, values in built.axes.items()}
        if axes.keys() != built.columns.keys():
            broken(
                f"{who}: axes are {list(axes)}, columns are {list(built.columns)}; give each axis a column"
            )
        for name, values in built.columns.items():
            column = np.asarray(values)
            if column.shape != (rows,) or not np.isin(column, axes[name]).all():
                broken(f"{who}: column {name!r} is no coordinate of its axis for each of {rows} rows; "
                       "take its values from axes()")  # fmt: skip
        whole = bool(axes) and all(
            np.array_equal(built.columns[name], values) for name, values in grid(axes).items()
        )
        if built.complete != whole:
            broken(
                f"{who}: complete is {built.complete}, but its rows are {'' if whole else 'not '}the grid in "
                f"order; build it with probe_from_rows(…, complete={whole})"
            )
        if built.text and len(built.text) != rows:
            broken(f"{who}: text has {len(built.text)} entries for {rows} rows; give one a row, or none")

    def test_probe_is_the_same_again(
        self, kind: ProbeKind, built: Probe, specimen: Specimen, folder: Path
    ) -> None:
        """The same options give the same rows, labels and masks, whenever and wherever it is built."""
        code = specimen.workspace.host.variant_code(
            specimen.family, specimen.family.complete(self.parameters)
        )
        if _build(kind, code, self._given(kind), folder).digest != built.digest:
            broken(f"probe kind {kind.id}: building it again gives another probe; draw with a generator "
                   "seeded by an option, and sort what has no order")  # fmt: skip

    def test_tokens_are_in_the_vocabulary(self, kind: ProbeKind, built: Probe, code: VariantCode) -> None:
        """Every token is one that the model knows."""
        import torch

        with quiet("the family's model fails; see FamilyConformance"):
            model = code.build_model(self.device)
            known = self.vocabulary or getattr(getattr(model, "cfg", None), "d_vocab", 0)
            highest = int(np.asarray(built.tokens).max())
        if known and highest >= known:
            broken(
                f"probe kind {kind.id}: token {highest} is outside 0..{known - 1}; encode rows with the code"
            )
        if not known:
            rows = torch.as_tensor(built.tokens[np.asarray(built.tokens).max(axis=1).argmax()][None])
            with torch.inference_mode():
                attempt(
                    lambda: model(rows.to(self.device)),
                    f"probe kind {kind.id}: the model, fed its row {rows[0].tolist()},",
                    "encode rows with the family's code",
                )

    def test_options_are_taken_or_refused(self, kind: ProbeKind, code: VariantCode, folder: Path) -> None:
        """Every option, at its bounds and choices, builds a probe or is refused with ParameterError."""
        given = self._given(kind)
        for name, value in edges(kind.options):
            try:
                _build(kind, code, {**given, name: value}, folder)
            except MiError:
                continue
            except Exception as error:
                broken(f"probe kind {kind.id}: option {name} = {value!r} raises {said(error)}; refuse it "
                       "with ParameterError, or narrow its bounds")  # fmt: skip

    def test_probe_is_saved_and_read(
        self, kind: ProbeKind, built: Probe, specimen: Specimen, code: VariantCode, folder: Path
    ) -> None:
        """A probe file keeps every option, and the probe read from it is the same."""
        workspace, family = specimen.workspace, specimen.family
        if _build(kind, code, self._given(kind), folder).digest != built.digest:
            moot("see test_probe_is_the_same_again")
        options = check_options(kind.id, kind.options, self._given(kind))
        name = "kit-" + kind.id.replace(".", "-").replace("_", "-")
        workspace.save_probe(family, ProbeSpec(name=name, kind=kind.id, title="Kit", options=options))
        saved = workspace.probe_spec(family, name)
        if workspace.build_probe(family, saved, code).digest != built.digest:
            broken(f"probe kind {kind.id}: saved and read, it is another probe; depend on options alone, "
                   "and on files beside the probe's")  # fmt: skip

    def test_building_leaves_the_process_alone(
        self, kind: ProbeKind, built: Probe, code: VariantCode, folder: Path
    ) -> None:
        """Building draws from no global generator and changes no default."""
        if changed := left_behind(lambda: _build(kind, code, self._given(kind), folder)):
            broken(
                f"probe kind {kind.id}: {changed[0]} is another after building; use a generator of its own"
            )


def _build(kind: ProbeKind, code: VariantCode, given: Mapping[str, Any], folder: Path) -> Probe:
    options = check_options(f"probe kind {kind.id}", kind.options, given)
    return resolve(kind.build)(code, options, folder)  # type: ignore[no-any-return]
