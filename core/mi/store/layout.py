"""Where everything of a variant lies. One place knows the paths."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen


@frozen
class VariantPaths:
    """Paths inside ``results/<family>/<variant>/``.

    Attributes:
        root: the variant's folder.
        keeps: whether ``artifacts`` and ``commits`` are those of kept activations, which are laid, written,
            committed, read and checked in the same way; see :attr:`kept`.
    """

    root: Path
    keeps: bool = False

    @property
    def kept(self) -> VariantPaths:
        """The same variant's kept activations, seen as the artifacts of analyzers named as sites."""
        return VariantPaths(self.root, keeps=True)

    @property
    def config(self) -> Path:
        """Family and parameters (JSON)."""
        return self.root / "config.json"

    @property
    def metadata(self) -> Path:
        """What training has reached, and with which versions (JSON)."""
        return self.root / "metadata.json"

    @property
    def losses(self) -> Path:
        """Metrics of every epoch (zarr)."""
        return self.root / "losses.zarr"

    @property
    def checkpoints(self) -> Path:
        """Weights, one safetensors file a checkpoint."""
        return self.root / "checkpoints"

    @property
    def states(self) -> Path:
        """Optimizer and RNG state, one safetensors file a checkpoint."""
        return self.root / "states"

    @property
    def artifacts(self) -> Path:
        """Artifacts (zarr, ``<probe>/<analyzer>/<array>``)."""
        return self.root / ("activations.zarr" if self.keeps else "artifacts.zarr")

    @property
    def prefix(self) -> str:
        """What stands before ``<probe>/<analyzer>`` in messages."""
        return "activations.zarr/" if self.keeps else ""

    @property
    def packed(self) -> Path:
        """The same in one file, where it is packed; the folder, if there is one, is what counts."""
        return self.artifacts.with_name(f"{self.artifacts.name}.zip")

    @property
    def commits(self) -> Path:
        """Commit records, ``<probe>/<analyzer>/<block>.json``."""
        return self.root / ("activations.commits" if self.keeps else "commits")

    @property
    def staging(self) -> Path:
        """Where a group's next generation is built; gone once it is in place."""
        return self.root / ".staging"

    @property
    def retrained(self) -> Path:
        """Staged checkpoints of a window trained again, until they are proved and take their place."""
        return self.staging / "retrained"

    @property
    def hooks(self) -> Path:
        """What is remembered of the model's hooks (JSON); it may be deleted."""
        return self.root / ".hooks.json"

    @property
    def log(self) -> Path:
        """What was done when (JSON lines)."""
        return self.root / "log.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the one process that writes."""
        return self.root / ".lock"

    @property
    def writer(self) -> Path:
        """Who holds the lock (JSON), for messages; left behind where that process was killed."""
        return self.root / ".writer.json"

    def checkpoint(self, epoch: int) -> Path:
        """The weights' file of an epoch; fixed width, so that names sort by epoch."""
        return self.checkpoints / f"e{epoch:08d}.safetensors"

    def state(self, epoch: int) -> Path:
        """The training state's file of an epoch."""
        return self.states / f"e{epoch:08d}.safetensors"
