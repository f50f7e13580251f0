"""``mi summary``: how every variant of a family went, side by side."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import json_option, open_workspace, print_listing, say

if TYPE_CHECKING:
    from mi.domain.family import Family

EPOCHS = {
    "memorized_epoch": "memorized",
    "onset_epoch": "onset",
    "turn_epoch": "turn",
    "grokked_epoch": "grokked",
}
_HEAD = ("id", "family", "name", "state", "parent", "checkpoints", "last_epoch")
_OWN = (*_HEAD, "parameters", "outcome", "reasons", *EPOCHS, "rebound", "final", "epochs", "error")


@click.command()
@click.argument("family")
@click.option(
    "--probe", default="", metavar="PROBE", help="Probe of what analyses add; the family's default."
)
@click.option(
    "--accuracy",
    type=click.FloatRange(0, 1),
    default=0.99,
    show_default=True,
    help="Share of right answers that counts as right.",
)
@click.option(
    "--sigma",
    type=click.FloatRange(0),
    default=25.0,
    show_default=True,
    help="Epochs over which the test loss is smoothed.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values, a column a parameter.")
@json_option
@click.pass_context
def summary(
    ctx: click.Context,
    family: str,
    probe: str,
    accuracy: float,
    sigma: float,
    as_csv: bool,
    as_json: bool,
) -> None:
    """One row a variant of FAMILY: parameters, outcome, and what analyses over the family add.

    Outcome, from the loss history alone: `grokked` (memorized first, generalized later), `generalized` (as
    early as it memorized), `lapsed` (was right on test data, and is not any more), `memorized`, `unlearned`,
    or `unmeasured`. `--json` gives the reasons.
    """
    from mi.errors import ParameterError
    from mi.outcome import Thresholds
    from mi.summary import summary_rows

    if as_csv and as_json:
        raise ParameterError("--csv and --json exclude each other")
    workspace = open_workspace(ctx)
    found = workspace.family(family)
    if probe and probe not in (names := workspace.probe_names(found)):
        from mi.errors import unknown

        raise unknown(f"probe of family {found.name}", probe, names)
    rows, notes = summary_rows(workspace, found, probe, Thresholds(accuracy=accuracy, sigma=sigma))
    empty = f"no variants of {found.name}: make one with `mi train {found.name}`"
    added = [name for name in (rows[0] if rows else {}) if name not in _OWN]
    if as_csv:
        _print_csv(rows, found, added)
    else:
        print_listing(rows if as_json else [_shown(r, found) for r in rows], _headings(added), as_json, empty)
    for note in notes:
        say(note)


def _headings(added: list[str]) -> dict[str, str]:
    columns = {"name": "variant", "differ": "parameters that differ from the default", "outcome": "outcome"}
    columns |= EPOCHS | {"test_loss": "test loss", "test_accuracy": "test accuracy"}
    return columns | {name: name.replace("_", " ") for name in added}


def _shown(row: dict[str, Any], family: Family) -> dict[str, Any]:
    differ = {k: v for k, v in row["parameters"].items() if v != family.parameters[k].default}
    final = {name: row["final"].get(name) for name in ("test_loss", "test_accuracy")}
    return {**row, "differ": differ, **final}


def _print_csv(rows: list[dict[str, Any]], family: Family, added: list[str]) -> None:
    """A flat table: a column a parameter and a metric, lists joined by spaces, empty where unknown."""
    metrics = list(dict.fromkeys(name for row in rows for name in row["final"]))
    names = [*_HEAD, *family.parameters, "outcome", *EPOCHS, "rebound", *metrics, "epochs", *added, "error"]
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        flat = {**row["parameters"], **row["final"], **row}
        writer.writerow({name: _flat(flat.get(name)) for name in names})


def _flat(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None or value != value else value
