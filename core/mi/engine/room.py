"""What keeping activations will take on the disk, before anything is written."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from mi.engine.plan import Plan
from mi.engine.shares import Work
from mi.errors import PlanError


def kept_work(plan: Plan) -> list[Work]:
    """The shares of the plan that keep activations."""
    return [work for work in plan.work.values() if work.item.keep is not None]


def room_needed(plan: Plan) -> int:
    """Bytes of the activations that the plan will keep: rows × shape × size of a number × stale epochs.

    What compression saves is not known before; of dense activations it is a tenth.
    """
    return sum(work.spec.epoch_bytes() * len(work.stale) for work in kept_work(plan))


def room_free(folder: Path) -> int:
    """Bytes that may still be written below a folder."""
    return shutil.disk_usage(folder).free


def check_room(plans: Sequence[Plan]) -> None:
    """Refuse to keep more than the disk takes.

    Raises:
        PlanError: names what is asked for and what there is.
    """
    needed: dict[int, list[int]] = {}  # by file system
    for plan in plans:
        folder = plan.bench.paths.root
        total = needed.setdefault(folder.stat().st_dev, [0, room_free(folder)])
        total[0] += room_needed(plan)
        if total[0] > total[1]:
            raise PlanError(
                f"{plan.variant.id}: keeping these activations takes {total[0]:,} bytes, and the disk has "
                f"{total[1]:,} free; keep fewer sites or epochs, or --keep-dtype float16"
            )
