"""``mi checkpoints``: index and epoch of every checkpoint, with the losses there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import json_option, open_workspace, print_listing

if TYPE_CHECKING:
    from mi.domain.workspace import Variant


@click.command()
@click.argument("variant")
@json_option
@click.pass_context
def checkpoints(ctx: click.Context, variant: str, as_json: bool) -> None:
    """List the checkpoints of VARIANT: index, epoch, metrics there, and whether training can resume.

    Those too whose weights are gone, and of which activations are kept: analyses go on from these.
    """
    found = open_workspace(ctx).variant(variant)
    rows = listing(found)
    names = list(rows[0]["metrics"]) if rows else []
    columns = {"index": "index", "epoch": "epoch"} | {n: n.replace("_", " ") for n in names}
    columns |= {"state": "training state"} | ({"weights": "weights"} if any(r["gone"] for r in rows) else {})
    told = {False: "there", True: "gone, activations are kept"}
    shown = rows if as_json else [{**row, **row["metrics"], "weights": told[row["gone"]]} for row in rows]
    print_listing(
        shown,
        columns,
        as_json,
        f"{found.id} has no checkpoints yet: `mi train` makes them",
    )


def listing(variant: Variant) -> list[dict[str, Any]]:
    """One object a checkpoint; keys in docs/cli-json.md."""
    from mi.engine.kept import known_without_checkpoint
    from mi.store.checkpoints import list_checkpoints, list_states
    from mi.store.layout import VariantPaths

    paths = VariantPaths(variant.folder)
    states = list_states(paths)
    metrics = metrics_by_epoch(paths)
    files = {c.epoch: c.path.stat().st_size for c in list_checkpoints(paths)}
    every = sorted(files.keys() | known_without_checkpoint(variant).keys())
    return [
        {
            "id": f"{variant.id}@{epoch}",
            "family": variant.family.name,
            "variant": variant.name,
            "index": index,
            "epoch": epoch,
            "metrics": {name: values.get(epoch) for name, values in metrics.items()},
            "state": epoch in states,
            "gone": epoch not in files,
            "bytes": files.get(epoch),
        }
        for index, epoch in enumerate(every)
    ]


def metrics_by_epoch(paths: Any) -> dict[str, dict[int, float]]:
    """Metric -> {epoch: value}; {} where there is no loss history. Train before test, loss first."""
    from mi.store.losses import open_losses

    if not paths.losses.exists():
        return {}
    losses = open_losses(paths)
    epochs = losses["epoch"].values.tolist()
    names = sorted(map(str, losses.data_vars), key=metric_order)
    return {name: dict(zip(epochs, losses[name].values.tolist(), strict=True)) for name in names}


def metric_order(name: str) -> tuple[Any, ...]:
    """Losses before accuracies before the rest; the training set before the others."""
    first = ("loss", "accuracy")
    group = name.rpartition("_")[2]
    place = first.index(group) if group in first else len(first)
    return place, not name.startswith("train"), name
