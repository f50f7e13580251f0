"""Interventions: what a variant does otherwise than its parent, from one epoch of training until another.

Kinds come from the family's code (:meth:`mi.domain.code.VariantCode.intervention_kinds`); what they change
is theirs alone. At the weights of epoch e an intervention is at work where ``start <= e < until``: in the
training pass and the step that leave these weights, in their evaluation, and in every pass that analyzes
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from mi.domain.jsonfile import Fields, read_json
from mi.domain.values import TypedValue, as_tuple, check_options, is_slug
from mi.errors import FormatError, ParameterError, unknown

if TYPE_CHECKING:
    from mi.domain.code import VariantCode

SCHEMA = 1
SLUG = "lower-case letters, digits, '.' and '-', beginning with a letter"


@frozen(kw_only=True)
class Intervention:
    """One intervention, as declared.

    Attributes:
        kind: its name among the family's kinds.
        where: what it changes, in the kind's own terms: names of weights, a hook point.
        start: the first epoch at which it is at work (``from`` in JSON).
        until: the first at which it is not any more; None: to the end.
        options: of the kind.
    """

    kind: str
    where: tuple[str, ...] = field(default=(), converter=as_tuple)
    start: int = 0
    until: int | None = None
    options: Mapping[str, Any] = field(factory=dict)

    def active(self, epoch: int) -> bool:
        """Whether it is at work at the weights of ``epoch``."""
        return self.start <= epoch and (self.until is None or epoch < self.until)

    def json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "kind": self.kind,
            "where": list(self.where),
            "from": self.start,
            "until": self.until,
            "options": dict(self.options),
        }

    @classmethod
    def read(cls, top: Fields) -> Intervention:
        """What :meth:`json` made, or a user wrote; ``where`` may be a single name.

        Raises:
            FormatError: names file and field.
        """
        top.only("kind", "where", "from", "until", "options")
        where = top.take("where", (list, str), "a name or a list of names", [])
        names = [where] if isinstance(where, str) else where
        if not all(isinstance(name, str) for name in names):
            raise FormatError(top.file, top.path("where"), where, "a name or a list of names")
        start = top.take("from", int, "an epoch", 0)
        until = top.take("until", (int, type(None)), "an epoch, or null for the end", None)
        if start < 0:
            raise FormatError(top.file, top.path("from"), start, "an epoch of at least 0")
        if until is not None and until <= start:
            raise FormatError(
                top.file, top.path("until"), until, f"an epoch after {start}, or null for the end"
            )
        return cls(
            kind=top.take("kind", str, "the name of a kind"),
            where=names,
            start=start,
            until=until,
            options=top.take("options", dict, "an object", {}),
        )


@frozen(kw_only=True)
class InterventionKind:
    """A kind of intervention that a family's code offers.

    Attributes:
        description: one line for users.
        where: what ``where`` names, in words.
        options: name -> type and bounds.
    """

    description: str
    where: str
    options: Mapping[str, TypedValue] = field(factory=dict)


def checked(code: VariantCode, interventions: Sequence[Intervention]) -> tuple[Intervention, ...]:
    """The interventions with every option checked and filled in, and tried on the family's code.

    Raises:
        ParameterError: an unknown kind, an option or a place that the kind refuses, or none at all.
    """
    if not interventions:
        raise ParameterError("no intervention is declared, expected at least one")
    kinds = code.intervention_kinds()
    found = []
    for one in interventions:
        if one.kind not in kinds:
            raise ParameterError(str(unknown("kind of intervention", one.kind, kinds)))
        options = check_options(f"intervention {one.kind}", kinds[one.kind].options, one.options)
        found.append(
            Intervention(kind=one.kind, where=one.where, start=one.start, until=one.until, options=options)
        )
    code.under(found)
    return tuple(found)


def read_interventions(path: Path) -> tuple[str, tuple[Intervention, ...]]:
    """A child's slug and its interventions from a file: ``{"schema": 1, "slug": …, "interventions": […]}``.

    Without a slug it is the file's stem.

    Raises:
        FormatError: names file and field.
        StoreError: the file cannot be read.
    """
    top = Fields(read_json(path), path)
    top.only("schema", "slug", "notes", "interventions")
    if top.take("schema", int, f"{SCHEMA}") != SCHEMA:
        raise FormatError(path, "schema", top.data["schema"], f"{SCHEMA}")
    slug = top.take("slug", str, SLUG, path.stem.lower().replace("_", "-"))
    if not is_child_slug(slug):
        raise FormatError(path, "slug", slug, SLUG)
    return slug, tuple(Intervention.read(one) for one in top.items("interventions"))


def is_child_slug(slug: str) -> bool:
    """Whether a slug can stand in a child's name, so that no variant's parameters can be read there."""
    return is_slug(slug) and slug[0].isalpha() and "_" not in slug


def child_name(parent: str, slug: str) -> str:
    """``p59_seed1_do-freeze``: no value of a parameter begins with ``-`` and a letter."""
    return f"{parent}_do-{slug}"
