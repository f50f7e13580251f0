"""Gradients as declared needs: right, shared, counted as one pass, and nothing is left on the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from attrs import evolve

from mi import GradientNeed, Option, Output, ParameterError, Site
from mi.engine.analyze import analyze
from mi.engine.capture import Resident
from mi.engine.differentiate import Differentiator
from mi.errors import NotApplicableError
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import load_tensors
from mi.store.layout import VariantPaths

EPOCHS = 5
NAMES = ("embed", "inner", "outer")


def norms(data: Any, rows: str = "") -> dict[str, Any]:
    found = data.gradients(rows)
    return {"norm": torch.stack([found.weights[name].norm() for name in NAMES])}


def matrices(subject: Any, **options: Any) -> dict[str, Any]:
    return {"matrix": NAMES}


def use(tiny: Any, id: str, function: Callable[..., Any], *needs: GradientNeed, **changes: Any) -> None:
    """tiny.norms' outputs (one number a matrix) from a function over gradients."""
    base = evolve(tiny.ANALYZERS["tiny.norms"], id=id, weights=False, version=7, coordinates=matrices)
    tiny.ANALYZERS[id] = evolve(base, function=function, gradients=needs, **changes)


def expected(variant: Any, epoch: int, rows: Any = slice(None), dtype: Any = torch.float32) -> dict[str, Any]:
    """The gradient by torch alone: mean cross-entropy at the last position, all rows at once."""
    probe = variant.probe("full")[1]
    weights = {
        n: t.to(dtype).requires_grad_()
        for n, t in load_tensors(VariantPaths(variant.folder).checkpoint(epoch)).items()
    }
    tokens, labels = torch.as_tensor(probe.tokens)[rows], torch.as_tensor(probe.labels)[rows]
    hidden = torch.relu(weights["embed"][tokens] @ weights["inner"])
    hidden.retain_grad()
    loss = F.cross_entropy((hidden @ weights["outer"])[:, -1].double(), labels)
    loss.backward()
    return {n: t.grad for n, t in weights.items()} | {"hidden": hidden.grad, "loss": loss.detach()}


def test_a_gradient_is_torchs_and_one_pass_serves_all_who_ask(make: Any, tiny: Any) -> None:
    seen: dict[tuple[str, int], dict[str, Any]] = {}

    def function(name: str) -> Callable[[Any], Any]:
        def keep(data: Any) -> dict[str, Any]:
            found = data.gradients()
            seen[name, data.epoch] = {n: t.clone() for n, t in found.weights.items()} | {"loss": found.loss}
            return norms(data)

        return keep

    use(tiny, "tiny.g1", function("g1"), GradientNeed(weights=True))
    use(tiny, "tiny.g2", function("g2"), GradientNeed(weights=True))
    variant = make()
    summary = analyze([variant], analyzers=["tiny.g1", "tiny.g2", "tiny.means"])
    assert summary.failures == []
    assert summary.line().startswith(
        "5 checkpoints, 5 forward passes, 5 passes made by analyzers, 15 results"
    )
    for epoch in (0, 400):
        right = expected(variant, epoch)
        for name in NAMES:
            torch.testing.assert_close(seen["g1", epoch][name], right[name], rtol=1e-5, atol=1e-7)
            assert torch.equal(seen["g1", epoch][name], seen["g2", epoch][name])
        assert seen["g1", epoch]["loss"].dtype == torch.float64
        torch.testing.assert_close(seen["g1", epoch]["loss"], right["loss"], rtol=1e-6, atol=0)
    store = ArtifactReader(VariantPaths(variant.folder))
    np.testing.assert_allclose(
        store.at("full", "tiny.g1", 50)["norm"], [expected(variant, 50)[n].norm() for n in NAMES], rtol=1e-5
    )


def test_weights_alone_need_no_forward_pass(make: Any, tiny: Any) -> None:
    use(tiny, "tiny.g", norms, GradientNeed(weights=True))
    total = analyze([make()], analyzers=["tiny.g"]).total
    assert (total.forward_passes, total.own_passes, total.computed) == (0, EPOCHS, EPOCHS)


