"""The header's selects: what there is to choose, each with the address that chooses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from mi.server.query import report_url


@frozen
class Choice:
    """One entry of a select."""

    name: str
    url: str
    chosen: bool = False


@frozen
class Chooser:
    """The selects in a page's header.

    Attributes:
        families, variants, reports: what there is to choose.
        previous, next: addresses of the neighbouring variants, None at the ends.
    """

    families: tuple[Choice, ...] = ()
    variants: tuple[Choice, ...] = ()
    reports: tuple[Choice, ...] = ()
    previous: str | None = None
    next: str | None = None


def choose_family(names: Sequence[str], chosen: str | None, epoch: int | None) -> Chooser:
    """A chooser of families alone; the epoch goes along by value."""
    return Chooser(families=_choices(names, chosen, lambda name: report_url(name, epoch=epoch)))


def choose_all(
    families: Chooser,
    family: str,
    variants: Sequence[str],
    variant: str | None,
    reports: Sequence[str],
    report: str,
    epoch: int | None,
) -> Chooser:
    """All selects; each changes one thing and keeps the others."""

    def of_variant(name: str) -> str:
        return report_url(family, name, report, epoch)

    i = variants.index(variant) if variant in variants else None
    return evolve(
        families,
        variants=_choices(variants, variant, of_variant),
        reports=_choices(reports, report, lambda name: report_url(family, variant, name, epoch)),
        previous=of_variant(variants[i - 1]) if i else None,
        next=of_variant(variants[i + 1]) if i is not None and i + 1 < len(variants) else None,
    )


def _choices(names: Sequence[str], chosen: str | None, url: Callable[[str], str]) -> tuple[Choice, ...]:
    return tuple(Choice(name, url(name), name == chosen) for name in names)
