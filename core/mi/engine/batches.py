"""Activations of some rows: where the probe is cut, what of a hook is kept, batches put together again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from mi.domain.site import Site
from mi.engine.guard import unrecorded
from mi.errors import PlanError

if TYPE_CHECKING:
    import torch

    Batch = tuple[slice, dict[str, torch.Tensor]]  # rows, and site key -> tensor of these rows


def keep(site: Site, tensor: torch.Tensor) -> torch.Tensor:
    """The needed position of a hook's tensor, rows first; a view.

    Positions are the second axis; patterns and scores are (rows, head, query, key), where the position is the
    query's.

    Raises:
        PlanError: the position is outside the sequence.
    """
    if site.position is None:
        return tensor
    axis = site.position_axis
    length = tensor.shape[axis] if tensor.ndim > axis else 0
    if not -length <= site.position < length:
        raise outside(site, length)
    return tensor.select(axis, site.position)


def outside(site: Site, length: int) -> PlanError:
    """Says that a site's position is none of so many."""
    return PlanError(f"site {site.key}: the position is outside 0..{length - 1} of its {length} positions")


def evenly(length: int, most: int) -> Iterator[slice]:
    """``range(length)`` in as few slices of at most ``most`` as can be; their lengths differ by at most 1."""
    count = -(-length // most)
    for i in range(count):
        yield slice(length * i // count, length * (i + 1) // count)


def rows_within(budget: int, row_bytes: int) -> int:
    """Rows of a batch at most: a power of two, which what else uses a device's memory seldom changes."""
    return 1 << (max(budget // row_bytes, 1).bit_length() - 1)


def joined(batches: Iterable[Batch], length: int, device: str) -> dict[str, torch.Tensor]:
    """Batches of views as whole tensors of ``length`` rows, each contiguous."""
    whole: dict[str, torch.Tensor] = {}
    with unrecorded(device):
        for rows, found in batches:
            for key, part in found.items():
                if len(part) == length:
                    whole[key] = part.contiguous()
                else:
                    if key not in whole:
                        whole[key] = part.new_empty((length, *part.shape[1:]))
                    whole[key][rows] = part
                del part
            del found
    return whole


def weights_of(tensors: Mapping[str, torch.Tensor]) -> dict[int, int]:
    """Memory -> bytes, each memory once: many names share one."""
    return {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors.values()}
