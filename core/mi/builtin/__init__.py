"""What the core itself offers every family, through the same hooks as any plugin: its entry is `core`."""

from __future__ import annotations

from collections.abc import Iterable

from mi.builtin.declare_gradients import WEIGHT_GRADIENTS, WEIGHT_GRADIENTS_VIEW
from mi.domain.analyzer import Analyzer
from mi.domain.family import Family
from mi.domain.probe import ProbeKind
from mi.domain.values import Option
from mi.domain.visualization import Field, Visualization
from mi.hookspecs import hookimpl

_WHERE = Option(
    type="strings",
    default=[],
    description="conditions that must all hold, such as 'a < 20' or 'split == \"test\"'",
)


@hookimpl
def provide_probe(family: Family) -> Iterable[ProbeKind]:
    """Probe kinds for every family; a family.json names those that it allows."""
    return (
        ProbeKind(
            id="core.full_grid",
            title="Full grid",
            build="mi.builtin.probes:full_grid",
            description="every row of the family's grid",
        ),
        ProbeKind(
            id="core.filter",
            title="Filter",
            build="mi.builtin.probes:filtered",
            options={"where": _WHERE},
            description="the rows of the grid for which every condition holds",
        ),
        ProbeKind(
            id="core.sample",
            title="Sample",
            build="mi.builtin.probes:sample",
            options={
                "rows": Option(type="int", default=256, minimum=1, description="how many rows"),
                "seed": Option(type="int", default=0, minimum=0, description="seed of the choice"),
                "where": _WHERE,
            },
            description="rows drawn at random without repetition, in the grid's order",
        ),
        ProbeKind(
            id="core.rows",
            title="Rows of a file",
            build="mi.builtin.probes:rows_of_file",
            options={
                "file": Option(
                    type="str",
                    default="",
                    description="a file beside the probe's: CSV, one column an axis (others are ignored), or "
                    ".npy, whole numbers (rows, axes)",
                )
            },
            description="the rows that a file lists, in its order",
        ),
        ProbeKind(
            id="core.tokens",
            title="Tokens of a file",
            build="mi.builtin.probes:tokens_of_file",
            options={
                "file": Option(
                    type="str", default="", description="a .npy file beside the probe's: tokens (rows, n_ctx)"
                ),
                "labels": Option(
                    type="str", default="", description="a .npy file beside the probe's: labels (rows,)"
                ),
            },
            description="rows of tokens as a file holds them, more than memory holds if need be",
        ),
        ProbeKind(
            id="core.prompts",
            title="Prompts",
            build="mi.builtin.probes:prompts",
            options={
                "prompts": Option(type="strings", default=[], description="the prompts"),
                "file": Option(
                    type="str", default="", description="instead: a text file beside the probe's, one a line"
                ),
            },
            description="texts, for families with a tokenizer",
        ),
    )


@hookimpl
def analyze(family: Family) -> Iterable[Analyzer]:
    """Analyses of any family's checkpoints."""
    return (WEIGHT_GRADIENTS,)


@hookimpl
def visualize(family: Family) -> Iterable[Visualization]:
    """Visualizations for every family that is trained here."""
    return (
        Visualization(
            id="core.losses",
            title="Loss and accuracy",
            description="Loss and accuracy on every set of data, over all epochs of training; ticks mark "
            "checkpoints. The loss axis is logarithmic: equal steps are equal ratios.",
            losses=True,
            static="mi.builtin.losses:static",
            figure="mi.builtin.losses:figure",
            x="epoch",
            fields={
                "loss": Field("line", ("epoch",), scale="log", static=True),
                "accuracy": Field("line", ("epoch",), range=(0.0, 1.0), static=True),
            },
        ),
        WEIGHT_GRADIENTS_VIEW,
    )
