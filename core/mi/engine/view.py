"""What one asker sees of a checkpoint: what it declared and nothing else, watched where others share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from mi.domain.probe import Probe
from mi.domain.site import Site
from mi.engine.data import CheckpointData, Subject
from mi.engine.guard import Declared, Watch
from mi.engine.item import Item

if TYPE_CHECKING:
    import torch


@define(eq=False)
class View:
    """One checkpoint, captured, or one batch of the probe's rows of it.

    Attributes:
        subject: what is known of the variant.
        epoch: the checkpoint's.
        device: where tensors lie.
        activations: site key -> tensor, made :func:`mi.engine.guard.unrecorded`.
        weights: the checkpoint's tensors, made so too.
        rows: of a batch, which; None where there are all.
        watch: finds edits.
    """

    subject: Subject
    epoch: int
    device: str
    activations: Mapping[str, torch.Tensor]
    weights: Mapping[str, torch.Tensor]
    rows: slice | None = None
    watch: Watch = field(factory=Watch)
    _common: set[str] = field(factory=set)  # watched whatever is declared

    def __attrs_post_init__(self) -> None:
        if self.subject.probe.held:
            self._watch_probe()

    def part(self, rows: slice, activations: Mapping[str, torch.Tensor]) -> View:
        """The same checkpoint over one batch.

        Args:
            rows: which.
            activations: site key -> tensor of these rows.
        """
        subject = evolve(self.subject, probe=self.subject.probe.part(rows))
        return View(subject, self.epoch, self.device, activations, self.weights, rows)

    def of(
        self, item: Item, declared: tuple[Site, ...], *, weights: bool, context: tuple[str, ...]
    ) -> tuple[CheckpointData, set[str]]:
        """Data restricted to what was declared, and the names to watch.

        Args:
            item: the analyzer that asks, for itself or through a derived quantity.
            declared: sites, patterns among them.
            weights: whether weights are declared.
            context: names of declared context values.

        Raises:
            PluginError: another analyzer changed something of it in place.
        """
        probe = self._probe(item)
        if item.analyzer.streaming and self.rows is None:
            declared = ()  # activations come with batches
        values = {name: self.subject.context[name] for name in context}
        globs = {site.key: item.globs[site.key] for site in declared if site.glob}
        sites = [Site(h, s.position).key for s in declared for h in globs.get(s.key, (s.hook,))]
        for key in sites:
            self.watch.add(f"site {key}", self.activations[key])
        for name, value in values.items():
            self.watch.add(f"context value {name}", value)
        watched = self._common | {f"site {k}" for k in sites} | {f"context value {n}" for n in values}
        if weights:
            for name, tensor in self.weights.items():
                self.watch.add(f"weights {name}", tensor)
            watched |= {f"weights {name}" for name in self.weights}
        self.watch.refuse(watched)
        data = CheckpointData(
            # Which other checkpoints there are is not in the fingerprint, so no result may follow from it.
            subject=evolve(self.subject, context=Declared("context value", values), probe=probe, epochs=()),
            epoch=self.epoch,
            device=self.device,
            activations={key: self.activations[key] for key in sites},
            weights=Declared("weight", self.weights if weights else {}),
            globs=globs,
            rows=self.rows,
        )
        return data, watched

    def _probe(self, item: Item) -> Probe:
        """The probe as the analyzer sees it.

        What is not in memory yet is brought there for analyzers that hold activations of all rows, once for
        all of them; others may do so for themselves.
        """
        probe = self.subject.probe
        if item.analyzer.streaming and self.rows is None:
            return probe.sealed(
                f"analyzer {item.id} is streaming, so all rows at once are not there; read each batch's"
            )
        if probe.held:
            return probe
        if not item.sites:
            return probe.private()
        self._watch_probe()
        return probe

    def _watch_probe(self) -> None:
        probe = self.subject.probe
        for name, array in {"tokens": probe.tokens, "labels": probe.labels, **probe.masks}.items():
            self.watch.add(f"the probe's {name}", array)
            self._common.add(f"the probe's {name}")
