"""`mi analyze` against a bare loop that stores nothing, and against one pass an analyzer with npz files.

    python benchmarks/engine.py [--prime 59] [--checkpoints 20] [--rounds 5] [--threads N] [--device cpu]

All run the same analyzer functions on the same checkpoints of one short training. The bare loop loads
weights, runs one forward pass with the same sites and calls the functions: no plan, no fingerprints, no
guards, no store. The naive way makes a loop of its own for each analyzer, as one script per analysis would.
Rounds alternate, so that whatever else the machine does hits all; the table has medians of the time on the
clock and of the time on the processors, which others on the machine disturb less.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mi.domain.analyzer import Derived, Site
from mi.domain.checkpoint import Checkpoint
from mi.domain.scaffold import add_family
from mi.domain.workspace import Variant, Workspace
from mi.engine.analyze import analyze
from mi.engine.capture import keep
from mi.engine.data import CheckpointData
from mi.engine.resolve import Bench, Item, set_up
from mi.refs import resolve
from mi.store.checkpoints import list_checkpoints, load_tensors
from mi.store.layout import VariantPaths
from mi.training import train

FAMILY = "modular_addition_1layer"
Results = dict[str, dict[str, Any]]


class Loop:
    """What both plain ways share: a model, tokens, and the reference checkpoint first."""

    def __init__(self, variant: Variant, bench: Bench, device: str) -> None:
        self.variant, self.bench, self.device = variant, bench, device
        self.model = variant.code.build_model(device)
        self.tokens = torch.tensor(bench.probe.tokens, device=device)
        checkpoints = list_checkpoints(VariantPaths(variant.folder))
        self.order = [checkpoints[-1], *checkpoints[:-1]]
        self.passes = 0

    def capture(self, checkpoint: Checkpoint, sites: tuple[Site, ...]) -> tuple[Any, Any]:
        """Weights, and activations at the sites after one pass; no pass without a site."""
        weights = load_tensors(checkpoint.path, self.device)
        if not sites:
            return weights, {}
        self.variant.code.load_weights(self.model, weights)
        hooks = {site.hook for site in sites}
        self.passes += 1
        with torch.inference_mode():
            _, cache = self.model.run_with_cache(self.tokens, names_filter=hooks.__contains__)
            return weights, {site.key: keep(site, cache[site.hook]) for site in sites}

    def call(
        self,
        item: Item,
        checkpoint: Checkpoint,
        captured: tuple[Any, Any],
        done: Results,
        first: Results,
        memo: Any,
    ) -> dict[str, Any]:
        """One analyzer's results, tensors where it returns tensors."""
        weights, activations = captured

        def derive(id: str) -> Any:
            if id not in memo:
                memo[id] = resolve(derived[id].function)(data)
            return memo[id]

        derived: Mapping[str, Derived] = {d.id: d for d in item.analyzer.all_derived()}
        needs = item.analyzer.artifacts
        data = CheckpointData(
            subject=self.bench.subject,
            epoch=checkpoint.epoch,
            index=checkpoint.index,
            device=self.device,
            activations=activations,
            weights=weights,
            artifacts={n.analyzer: done[n.analyzer] for n in needs if n.at == "checkpoint"},
            reference={n.analyzer: first[n.analyzer] for n in needs if n.at == "reference"},
            derive=derive,
        )
        with torch.no_grad():
            found: Mapping[str, Any] = item.function(data, **item.options)
        return {name: torch.as_tensor(np.asarray(_host(v)), device=self.device) for name, v in found.items()}


def bare(variant: Variant, bench: Bench, device: str) -> int:
    loop = Loop(variant, bench, device)
    sites = tuple(dict.fromkeys(s for item in bench.items.values() for s in item.sites))
    first: Results = {}
    for checkpoint in loop.order:
        captured, done, memo = loop.capture(checkpoint, sites), {}, {}
        for id, item in bench.items.items():
            done[id] = loop.call(item, checkpoint, captured, done, first or done, memo)
        first = first or done
    return loop.passes


