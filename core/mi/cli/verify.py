"""``mi verify``: read everything again, compute a sample again, say what is wrong and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mi.cli.bar import Counter
from mi.cli.choice import Choice, check_device, choosing, chosen_variants, with_families
from mi.cli.common import json_option, open_workspace, print_listing
from mi.cli.show import size_of
from mi.plural import counted

if TYPE_CHECKING:
    from mi.domain.workspace import FamilyResults, Variant
    from mi.engine.verify import Verdict


@click.command()
@choosing
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    help="How many results (one checkpoint of one analyzer) to compute again; 0 for none.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Which results (default: others each time).")
@click.option("--device", default="cpu", show_default=True, help="Where: cpu, cuda, cuda:1.")
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    choice: Choice,
    sample: int,
    seed: int | None,
    device: str,
    as_json: bool,
) -> int:
    """Verify VARIANT (name or family/name): every chunk, record and checkpoint is read, nothing is written.

    A random sample of results is computed again and compared to the bit. Stale results are told, and are no
    damage; damage makes the exit code 2.
    """
    import secrets

    from mi.domain.workspace import Variant
    from mi.engine.session import Session
    from mi.engine.verify import verify as run
    from mi.errors import LockedError

    check_device(device)
    workspace = open_workspace(ctx)
    chosen = chosen_variants(workspace, choice, "verify")
    seed = secrets.randbelow(10**6) if seed is None else seed
    session = Session({workspace.root: workspace})
    verdicts, refused = [], 0
    with Display() as display:
        for owner in with_families(chosen):
            named = next(v.name for v in chosen if v.family.name == owner.family.name)
            mended = owner.name if isinstance(owner, Variant) else named  # by analyzing any variant
            try:
                verdict = run(
                    owner, sample=sample, seed=seed, device=device, session=session, watcher=display
                )
            except LockedError as error:
                if len(chosen) == 1 and isinstance(owner, Variant):
                    raise
                refused += 1
                click.echo(f"mi: {error}", err=True)
                continue
            verdicts.append((owner, mended, verdict))
            if not as_json:
                _print(owner, mended, verdict)
    if as_json:
        print_listing([described(*one) for one in verdicts], {}, True, "")
    return 2 if refused or any(v.damaged for *_, v in verdicts) else 0


def described(owner: Variant | FamilyResults, mended: str, verdict: Verdict) -> dict[str, Any]:
    """One object a variant; keys in docs/cli-json.md."""
    from mi.store.integrity import mending

    return {
        "id": owner.id,
        "family": owner.family.name,
        "state": "damaged" if verdict.damaged else "ok",
        "groups": verdict.groups,
        "chunks": verdict.chunks,
        "bytes": verdict.bytes,
        "checkpoints": verdict.checkpoints,
        "fresh": verdict.fresh,
        "stale": verdict.stale,
        "unjudged": verdict.unjudged,
        "seed": verdict.seed,
        "sample": [
            {
                "probe": c.draw.judged.probe,
                "analyzer": c.draw.judged.analyzer,
                "epoch": c.draw.epoch,
                "state": c.outcome,
                "why": c.why,
            }
            for c in verdict.compared
        ],
        "findings": [
            {"state": f.state, "where": f.where, "what": f.what, "mend": mending(f, mended)}
            for f in verdict.findings
        ],
    }


def _print(owner: Variant | FamilyResults, mended: str, verdict: Verdict) -> None:
    from mi.store.integrity import mending

    for finding in verdict.findings:
        mend = mending(finding, mended)
        tail = f" ({mend})" if mend else ""
        click.echo(f"{owner.name}: {finding.state}: {finding.where}: {finding.what}{tail}")
    said = [
        f"{counted(verdict.groups, 'analysis')} in {counted(verdict.chunks, 'chunk')} and "
        f"{counted(verdict.checkpoints, 'checkpoint')}, "
        f"{size_of(verdict.bytes)} read",
        f"{counted(verdict.fresh, 'result')} fresh, {verdict.stale:,} stale",
    ]
    if verdict.unjudged:
        said.append(f"{counted(verdict.unjudged, 'analysis')} not judged")
    if verdict.compared:
        near, equal = verdict.count("near"), verdict.count("equal")
        within = f", {near} within the tolerance" if near else ""
        again = f"{len(verdict.compared)} computed again: {equal} equal to the bit{within}"
        said.append(f"{again} (--seed {verdict.seed})")
    damaged = sum(f.state == "damaged" for f in verdict.findings)
    click.echo(f"{owner.name}: {'; '.join(said)}: {f'{damaged} damaged' if damaged else 'sound'}")


class Display(Counter):
    """Progress of a verification."""

    def reading(self, variant: str, files: int) -> None:
        """A variant's files are about to be read."""
        self.begin(f"{variant}: reading", files)

    def read(self) -> None:
        """One more file is read."""
        self.step()

    def start(self, variant: str, checkpoints: int) -> None:
        """A sample is about to be computed again."""
        self.begin(f"{variant}: computing again", checkpoints)

    def checkpoint(self, variant: str, epoch: int) -> None:
        """A checkpoint of it is done."""
        self.step()
