"""The plain ways that the engine is measured against: a bare loop, and one pass and one npz an analyzer.

Both call the same analyzer functions, on the same activations, as `mi analyze` does. There is no plan, no
fingerprint, no guard and no lock; nothing would notice a kill, an edit in place, or a misspelt site.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from attrs import evolve

from mi.domain.checkpoint import Checkpoint
from mi.domain.workspace import Variant
from mi.engine.batches import keep
from mi.engine.bench import Bench
from mi.engine.capture import Resident
from mi.engine.data import CheckpointData, TrajectoryData
from mi.engine.differentiate import Differentiator
from mi.engine.gradients import Gradients
from mi.engine.item import Item
from mi.engine.model import Model
from mi.engine.resolve import set_up
from mi.engine.shares import wanted_epochs
from mi.refs import resolve
from mi.store.checkpoints import list_checkpoints, load_tensors
from mi.store.layout import VariantPaths

Results = dict[str, dict[str, Any]]


def bench_of(variant: Variant, analyzers: Sequence[str] | None = None, device: str = "cpu") -> Bench:
    """The analyzers asked for (the family's by default) and those that they need, in order."""
    epochs = tuple(c.epoch for c in list_checkpoints(VariantPaths(variant.folder)))
    bench, skipped, broken = set_up(variant, None, analyzers, epochs, device, "float32")
    assert not skipped and not broken, (skipped, broken)
    return bench


class Loop:
    """What both plain ways share.

    Attributes:
        seconds: ``load``, ``forward``, ``save``, and each analyzer's id -> seconds.
        passes: forward passes.
    """

    def __init__(self, bench: Bench, device: str) -> None:
        self.bench, self.device = bench, device
        self.model = bench.variant.code.build_model(device)
        self.tokens = torch.tensor(bench.probe.tokens, device=device)
        checkpoints = list_checkpoints(VariantPaths(bench.variant.folder))
        self.order = [checkpoints[-1], *checkpoints[:-1]]  # the reference first
        self.resident = Resident(bench.variant.code, self.model, device, "float32")
        self.differentiator = Differentiator(bench.variant.code, bench.probe, device, "float32")
        epochs = tuple(c.epoch for c in checkpoints)
        self.wanted = wanted_epochs(bench, epochs, epochs[-1], by_name=False)  # some run at few checkpoints
        self.passes = 0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def spent(self, on: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[on] = self.seconds.get(on, 0.0) + time.perf_counter() - start

    @property
    def moments(self) -> list[Item]:
        return [item for item in self.bench.items.values() if item.analyzer.scope == "checkpoint"]

    @property
    def trajectories(self) -> list[Item]:
        return [item for item in self.bench.items.values() if item.analyzer.scope == "trajectory"]

    def at(self, checkpoint: Checkpoint) -> list[Item]:
        """The analyzers that run there."""
        return [item for item in self.moments if checkpoint.epoch in self.wanted[item.id]]

    def capture(self, checkpoint: Checkpoint, items: Sequence[Item]) -> tuple[Any, Any]:
        """Weights, and activations at the sites after one pass; no pass without a site."""
        sites = tuple(dict.fromkeys(site for item in items for site in item.sites))
        with self.spent("load"):
            weights = load_tensors(checkpoint.path, self.device)
        if sites or any(item.analyzer.model for item in items):
            with self.spent("load"):
                self.resident.load(weights)
        if not sites:
            return weights, {}
        hooks = {site.hook for site in sites}
        self.passes += 1
        with self.spent("forward"), torch.inference_mode():
            _, cache = self.model.run_with_cache(self.tokens, names_filter=hooks.__contains__)
            return weights, {site.key: keep(site, cache[site.hook]) for site in sites}

    def call(
        self,
        item: Item,
        at: Checkpoint,
        captured: tuple[Any, Any],
        done: Results,
        first: Results,
        memo: Results,
    ) -> dict[str, Any]:
        """One analyzer's results at a checkpoint."""
        weights, activations = captured
        derived = {d.id: d for d in item.analyzer.all_derived()}

        def derive(id: str) -> Any:
            if id not in memo:
                memo[id] = resolve(derived[id].function)(data)
            return memo[id]

        needs = item.analyzer.artifacts
        data = CheckpointData(
            subject=self.bench.subject,
            epoch=at.epoch,
            device=self.device,
            activations=activations,
            globs=item.globs,
            weights=weights,
            artifacts={n.analyzer: self.tensors(done[n.analyzer]) for n in needs if n.at == "checkpoint"},
            reference={n.analyzer: self.tensors(first[n.analyzer]) for n in needs if n.at == "reference"},
            derive=derive,
            model=Model(self.resident, weights) if item.analyzer.model else None,
            differentiate=lambda rows: self.gradients(item, weights, rows),
        )
        with self.spent(item.id), torch.no_grad():
            return dict(item.function(data, **item.options))

    def gradients(self, item: Item, weights: Mapping[str, torch.Tensor], rows: str) -> Gradients:
        """What the analyzer declares over these rows, from passes of its own."""
        need = item.gradients[rows]
        loss, by_weight, by_site = None, {}, {}
        if need.weights:
            loss, by_weight = self.differentiator.by_weights(weights, rows)
        if need.sites:
            loss, by_site = self.differentiator.by_sites(self.resident, need.sites, rows)
        return Gradients(loss=loss, weights=by_weight, activations=by_site, globs=item.globs)

    def tensors(self, results: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        return {name: torch.as_tensor(value, device=self.device) for name, value in results.items()}

    def span(self, item: Item, read: Mapping[str, Mapping[int, Mapping[str, np.ndarray]]]) -> dict[str, Any]:
        """A trajectory analyzer's results, from the arrays of all epochs."""
        needs = item.analyzer.artifacts
        over = {need.analyzer: read[need.analyzer] for need in needs if need.at == "all"}
        order = [c for c in sorted(self.order) if all(c.epoch in held for held in over.values())]
        epochs = tuple(c.epoch for c in order)
        last = self.order[0].epoch
        data = TrajectoryData(
            subject=evolve(self.bench.subject, epochs=epochs),
            artifacts={id: self.dataset(id, epochs, held) for id, held in over.items()},
            reference={n.analyzer: read[n.analyzer][last] for n in needs if n.at == "reference"},
            checkpoints=lambda: ((c.epoch, load_tensors(c.path)) for c in order),
        )
        with self.spent(item.id):
            return dict(item.function(data, **item.options))

    def dataset(
        self, id: str, epochs: Sequence[int], read: Mapping[int, Mapping[str, np.ndarray]]
    ) -> xr.Dataset:
        spec = self.bench.group(self.bench.items[id])
        variables = {a.name: (a.dims, np.stack([read[e][a.name] for e in epochs])) for a in spec.arrays}
        return xr.Dataset(variables, {"epoch": list(epochs), **spec.axes})

    def plain(self, item: Item, results: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Results on the host, at the declared precision."""
        outputs = item.analyzer.outputs
        return {name: np.asarray(host(v), dtype=outputs[name].dtype) for name, v in results.items()}


def host(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def bare(bench: Bench, device: str = "cpu") -> Loop:
    """One pass a checkpoint with the union of the sites; every analyzer; nothing stored."""
    loop = Loop(bench, device)
    wanted = {need.analyzer for item in loop.trajectories for need in item.analyzer.artifacts}
    kept: dict[str, dict[int, dict[str, np.ndarray]]] = {id: {} for id in wanted}
    first: Results = {}
    for checkpoint in loop.order:
        items = loop.at(checkpoint)
        captured = loop.capture(checkpoint, items)
        done: Results = {}
        memo: Results = {}
        for item in items:
            done[item.id] = loop.call(item, checkpoint, captured, done, first or done, memo)
        first = first or done
        for id in wanted & done.keys():
            kept[id][checkpoint.epoch] = loop.plain(bench.items[id], done[id])
    for item in loop.trajectories:
        loop.span(item, kept)
    return loop


def npz(folder: Path, id: str, epoch: int | None = None) -> Path:
    """Where the naive layout keeps an analyzer's results: a file an epoch."""
    return folder / (f"{id}.npz" if epoch is None else f"{id}.{epoch}.npz")


def naive(bench: Bench, folder: Path, device: str = "cpu") -> Loop:
    """Each analyzer: its own pass over all checkpoints, its own compressed npz an epoch."""
    loop = Loop(bench, device)
    folder.mkdir(parents=True)
    reference = loop.order[0].epoch
    for item in loop.moments:
        for checkpoint in (c for c in loop.order if c.epoch in loop.wanted[item.id]):
            needs = [n.analyzer for n in item.analyzer.artifacts]
            done = {need: read(npz(folder, need, checkpoint.epoch)) for need in needs}
            first = {need: read(npz(folder, need, reference)) for need in needs}
            found = loop.call(item, checkpoint, loop.capture(checkpoint, [item]), done, first, {})
            with loop.spent("save"):
                write(npz(folder, item.id, checkpoint.epoch), loop.plain(item, found))
    for item in loop.trajectories:
        held = {
            need.analyzer: {e: read(npz(folder, need.analyzer, e)) for e in loop.wanted[need.analyzer]}
            for need in item.analyzer.artifacts
        }
        found = loop.span(item, held)
        with loop.spent("save"):
            write(npz(folder, item.id), loop.plain(item, found))
    return loop


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