def test_the_gradient_at_a_site_is_torchs_of_every_row(make: Any, tiny: Any) -> None:
    seen: dict[str, torch.Tensor] = {}

    def function(data: Any) -> dict[str, Any]:
        found = data.gradients("train")
        seen["hidden"], seen["last"] = (
            found.site("hook_hidden").clone(),
            found.site("hook_hidden", -1).clone(),
        )
        seen["logits"] = found.sites("hook_log*")["hook_logits"].clone()
        return {"norm": torch.stack([found.site("hook_hidden", -1).norm()] * 3)}

    hidden = (Site("hook_hidden"), Site("hook_hidden", -1), Site("hook_log*"))
    use(tiny, "tiny.g", function, GradientNeed(sites=hidden, rows="train"))
    variant = make((300,))
    summary = analyze([variant], analyzers=["tiny.g"])
    assert summary.failures == []
    assert (summary.total.forward_passes, summary.total.own_passes) == (0, 1)
    train = variant.probe("full")[1].masks["train"]
    right = expected(variant, 300, np.flatnonzero(train))["hidden"]
    torch.testing.assert_close(seen["hidden"][train], right, rtol=1e-5, atol=1e-8)
    assert not seen["hidden"][~train].any()
    assert seen["hidden"].shape == (11, 2, 6)
    assert torch.equal(seen["last"], seen["hidden"][:, -1])
    # Of a softmax: (p - onehot) / rows, at the position that is answered alone.
    assert not seen["logits"][:, 0].any()
    torch.testing.assert_close(seen["logits"][:, 1].sum(-1), torch.zeros(11), rtol=0, atol=1e-7)


def test_the_gradient_of_a_mask_is_another_pass_chosen_by_an_option(make: Any, tiny: Any) -> None:
    option = Option(type="str", default="", choices=("", "train", "test"))

    def function(data: Any, rows: str) -> dict[str, Any]:
        return norms(data, rows)

    need = GradientNeed(weights=True, rows_option="rows")
    use(tiny, "tiny.g", function, need, options={"rows": option})
    use(tiny, "tiny.h", norms, GradientNeed(weights=True))
    variant = make((300,), ["tiny.g", "tiny.h"], options={"tiny.g": {"rows": "test"}})
    assert analyze([variant]).total.own_passes == 2
    test = np.flatnonzero(variant.probe("full")[1].masks["test"])
    found = ArtifactReader(VariantPaths(variant.folder)).at("full", "tiny.g", 300)["norm"]
    np.testing.assert_allclose(found, [expected(variant, 300, test)[n].norm() for n in NAMES], rtol=1e-5)
    assert (
        analyze([make((300,), ["tiny.g", "tiny.h"], options={"tiny.g": {"rows": "test"}})]).total.computed
        == 0
    )
    changed = make((300,), ["tiny.g", "tiny.h"], options={"tiny.g": {"rows": "train"}})
    assert analyze([changed]).total.computed == 1


