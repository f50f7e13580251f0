"""The tiny variant analyzed by the real engine: once for all classes of checks that look at it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from mi.domain.workspace import Variant
from mi.engine.analyze import analyze
from mi.engine.failure import Failure
from mi.engine.family_bind import family_scope
from mi.engine.plan import make_plan
from mi.engine.session import Session
from mi.engine.summary import AnalysisSummary
from mi.errors import MiError
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import list_checkpoints
from mi.store.layout import VariantPaths
from mi.testing.conformance.spec import Specimen
from mi.testing.workspace import one_thread

_KEY, _PIECES = "analysis", "pieces"
_VICTIM = "cannot run, because"  # how the engine begins to say that another spoiled what it shares
_MADE = ("artifacts.zarr", "commits", ".staging", "log.jsonl", ".lock", ".hooks.json")


@define(eq=False)
class Analysis:
    """What the engine made of every analyzer that the family uses.

    Attributes:
        variant: the analyzed variant.
        epochs: of its checkpoints.
        probe: name of the probe.
        refused: analyzer -> why it cannot be planned.
        failures: analyzer -> what went wrong first.
        reader: of the artifacts.
    """

    variant: Variant
    epochs: tuple[int, ...]
    probe: str
    device: str
    reader: ArtifactReader
    refused: dict[str, str] = field(factory=dict)
    failures: dict[str, str] = field(factory=dict)

    @property
    def good(self) -> list[str]:
        """Analyzers that can be planned and have not failed, sorted."""
        used = [use.id for use in self.variant.family.analyzers]
        return sorted(id for id in used if id not in self.refused and id not in self.failures)

    def note(self, failures: Sequence[Failure]) -> bool:
        """Keep failures; whether some analyzer failed through another alone, and deserves a new try."""
        victims = {f.analyzer for f in failures if _VICTIM in f.message}
        for failure in failures:
            if failure.analyzer not in victims:
                self.failures.setdefault(failure.analyzer, failure.message)
        return bool(victims) and len(victims) < len(failures)

    def run(self, variant: Variant | None = None, **more: Any) -> AnalysisSummary:
        """Analyze, this variant or a copy of it."""
        asked: dict[str, Any] = {"analyzers": self.good, "probe": self.probe, "device": self.device}
        with one_thread():
            return analyze([variant or self.variant], **{**asked, **more})


def analyzed(specimen: Specimen) -> Analysis:
    """The analysis of the tiny variant; made once.

    Raises:
        MiError: the family cannot be trained, or has no such probe.
    """
    if _KEY not in specimen.kept:
        variant = specimen.variant
        paths = VariantPaths(variant.folder)
        epochs = tuple(c.epoch for c in list_checkpoints(paths))
        probe, _ = variant.probe(specimen.spec.probe or None)
        analysis = Analysis(variant, epochs, probe, specimen.spec.device, ArtifactReader(paths))
        session = Session({variant.workspace.root: variant.workspace})
        for use in variant.family.analyzers:
            try:
                make_plan(session, variant, analyzers=[use.id], probe=probe, device=analysis.device)
                family_scope(variant.workspace, variant.family, asked=[use.id], probe=probe)
            except MiError as error:
                analysis.refused[use.id] = str(error)
        for _ in range(len(analysis.good)):
            if not analysis.note(analysis.run().failures):
                break
        specimen.kept[_KEY] = analysis
    return specimen.kept[_KEY]  # type: ignore[no-any-return]


def in_pieces(specimen: Specimen) -> ArtifactReader:
    """Artifacts of a copy of the variant, analyzed at every other checkpoint first; made once."""
    if _PIECES not in specimen.kept:
        analysis = analyzed(specimen)
        offered = analysis.variant.workspace.host.analyzers(analysis.variant.family)
        spanning = {id for id, one in offered.items() if one.scope == "family"}
        copy = copied(analysis.variant, analysis.variant.folder.with_name("in-pieces"))
        for some in (analysis.epochs[::-2], analysis.epochs):
            analysis.run(copy, epochs=some, analyzers=[id for id in analysis.good if id not in spanning])
        specimen.kept[_PIECES] = ArtifactReader(VariantPaths(copy.folder))
    return specimen.kept[_PIECES]  # type: ignore[no-any-return]


def copied(variant: Variant, folder: Path) -> Variant:
    """A copy of a variant, not analyzed yet."""
    shutil.copytree(variant.folder, folder, ignore=shutil.ignore_patterns(*_MADE))
    return evolve(variant, folder=folder)
