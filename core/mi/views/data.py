"""What a visualization receives: artifacts, losses, parameters and the epochs to frame, of one variant."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field, frozen

from mi.domain.visualization import Visualization
from mi.errors import MiError, UnknownNameError, unknown
from mi.outcome import Phase, classify
from mi.store.artifacts import ArtifactReader, steady
from mi.store.checkpoints import list_checkpoints
from mi.store.layout import VariantPaths
from mi.store.losses import open_losses, read_losses, signature

if TYPE_CHECKING:
    import xarray as xr

    from mi.domain.probe import Probe
    from mi.domain.workspace import Variant

# A dataset up to this size is read once; a larger one stays on disk and is read an epoch at a time.
LOAD_BYTES = 512 * 2**20


@define(eq=False, slots=False)
class ViewData:
    """The data of one variant that one visualization reads.

    Attributes:
        variant: ``family/name``.
        parameters: the variant's domain parameters.
        dimensions: the family's named dimensions -> coordinates.
        epochs: checkpoint epochs to frame, sorted, int64, (E,).
        artifacts: analyzer id -> Dataset of committed epochs, sorted, leading dimension ``epoch``; an
            analyzer of scope ``trajectory`` may have no such axis. In memory up to ``LOAD_BYTES``, else lazy.
        per_checkpoint: those of the analyzers that have one entry a checkpoint.
        losses: Dataset with one variable a metric over every epoch of training; None unless declared.
        probe_name: name of the probe that the artifacts are over.
        build_probe: makes the probe, on first use of :attr:`probe`.
        token: changes whenever any of this does.
    """

    variant: str
    parameters: Mapping[str, Any]
    dimensions: Mapping[str, Sequence[Any]]
    epochs: np.ndarray
    artifacts: Mapping[str, xr.Dataset]
    per_checkpoint: frozenset[str]
    losses: xr.Dataset | None
    probe_name: str
    build_probe: Callable[[], Probe]
    token: str

    @cached_property
    def probe(self) -> Probe:
        """The probe, built for this variant on first use."""
        return self.build_probe()

    def at(self, analyzer: str, epoch: int) -> xr.Dataset:
        """One epoch of an analyzer's artifacts, without the ``epoch`` dimension.

        Of an analyzer without checkpoints (scope ``trajectory``) it is everything.

        Raises:
            UnknownNameError: the visualization does not read this analyzer, or the epoch is not committed.
        """
        if analyzer not in self.artifacts:
            raise unknown("analyzer that this visualization reads", analyzer, self.artifacts)
        dataset = self.artifacts[analyzer]
        if analyzer not in self.per_checkpoint:
            return dataset
        epochs = dataset["epoch"].values
        i = int(np.searchsorted(epochs, epoch))
        if i == len(epochs) or epochs[i] != epoch:
            raise UnknownNameError(f"{analyzer} holds no artifact at epoch {epoch}")
        return dataset.isel(epoch=i)

    @cached_property
    def missing(self) -> tuple[int, ...]:
        """Epochs to frame at which some artifact that is read is missing, sorted."""
        there = [self.artifacts[id]["epoch"].values for id in self.per_checkpoint]
        gone = [np.setdiff1d(self.epochs, epochs) for epochs in there]
        return tuple(int(e) for e in np.unique(np.concatenate(gone))) if gone else ()

    def coordinates(self, dim: str) -> np.ndarray | None:
        """Coordinates of a named dimension: the artifacts', else the family's, else the probe's; or None."""
        if dim == "epoch":
            return self.epochs
        for dataset in self.artifacts.values():
            if dim in dataset.coords:
                return np.asarray(dataset.coords[dim].values)
        if dim in self.dimensions:
            return np.asarray(list(self.dimensions[dim]))
        axes = self.probe.axes
        return np.asarray(axes[dim]) if dim in axes else None


@frozen
class MissingArtifacts:
    """Artifacts (or checkpoints, or losses) that a visualization reads and that nobody has made yet.

    Attributes:
        analyzers: the artifacts' ids.
        sentence: what is missing.
        command: what computes it, for a terminal.
    """

    analyzers: tuple[str, ...]
    sentence: str
    command: str


