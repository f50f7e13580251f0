"""``mi analyze``: bring artifacts up to date, one forward pass a stale checkpoint."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from mi.cli.bar import Counter
from mi.cli.choice import Choice, check_device, choosing, chosen_variants
from mi.cli.common import open_workspace, say, wait_option
from mi.cli.kept_text import PATTERNS, lost_sentences
from mi.cli.picture import FORMS
from mi.cli.profile import DEFAULT, profiled
from mi.domain.sizes import parse_bytes
from mi.plural import counted
from mi.timing import timed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mi.engine.summary import AnalysisSummary, VariantSummary


@click.command()
@choosing
@click.option("--analyzers", metavar="ID,…", help="Only these and what they need (default: the family's).")
@click.option(
    "--epochs", metavar="SCHEDULE", help="Only checkpoints at these epochs, such as 0:1500:100,3000."
)
@click.option("--probe", metavar="NAME", help="A saved probe (default: the family's).")
@click.option("--device", default="cpu", show_default=True, help="Where models run: cpu, cuda, cuda:1.")
@click.option(
    "--memory",
    metavar="SIZE",
    help="What activations and probe may take, such as 8GB (default: half of what is free). Analyzers that "
    "need more are refused; streaming ones never do.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads that torch uses (default: its own).")
@click.option(
    "--keep",
    "keep",
    metavar="SITE",
    multiple=True,
    help="Store what this hook holds, as blocks.0.mlp.hook_post@-1, for analyses to come; again for more. "
    f"{PATTERNS}",
)
@click.option(
    "--keep-dtype", metavar="DTYPE", help="float16 takes half the room, and is not exact (default: as it is)."
)
@click.option(
    "--dry-run", is_flag=True, help="Print what would be done, and end with its exit code; store no result."
)
@click.option(
    "--graph",
    metavar="[text|dot]",
    type=click.Choice(FORMS),
    is_flag=False,
    flag_value="text",
    help="With --dry-run: as a graph, from sites to analyzers; dot is Graphviz' language.",
)
@click.option(
    "--profile",
    metavar="[FILE]",
    is_flag=False,
    flag_value=DEFAULT,
    help=f"Print where every second went, and write a trace for Chrome's viewer (default: {DEFAULT}).",
)
@wait_option
@click.pass_context
def analyze(
    ctx: click.Context,
    choice: Choice,
    analyzers: str | None,
    epochs: str | None,
    probe: str | None,
    device: str,
    memory: str | None,
    threads: int | None,
    keep: tuple[str, ...],
    keep_dtype: str | None,
    dry_run: bool,
    graph: str | None,
    profile: str | None,
    wait: bool,
) -> int:
    """Analyze checkpoints of VARIANT (name or family/name): one forward pass each, only where stale.

    A second call finds everything fresh and does nothing. Ctrl-C keeps what is done.
    """
    from mi.domain.keep import parse_keep
    from mi.errors import ParameterError

    check_device(device)
    workspace = open_workspace(ctx)
    chosen = chosen_variants(workspace, choice, "analyze")
    ids = None if analyzers is None else [part.strip() for part in analyzers.split(",") if part.strip()]
    size = None if memory is None else parse_bytes(memory)
    if keep_dtype is not None and not keep:
        raise ParameterError("--keep-dtype says how activations are kept: give --keep SITE with it")
    if graph is not None and not dry_run:
        raise ParameterError("--graph shows what would be done: give --dry-run with it")
    if dry_run:
        from mi.cli.dryrun import dry_run as show

        with profiled(profile):
            return show(
                chosen,
                analyzers=ids,
                epochs=epochs,
                probe=probe,
                device=device,
                memory=size,
                threads=threads,
                keep=parse_keep(keep, keep_dtype),
                graph=graph,
            )
    with profiled(profile):
        with timed("plan", "import the engine"):
            from mi.engine.analyze import analyze as run
        with Display("epoch") as display:
            summary = run(
                chosen,
                analyzers=ids,
                epochs=epochs,
                probe=probe,
                device=device,
                threads=threads,
                memory=size,
                progress=display,
                keep=keep,
                keep_dtype=keep_dtype,
                wait=say if wait else None,
            )
    return report(summary, debug=bool(ctx.find_root().params.get("debug") or os.environ.get("MI_DEBUG")))


def report(summary: AnalysisSummary, debug: bool = False) -> int:
    """Say what was done, and give the exit code: 2 for any failure, 130 after Ctrl-C.

    With ``debug``, with the traceback of each analyzer's first failure.
    """
    if debug:
        told: dict[str, str] = {}
        for failure in summary.failures:
            if failure.details:
                told.setdefault(failure.analyzer, failure.details)
        for id, details in told.items():
            click.echo(f"mi: {id}: its first failure:\n{details}", err=True)
    several = len(summary.variants) > 1
    for one in summary.variants:
        _say(one, several)
    for one in summary.families:
        for id, missing in one.left_out.items():
            click.echo(f"mi: {one.variant}: {id} is without {_first(missing)}", err=True)
        _say(one, several)
    click.echo(summary.line())
    if summary.interrupted:
        click.echo("mi: stopped; what was done is kept, the same command goes on from there", err=True)
        return 130
    return 2 if summary.failures else 0


def _say(one: VariantSummary, several: bool) -> None:
    from mi.engine.folded import folded

    for id, reason in one.skipped.items():
        click.echo(f"mi: {one.variant}: {id} skipped: {reason}", err=True)
    said = folded(one.failures)
    for sentence in said[:20]:
        click.echo(f"mi: {one.variant}: {sentence}", err=True)
    if len(said) > 20:
        click.echo(
            f"mi: {one.variant}: and {counted(len(said) - 20, 'more failure')}, see log.jsonl", err=True
        )
    if one.nonfinite:
        from mi.store import finite

        click.echo(f"mi: {one.variant}: {finite.sentence(one.nonfinite)}", err=True)
    for sentence in lost_sentences(one.lost):
        click.echo(f"mi: {one.variant}: {sentence}", err=True)
    if several:
        click.echo(f"{one.variant}: {one.line()}")


def _first(missing: Mapping[str, str]) -> str:
    """The first of what is missing with its reason, and how many more there are."""
    name, why = next(iter(missing.items()))
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"{name}{more}: {why}" if not more else f"{name} ({why}){more}"


class Display(Counter):
    """Checkpoints done and time left."""

    def start(self, variant: str, checkpoints: int) -> None:
        """A variant begins."""
        self.begin(variant, checkpoints)

    def checkpoint(self, variant: str, epoch: int) -> None:
        """A checkpoint is done."""
        self.step(f"{epoch:,}")