def naive(variant: Variant, bench: Bench, device: str) -> int:
    loop, folder = Loop(variant, bench, device), variant.folder / "npz"
    folder.mkdir()

    def read(id: str, epoch: int) -> dict[str, Any]:
        with np.load(folder / f"{id}.{epoch}.npz") as file:
            return {name: torch.as_tensor(file[name], device=device) for name in file.files}

    reference = loop.order[0].epoch
    for id, item in bench.items.items():
        for checkpoint in loop.order:
            needs = [n.analyzer for n in item.analyzer.artifacts]
            done = {need: read(need, checkpoint.epoch) for need in needs}
            first = {need: read(need, reference) for need in needs}
            found = loop.call(item, checkpoint, loop.capture(checkpoint, item.sites), done, first, {})
            np.savez(folder / f"{id}.{checkpoint.epoch}.npz", **{n: _host(v) for n, v in found.items()})
    shutil.rmtree(folder)
    return loop.passes


def engine(variant: Variant, bench: Bench, device: str) -> int:
    paths = VariantPaths(variant.folder)
    for path in (paths.artifacts, paths.commits):
        shutil.rmtree(path, ignore_errors=True)
    return again(variant, bench, device)


def again(variant: Variant, bench: Bench, device: str) -> int:
    summary = analyze([variant], analyzers=list(bench.items), device=device)
    assert not summary.failures, summary.failures
    return summary.total.forward_passes


def _host(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value


def prepare(root: Path, prime: int, checkpoints: int) -> Variant:
    (root / "model_families").mkdir()
    workspace = Workspace.open(root)
    add_family(workspace, FAMILY)
    variant = workspace.declare(workspace.family(FAMILY), {"prime": prime, "train_fraction": 0.5})
    last = checkpoints - 1  # analyses cost the same however far the training went
    train(variant, epochs=last, schedule=f"0:{last}:1")
    return variant


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prime", type=int, default=59)
    parser.add_argument("--checkpoints", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    ways: dict[str, Callable[[Variant, Bench, str], int]] = {
        "`mi analyze`": engine,
        "`mi analyze` again": again,
        "bare loop, nothing stored": bare,
        "one loop an analyzer, npz": naive,
    }
    with tempfile.TemporaryDirectory() as folder:
        variant = prepare(Path(folder), given.prime, given.checkpoints)
        every = tuple(c.epoch for c in list_checkpoints(VariantPaths(variant.folder)))
        offered = variant.workspace.host.analyzers(variant.family)
        asked = [u.id for u in variant.family.analyzers if offered[u.id].scope == "checkpoint"]
        bench, _, _ = set_up(variant, None, asked, every, given.device, "float32")
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        passes: dict[str, int] = {}
        bare(variant, bench, given.device)  # imports and first touches are nobody's
        for _ in range(given.rounds):
            for name, way in ways.items():
                start = time.perf_counter(), time.process_time()
                passes[name] = way(variant, bench, given.device)
                seconds[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    report(given, len(bench.items), seconds, passes)


def report(
    given: argparse.Namespace,
    analyzers: int,
    seconds: Mapping[str, list[tuple[float, float]]],
    passes: Mapping[str, int],
) -> None:
    clock = {name: statistics.median(t for t, _ in times) for name, times in seconds.items()}
    busy = {name: statistics.median(t for _, t in times) for name, times in seconds.items()}
    base, base_busy = (times["bare loop, nothing stored"] for times in (clock, busy))
    print(
        f"p = {given.prime}, {given.checkpoints} checkpoints, {analyzers} analyzers of scope checkpoint, "
        f"{given.device}, {given.threads} threads, torch {version('torch')}, {platform.machine()}; "
        f"medians of {given.rounds} rounds\n"
    )
    print(
        "| way | forward passes | seconds | times the bare loop | processor seconds | times the bare loop |"
    )
    print("|---|---|---|---|---|---|")
    for name in seconds:
        print(
            f"| {name} | {passes[name]} | {clock[name]:.2f} | {clock[name] / base:.2f} "
            f"| {busy[name]:.2f} | {busy[name] / base_busy:.2f} |"
        )


if __name__ == "__main__":
    main()
