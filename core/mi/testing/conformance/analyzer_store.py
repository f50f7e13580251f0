"""Checks of what is stored of an analyzer's results, in whatever pieces the work is done."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mi.domain.analyzer import Analyzer
from mi.engine.epochs import spread
from mi.store.layout import VariantPaths
from mi.testing.conformance.analysis import Analysis, in_pieces
from mi.testing.conformance.analyzer import AnalyzerChecks
from mi.testing.conformance.arrays import differing
from mi.testing.conformance.runner import Call, Runner
from mi.testing.conformance.spec import Specimen
from mi.testing.conformance.verdict import broken, moot


class AnalyzerConformance(AnalyzerChecks):
    """An analyzer is a pure function of what it declares, and its artifacts are what it declares.

    Attributes:
        analyzers: ids of analyzers; all of the plugin's by default.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def stored(cls, analyzer: Analyzer, good: Call, analysis: Analysis) -> xr.Dataset:
        """The artifacts as plain xarray reads them."""
        if analyzer.id in analysis.failures:
            moot("see test_analyzer_runs")
        variant = analysis.variant
        spans = analyzer.scope == "family"
        folder = variant.workspace.family_folder(variant.family) if spans else variant.folder
        path = VariantPaths(folder).artifacts
        with xr.open_zarr(path, group=f"{analysis.probe}/{analyzer.id}") as data:
            return data.load()

    def test_stored_as_declared(self, analyzer: Analyzer, stored: xr.Dataset, analysis: Analysis) -> None:
        """Artifacts have the declared names, dimensions, dtypes and units, each cell a coordinate."""
        who = f"analyzer {analyzer.id}"
        if set(stored.data_vars) != set(analyzer.outputs):
            broken(f"{who}: the store holds {sorted(map(str, stored.data_vars))}, not its declared outputs")
        for name, output in analyzer.outputs.items():
            array = stored[name]
            dims = ("epoch", *output.dims) if analyzer.scope == "checkpoint" else output.dims
            if array.dims != dims or array.dtype != np.dtype(output.dtype):
                broken(
                    f"{who}: output {name!r} is stored as {array.dims} {array.dtype}, declared as "
                    f"{dims} {output.dtype}; declare what is returned"
                )
            if array.attrs.get("units", "") != output.units:
                broken(f"{who}: output {name!r} is stored without its units {output.units!r}")
        for dim, values in stored.coords.items():
            each, times = np.unique(values.values, return_counts=True)
            if dim in stored.dims and (times > 1).any():
                broken(f"{who}: dimension {dim!r} has the coordinate {each[times > 1][0]} twice; give each "
                       "cell a coordinate of its own")  # fmt: skip
        wanted = spread(analysis.epochs, analyzer.checkpoints)
        if analyzer.scope == "checkpoint" and not set(wanted) <= set(stored["epoch"].values.tolist()):
            broken(f"{who}: results at epochs {stored['epoch'].values.tolist()} of {list(wanted)}")

    def test_missing_is_told_apart(self, analyzer: Analyzer, stored: xr.Dataset) -> None:
        """What stands for "missing" is NaN, or a sentinel, that no result takes: never a number like 0."""
        for name, output in analyzer.outputs.items():
            fill, dtype = output.fill_value, np.dtype(output.dtype)
            if fill == fill and np.array(fill).astype(dtype) != fill:
                broken(f"analyzer {analyzer.id}: output {name!r} declares fill={fill}, which {dtype} cannot "
                       "hold; choose a fill that no result takes")  # fmt: skip
            if output.dtype.startswith("float") and fill == fill:
                broken(f"analyzer {analyzer.id}: output {name!r} declares fill={fill}, so what was never "
                       "computed reads as a number; leave fill unset for NaN")  # fmt: skip
            if dtype.kind in "fc" and not output.gaps and (bad := ~np.isfinite(stored[name].values)).any():
                broken(f"analyzer {analyzer.id}: output {name!r} is not finite in {bad.sum()} cells, as if "
                       "never computed; declare gaps=True where NaN is an answer, or mend it")  # fmt: skip
            if fill == fill and bool((stored[name].values == fill).any()):
                broken(f"analyzer {analyzer.id}: output {name!r} takes the value {fill}, which it declares "
                       "as its `fill` for missing; choose a fill that no result takes")  # fmt: skip

    def test_second_analysis_does_nothing(
        self, analyzer: Analyzer, stored: xr.Dataset, analysis: Analysis
    ) -> None:
        """Analyzed again, everything is fresh: no pass, no result."""
        if analyzer.scope == "family":  # the copy that is analyzed in pieces is a variant too
            analysis.run(analyzers=[analyzer.id])
        summary = analysis.run(analyzers=[analyzer.id]).total
        if summary.computed or summary.forward_passes:
            broken(f"analyzer {analyzer.id}: a second analysis computes {summary.computed} results again; "
                   "derive context, coordinates and dimensions from the parameters alone")  # fmt: skip

    def test_epochs_are_independent(
        self,
        analyzer: Analyzer,
        good: Call,
        stored: xr.Dataset,
        runner: Runner,
        specimen: Specimen,
        analysis: Analysis,
    ) -> None:
        """Every other checkpoint analyzed first, and the rest later, gives the same bytes as all at once."""
        if analyzer.scope == "family":
            moot("scope family sees whole variants")
        if differing(good.arrays, runner.call(analyzer.id).arrays):
            moot("see test_same_result_again")
        data = analysis.reader.dataset(analysis.probe, analyzer.id)
        beside = in_pieces(specimen).dataset(analysis.probe, analyzer.id)
        if analyzer.scope == "checkpoint":  # in pieces it was asked for every epoch by name
            beside = beside.sel(epoch=data["epoch"].values)
        whole, pieces = _arrays(data), _arrays(beside)
        if name := differing(whole, pieces):
            broken(f"analyzer {analyzer.id}: output {name!r} depends on which checkpoints were analyzed "
                   "before; keep nothing between calls")  # fmt: skip

    def test_rows_are_independent(
        self, analyzer: Analyzer, good: Call, runner: Runner, analysis: Analysis
    ) -> None:
        """Over a part of the rows it runs, unless it needs all, and gives each row the same result."""
        if analyzer.scope != "checkpoint":
            moot(f"scope {analyzer.scope} sees no rows")
        _, probe = analysis.variant.probe(analysis.probe)
        rows = np.arange(0, len(probe), 2)
        if analyzer.probe.complete or any(n.at == "checkpoint" for n in analyzer.artifacts):
            moot("it needs the complete grid, or artifacts over it")
        part = runner.call(analyzer.id, rows=rows)
        if part.arrays is None:
            broken(
                f"{part.error}, over a part of the rows; declare ProbeNeed(complete=True), or take any rows"
            )
        assert good.arrays is not None
        for name, output in analyzer.outputs.items():
            if "row" not in output.dims:
                continue
            axis = output.dims.index("row")
            if not np.allclose(
                good.arrays[name].take(rows, axis), part.arrays[name], rtol=1e-3, atol=1e-5, equal_nan=True
            ):
                broken(f"analyzer {analyzer.id}: output {name!r} of a row depends on the rows beside it; "
                       "rows may come in any choice")  # fmt: skip

    def test_batches_do_not_matter(
        self, analyzer: Analyzer, good: Call, runner: Runner, analysis: Analysis
    ) -> None:
        """A streaming analyzer gives the same result in one batch of rows and in many, but for rounding."""
        if not analyzer.streaming:
            moot("it sees all rows at once")
        rows = len(analysis.variant.probe(analysis.probe)[1])
        assert good.arrays is not None
        for batch in (1, max(rows // 3, 1)):
            parts = runner.call(analyzer.id, batch=batch)
            if parts.arrays is None:
                broken(f"{parts.error}, in batches of {batch} rows; take any number of rows in a batch")
            for name, whole in good.arrays.items():
                if not np.allclose(whole, parts.arrays[name], rtol=1e-3, atol=1e-5, equal_nan=True):
                    broken(f"analyzer {analyzer.id}: output {name!r} is another in batches of {batch} rows "
                           "than in one; keep sums and counts in the state, divide in finish")  # fmt: skip

    def test_no_batch_is_held(self, analyzer: Analyzer, good: Call) -> None:
        """A streaming analyzer's state shares no memory with a batch, which would be held with it."""
        if not analyzer.streaming:
            moot("it sees all rows at once")
        if good.held:
            broken(f"analyzer {analyzer.id}: after a batch its state shares memory with site "
                   f"{sorted(good.held)[0]}, so that every batch is held; keep sums, or a clone")  # fmt: skip


def _arrays(data: xr.Dataset) -> dict[str, np.ndarray]:
    return {str(name): np.asarray(values) for name, values in data.data_vars.items()}
