"""Whether everything of a variant is fresh, for listings: no model is built, and torch is not imported."""

from __future__ import annotations

from typing import NoReturn

from mi.domain.workspace import Variant
from mi.engine.capture import UnbuiltError
from mi.engine.plan import make_plan
from mi.engine.session import Session
from mi.engine.trajectory import spans
from mi.errors import MiError
from mi.store.checkpoints import list_checkpoints
from mi.store.layout import VariantPaths

MOST = 2**28  # bytes of checkpoints that a listing reads to compare fingerprints


class _StaleError(MiError):
    pass


class _Modelless(Session):
    def model(self, variant: Variant, device: str, dtype: str) -> NoReturn:
        raise UnbuiltError(f"{variant.id}: no model is built for a listing")


def is_fresh(variant: Variant) -> bool | None:
    """Whether `mi analyze` would find nothing to compute; None where only more work tells.

    That is where the hooks of the model are not remembered, something of it cannot be planned, or the
    checkpoints hold more than 256 MiB.
    """
    if sum(c.path.stat().st_size for c in list_checkpoints(VariantPaths(variant.folder))) > MOST:
        return None
    session = _Modelless({variant.workspace.root: variant.workspace})
    try:
        plan = make_plan(session, variant, dry=True, sealed=_StaleError())
    except _StaleError:
        return False
    except Exception:  # whatever a family's or a probe's code raises: the analysis says it
        return None
    if plan.broken or not (plan.work or plan.trajectories):
        return None
    return all(span.fresh or span.lacking for span in spans(plan, plan.after()))