@define(eq=False)
class DataSource:
    """The artifacts of one variant over one probe, each opened once and shared by all panels of a page.

    Attributes:
        variant: the variant.
        probe_name: name of the probe; the family's default for an empty one.
        epochs: checkpoint epochs to frame, sorted, int64, (E,).
    """

    variant: Variant
    probe_name: str
    epochs: np.ndarray
    reader: ArtifactReader
    _opened: dict[tuple[str, str], xr.Dataset] = field(factory=dict)
    _lock: threading.Lock = field(factory=threading.Lock)

    @classmethod
    def of(
        cls, variant: Variant, probe: str | None = None, epochs: Sequence[int] | None = None
    ) -> DataSource:
        """The source for ``variant``.

        Args:
            variant: the variant.
            probe: name of the probe; None or empty for the family's default.
            epochs: checkpoint epochs to frame; None for all checkpoints.

        Raises:
            UnknownNameError: no such probe, or an epoch without a checkpoint.
        """
        family = variant.family
        name = probe or family.default_probe
        names = variant.workspace.probe_names(family)
        if name not in names:
            raise unknown(f"probe of family {family.name}", name, names)
        paths = VariantPaths(variant.folder)
        known = np.array([c.epoch for c in list_checkpoints(paths)], dtype=np.int64)
        chosen = known if epochs is None else np.unique(np.asarray(list(epochs), dtype=np.int64))
        if len(strangers := np.setdiff1d(chosen, known)):
            said = ", ".join(map(str, strangers[:5]))
            raise UnknownNameError(f"{variant.id} has no checkpoint at epoch {said}")
        return cls(variant, name, chosen, ArtifactReader(paths))

    def token(self, visualization: Visualization) -> str:
        """Changes whenever something that ``visualization`` reads does."""
        parts = [self.variant.id, str(self.variant.folder), self.probe_name, str(self.epochs.tolist())]
        parts += [self.reader.token(self.probe_name, id) for id in visualization.reads]
        if visualization.losses:
            losses = VariantPaths(self.variant.folder).losses
            parts += [repr(signature(losses))]
        return "\n".join(parts)

    def data(self, visualization: Visualization) -> ViewData | MissingArtifacts:
        """What ``visualization`` reads, or what is missing for it.

        Raises:
            UnknownNameError: artifacts are missing, and no plugin offers the analyzer that makes them for a
                variant.
        """
        # Before anything is read: what is committed meanwhile must change the token, not hide behind it.
        token = self.token(visualization)
        paths = VariantPaths(self.variant.folder)
        lacking = "checkpoints" if not len(self.epochs) else ""
        if visualization.losses and not lacking and not paths.losses.exists():
            lacking = "losses"
        if lacking:
            return MissingArtifacts((), f"{self.variant.name} has no {lacking} yet.", self._train())
        committed = {id: self.reader.committed(self.probe_name, id) for id in visualization.reads}
        absent = [
            id for id, c in committed.items() if not c and self.reader.whole(self.probe_name, id) is None
        ]
        if absent:
            host, family = self.variant.workspace.host, self.variant.family
            readable = host.readable(family)
            for id in absent:
                if id not in readable:
                    raise host.unread(family, visualization.id, id)
            return self._missing(absent)
        with self._lock:
            artifacts = {id: self._open(id) for id in visualization.reads}
        return ViewData(
            variant=self.variant.id,
            parameters=self.variant.parameters,
            dimensions=self.variant.code.dimensions(),
            epochs=self.epochs,
            artifacts=artifacts,
            per_checkpoint=frozenset(id for id, epochs in committed.items() if epochs),
            losses=open_losses(paths) if visualization.losses else None,
            probe_name=self.probe_name,
            build_probe=lambda: self.variant.probe(self.probe_name)[1],
            token=token,
        )

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of the variant's training; none where its loss history does not tell."""
        try:
            return classify(read_losses(VariantPaths(self.variant.folder))).phases
        except MiError:  # a panel that reads losses says what is wrong with them
            return ()

    def nonfinite(self, visualization: Visualization) -> list[int | None]:
        """Framed epochs at which something that ``visualization`` reads is not finite, sorted.

        None stands first, for what has no axis of epochs.
        """
        flagged: set[int | None] = set()
        for id in visualization.reads:
            flagged |= self.reader.nonfinite(self.probe_name, id).keys()
        whole: list[int | None] = [None] if None in flagged else []
        return whole + [int(e) for e in self.epochs if int(e) in flagged]

    def few(self, analyzers: Sequence[str]) -> dict[str, int]:
        """Those of them that run at few checkpoints by default -> at how many at most."""
        offered = self.variant.workspace.host.analyzers(self.variant.family)
        limits = {id: offered[id].checkpoints for id in analyzers if id in offered}
        return {id: most for id, most in limits.items() if most is not None}

    def command(self, analyzers: Sequence[str], *, everywhere: bool = False) -> str:
        """The command that computes these analyzers' artifacts; at checkpoints left out by default too."""
        words = ["mi", "analyze", self.variant.name, "--analyzers", ",".join(analyzers)]
        if everywhere and self.few(analyzers):
            words += ["--epochs", f"0:{self.epochs[-1]}:1"]
        if self.probe_name != self.variant.family.default_probe:
            words += ["--probe", self.probe_name]
        return shlex.join(words)

    def _train(self) -> str:
        family, given = self.variant.family, self.variant.parameters
        settings = [f"{k}={v}" for k, v in given.items() if v != family.parameters[k].default]
        return shlex.join(["mi", "train", family.name, *(w for s in settings for w in ("--set", s))])

    def _missing(self, absent: Sequence[str]) -> MissingArtifacts:
        said = " and ".join(absent)
        sentence = f"{self.variant.name} holds no artifacts of {said} over the probe {self.probe_name!r} yet."
        return MissingArtifacts(tuple(absent), sentence, self.command(absent))

    def _open(self, analyzer: str) -> xr.Dataset:
        key = (analyzer, self.reader.token(self.probe_name, analyzer))
        if key not in self._opened:
            self._opened[key] = steady(lambda: self._read(analyzer))
        return self._opened[key]

    def _read(self, analyzer: str) -> xr.Dataset:
        dataset = self.reader.dataset(self.probe_name, analyzer)
        return dataset.load() if dataset.nbytes <= LOAD_BYTES else dataset
