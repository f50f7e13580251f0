"""Kinds of intervention on networks over pairs; every forward-time one is an edit of weights.

- ``freeze``: no step changes the weights named.
- ``ablate_neurons``: nothing reads these neurons: their rows of W_out (of an MLP's W_U) count as zero.
- ``ablate_heads``: nothing reads these heads: their rows of W_O count as zero.
- ``frequency_gain``: the part of some frequencies in the operands' embeddings, or in the logits over classes,
  counts ``gain`` times: x + (gain − 1) P x, with P the projector on these frequencies of Z_n in group order.

Checkpoints hold the weights that are trained; what the model of an analysis holds is edited as training's
pass is. Activations of an ablated head or neuron are still shown: they are computed, and go nowhere.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from attrs import evolve

from mi.domain.code import Training, VariantCode
from mi.domain.intervention import Intervention, InterventionKind
from mi.domain.values import TypedValue
from mi.errors import ParameterError, unknown

if TYPE_CHECKING:
    import torch

Edit = Callable[[dict[str, "torch.Tensor"]], None]
EMBEDDING, LOGITS = "embedding", "logits"


class Intervened(VariantCode):
    """What families over pairs share: weights are read by :meth:`edited`, passes made by :meth:`read`."""

    _at_work: tuple[Intervention, ...] = ()

    def intervention_kinds(self) -> Mapping[str, InterventionKind]:
        """Those that fit this network."""
        some = TypedValue(type="ints", default=[], minimum=0, description="0-based")
        found = {
            "freeze": InterventionKind(
                description="No step changes these weights.", where="names of weights"
            ),
            "ablate_neurons": InterventionKind(
                description="Nothing reads these neurons.",
                where="nothing, or blocks.<layer>.mlp.hook_post",
                options={"neurons": some},
            ),
        }
        if "n_heads" in self.parameters:
            found["ablate_heads"] = InterventionKind(
                description="Nothing reads these heads.",
                where="nothing, or blocks.<layer>.attn.hook_z",
                options={"heads": some},
            )
        if "period" in self.context():
            found["frequency_gain"] = InterventionKind(
                description="Frequencies count so many times.",
                where=f"{EMBEDDING}, {LOGITS} or both",
                options={
                    "frequencies": TypedValue(type="ints", default=[], minimum=1),
                    "gain": TypedValue(type="float", default=0.0),
                },
            )
        return found

    def under(self, interventions: Sequence[Intervention]) -> Self:
        """The same network with interventions at work.

        Raises:
            ParameterError: a weight, layer, head, neuron or frequency that it does not have.
        """
        code = copy.copy(self)
        code._at_work = tuple(interventions)
        names = self.weight_shapes()
        for one in interventions:
            getattr(code, f"_check_{one.kind}")(one, names)
        return code

    def weight_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Names and shapes of the weights."""
        raise NotImplementedError

    def edited(self, weights: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """The weights as the interventions let them count, differentiable; the very same without any."""
        if not self._at_work:
            return weights
        found = dict(weights)
        for one in self._at_work:
            if one.kind != "freeze":
                getattr(self, f"_{one.kind}")(one, found)
        return found

    def intervened(self, training: Training) -> Training:
        """The training with what is frozen told."""
        frozen = {name for one in self._at_work if one.kind == "freeze" for name in one.where}
        return evolve(training, frozen=frozenset(frozen)) if frozen else training

    def read(
        self, logits: Callable[[Mapping[str, torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]
    ) -> Callable[[Mapping[str, torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]:
        """A functional pass that reads its weights through :meth:`edited`."""
        return lambda weights, a, b: logits(self.edited(weights), a, b)

    def _check_freeze(self, one: Intervention, shapes: Mapping[str, Any]) -> None:
        if not one.where:
            raise ParameterError(f"freeze names no weight, expected some of {', '.join(shapes)}")
        for name in one.where:
            if name not in shapes:
                raise ParameterError(str(unknown("weight", name, shapes)))

    def _check_ablate_heads(self, one: Intervention, shapes: Mapping[str, Any]) -> None:
        for name in self._rows_of(one, "attn.hook_z", "W_O"):
            _within("head", one.options["heads"], shapes[name][0])

    def _check_ablate_neurons(self, one: Intervention, shapes: Mapping[str, Any]) -> None:
        for name in self._rows_of(one, "mlp.hook_post", "W_out" if "W_pos" in shapes else "W_U"):
            _within("neuron", one.options["neurons"], shapes[name][0])

    def _check_frequency_gain(self, one: Intervention, shapes: Mapping[str, Any]) -> None:
        if not one.where or set(one.where) - {EMBEDDING, LOGITS}:
            said = ", ".join(one.where) or "nothing"
            raise ParameterError(f"frequency_gain is where {said}, expected {EMBEDDING}, {LOGITS} or both")
        n = self.context()["period"]
        if not one.options["frequencies"] or max(one.options["frequencies"]) > n // 2:
            said = one.options["frequencies"]
            raise ParameterError(f"frequencies are {said}, expected some from 1 to {n // 2}")

    def _rows_of(self, one: Intervention, hook: str, weight: str) -> list[str]:
        """Names of the matrices whose rows read what is ablated."""
        layers = self.parameters.get("n_layers", 1)
        places = {
            f"blocks.{layer}.{hook}": weight if layers == 1 else f"blocks.{layer}.{weight}"
            for layer in range(layers)
        }
        if not one.where and layers > 1:
            raise ParameterError(f"{one.kind} is where nothing, expected some of {', '.join(places)}")
        for place in one.where:
            if place not in places:
                raise ParameterError(str(unknown("place of an ablation", place, places)))
        return [places[place] for place in (one.where or places)]

    def _ablate_heads(self, one: Intervention, weights: dict[str, torch.Tensor]) -> None:
        for name in self._rows_of(one, "attn.hook_z", "W_O"):
            weights[name] = _without(weights[name], one.options["heads"])

    def _ablate_neurons(self, one: Intervention, weights: dict[str, torch.Tensor]) -> None:
        for name in self._rows_of(one, "mlp.hook_post", "W_out" if "W_pos" in weights else "W_U"):
            weights[name] = _without(weights[name], one.options["neurons"])

    def _frequency_gain(self, one: Intervention, weights: dict[str, torch.Tensor]) -> None:
        import torch

        from mi_modular_arithmetic.circuit import operand_rows

        context = self.context()
        n = context["period"]
        like = weights["W_U"]
        more = torch.as_tensor(
            (one.options["gain"] - 1.0) * projector(n, one.options["frequencies"]),
            dtype=like.dtype,
            device=like.device,
        )  # (n, n), symmetric
        if EMBEDDING in one.where:
            elements = torch.as_tensor(context["elements"], device=like.device)
            for name, offset in operand_rows(weights, self._operands()):
                rows = elements + offset
                weights[name] = weights[name].index_add(0, rows, more @ weights[name][rows])
        if LOGITS in one.where:
            classes = torch.as_tensor(context["classes"], device=like.device)
            weights["W_U"] = weights["W_U"].index_add(1, classes, weights["W_U"][:, classes] @ more)

    def _operands(self) -> int:
        """How many operands there are."""
        return len(self.context()["elements"])


def projector(n: int, frequencies: Sequence[int]) -> np.ndarray:
    """On frequencies of Z_n, float64, (n, n): P_ij = Σ_k (2/n) cos(2πk(i − j)/n), with 1/n for k = n/2."""
    steps = np.arange(n)[:, None] - np.arange(n)
    found = np.zeros((n, n))
    for k in sorted(set(frequencies)):
        found += (1 if 2 * k == n else 2) / n * np.cos(2 * np.pi * (k * steps % n) / n)
    return found


def _without(matrix: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
    """The matrix with rows of its first axis at zero."""
    keep = matrix.new_ones(matrix.shape[0], *[1] * (matrix.ndim - 1))
    keep[list(rows)] = 0
    return matrix * keep


def _within(what: str, chosen: Sequence[int], count: int) -> None:
    if not chosen or max(chosen) >= count:
        raise ParameterError(f"{what}s are {list(chosen)}, expected some from 0 to {count - 1}")
