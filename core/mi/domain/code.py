"""How a declared family is bound to code: building, feeding and training its models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from mi.domain.values import as_tuple
from mi.errors import NotApplicableError, ParameterError
from mi.refs import Ref

if TYPE_CHECKING:
    import numpy as np
    import torch

    from mi.domain.intervention import Intervention, InterventionKind
    from mi.domain.probe import Rows


@frozen(kw_only=True)
class FamilyCode:
    """Code for one or several families, returned by the hook ``register_family``.

    Attributes:
        id: ``<plugin>.<name>``; a family.json names it as its ``code``.
        implementation: a subclass of :class:`VariantCode` (or ``"package.module:Class"``).
        title: a few words for users.
        families: folders shipped as package data, each ``"package:relative/path"`` and holding a
            family.json (with probes/ and reports/ beside it), which ``mi families add`` copies.
    """

    id: str
    implementation: Ref
    title: str = ""
    families: tuple[str, ...] = field(default=(), converter=as_tuple)


@frozen(kw_only=True, eq=False)
class TrainingPass:
    """One training pass at the present weights.

    Attributes:
        loss: scalar with a graph, in the loss's own precision.
        metrics: name -> scalar tensor without a graph, at these same weights.
    """

    loss: torch.Tensor
    metrics: Mapping[str, torch.Tensor]


@frozen(kw_only=True, eq=False)
class Training:
    """Everything the core's training loop needs of one variant.

    Attributes:
        weights: name -> leaf tensor that requires grad: the initialization, in the names and shapes in
            which checkpoints store it.
        training_pass: ``f(weights, step, generator) -> TrainingPass``: full batch, or a batch drawn with
            ``generator`` (a CPU ``torch.Generator`` that is saved and restored with the state).
        evaluate: ``f(weights) -> {metric: scalar tensor}``: the evaluation sets, called under no_grad.
        optimizer: ``f(tensors) -> torch.optim.Optimizer``.
        metrics: names of all metrics of both, in the order in which they are shown
            (``train_loss``, ``test_loss``, …). Names are ``<set>_<metric>``.
        generator_seed: seed of ``generator``.
        frozen: names of weights that no step changes, nor their part of the optimizer's state.
    """

    weights: Mapping[str, torch.Tensor]
    training_pass: Callable[..., TrainingPass]
    evaluate: Callable[[Mapping[str, torch.Tensor]], Mapping[str, torch.Tensor]]
    optimizer: Callable[[Sequence[torch.Tensor]], torch.optim.Optimizer]
    metrics: tuple[str, ...]
    generator_seed: int = 0
    frozen: frozenset[str] = frozenset()


class VariantCode(ABC):
    """A family's code bound to one variant's domain parameters, which it keeps as ``self.parameters``.

    Subclasses import torch inside methods, so that checking a parameter costs no second of start-up.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = dict(parameters)
        self.check(self.parameters)

    @classmethod
    def check(cls, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that are well typed and within bounds, yet make no model.

        Raises:
            ParameterError: names the parameter, its value and what was expected.
        """

    @abstractmethod
    def axes(self) -> Mapping[str, np.ndarray]:
        """Named axes of the complete grid of inputs -> coordinates; {} when there is no grid."""

    @abstractmethod
    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        """Tokens, labels and masks of the rows with these coordinates, each (rows,)."""

    def encode_text(self, prompts: Sequence[str]) -> Rows:
        """Tokens of prompts.

        Raises:
            ParameterError: the family has no tokenizer, or a prompt does not fit.
        """
        raise ParameterError("this family has no tokenizer, so it cannot take prompts")

    @abstractmethod
    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        """Named dimensions of artifacts (``neuron``, ``head``, …) -> coordinates."""

    def context(self) -> Mapping[str, Any]:
        """Precomputed values that analyzers may ask for by name; numpy arrays, numbers, strings."""
        return {}

    @abstractmethod
    def build_model(self, device: str) -> Any:
        """A model in evaluation mode with ``run_with_cache`` and ``hook_dict``, weights unspecified."""

    @abstractmethod
    def load_weights(self, model: Any, weights: Mapping[str, torch.Tensor]) -> None:
        """Swap a checkpoint's weights into ``model`` in place, strictly: every name, every shape."""

    def forward(self, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        """Logits (rows, n_ctx or 1, d_vocab_out) as a pure function of the weights; optional.

        Raises:
            ParameterError: the family declares none.
        """
        raise ParameterError("this family declares no functional forward pass")

    def row_losses(
        self, logits: torch.Tensor, tokens: torch.Tensor, labels: torch.Tensor | None
    ) -> torch.Tensor:
        """What training minimizes the mean of, row by row, differentiable: gradients are taken of it.

        By default the cross-entropy of the label at the last position, in nats and in float64: once a task is
        memorized, float32 would round it to zero.

        Args:
            logits: (rows, n_ctx or 1, d_vocab_out), the hooked model's or those of :meth:`forward`.
            tokens: int64, (rows, n_ctx).
            labels: int64, (rows,); None where the probe has none.

        Returns:
            (rows,)

        Raises:
            NotApplicableError: the rows lack what the loss needs.
        """
        import torch.nn.functional as F

        if labels is None:
            raise NotApplicableError("not applicable: the family's loss needs a label for every row")
        return F.cross_entropy(logits[:, -1].double(), labels, reduction="none")

    def intervention_kinds(self) -> Mapping[str, InterventionKind]:
        """Kinds of intervention by name that :meth:`under` understands."""
        return {}

    def under(self, interventions: Sequence[Intervention]) -> VariantCode:
        """The same with interventions at work, whatever the epoch: in training, ``forward`` and models.

        Its ``load_weights`` must serve models that were loaded by the plain code before, and the other way
        round; its ``training`` is asked for its passes and for ``frozen``, at the plain code's weights.

        Raises:
            ParameterError: a place or an option that this variant does not have.
        """
        raise ParameterError("this family knows no interventions")

    def training(self, device: str) -> Training:
        """The training task; optional for families that are only imported.

        Raises:
            ParameterError: the family cannot be trained here.
        """
        raise ParameterError("this family declares no training")
