"""Whether a head copies: the eigenvalues of its full output-value circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mi_transformer_library.anatomy import heads, refuse, vocabulary

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject
    from mi.errors import NotApplicableError

_NEEDED = ("W_E", "W_V", "W_O", "W_U")
# What checkpoints call the two matrices: TransformerLens, its bridges, and bare modules.
_EMBED = ("W_E", "embed.W_E", "embed.weight")
_UNEMBED = ("W_U", "unembed.W_U", "unembed.weight")


def coordinates(subject: Subject) -> dict[str, Any]:
    """``layer``, ``head``.

    Raises:
        NotApplicableError: the model has no heads; or it reads other tokens than it writes, as far as the
            names of the checkpoint's tensors tell.
    """
    found = heads(subject, "blocks.*.attn.hook_z", 1, 3, "(position, head, d_head)")
    reads, writes = (vocabulary(subject, names) for names in (_EMBED, _UNEMBED))
    if reads and writes and reads != writes:
        raise _other_tokens(reads, writes)
    return found


def copying_score(data: CheckpointData) -> dict[str, torch.Tensor]:
    """``score`` (layer, head): sum of Re(lambda) over sum of |lambda| of W_E W_V W_O W_U.

    Elhage et al. 2021. The circuit is (token, token): which logits rise when a head attends to which token.
    Its non-zero eigenvalues are those of W_O W_U W_E W_V, (d_head, d_head), since AB and BA share theirs.

    LayerNorm is left out: its gains are not folded in, its centering is not applied, and its scale, which
    differs from token to token, is taken as one. Without a norm the score is exact.

    Raises:
        NotApplicableError: the model lacks the weights, or reads other tokens than it writes.
    """
    import torch

    w_e, w_v, w_o, w_u = weights(data)
    if w_e.shape[0] != w_u.shape[1]:
        raise _other_tokens(w_e.shape[0], w_u.shape[1])
    around = w_u.double() @ w_e.double()  # (d_model, d_model)
    small = w_o.double() @ around @ w_v.double()  # (layer, head, d_head, d_head)
    eigenvalues = torch.linalg.eigvals(small)
    return {"score": (eigenvalues.real.sum(-1) / eigenvalues.abs().sum(-1)).to(w_e.dtype)}


def weights(data: CheckpointData) -> list[torch.Tensor]:
    """W_E (token, d_model), W_V (layer, head, d_model, d_head), W_O (…, d_head, d_model), W_U (…, token).

    Raises:
        NotApplicableError: the model does not have one of them.
    """
    module = data.model.module
    for name in _NEEDED:
        if not hasattr(module, name):
            raise refuse(f"the model has no {name}, expected TransformerLens' names {', '.join(_NEEDED)}")
    w_v, w_o = module.W_V, module.W_O
    if w_v.shape[1] != w_o.shape[1]:  # grouped queries: heads share keys and values
        w_v = w_v.repeat_interleave(w_o.shape[1] // w_v.shape[1], dim=1)
    return [module.W_E, w_v, w_o, module.W_U]


def _other_tokens(reads: int, writes: int) -> NotApplicableError:
    return refuse(
        f"the model reads {reads} tokens and writes {writes}, expected the same: only then is a token's own "
        "logit on the circuit's diagonal"
    )
