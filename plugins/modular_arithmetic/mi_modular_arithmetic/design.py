"""What a variant's parameters say of its model, in one place for all families of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from mi_modular_arithmetic.tasks import Group, group_of


@frozen
class Design:
    """The task and the sizes of one transformer.

    Attributes:
        group: the task modulo p.
        d_model, n_heads, d_head, d_mlp: widths.
        n_layers: blocks of attention and MLP.
        activation: of the neurons: ``relu``, ``gelu``, ``gelu_new`` or ``silu``, as TransformerLens has them.
        layer_norm: whether each block reads through LayerNorm, and the unembedding too.
    """

    group: Group
    d_model: int
    n_heads: int
    d_head: int
    d_mlp: int
    n_layers: int = 1
    activation: str = "relu"
    layer_norm: bool = False

    @classmethod
    def read(cls, parameters: Mapping[str, Any]) -> Design:
        """The design that domain parameters declare; what a family does not declare is the paper's."""
        names = ("d_model", "n_heads", "d_head", "d_mlp", "n_layers", "activation", "layer_norm")
        given = {name: parameters[name] for name in names if name in parameters}
        return cls(group=group_of(parameters), **given)

    @property
    def factorizes(self) -> bool:
        """Whether the quick pass of :mod:`.one_layer` is exact: one layer, and nothing normalized."""
        return self.n_layers == 1 and not self.layer_norm

    def prefix(self, layer: int) -> str:
        """What the names of a layer's tensors begin with: nothing where there is one layer."""
        return "" if self.n_layers == 1 else f"blocks.{layer}."
