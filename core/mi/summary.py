"""One row a variant of a family: its parameters, how its training went, and what analyses say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import MiError
from mi.outcome import Outcome, Thresholds, classify
from mi.status import listed_row
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.store.losses import read_losses

if TYPE_CHECKING:
    from mi.domain.family import Family
    from mi.domain.workspace import Variant, Workspace


def summary_rows(
    workspace: Workspace, family: Family, probe: str = "", thresholds: Thresholds | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of all variants of a family, sorted by name, and sentences about what they lack.

    Args:
        workspace, family: where they are.
        probe: over which the analyzers of scope ``family`` were run; the family's default when empty.
        thresholds: of the outcome.

    Returns:
        Objects with the keys of ``mi summary --json`` (docs/cli-json.md), and notes.
    """
    columns, notes = _columns(workspace, family, probe or family.default_probe)
    rows = []
    for variant in workspace.variants(family.name):
        row = _row(variant, thresholds)
        if row["error"]:
            notes.append(row["error"])
        rows.append(row | {name: values.get(variant.name) for name, values in columns.items()})
    lacking = sorted(name for name in columns if any(row[name] is None for row in rows))
    if lacking:
        notes.append(
            f"{', '.join(lacking)}: not known of every variant; `mi analyze --all` brings them up to date"
        )
    return rows, notes


def _row(variant: Variant, thresholds: Thresholds | None) -> dict[str, Any]:
    row, paths = listed_row(variant), VariantPaths(variant.folder)
    losses: Mapping[str, Any] = {"epoch": np.empty(0, dtype=np.int64)}
    try:
        losses = read_losses(paths) if paths.losses.exists() else losses
    except MiError as problem:
        row |= {"state": "damaged", "error": row["error"] or str(problem)}
    return row | _outcome(classify(losses, thresholds))


def _outcome(found: Outcome) -> dict[str, Any]:
    return {
        "outcome": found.label,
        "reasons": list(found.reasons),
        "memorized_epoch": found.memorized,
        "onset_epoch": found.onset,
        "turn_epoch": found.turn,
        "grokked_epoch": found.grokked,
        "rebound": found.rebound,
        "final": dict(found.final),
        "epochs": found.epochs,
    }


def _columns(workspace: Workspace, family: Family, probe: str) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What analyzers of scope ``family`` offer for the summary: column -> variant -> value."""
    reader = ArtifactReader(VariantPaths(workspace.family_folder(family)))
    offered = workspace.host.analyzers(family)
    columns: dict[str, dict[str, Any]] = {}
    notes = []
    for use in family.analyzers:
        analyzer = offered.get(use.id)
        if analyzer is None or not analyzer.summary:
            continue
        found: dict[str, dict[str, Any]] = {name: {} for name in analyzer.summary}
        try:
            if reader.whole(probe, analyzer.id) is not None:
                dataset = reader.dataset(probe, analyzer.id).load()
                names = [str(name) for name in dataset["variant"].values]
                for output, values in found.items():
                    fill = analyzer.outputs[output].fill
                    rows = dataset[output].values
                    values |= {n: _value(row, fill) for n, row in zip(names, rows, strict=True)}
        except MiError as error:
            notes.append(str(error))
        for output, values in found.items():
            columns[output if output not in columns else f"{analyzer.id}.{output}"] = values
    return columns, notes


def _value(row: Any, fill: float | int | None) -> Any:
    """A number, or a list of numbers, as plain Python; what is missing is None or left out."""
    values = np.atleast_1d(row)
    there = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
    if fill is not None and fill == fill:
        there &= values != fill
    kept = values[there].tolist()
    if np.ndim(row):  # a list of whole numbers is stored as floats where its end is padded
        return [int(x) for x in kept] if all(float(x).is_integer() for x in kept) else kept
    return kept[0] if kept else None
