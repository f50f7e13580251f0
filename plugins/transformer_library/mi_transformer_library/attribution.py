"""Direct logit attribution: what each component writes towards the right answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mi_transformer_library.anatomy import head_name, heads, refuse, shapes
from mi_transformer_library.lens import POST, PRE
from mi_transformer_library.precision import mean, wide
from mi_transformer_library.targets import Targets, check_logits, scored, targets

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject

Z, WRITTEN = "blocks.*.attn.hook_z", "blocks.*.hook_attn_out"
_NORMS = {None: "none", "LN": "centred", "LNPre": "centred", "RMS": "scaled", "RMSPre": "scaled"}


def coordinates(subject: Subject, *, target: str, logits: str, start: int) -> dict[str, Any]:
    """``component``: embed, pos_embed, each head, each MLP that there is, biases.

    Raises:
        NotApplicableError: nothing is to be predicted, or the model is no transformer of this form.
    """
    found = _from(targets(subject.probe, target), start)
    check_logits(subject, found, logits)
    if "hook_embed" not in subject.hooks:
        raise refuse("the model has no hook hook_embed")
    there = heads(subject, Z, 1, 3, "(position, head, d_head)")
    for hook in (PRE, POST, WRITTEN):
        if list(shapes(subject, hook, 2, "(position, d_model)")) != there["layer"]:
            raise refuse(f"{hook} and {Z} are not hooks of the same layers")
    names = ["embed"]
    if "hook_pos_embed" in subject.hooks:
        names.append("pos_embed")
    for layer in there["layer"]:
        names += [head_name(layer, head) for head in there["head"]]
        if f"blocks.{layer}.hook_mlp_out" in subject.hooks:
            names.append(_mlp(layer))
    return {"component": [*names, "biases"]}


def direct_logit_attribution(
    data: CheckpointData, *, target: str, logits: str, start: int
) -> dict[str, torch.Tensor]:
    """``contribution`` (component,) to ``total`` (): right logit minus mean logit, over rows and positions.

    With u the direction in the residual stream along which that difference grows, a component that writes
    c contributes c·u. For an unembedding W_U, u = W_U[:, right] - mean W_U; a final norm multiplies by its
    gain, takes the mean away (LayerNorm) and divides by its scale, which is held at its value (Elhage et
    al. 2021). ``biases`` is what no activation writes: b_O of every layer, the norm's bias and b_U. The
    contributions sum to the total but for rounding. There is no result where they do not, or where
    components do not sum to the residual stream.
    """
    import torch

    found = _from(targets(data.probe, target), start)
    names = coordinates(data.subject, target=target, logits=logits, start=start)["component"]
    frame = _Frame(data, found)
    given = _contributions(data, found, frame, names)
    right = wide(scored(data.site(logits), found))
    total = mean(right.gather(-1, found.on(data.device)[..., None])[..., 0] - right.mean(-1))
    contribution = torch.stack([given[name] for name in names])
    apart = (contribution.sum() - total).abs() > frame.slack * contribution.abs().amax().clamp(min=1)
    data.refuse_if(
        apart,
        "components do not sum to what the logits differ by: they are not those of the final norm and the "
        "unembedding",
    )
    return {"contribution": contribution, "total": total}


class _Frame:
    """Directions and constants of the last step, from residual stream to logit difference.

    Attributes:
        direction: u, (rows, P, d_model).
        constant: what is added whatever the residual stream, ().
        slack: relative error that rounding explains.
    """

    def __init__(self, data: CheckpointData, found: Targets) -> None:
        import torch

        module = data.model.module
        for name in ("W_U", "W_O", "b_O", "ln_final", "cfg"):
            if not hasattr(module, name):
                raise refuse(f"the model has no {name}, expected a TransformerLens model")
        kind = getattr(module.cfg, "normalization_type", None)
        if kind not in _NORMS:
            raise refuse(f"the final norm is {kind!r}, expected one of LN, RMS or none")
        self.slack = 1e-3 if module.W_U.dtype in (torch.float32, torch.float64) else 5e-2
        w_u, answers = wide(module.W_U), found.on(data.device)
        read = w_u.T[answers] - w_u.mean(1, dtype=torch.float64).to(w_u.dtype)  # (rows, P, d_model)
        b_u = getattr(module, "b_U", None)
        constant = mean(read.new_zeros(1) if b_u is None else wide(b_u)[answers] - wide(b_u).mean())
        final = wide(found.of(list(data.sites(POST).values())[-1]))
        if _NORMS[kind] != "none":
            gain, bias = (_parameter(module.ln_final, n, final) for n in ("weight", "bias"))
            constant = constant + mean(read @ bias)
            read = read * gain
            if _NORMS[kind] == "centred":
                read = read - read.mean(-1, keepdim=True)
                final = final - final.mean(-1, keepdim=True)
            read = read / (final.square().mean(-1, keepdim=True) + float(module.cfg.eps)).sqrt()
        self.direction, self.constant = read, constant

    def along(self, written: torch.Tensor) -> torch.Tensor:
        """Mean contribution of what a component writes, (rows, P, d_model) or (d_model,): ()."""
        return mean((wide(written) * self.direction).sum(-1))


def _contributions(
    data: CheckpointData, found: Targets, frame: _Frame, names: list[str]
) -> dict[str, torch.Tensor]:
    import torch

    module = data.model.module
    before, after, z, written = (
        {hook: found.of(t) for hook, t in data.sites(pattern).items()} for pattern in (PRE, POST, Z, WRITTEN)
    )
    embed, first = found.of(data.site("hook_embed")), next(iter(before.values()))
    given = {"embed": frame.along(embed), "biases": frame.constant}
    _split(data, given, names, "pos_embed", wide(first) - wide(embed), frame, first)
    for i, (layer, pre, post, heads_z, out) in enumerate(
        zip(
            heads(data.subject, Z, 1, 3, "")["layer"],
            before.values(), after.values(), z.values(), written.values(),
            strict=True,
        )
    ):  # fmt: skip
        w_o, b_o = wide(module.W_O[i]), wide(module.b_O[i])  # (head, d_head, d_model), (d_model,)
        towards = torch.einsum("rpd,hkd->rphk", frame.direction, w_o)  # u seen from each head
        share = (wide(heads_z) * towards).sum(-1).mean((0, 1), dtype=torch.float64)  # (head,)
        summed = torch.einsum("rphk,hkd->rpd", wide(heads_z), w_o) + b_o
        data.refuse_if(
            _differs(summed, wide(out), frame.slack),
            f"what the heads of layer {layer} write does not sum to what attention adds there",
        )
        given |= {head_name(layer, head): value for head, value in enumerate(share)}
        given["biases"] = given["biases"] + frame.along(b_o)
        _split(data, given, names, _mlp(layer), wide(post) - wide(pre) - summed, frame, post)
    return given


def _split(
    data: CheckpointData,
    given: dict[str, torch.Tensor],
    names: list[str],
    name: str,
    rest: torch.Tensor,
    frame: _Frame,
    whole: torch.Tensor,
) -> None:
    """What remains belongs to ``name``; where there is no such component, nothing may remain."""
    if name in names:
        given[name] = frame.along(rest)
    else:
        data.refuse_if(
            _differs(rest + wide(whole), wide(whole), frame.slack),
            f"something else than embeddings and heads writes to the residual stream ({name} is none)",
        )


def _differs(a: torch.Tensor, b: torch.Tensor, slack: float) -> torch.Tensor:
    apart: torch.Tensor = (a - b).norm() > slack * b.norm() + 1e-6
    return apart


def _parameter(norm: Any, name: str, like: torch.Tensor) -> torch.Tensor:
    value = getattr(norm, name, None)
    plain = 1.0 if name == "weight" else 0.0
    return like.new_full(like.shape[-1:], plain) if value is None else value.to(like.dtype)


def _from(found: Targets, start: int) -> Targets:
    kept = found.positions >= start
    if not kept.any():
        raise refuse(f"start is {start}, but the last position with an answer is {found.positions[-1]}")
    return Targets(found.positions[kept], found.tokens[:, kept])


def _mlp(layer: int) -> str:
    return f"L{layer} mlp"
