"""Activation patching: one clean activation put into a corrupt pass, and how much of the answer comes back.

Costs a pass of its own for each kind of site and layer, over (positions) rows, and one a layer over (heads x
positions) rows, at every checkpoint; with long rows and many heads, analyze chosen epochs only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from mi.domain.site import Site
from mi_transformer_library.anatomy import heads, layer_of, refuse, shapes
from mi_transformer_library.precision import wide
from mi_transformer_library.targets import check_logits, check_tokens, scored, targets

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject

KINDS = {
    "residual": "blocks.*.hook_resid_pre",
    "attention": "blocks.*.hook_attn_out",
    "mlp": "blocks.*.hook_mlp_out",
}
Z = "blocks.*.attn.hook_z"


def coordinates(subject: Subject, **options: Any) -> dict[str, Any]:
    """``kind``: residual, attention and, where there is one, mlp; ``layer``, ``head``, ``position``.

    Raises:
        NotApplicableError: the rows do not exist or cannot be told apart, or the model is no transformer.
    """
    _question(subject, **options)
    kinds = [kind for kind in KINDS if kind != "mlp" or Site(KINDS[kind]).expand(subject.hooks)]
    for kind in kinds:
        shapes(subject, KINDS[kind], 2, "(position, d_model)")
    layers = list(shapes(subject, KINDS["residual"], 2, "(position, d_model)"))
    there = heads(subject, Z, 1, 3, "(position, head, d_head)")
    return {
        "kind": kinds,
        "layer": layers,
        "head": there["head"],
        "position": range(subject.probe.n_ctx),
    }


def activation_patching(data: CheckpointData, **options: Any) -> dict[str, torch.Tensor]:
    """How much of the clean row's logit difference each clean activation brings back into the corrupt pass.

    The logit difference is that of ``answer`` and ``against`` at one position; recovery is
    (patched - corrupt) / (clean - corrupt). Missing where both rows have the same difference.

    Returns:
        ``recovery`` (kind, layer, position), ``head_recovery`` (layer, head, position),
        ``clean_difference`` and ``corrupt_difference`` ().
    """
    import torch

    asked = _question(data.subject, **options)
    where = coordinates(data.subject, **options)
    rows = torch.as_tensor(data.probe.tokens[[asked.clean, asked.corrupt]], device=data.device)
    both = data.model.run(rows, sites=[*(KINDS[k] for k in where["kind"]), Z, asked.logits])
    clean, corrupt = (asked.difference(both[asked.logits][i : i + 1])[0] for i in (0, 1))
    span = clean - corrupt
    floor = 1e-5 * torch.maximum(clean.abs(), corrupt.abs())
    span = torch.where(span.abs() > floor, span, torch.nan)

    def recovery(hook: str, into: torch.Tensor) -> torch.Tensor:
        """One row of the pass for each row of ``into``, (rows, …) bool: where the clean activation is put."""
        given = both[hook][0]

        def edit(activation: torch.Tensor, batch: slice) -> torch.Tensor:
            chosen = into[batch]
            chosen = chosen.reshape(*chosen.shape, *[1] * (activation.ndim - chosen.ndim))
            return torch.where(chosen, given, activation)

        tokens = rows[1].expand(len(into), -1)
        logits = data.model.run(tokens, sites=[asked.logits], edits={hook: edit})[asked.logits]
        return (asked.difference(logits) - corrupt) / span

    n, count = len(where["position"]), len(where["head"])
    each = torch.eye(n, dtype=torch.bool, device=data.device)  # row i: position i
    found = torch.full((len(where["kind"]), len(where["layer"]), n), torch.nan, dtype=clean.dtype).to(
        data.device
    )
    for k, kind in enumerate(where["kind"]):
        for site in Site(KINDS[kind]).expand(both):
            found[k, where["layer"].index(layer_of(site.hook))] = recovery(site.hook, each)
    single = torch.eye(n * count, dtype=torch.bool, device=data.device)
    single = single.reshape(count * n, count, n).transpose(1, 2)  # row (h, i): position i of head h
    by_head = torch.full((len(where["layer"]), count, n), torch.nan, dtype=clean.dtype).to(data.device)
    for site in Site(Z).expand(both):
        by_head[where["layer"].index(layer_of(site.hook))] = recovery(site.hook, single).reshape(count, n)
    return {
        "recovery": found,
        "head_recovery": by_head,
        "clean_difference": clean,
        "corrupt_difference": corrupt,
    }


@frozen
class _Question:
    """Two rows, two answers, and the position at which they are weighed."""

    clean: int
    corrupt: int
    place: int  # among the scored positions
    answer: int
    against: int
    logits: str
    target: str
    probe: Any

    def difference(self, logits: torch.Tensor) -> torch.Tensor:
        """Answer minus against, (rows,), from the logits of all positions."""
        found = targets(self.probe, self.target)
        there = wide(scored(logits, found)[:, self.place])
        return there[:, self.answer] - there[:, self.against]


def _question(
    subject: Subject,
    *,
    clean: int,
    corrupt: int,
    position: int,
    answer: int,
    against: int,
    target: str,
    logits: str,
) -> _Question:
    """The options, checked against the probe and the model.

    Raises:
        NotApplicableError: they ask for what is not there.
    """
    probe, found = subject.probe, targets(subject.probe, target)
    check_logits(subject, found, logits)
    for name, row in (("clean", clean), ("corrupt", corrupt)):
        if row >= len(probe):
            raise refuse(f"{name} is row {row}, the probe has rows 0 to {len(probe) - 1}")
    if np.array_equal(probe.tokens[clean], probe.tokens[corrupt]):
        raise refuse(f"rows {clean} and {corrupt} hold the same tokens, so there is nothing to bring back")
    place = _place(found.positions, position)
    tokens = found.tokens[[clean, corrupt], place]
    chosen = [given if given >= 0 else int(own) for given, own in zip((answer, against), tokens, strict=True)]
    if chosen[0] == chosen[1]:
        raise refuse(
            f"rows {clean} and {corrupt} have the same answer, {chosen[0]}, at position "
            f"{found.positions[place]}; name others in `answer` and `against`, or other rows"
        )
    shape = subject.hooks[logits]
    check_tokens(type(found)(found.positions[:2], np.array([chosen])), shape[-1])
    return _Question(clean, corrupt, place, chosen[0], chosen[1], logits, target, probe)


def _place(positions: np.ndarray, position: int) -> int:
    """Index of the chosen position among those that have an answer."""
    if -len(positions) <= position < 0:
        return len(positions) + position
    at = np.flatnonzero(positions == position)
    if not len(at):
        raise refuse(
            f"position is {position}, but positions {positions[0]} to {positions[-1]} have an answer"
        )
    return int(at[0])
