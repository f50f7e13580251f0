"""From a query to the family, variant and report that it names, or to a page that says what is wrong."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from attrs import frozen

from mi.domain.family import Family
from mi.domain.report import Report
from mi.domain.workspace import Variant, Workspace
from mi.errors import MiError, nearest
from mi.server.chooser import Chooser, choose_all, choose_family
from mi.server.query import Query, report_url, shown

DEFAULT_REPORT = "default"


class Missing(Exception):
    """A page that cannot be shown; a page of its own says so to the user.

    Attributes:
        status: HTTP status: 404 for what does not exist, 409 for what the user can mend in the workspace,
            503 when there is no room, 500 for a failure.
        title: a few words.
        sentence: what is wrong.
        links: (text, address) of what may have been meant.
        commands: lines for a terminal that mend it.
        chooser: the header's selects, as far as they are known.
        details: lines for the curious.
    """

    def __init__(
        self,
        status: int,
        title: str,
        sentence: str,
        *,
        links: Sequence[tuple[str, str]] = (),
        commands: Sequence[str] = (),
        chooser: Chooser | None = None,
        details: str = "",
    ) -> None:
        super().__init__(sentence)
        self.status, self.title, self.sentence = status, title, sentence
        self.links, self.commands, self.details = tuple(links), tuple(commands), details
        self.chooser = chooser or Chooser()


@frozen
class Target:
    """What a report page shows."""

    family: Family
    variant: Variant
    report: Report
    epoch: int | None
    chooser: Chooser
    notices: tuple[str, ...] = ()


def resolve_target(workspace: Workspace, query: Query) -> Target:
    """The family, variant and report that ``query`` names; the first variant and ``default`` by default.

    Raises:
        Missing: a name that does not exist, a declaration that cannot be read, or nothing to show yet.
    """
    family, chooser = _family(workspace, query)
    variants = {v.name: v for v in workspace.variants(family.name)}
    reports = workspace.report_names(family)
    variant = query.variant if query.variant is not None else next(iter(variants), None)
    report = query.report if query.report is not None else (reports or [DEFAULT_REPORT])[0]
    chooser = choose_all(chooser, family.name, list(variants), variant, reports, report, query.epoch)
    if variant is None:
        raise Missing(
            404,
            "No variants yet",
            f"No variant of {family.title} has been trained.",
            commands=(f"mi train {family.name}", f"mi analyze {default_variant(family)}"),
            chooser=chooser,
        )
    if variant not in variants:
        raise _unknown(
            f"variant of {family.name}",
            variant,
            list(variants),
            chooser,
            lambda name: report_url(family.name, name, query.report, query.epoch),
        )
    if report not in reports:
        raise _unknown(
            f"report of {family.name}",
            report,
            reports,
            chooser,
            lambda name: report_url(family.name, variant, name, query.epoch),
        )
    try:
        loaded = workspace.report(family, report)
    except MiError as error:
        raise Missing(
            409, f"Report {report} cannot be read", relative(workspace, str(error)), chooser=chooser
        ) from None
    return Target(family, variants[variant], loaded, query.epoch, chooser, query.notices)


def default_variant(family: Family) -> str:
    """The name of the variant that ``mi train FAMILY`` makes, quoted for a terminal."""
    return shlex.quote(family.variant_name(family.complete({})))


def relative(workspace: Workspace, sentence: str) -> str:
    """A sentence without the workspace's absolute path, which is nobody's business on a page."""
    return sentence.replace(f"{workspace.root}/", "")


def _family(workspace: Workspace, query: Query) -> tuple[Family, Chooser]:
    """The family asked for, else the first that can be read and has variants, else the first readable."""
    found = workspace.families()
    if not found:
        raise Missing(
            404,
            "No families yet",
            "This workspace declares no model family.",
            commands=("mi families add", "mi families new NAME"),
        )
    readable = [f for f in found.values() if isinstance(f, Family)]
    name = query.family
    if name is None:
        first = next((f for f in readable if workspace.variants(f.name)), next(iter(readable), None))
        name = first.name if first is not None else next(iter(found))
    chooser = choose_family(list(found), name, query.epoch)
    if name not in found:
        raise _unknown("family", name, list(found), chooser, lambda n: report_url(n, epoch=query.epoch))
    family = found[name]
    if isinstance(family, Family):
        return family, chooser
    raise Missing(
        409,
        f"Family {name} cannot be read",
        relative(workspace, str(family)),
        commands=(f"mi families validate {shlex.quote(name)}",),
        chooser=chooser,
    )


def _unknown(
    kind: str, name: str, known: Sequence[str], chooser: Chooser, url: Callable[[str], str]
) -> Missing:
    """The page for a name that does not exist: the nearest ones, or the first few."""
    near = nearest(name[:200], known)
    said = "The nearest are:" if near else "There are:" if known else "There is none."
    links = [(n, url(n)) for n in near or list(known)[:12]]
    return Missing(
        404, f"Unknown {kind.split()[0]}", f"There is no {kind} named {shown(name)}. {said}",
        links=links, chooser=chooser,
    )  # fmt: skip
