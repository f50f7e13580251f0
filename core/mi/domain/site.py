"""Sites: hook points of a model, by name or by pattern, and positions of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen

from mi.errors import PlanError


@frozen
class Site:
    """A hook point and, optionally, one position of it.

    Attributes:
        hook: TransformerLens' name of the hook point, ``blocks.0.mlp.hook_post``. A ``*`` stands for any text
            without a dot, ``**`` for any text: ``blocks.*.mlp.hook_post`` is that hook of every layer that
            has it, ``blocks.0.**`` every hook of the first layer.
        position: index along the sequence (negative from the end); None keeps all positions.
            For attention patterns and scores it is the *query* position.
    """

    hook: str
    position: int | None = None

    @property
    def key(self) -> str:
        """``hook`` or ``hook@position``: the site as one string."""
        return self.hook if self.position is None else f"{self.hook}@{self.position}"

    @property
    def glob(self) -> bool:
        """Whether the hook is a pattern."""
        return "*" in self.hook

    @property
    def position_axis(self) -> int:
        """The axis that ``position`` indexes: the second, or the query's of patterns and scores.

        Patterns and scores are (rows, head, query, key).
        """
        return 2 if self.hook.endswith(("hook_attn_scores", "hook_pattern")) else 1

    def expand(self, hooks: Iterable[str]) -> tuple[Site, ...]:
        """The sites that it stands for among these hooks; ``blocks.2`` comes before ``blocks.10``.

        ``()`` where there is none; a site that is no pattern stands for itself.
        """
        escaped = re.escape(self.hook).replace(r"\*\*", ".*").replace(r"\*", "[^.]*")
        pattern = re.compile(escaped)
        found = sorted((h for h in hooks if pattern.fullmatch(h)), key=natural)
        return tuple(Site(hook, self.position) for hook in found)

    @classmethod
    def parse(cls, text: str) -> Site:
        """The site that a key stands for.

        Raises:
            PlanError: the position is not a whole number.
        """
        hook, at, position = text.partition("@")
        try:
            return cls(hook, int(position) if at else None)
        except ValueError:
            raise PlanError(f"site {text!r}: the position is {position!r}, expected a whole number") from None


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key of a hook's name in which numbers count as numbers."""
    pieces = re.split(r"(\d+)", name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in pieces]
