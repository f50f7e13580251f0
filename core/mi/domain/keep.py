"""A request to keep the activations of a site, and the name under which they lie in the store."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from attrs import frozen

from mi.domain.site import Site
from mi.errors import ParameterError

# bfloat16 is no data type of zarr's; it is kept as float32, which holds all of its values.
KEEP_DTYPES = ("float16", "float32", "float64")
PREFIX = "keep:"  # no analyzer's id has a colon


@frozen
class Keep:
    """Activations to keep.

    Attributes:
        site: where; its hook may be a pattern.
        dtype: one of ``KEEP_DTYPES``; empty keeps the exact values that the pass gives.
    """

    site: Site
    dtype: str = ""

    def __attrs_post_init__(self) -> None:
        if self.dtype and self.dtype not in KEEP_DTYPES:
            raise ParameterError(
                f"--keep-dtype is {self.dtype!r}, expected one of {', '.join(KEEP_DTYPES)}"
                + ("; bfloat16 is no data type of zarr's" if self.dtype == "bfloat16" else "")
            )

    @property
    def id(self) -> str:
        """``keep:<site>``: what stands beside the ids of analyzers."""
        return PREFIX + self.site.key


def parse_keep(sites: Iterable[str], dtype: str | None = None) -> tuple[Keep, ...]:
    """Requests as typed, each site once.

    Raises:
        PlanError: a site's position is no whole number.
        ParameterError: no such data type, or an empty site.
    """
    found: dict[str, Keep] = {}
    for text in sites:
        site = Site.parse(text.strip())
        if not site.hook:
            raise ParameterError(f"--keep is {text!r}, expected a hook such as blocks.0.mlp.hook_post@-1")
        found.setdefault(site.key, Keep(site, dtype or ""))
    return tuple(found.values())


def group_name(site: Site) -> str:
    """The site's key as the name of a folder and of a zarr group, on every file system; never ambiguous."""
    return quote(site.key, safe="@")
