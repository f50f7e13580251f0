"""Checks of a family's models: seeded, hooked, swapped strictly, and alone in their process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from mi.domain.code import VariantCode
from mi.domain.family import Family
from mi.errors import NotApplicableError, ParameterError, nearest
from mi.plugins import Host
from mi.testing.conformance.plugin import PluginConformance
from mi.testing.conformance.process import left_behind
from mi.testing.conformance.spec import Spec, Specimen
from mi.testing.conformance.verdict import attempt, broken, moot, quiet, said

if TYPE_CHECKING:
    import torch

ROWS = 64  # of the probe, for passes


class ModelChecks(PluginConformance):
    """Checks of ``build_model``, ``load_weights``, ``forward`` and the initialization."""

    seed: ClassVar[str] = "seed"

    @pytest.fixture(scope="class")
    @classmethod
    def declared(cls, host: Host, spec: Spec) -> Family:
        """The family as it is shipped."""
        with quiet("see test_family_is_shipped"):
            return spec.shipped(host)

    @pytest.fixture(scope="class")
    @classmethod
    def code(cls, specimen: Specimen) -> VariantCode:
        """The family's code, bound to the tiny variant's parameters."""
        with quiet("see test_parameters_are_refused_in_a_sentence"):
            return make_code(specimen, {})

    @pytest.fixture(scope="class")
    @classmethod
    def weights(cls, code: VariantCode) -> Mapping[str, torch.Tensor]:
        """The initialization, without a graph."""
        with quiet("there are no weights to try"):
            found = code.training(cls.device).weights
            return {name: tensor.detach().clone() for name, tensor in found.items()}

    @pytest.fixture(scope="class")
    @classmethod
    def tokens(cls, specimen: Specimen, code: VariantCode) -> torch.Tensor:
        """At most 64 rows of the probe."""
        import torch

        with quiet("there is no probe to feed"):
            family = specimen.family
            name = cls.probe or family.default_probe
            spec = specimen.workspace.probe_spec(family, name)
            probe = specimen.workspace.build_probe(family, spec, code)
            return torch.as_tensor(probe.tokens[:ROWS]).to(cls.device)

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, code: VariantCode, weights: Mapping[str, torch.Tensor]) -> Any:
        """The model with the initialization in it."""
        with quiet("see test_model_is_hooked and test_weights_load_strictly"):
            model = code.build_model(cls.device)
            code.load_weights(model, weights)
            return model

    def test_initialization_is_seeded(self, specimen: Specimen, code: VariantCode) -> None:
        """The same parameters give the same initialization to the bit; another seed gives another."""
        with quiet("the family is not trained here"):
            first, again = (
                code.training(self.device).weights,
                make_code(specimen, {}).training(self.device).weights,
            )
        for name, tensor in first.items():
            if name not in again or not tensor.equal(again[name]):
                broken(
                    f"family {specimen.family.name}: weight {name} differs when the same variant is "
                    "initialized again; draw it from a torch.Generator seeded with a parameter"
                )
        if not self.seed:
            return
        if self.seed not in specimen.family.parameters:
            broken(f"family {specimen.family.name} has no parameter {self.seed!r}; set `seed` to the "
                   "one that seeds the initialization, or to '' when nothing is drawn")  # fmt: skip
        other = make_code(specimen, {self.seed: code.parameters[self.seed] + 1}).training(self.device).weights
        if all(tensor.equal(other[name]) for name, tensor in first.items()):
            broken(
                f"family {specimen.family.name}: another {self.seed} gives the same initialization; "
                f"seed the generator with parameters[{self.seed!r}]"
            )

    def test_model_is_hooked(self, declared: Family, specimen: Specimen, code: VariantCode) -> None:
        """The model is in evaluation mode, has `run_with_cache`, `hook_dict` and every site that is read."""
        who = f"{type(code).__name__}.build_model"
        model = attempt(lambda: code.build_model(self.device), who, "return a hooked model")
        for name in ("run_with_cache", "hook_dict"):
            if not hasattr(model, name):
                broken(f"{who} returns a {type(model).__name__} without {name}; return a "
                       "TransformerBridge or a HookedRootModule")  # fmt: skip
        if model.training:
            broken(f"{who} returns a model in training mode; call .eval() on it")
        offered = specimen.workspace.host.analyzers(declared)
        for use in declared.analyzers:
            if use.id not in offered:
                continue
            options = {n: o.default for n, o in offered[use.id].options.items()} | dict(use.options)
            for site in offered[use.id].all_sites(options):
                if not site.expand(model.hook_dict):
                    near = " or ".join(nearest(site.hook, model.hook_dict)) or "none is similar"
                    broken(
                        f"analyzer {use.id} reads {site.key}, but the model of family {declared.name} has no "
                        f"such hook; correct the site ({near}), or add a HookPoint"
                    )

    def test_weights_load_strictly(self, code: VariantCode, weights: Mapping[str, torch.Tensor]) -> None:
        """`load_weights` takes what training stores; refuses what is missing, unknown or of another shape."""
        import torch

        who = f"{type(code).__name__}.load_weights"
        with quiet("see test_model_is_hooked"):
            model = code.build_model(self.device)
        attempt(lambda: code.load_weights(model, weights), f"{who}(training().weights)", "take its own names")
        name, tensor = next(iter(weights.items()))
        wrong = {
            f"a checkpoint without {name}": {n: t for n, t in weights.items() if n != name},
            "a checkpoint with an unknown tensor": {**weights, "unknown_tensor": torch.zeros(2)},
            f"a {name} of another shape": {
                **weights,
                name: torch.zeros((*tensor.shape, 2), device=self.device),
            },
        }
        for what, given in wrong.items():
            if not _raises(lambda given=given: code.load_weights(model, given)):  # type: ignore[misc]
                broken(f"{who} accepts {what}; compare names and shapes, or load_state_dict(strict=True)")

    def test_weights_are_swapped_whole(
        self, code: VariantCode, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor
    ) -> None:
        """Nothing of a checkpoint stays in the model when another is loaded, and none is changed by it."""
        with quiet("see test_model_is_hooked"):
            before = {name: tensor.clone() for name, tensor in weights.items()}
            model = code.build_model(self.device)
            code.load_weights(model, weights)
            first = logits(model, tokens)
            code.load_weights(model, {n: t * 0.5 + 0.25 for n, t in weights.items()})
            between = logits(model, tokens)
            code.load_weights(model, weights)
            again = logits(model, tokens)
        who = f"{type(code).__name__}.load_weights"
        if between.equal(first):
            broken(f"{who} changes nothing in the model's answers; copy the tensors into its parameters")
        if not again.equal(first):
            broken(f"{who}: loading A, B, A gives other logits than A; replace all parameters and buffers")
        if any(not weights[name].equal(tensor) for name, tensor in before.items()):
            broken(f"{who} changes the checkpoint that it is given; copy from its tensors")

    def test_rows_are_independent(self, model: Any, tokens: torch.Tensor, code: VariantCode) -> None:
        """A row's logits are the same alone and among others, so a probe can be passed in batches."""
        import torch

        with quiet("see test_model_is_hooked"):
            whole, alone = logits(model, tokens), logits(model, tokens[-1:])
        if not torch.allclose(whole[-1:], alone, rtol=1e-3, atol=1e-4):
            broken(f"{type(code).__name__}.build_model: a row's logits depend on the rows beside it; "
                   "keep batch statistics out of evaluation mode")  # fmt: skip

    def test_forward_is_the_model(
        self, code: VariantCode, model: Any, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor
    ) -> None:
        """The functional `forward` gives the hooked model's logits (at the last position, or at all)."""
        import torch

        who = f"{type(code).__name__}.forward"
        try:
            given = code.forward(weights, tokens)
        except ParameterError as error:
            moot(f"the family declares no functional forward pass ({said(error)})")
        except Exception as error:
            broken(f"{who} raises {said(error)}; make it a pure function of weights and tokens")
        with quiet("see test_model_is_hooked"):
            expected = logits(model, tokens)
        if given.ndim != 3 or given.shape[0] != len(tokens) or given.shape[1] not in (1, expected.shape[1]):
            broken(f"{who} returns shape {tuple(given.shape)}; return (rows, n_ctx or 1, d_vocab_out)")
        expected = expected[:, -given.shape[1] :]
        if given.shape != expected.shape or not torch.allclose(given, expected, rtol=1e-3, atol=1e-4):
            broken(f"{who} and the hooked model differ for the same weights; make both one function")

    def test_row_losses_have_gradients(
        self, code: VariantCode, model: Any, tokens: torch.Tensor, specimen: Specimen
    ) -> None:
        """`row_losses` gives one finite loss a row, a row's own, with a graph back to the logits."""
        import torch

        who = f"{type(code).__name__}.row_losses"
        with quiet("see test_model_is_hooked"):
            given = logits(model, tokens).clone().requires_grad_()  # of an inference tensor
        name = self.probe or specimen.family.default_probe
        spec = specimen.workspace.probe_spec(specimen.family, name)
        found = specimen.workspace.build_probe(specimen.family, spec, code).labels
        labels = None if found is None else torch.as_tensor(found[:ROWS]).to(self.device)
        try:
            losses = code.row_losses(given, tokens, labels)
        except NotApplicableError as error:
            moot(f"over probe {name} there is no loss ({said(error)}); name another in `probe`")
        except Exception as error:
            broken(f"{who} raises {said(error)}; give a loss a row, or raise NotApplicableError")
        if not isinstance(losses, torch.Tensor) or losses.shape != (len(tokens),):
            broken(f"{who} returns shape {tuple(getattr(losses, 'shape', ()))}; return (rows,)")
        if not losses.requires_grad or not bool(torch.isfinite(losses).all()):
            broken(f"{who} returns losses without a graph, or not finite; compute them in torch")
        alone = code.row_losses(given[-1:], tokens[-1:], None if labels is None else labels[-1:])
        if not torch.allclose(losses[-1:], alone, rtol=1e-4, atol=1e-6):
            broken(f"{who}: a row's loss depends on the rows beside it; return each row's own, not a mean")

    def test_process_is_left_alone(self, code: VariantCode, weights: Mapping[str, torch.Tensor]) -> None:
        """Building and initializing leave random states, default dtype and gradient mode alone."""

        def everything() -> None:
            model = code.build_model(self.device)
            code.load_weights(model, weights)
            code.training(self.device)

        with quiet("see test_model_is_hooked"):
            changed = left_behind(everything)
        if changed:
            broken(
                f"{type(code).__name__}: {changed[0]} is another after building and initializing a model; "
                "use a generator of your own, or torch.random.fork_rng()"
            )


def make_code(specimen: Specimen, given: Mapping[str, Any]) -> VariantCode:
    """New code for the tiny variant, with other parameters where given."""
    family = specimen.family
    return specimen.workspace.host.variant_code(
        family, family.complete({**specimen.spec.parameters, **given})
    )


def logits(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """The model's answer, (rows, n_ctx, d_vocab_out)."""
    import torch

    with torch.inference_mode():
        return model(tokens).clone()  # type: ignore[no-any-return]


def _raises(call: Callable[[], Any]) -> bool:
    try:
        call()
    except Exception:
        return True
    return False
