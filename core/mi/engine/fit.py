"""Whether an analyzer applies to a probe."""

from __future__ import annotations

from collections.abc import Mapping

from mi.domain.analyzer import Analyzer
from mi.domain.code import VariantCode
from mi.domain.probe import Probe
from mi.engine.counting import counting_rows
from mi.engine.graph import close
from mi.engine.item import Item
from mi.errors import NotApplicableError, PlanError


def misfit(analyzer: Analyzer, probe: Probe) -> str:
    """Why an analyzer does not apply to a probe; empty when it does."""
    need = analyzer.probe
    if need.axes and tuple(probe.axes) != need.axes:
        have = f"its axes are {', '.join(probe.axes)}" if probe.axes else "it has no named axes"
        return f"not applicable: needs the axes ({', '.join(need.axes)}); {have}"
    if need.complete and not probe.complete:
        return f"not applicable: needs the complete grid ({', '.join(need.axes or probe.axes)})"
    for mask in need.masks:
        if mask not in probe.mask_names:
            return f"not applicable: needs the mask {mask!r}"
    if need.labels and not probe.labelled:
        return "not applicable: needs a label for every row"
    return ""


def of_variants(ids: list[str], offered: Mapping[str, Analyzer], probe: Probe, *, named: bool) -> list[str]:
    """Analyzers to run on each variant: in place of those of scope ``family``, what they need.

    Args:
        ids: analyzers.
        offered: all there are.
        probe: what they are run on.
        named: whether they were asked for by name: then what does not apply is for others to refuse.

    Raises:
        PlanError: one that was asked for by name needs what nobody offers, or what it cannot have.
    """
    found = dict.fromkeys(id for id in ids if offered[id].scope != "family")
    for id in ids:
        if offered[id].scope != "family":
            continue
        try:
            close([id], offered)
        except PlanError:
            if named:
                raise
            continue  # said where families are brought up to date
        for need in offered[id].artifacts:
            if named or not unfit(need.analyzer, offered, probe):
                found[need.analyzer] = None
    return list(found)


def check_gradients(item: Item, code: VariantCode, probe: Probe) -> None:
    """Refuse gradients that the family or the probe cannot give.

    Raises:
        NotApplicableError: says what is lacking.
    """
    for rows, need in item.gradients.items():
        if rows and rows not in probe.mask_names:
            raise NotApplicableError(
                f"not applicable: the gradient is over the mask {rows!r}, which the probe lacks"
            )
        if rows and not len(counting_rows(probe, rows, 1)):
            raise NotApplicableError(
                f"not applicable: the gradient is over the mask {rows!r}, which holds no row"
            )
        if need.weights and not _declares(code, "forward"):
            raise NotApplicableError(
                "not applicable: gradients of weights need a functional forward pass, and the family "
                "declares none"
            )
        if not probe.labelled and not _declares(code, "row_losses"):
            raise NotApplicableError(
                "not applicable: the gradient is of the family's loss, which needs a label for every row"
            )


def _declares(code: VariantCode, method: str) -> bool:
    return getattr(type(code), method) is not getattr(VariantCode, method)


def unfit(id: str, offered: Mapping[str, Analyzer], probe: Probe) -> str:
    """As :func:`misfit`, looking through what the analyzer needs; problems of the graph are for `close`."""
    try:
        chain = close([id], offered)
    except PlanError:
        return ""
    for analyzer in reversed(chain):
        reason = misfit(analyzer, probe)
        if reason:
            return reason if analyzer.id == id else f"needs {analyzer.id}, which is {reason}"
    return ""