def test_finite_differences_agree_in_float64(make: Any) -> None:
    variant = make((300,))
    probe, code = variant.probe("full")[1], variant.code
    weights = {n: t.double() for n, t in load_tensors(VariantPaths(variant.folder).checkpoint(300)).items()}
    different = Differentiator(code, probe, "cpu", "float64")
    _, found = different.by_weights(weights, "train")
    train = np.flatnonzero(probe.masks["train"])
    tokens, labels = torch.as_tensor(probe.tokens[train]), torch.as_tensor(probe.labels[train])

    def loss(moved: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return code.row_losses(code.forward(moved, tokens), tokens, labels).mean()

    generator = torch.Generator().manual_seed(0)
    for name in NAMES:
        assert found[name].dtype == torch.float64
        way = torch.randn(weights[name].shape, generator=generator, dtype=torch.float64)
        up, down = ({**weights, name: weights[name] + s * 1e-6 * way} for s in (1, -1))
        slope = (loss(up) - loss(down)) / 2e-6
        torch.testing.assert_close((found[name] * way).sum(), slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rows", ["", "train"])
def test_the_size_of_a_batch_changes_the_last_bits_alone(
    make: Any, monkeypatch: pytest.MonkeyPatch, rows: str
) -> None:
    variant = make((300,))
    probe, code = variant.probe("full")[1], variant.code
    weights = load_tensors(VariantPaths(variant.folder).checkpoint(300))
    model = code.build_model("cpu")
    code.load_weights(model, weights)
    resident, sites = Resident(code, model, "cpu", "float32"), (Site("hook_hidden"),)

    def both() -> tuple[Any, Any]:
        different = Differentiator(code, probe, "cpu", "float32")
        return different.by_weights(weights, rows), different.by_sites(resident, sites, rows)

    (value, whole), (_, whole_sites) = both()
    model.calls.clear()
    monkeypatch.setattr("mi.engine.differentiate.BATCH_BYTES", 1)  # a row a batch
    (parts_value, parts), (_, parts_sites) = both()
    counted = len(probe) if not rows else int(probe.masks[rows].sum())
    assert model.calls == [2] + [1] * counted
    torch.testing.assert_close(value, parts_value, rtol=1e-12, atol=0)
    for name in NAMES:
        torch.testing.assert_close(whole[name], parts[name], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(whole_sites["hook_hidden"], parts_sites["hook_hidden"], rtol=1e-5, atol=1e-9)


def test_nothing_is_left_on_the_model_or_the_weights(make: Any, tiny: Any) -> None:
    from mi_tiny.code import MODELS

    both = GradientNeed(weights=True, sites=(Site("hook_hidden"),))
    use(tiny, "tiny.g", norms, both)
    use(tiny, "tiny.burst", lambda data: data.gradients() and 1 / 0, both)
    variant = make()
    summary = analyze([variant], analyzers=["tiny.g", "tiny.burst", "tiny.means"])
    assert {f.analyzer for f in summary.failures} == {"tiny.burst"}
    (model,) = MODELS
    last = load_tensors(VariantPaths(variant.folder).checkpoint(400))
    for name, parameter in model.named_parameters():
        assert parameter.grad is None
        assert parameter.requires_grad
        assert torch.equal(parameter, last[name])
    assert all(not p.fwd_hooks and not p._forward_hooks for p in model.hook_dict.values())
    assert not model.training
    assert summary.total.own_passes == 2 * EPOCHS  # one by weights, one by sites, at each checkpoint


def test_a_model_of_frozen_parameters_has_gradients_at_sites_and_stays_frozen(make: Any) -> None:
    variant = make((300,))
    probe, code = variant.probe("full")[1], variant.code
    model = code.build_model("cpu").requires_grad_(False)
    code.load_weights(model, load_tensors(VariantPaths(variant.folder).checkpoint(300)))
    different = Differentiator(code, probe, "cpu", "float32")
    sites = (Site("hook_hidden"),)
    _, found = different.by_sites(Resident(code, model, "cpu", "float32"), sites, "")
    torch.testing.assert_close(found["hook_hidden"], expected(variant, 300)["hidden"], rtol=1e-5, atol=1e-8)
    assert not any(p.requires_grad for p in model.parameters())


def edit(data: Any) -> dict[str, Any]:
    data.gradients().weights["inner"].mul_(2)
    return norms(data)


def edit_memory(data: Any) -> dict[str, Any]:
    data.gradients().weights["inner"].numpy()[0, 0] += 1
    return norms(data)


@pytest.mark.parametrize("spoil", [edit, edit_memory])
def test_a_gradient_that_is_edited_is_refused_to_the_next_and_blamed(
    make: Any, tiny: Any, spoil: Any
) -> None:
    use(tiny, "tiny.a", spoil, GradientNeed(weights=True))
    use(tiny, "tiny.b", norms, GradientNeed(weights=True))
    summary = analyze([make((300,))], analyzers=["tiny.a", "tiny.b"])
    said = {f.analyzer: f.message for f in summary.failures}
    what = "the gradient over all rows by weight inner in place"
    assert "tiny.a" in said
    assert f"cannot run, because analyzer tiny.a changed {what}" in said["tiny.b"]


@pytest.mark.parametrize(
    ("function", "needs", "sentence"),
    [
        (norms, (), "gradients are read but not declared; declare gradients=(GradientNeed(…),)"),
        (
            lambda data: norms(data, "train"),
            (GradientNeed(weights=True),),
            "gradients over rows 'train' is read but not declared",
        ),
        (norms, (GradientNeed(sites=(Site("hook_hidden"),)),), "gradient of weight 'embed' is read but not"),
        (
            lambda data: {"norm": data.gradients().site("hook_logits")},
            (GradientNeed(sites=(Site("hook_hidden"),)),),
            "gradient at site 'hook_logits' is read but not declared",
        ),
    ],
)
def test_what_is_not_declared_is_not_given(
    make: Any, tiny: Any, function: Any, needs: Any, sentence: str
) -> None:
    use(tiny, "tiny.g", function, *needs)
    (failure,) = analyze([make((300,))], analyzers=["tiny.g"]).failures
    assert sentence in failure.message


def test_what_has_no_gradient_is_skipped_with_a_sentence(
    make: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(tiny, "tiny.g", norms, GradientNeed(weights=True, rows="trian"))
    variant = make((300,), ["tiny.g", "tiny.norms"])
    assert analyze([variant]).variants[0].skipped == {
        "tiny.g": "not applicable: the gradient is over the mask 'trian', which the probe lacks"
    }
    from mi_tiny.code import TinyMlp

    use(tiny, "tiny.g", norms, GradientNeed(weights=True))
    monkeypatch.delattr(TinyMlp, "forward")
    assert analyze([make((300,), ["tiny.g", "tiny.norms"])]).variants[0].skipped == {
        "tiny.g": "not applicable: gradients of weights need a functional forward pass, and the family "
        "declares none"
    }
    use(tiny, "tiny.g", lambda data: {"norm": [0] * 3}, GradientNeed(sites=(Site("hook_hidden"),)))
    encode = TinyMlp.encode
    monkeypatch.setattr(TinyMlp, "encode", lambda self, columns: evolve(encode(self, columns), labels=None))
    assert (
        "which needs a label for every row"
        in (analyze([make((300,), ["tiny.g"])]).variants[0].skipped["tiny.g"])
    )


@pytest.mark.parametrize(
    ("site", "sentence"),
    [
        ("hook_hiden", "has no hook 'hook_hiden'; did you mean hook_hidden"),
        ("hook_silent", "hook_silent: the hook exists but never fires"),
        ("hook_aside", "hook_aside: the loss does not depend on what this hook shows"),
    ],
)
def test_a_site_without_a_gradient_is_found_before_any_work(
    make: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch, site: str, sentence: str
) -> None:
    from mi_tiny.code import Net
    from transformer_lens.hook_points import HookPoint

    forward, begin = Net.forward, Net.__init__

    def with_an_aside(self: Any, *given: Any) -> None:
        begin(self, *given)
        self.hook_aside = HookPoint()
        self.setup()

    def shown_aside(self: Any, tokens: torch.Tensor) -> torch.Tensor:
        logits = forward(self, tokens)
        self.hook_aside(logits * 2)
        return logits

    monkeypatch.setattr(Net, "__init__", with_an_aside)
    monkeypatch.setattr(Net, "forward", shown_aside)
    use(tiny, "tiny.g", lambda data: {"norm": [0] * 3}, GradientNeed(sites=(Site(site),)))
    summary = analyze([make((300,), ["tiny.g", "tiny.norms"])])
    (failure,) = summary.failures
    assert "analyzer tiny.g of plugin tiny" in failure.message
    assert sentence in failure.message
    assert summary.total.computed == 1


def wrong_shape(self: Any, logits: Any, tokens: Any, labels: Any) -> Any:
    return logits.sum()


def no_graph(self: Any, logits: Any, tokens: Any, labels: Any) -> Any:
    return logits.detach()[:, -1, 0]


def burst(self: Any, logits: Any, tokens: Any, labels: Any) -> Any:
    raise ZeroDivisionError("burst")


def none_here(self: Any, logits: Any, tokens: Any, labels: Any) -> Any:
    raise NotApplicableError("not applicable: no loss today")


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        (wrong_shape, "TinyMlp.row_losses returned shape (), expected shape (2,): one loss a row"),
        (no_graph, "TinyMlp.row_losses returned losses without a graph, so they have no gradient"),
        (burst, "TinyMlp.row_losses raised ZeroDivisionError: burst"),
        (none_here, "not applicable: no loss today"),
    ],
)
def test_a_familys_loss_that_is_none_is_said(
    make: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch, losses: Any, sentence: str
) -> None:
    from mi_tiny.code import TinyMlp

    monkeypatch.setattr(TinyMlp, "row_losses", losses)
    use(tiny, "tiny.g", norms, GradientNeed(weights=True))
    (failure,) = analyze([make((300,), ["tiny.g"])]).failures
    assert sentence in failure.message


def test_a_weight_that_the_loss_does_not_depend_on_has_a_gradient_of_zero(make: Any) -> None:
    variant = make((300,))
    probe, code = variant.probe("full")[1], variant.code
    weights = load_tensors(VariantPaths(variant.folder).checkpoint(300))
    given = {**weights, "spare": torch.ones(3), "step": torch.tensor(7)}
    _, found = Differentiator(code, probe, "cpu", "float32").by_weights(given, "")
    assert torch.equal(found["spare"], torch.zeros(3))
    assert "step" not in found
    assert torch.equal(
        found["inner"], Differentiator(code, probe, "cpu", "float32").by_weights(weights, "")[1]["inner"]
    )


def test_gradients_are_freed_after_the_last_who_asks(make: Any, tiny: Any) -> None:
    import weakref

    kept: list[Any] = []

    def first(data: Any) -> dict[str, Any]:
        kept.append(weakref.ref(data.gradients().weights["inner"]))
        return norms(data)

    def then(data: Any) -> dict[str, Any]:
        return {"norm": [float(kept[-1]() is not None)] * 3}

    use(tiny, "tiny.a", first, GradientNeed(weights=True))
    use(tiny, "tiny.b", then, GradientNeed(weights=True))
    use(tiny, "tiny.c", then)
    variant = make()
    assert analyze([variant], analyzers=["tiny.a", "tiny.b", "tiny.c"]).failures == []
    store = ArtifactReader(VariantPaths(variant.folder))
    assert [store.at("full", f"tiny.{x}", 0)["norm"][0] for x in "bc"] == [1, 0]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "needs `weights=True` or `sites`"),
        ({"weights": True, "rows": "train", "rows_option": "rows"}, "expected one of them"),
    ],
)
def test_a_need_says_what_it_is_of(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        GradientNeed(**given)


def test_a_trajectory_has_no_gradients() -> None:
    from mi import Analyzer

    with pytest.raises(ParameterError, match="gradients need scope 'checkpoint'"):
        Analyzer(
            id="a.b", version=1, title="", function="", scope="trajectory",
            gradients=(GradientNeed(weights=True),), outputs={"x": Output(())},
        )  # fmt: skip


def test_a_probe_that_is_not_in_memory_is_read_batch_by_batch(
    make: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gradient over a mask, in even batches, of a probe whose rows are never there all at once."""
    from mi.domain.lazyprobe import LazyProbe

    variant = make((0,), size=101)
    probe = variant.probe("full")[1]
    weights = load_tensors(VariantPaths(variant.folder).checkpoint(0))
    whole = Differentiator(variant.code, probe, "cpu", "float32").by_weights(weights, "train")
    assert isinstance(probe, LazyProbe)
    sealed = LazyProbe(probe.source, probe.axes, probe.complete, refusal="not all at once")
    asked: list[int] = []
    read = type(probe.source).read

    def counted(source: Any, low: int, high: int) -> Any:
        asked.append(high - low)
        return read(source, low, high)

    monkeypatch.setattr(type(probe.source), "read", counted)
    monkeypatch.setattr(LazyProbe, "rows_at_once", property(lambda self: 30))
    monkeypatch.setattr(Differentiator, "_size", lambda self, *rest: 13)
    made = Differentiator(variant.code, sealed, "cpu", "float32")
    loss, found = made.by_weights(weights, "train")
    assert made.passes == 1
    assert 0 < max(asked) <= 30  # 51 of 101 rows count; a batch of 13 of them spans 25
    torch.testing.assert_close(loss, whole[0], rtol=1e-6, atol=0)
    for name in NAMES:
        torch.testing.assert_close(found[name], whole[1][name], rtol=1e-5, atol=1e-7)


def test_batches_follow_from_shapes_alone(make: Any) -> None:
    variant = make((0, 400), size=31)
    sizes = []
    for epoch in (0, 400):
        made = Differentiator(variant.code, variant.probe("full")[1], "cpu", "float32")
        made.by_weights(load_tensors(VariantPaths(variant.folder).checkpoint(epoch)), "")
        sizes.append(dict(made._row_bytes))
    assert sizes[0] == sizes[1]
