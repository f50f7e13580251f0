"""Passes that an analyzer makes itself: counted apart, edited, batched, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve

from mi.domain.analyzer import Analyzer
from mi.domain.output import Output
from mi.engine.analyze import analyze
from mi.errors import ParameterError, PlanError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

EPOCHS = 5


@pytest.fixture
def running(make: Any, tiny: Any) -> Callable[..., Any]:
    """``running(function, *others)``: analyze with tiny.energy made of this function over the model."""

    def run(function: Callable[[Any], Any], *others: str, **changes: Any) -> tuple[Any, Any]:
        tiny.ANALYZERS["tiny.energy"] = evolve(
            tiny.ANALYZERS["tiny.energy"],
            **{"derived": (), "model": True, "function": function, **changes},
        )
        variant = make()
        summary = analyze([variant], analyzers=["tiny.energy", *others])
        return summary, ArtifactReader(VariantPaths(variant.folder))

    return run


def tokens_of(data: Any) -> Any:
    return data.probe.tokens


def test_a_pass_equals_the_one_pass_and_is_counted_apart(running: Any) -> None:
    from mi_tiny.code import MODELS

    def energy(data: Any) -> dict[str, Any]:
        found = data.model.run(tokens_of(data), sites=["hook_hid*@-1", "hook_logits"])
        assert list(found) == ["hook_hidden@-1", "hook_logits"]
        assert found["hook_logits"].shape == (11, 2, 11)
        return {"energy": found["hook_hidden@-1"].mean()}

    summary, store = running(energy, "tiny.means")
    assert summary.failures == []
    assert summary.line().startswith(
        "5 checkpoints, 5 forward passes, 5 passes made by analyzers, 10 results"
    )
    assert len(MODELS) == 1
    for epoch in (0, 400):
        mean = store.at("full", "tiny.means", epoch)["mean"]
        assert store.at("full", "tiny.energy", epoch)["energy"] == pytest.approx(mean.mean(), rel=1e-5)


def test_the_model_alone_needs_no_pass(running: Any) -> None:
    from mi_tiny.code import MODELS

    summary, store = running(lambda data: {"energy": data.model.module.inner.norm()}, "tiny.norms")
    assert summary.line().startswith("5 checkpoints, 0 forward passes, 10 results")
    assert MODELS[0].calls == []
    norms = store.dataset("full", "tiny.norms")["norm"].sel(matrix="inner").values
    np.testing.assert_allclose(store.dataset("full", "tiny.energy")["energy"].values, norms, rtol=1e-6)


def test_an_edit_changes_what_follows_and_nothing_else(running: Any) -> None:
    seen = []

    def energy(data: Any) -> dict[str, Any]:
        tokens, module = tokens_of(data), data.model.module

        def halve(hidden: torch.Tensor, rows: slice) -> torch.Tensor:
            return hidden / 2

        plain = data.model.run(tokens, sites=["hook_logits"])["hook_logits"]
        edited = data.model.run(tokens, sites=["hook_hidden", "hook_logits"], edits={"hook_hidden": halve})
        again = data.model.run(tokens, sites=["hook_logits"])["hook_logits"]
        seen.append([bool(torch.equal(plain, again)), bool(torch.allclose(edited["hook_logits"], plain / 2))])
        assert torch.allclose(edited["hook_hidden"] @ module.outer, edited["hook_logits"], atol=1e-6)
        return {"energy": 0.0}

    summary, _ = running(energy)
    assert summary.failures == []
    assert seen == [[True, True]] * EPOCHS
    assert summary.total.own_passes == 3 * EPOCHS
    assert summary.total.forward_passes == 0


def test_edits_know_their_rows_in_every_batch(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mi_tiny.code import MODELS

    monkeypatch.setattr("mi.engine.capture.CPU_BUDGET", 4 * 2 * (6 + 11) * 4)  # four rows

    def energy(data: Any) -> dict[str, Any]:
        factors = torch.arange(11.0)[:, None, None]
        edits = {"hook_logits": lambda logits, rows: torch.ones_like(logits) * factors[rows]}
        logits = data.model.run(tokens_of(data), sites=["hook_logits"], edits=edits)["hook_logits"]
        assert torch.equal(logits[:, 0, 0], torch.arange(11.0))
        return {"energy": 0.0}

    summary, _ = running(energy)
    assert summary.failures == []
    assert MODELS[0].calls[:4] == [2, 3, 4, 4]
    assert summary.total.own_passes == EPOCHS


def test_a_functional_pass_takes_other_weights_and_is_counted(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mi.engine.capture.CPU_BUDGET", 4 * 2 * (6 + 11) * 4)  # four rows
    kept = []

    def energy(data: Any) -> dict[str, Any]:
        plain = data.model.run(tokens_of(data), sites=["hook_logits"])["hook_logits"]
        same = data.model.forward(data.weights, tokens_of(data))
        other = data.model.forward({**data.weights, "outer": 2 * data.weights["outer"]}, tokens_of(data))
        torch.testing.assert_close(same[:, -1], plain[:, -1])
        torch.testing.assert_close(other, 2 * same)
        kept.append(data.model)
        return {"energy": 0.0}

    summary, _ = running(energy, weights=True)
    assert summary.failures == []
    assert (summary.total.own_passes, summary.total.forward_passes) == (3 * EPOCHS, 0)
    with pytest.raises(PlanError, match="used after its checkpoint"):
        kept[0].forward({}, [[0, 0]])


def test_hooks_are_removed_when_a_function_raises(running: Any) -> None:
    from mi_tiny.code import MODELS

    def energy(data: Any) -> dict[str, Any]:
        def burst(hidden: torch.Tensor, rows: slice) -> torch.Tensor:
            raise ZeroDivisionError("burst")

        data.model.run(tokens_of(data), edits={"hook_hidden": burst, "hook_logits": lambda t, rows: t})
        return {"energy": 0.0}

    summary, store = running(energy, "tiny.means")
    assert len(summary.failures) == EPOCHS
    assert "at epoch 0: raised ZeroDivisionError: burst" in "".join(f.message for f in summary.failures)
    assert all(not p.fwd_hooks and not p._forward_hooks for p in MODELS[0].hook_dict.values())
    assert list(store.committed("full", "tiny.means")) == [0, 50, 100, 200, 400]


@pytest.mark.parametrize(
    ("sites", "edits", "sentence"),
    [
        (["hook_hiden"], {}, "has no hook 'hook_hiden'; did you mean hook_hidden"),
        (["hook_hiden*"], {}, r"no hook of the model matches 'hook_hiden\*'"),
        (["hook_silent"], {}, "hook_silent: the hook exists but never fires"),
        ([], {"hook_hiden": lambda t, rows: t}, "has no hook 'hook_hiden'"),
        ([], {"hook_silent": lambda t, rows: t}, "hook_silent exists but never fires .* cannot be edited"),
        (
            [],
            {"hook_hidden": lambda t, rows: t[:, 0]},
            r"returned shape \(11, 6\), expected shape \(11, 2, 6\)",
        ),
        ([], {"hook_hidden": lambda t, rows: None}, "edit of hook_hidden returned NoneType"),
    ],
)
def test_what_cannot_be_run_is_said(running: Any, sites: Any, edits: Any, sentence: str) -> None:
    caught: list[str] = []

    def energy(data: Any) -> dict[str, Any]:
        with pytest.raises(PlanError, match=sentence):
            data.model.run(tokens_of(data), sites=sites, edits=edits)
        caught.append(sentence)
        return {"energy": 0.0}

    summary, _ = running(energy)
    assert summary.failures == []
    assert caught == [sentence] * EPOCHS


def test_an_undeclared_model_is_refused(running: Any) -> None:
    summary, _ = running(lambda data: {"energy": data.model.module.inner.norm()}, model=False)
    assert "the model is read but not declared; declare model=True" in summary.failures[0].message


def spoil_weights(module: Any) -> None:
    module.inner.mul_(2)


def spoil_memory(module: Any) -> None:
    module.inner.detach().numpy()[0, 0] += 1


def spoil_data(module: Any) -> None:
    module.inner.data = module.inner.data * 2


def spoil_hooks(module: Any) -> None:
    module.hook_hidden.add_hook(lambda t, hook: t * 0)


def spoil_mode(module: Any) -> None:
    module.train()


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (spoil_weights, "weights"),
        (spoil_memory, "weights"),
        (spoil_data, "weights"),
        (spoil_hooks, "hooks"),
        (spoil_mode, "evaluation mode"),
    ],
)
def test_what_is_left_behind_is_put_back_and_blamed(running: Any, tiny: Any, spoil: Any, what: str) -> None:
    """The analyzer after it sees the model as the checkpoint has it."""

    def energy(data: Any) -> dict[str, Any]:
        spoil(data.model.module)
        return {"energy": 0.0}

    def share(data: Any) -> dict[str, Any]:
        assert not data.model.module.training
        hidden = data.model.run(tokens_of(data), sites=["hook_hidden@-1"])["hook_hidden@-1"]
        return {"share": hidden.mean(0)}

    tiny.ANALYZERS["tiny.share"] = evolve(
        tiny.ANALYZERS["tiny.share"], derived=(), model=True, function=share
    )
    summary, store = running(energy, "tiny.share", "tiny.means")
    assert [f.analyzer for f in summary.failures] == ["tiny.energy"] * EPOCHS
    assert f"changed the model's {what} in place" in summary.failures[0].message
    for epoch in (0, 400):
        mean = store.at("full", "tiny.means", epoch)["mean"]
        np.testing.assert_allclose(store.at("full", "tiny.share", epoch)["share"], mean, rtol=1e-6)


def test_a_model_kept_for_later_is_refused(running: Any) -> None:
    kept: list[Any] = []
    said: list[str] = []

    def energy(data: Any) -> dict[str, Any]:
        for model in kept:
            with pytest.raises(PlanError) as caught:
                model.run(tokens_of(data))
            said.append(str(caught.value))
        kept.append(data.model)
        return {"energy": 0.0}

    assert running(energy)[0].failures == []
    assert set(said) == {"data.model is used after its checkpoint; use it while the analyzer runs"}


def test_reading_the_model_is_another_result(running: Any, make: Any, tiny: Any) -> None:
    running(lambda data: {"energy": 0.0})
    tiny.ANALYZERS["tiny.energy"] = evolve(tiny.ANALYZERS["tiny.energy"], model=False)
    assert analyze([make()], analyzers=["tiny.energy"]).total.computed == EPOCHS


def test_a_trajectory_has_no_model() -> None:
    with pytest.raises(ParameterError, match="the model needs scope 'checkpoint'"):
        Analyzer(
            id="a.b", version=1, title="", function="", scope="trajectory", model=True,
            outputs={"x": Output(())},
        )  # fmt: skip
