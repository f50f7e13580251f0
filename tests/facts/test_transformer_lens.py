"""TransformerLens 4 on a native bridge: what it really does, and how `mi` gets along with it."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
import transformer_lens
from bridges import Code, drawn, native
from facts.conftest import Still
from torch import nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

from mi.domain.site import Site
from mi.engine.batches import weights_of
from mi.engine.capture import Resident
from mi.engine.model import Model
from mi.engine.trial import try_out
from mi.errors import CheckpointError, PlanError


def test_the_hooked_transformer_is_gone(still: Still) -> None:
    for name in ("HookedTransformer", "HookedTransformerConfig", "HookedEncoder"):
        with pytest.raises(ImportError, match="removed in TransformerLens 4"):
            getattr(transformer_lens, name)
    still(transformer_lens.TransformerBridge is not None, "the only model that families are told to build")


def test_any_module_can_be_hooked(still: Still) -> None:
    class Net(HookedRootModule):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.hook_out = nn.Linear(2, 3), HookPoint()
            self.setup()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.hook_out(self.linear(x))

    out, cache = Net().run_with_cache(torch.ones(4, 2))
    still(torch.equal(cache["hook_out"], out), "families that are no bridge need another way to be hooked")


def test_a_native_bridge_takes_plain_names_and_whole_states(bridge: Any, tokens: Any, still: Still) -> None:
    names = {"embed.weight", "blocks.0.attn.q.weight", "blocks.1.mlp.in.bias", "unembed.weight"}
    still(names <= bridge.state_dict().keys(), "`bridge_state` of families names tensors so")
    before = bridge(tokens)
    other = drawn(bridge, 5)
    bridge.load_state_dict(other, strict=True)
    after = bridge(tokens)
    bridge.load_state_dict(drawn(bridge, 0), strict=True)
    still(not torch.equal(before, after) and torch.equal(bridge(tokens), before), "weights are swapped so")
    with pytest.raises(RuntimeError, match="Missing key"):
        bridge.load_state_dict({n: t for n, t in other.items() if n != "embed.weight"}, strict=True)


def test_the_unembedding_bias_is_a_buffer_that_counts(bridge: Any, tokens: Any, still: Still) -> None:
    parameters, buffers = dict(bridge.named_parameters()), dict(bridge.named_buffers())
    bias = [name for name in buffers if name.startswith("unembed") and name.endswith("bias")]
    still(len(bias) == 1 and bias[0] not in parameters, "`Model._state` need not look at buffers")
    before = bridge(tokens)
    bridge.load_state_dict({**drawn(bridge, 0), "unembed.bias": torch.full((7,), 3.0)}, strict=True)
    shift = torch.full((7,), 3.0) - drawn(bridge, 0)["unembed.bias"]
    torch.testing.assert_close(bridge(tokens), before + shift)


def test_booting_without_weights_draws_from_the_global_generator(still: Still) -> None:
    from transformer_lens.model_bridge import TransformerBridge

    with torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        TransformerBridge.boot_native(native().cfg, device="cpu")
        drew = not torch.equal(before, torch.get_rng_state())
    still(drew, "families may boot a bridge outside `fork_rng`")


def test_a_bridge_cannot_be_pickled(bridge: Any, still: Still) -> None:
    try:
        pickle.dumps(bridge)
        pickled = True
    except (AttributeError, TypeError, pickle.PicklingError):
        pickled = False
    still(not pickled, "tasks might ship models; they still ought to ship paths")


def test_results_of_heads_cannot_be_hooked_on_a_native_bridge(
    bridge: Any, resident: Resident, tokens: Any, still: Still
) -> None:
    try:
        bridge.set_use_attn_result(True)
        there = True
    except NotImplementedError:
        there = False
    still(not there, "`hook_result` may be captured; analyses compute it from hook_z and W_O")
    with pytest.raises(PlanError, match=r"blocks\.0\.attn\.hook_result"):
        try_out(resident, tokens.numpy(), [Site("blocks.0.attn.hook_result")])


def test_only_a_filter_that_misses_altogether_raises(bridge: Any, tokens: Any, still: Still) -> None:
    with pytest.raises(KeyError, match="matched no hook points"):
        bridge.run_with_cache(tokens, names_filter=["blocks.0.mlp.hook_pots"])
    names = ["blocks.0.mlp.hook_pots", "blocks.0.mlp.hook_post"]
    _, cache = bridge.run_with_cache(tokens, names_filter=names)
    still(names[0] not in cache, "`Resident.missing` may leave misspelt sites to TransformerLens")


def test_stopping_after_the_last_layer_returns_logits(bridge: Any, tokens: Any, still: Still) -> None:
    out, _ = bridge.run_with_cache(tokens, stop_at_layer=2)
    still(out.shape[-1] == bridge.cfg.d_vocab_out == 7, "`Resident.run` may use what a pass returns")
    earlier, cache = bridge.run_with_cache(tokens, stop_at_layer=1)
    still(earlier.shape[-1] == 8 and "blocks.1.hook_resid_pre" not in cache, "sites of the layer stopped at")


def test_the_engine_stops_before_the_last_layer_or_not_at_all(resident: Resident, tokens: Any) -> None:
    assert try_out(resident, tokens.numpy(), [Site("blocks.1.hook_resid_pre")]).stop is None
    site = Site("blocks.0.hook_resid_post", -1)
    trial = try_out(resident, tokens.numpy(), [site])
    assert trial.stop == 1
    assert resident.capture(tokens.numpy(), [site], trial)[site.key].shape == (5, 8)


def test_a_slice_of_positions_keeps_its_axis(bridge: Any, tokens: Any, still: Still) -> None:
    hook = "blocks.0.mlp.hook_post"
    _, cache = bridge.run_with_cache(tokens, names_filter=[hook], pos_slice=-1)
    still(cache[hook].shape == (5, 1, 16), "`keep` may leave positions to `pos_slice`")


def test_a_kept_position_holds_no_more_memory_than_itself(resident: Resident, tokens: Any) -> None:
    site = Site("blocks.0.mlp.hook_post", -1)
    kept = resident.capture(tokens.numpy(), [site], try_out(resident, tokens.numpy(), [site]))[site.key]
    assert kept.shape == (5, 16)
    assert kept.untyped_storage().nbytes() == kept.numel() * 4


def test_cached_tensors_are_views_and_many_share_one_memory(bridge: Any, tokens: Any, still: Still) -> None:
    _, cache = bridge.run_with_cache(tokens)
    found = dict(cache.cache_dict)
    shared = weights_of(found)
    still(len(shared) < len(found) / 2, "a pass's bytes may be summed over names, not over memories")
    logical = sum(t.numel() * t.element_size() for t in found.values())
    assert sum(shared.values()) < logical / 2
    still(not any(t.requires_grad for t in found.values()), "cached tensors are detached")


def test_a_trial_weighs_each_memory_once(bridge: Any, resident: Resident, tokens: Any) -> None:
    _, cache = bridge.run_with_cache(tokens[:2])
    logical = sum(t.numel() * t.element_size() for t in cache.values()) // 2
    assert 0 < try_out(resident, tokens.numpy(), [Site("hook_embed")]).row_bytes < logical / 2


def test_a_pass_leaves_no_hook_behind_even_when_it_fails(bridge: Any, tokens: Any, still: Still) -> None:
    bridge.run_with_cache(tokens)
    with pytest.raises(IndexError):
        bridge.run_with_cache(tokens + 100)
    left = [name for name, point in bridge.hook_dict.items() if point.fwd_hooks or point.bwd_hooks]
    still(left == [], "the engine would have to remove hooks after each pass")


def test_compatibility_mode_folds_weights_in_place(bridge: Any, tokens: Any, still: Still) -> None:
    before, logits = {n: t.clone() for n, t in bridge.state_dict().items()}, bridge(tokens)
    bridge.enable_compatibility_mode(disable_warnings=True)
    changed = [n for n, t in bridge.state_dict().items() if not torch.equal(t, before[n])]
    still(changed != [], "analyses of weights may use compatibility mode, and `Model.mend` not look for it")
    assert (bridge(tokens) - logits).abs().max() > 0.01
    torch.testing.assert_close(bridge(tokens).log_softmax(-1), logits.log_softmax(-1))


@pytest.mark.parametrize("kind", ["native", "neox"])
def test_an_analyzer_that_enables_compatibility_mode_is_blamed_and_the_model_rebuilt(
    kind: str, tokens: Any
) -> None:
    from facts.conftest import wrapped_neox

    build = {"native": native, "neox": lambda: wrapped_neox(0)}[kind]
    resident = Resident(Code(build), build(), "cpu", "float32")  # type: ignore[arg-type]
    weights = {n: t.clone() for n, t in resident.model.state_dict().items()}
    before = resident.run(tokens, None)
    model = Model(resident, weights)
    model.module.enable_compatibility_mode(disable_warnings=True)
    assert model.mend() == ["the model's compatibility mode", "the model's weights"]
    after = resident.run(tokens, None)
    assert before.keys() == after.keys()
    assert [n for n in before if not torch.equal(before[n], after[n])] == []


def test_a_functional_call_leaves_other_weights_behind(bridge: Any, tokens: Any, still: Still) -> None:
    def called(**settings: Any) -> list[str]:
        bridge.load_state_dict(drawn(bridge, 0), strict=True)
        every = [*bridge.named_parameters(), *bridge.named_buffers()]
        doubled = {n: t.detach() * 2 for n, t in every if t.is_floating_point()}
        torch.func.functional_call(bridge, doubled, (tokens,), **settings)
        return [n for n, t in bridge.state_dict().items() if not torch.equal(t, drawn(bridge, 0)[n])]

    still(len(called()) > 10, "stacked passes need not say tie_weights=False (pytorch #164759)")
    still(called(tie_weights=False) == [], "tie_weights=False is no way out any more")


def test_an_analyzer_that_leaves_other_weights_is_blamed_and_they_are_put_back(
    bridge: Any, resident: Resident, tokens: Any
) -> None:
    before = bridge(tokens)
    model = Model(resident, drawn(bridge, 0))
    doubled = {n: t.detach() * 2 for n, t in model.module.named_parameters()}
    torch.func.functional_call(model.module, doubled, (tokens,))
    assert model.mend() == ["the model's weights"]
    assert torch.equal(bridge(tokens), before)


def test_weights_that_do_not_fit_are_refused(bridge: Any, resident: Resident) -> None:
    lacking = {n: t for n, t in drawn(bridge, 3).items() if n != "blocks.1.attn.q.weight"}
    with pytest.raises(CheckpointError, match="weights do not fit the model"):
        resident.load(lacking)


def test_an_edit_of_scores_that_are_the_pattern_is_discarded(bridge: Any, tokens: Any, still: Still) -> None:
    hook = ("blocks.0.attn.hook_attn_scores", lambda t, hook: torch.zeros_like(t))
    with pytest.warns(UserWarning, match="The edit is discarded"):
        changed = bridge.run_with_hooks(tokens, fwd_hooks=[hook])
    still(torch.equal(changed, bridge(tokens)), "`Model.run` need not refuse edits of them")


def test_an_edit_that_the_model_discards_is_refused(bridge: Any, resident: Resident, tokens: Any) -> None:
    model = Model(resident, drawn(bridge, 0))
    scores, pattern = ("blocks.0.attn.hook_attn_scores", "blocks.0.attn.hook_pattern")
    with pytest.raises(PlanError, match="cannot be made: the model has used the values"):
        model.run(tokens, edits={scores: lambda t, rows: torch.zeros_like(t)})
    assert model.mend() == []
    edited = model.run(tokens, sites=["unembed.hook_out"], edits={pattern: lambda t, rows: t * 0})
    assert not torch.equal(edited["unembed.hook_out"], bridge(tokens))  # on a native bridge it counts


def test_patterns_sum_to_one_and_the_residual_stream_is_a_sum(bridge: Any, tokens: Any, still: Still) -> None:
    _, cache = bridge.run_with_cache(tokens)
    pattern = cache["blocks.1.attn.hook_pattern"]
    torch.testing.assert_close(pattern.sum(-1), torch.ones(5, 2, 4))
    whole = cache["hook_embed"] + cache["hook_pos_embed"]
    whole = whole + sum(cache[f"blocks.{i}.{n}"] for i in (0, 1) for n in ("hook_attn_out", "hook_mlp_out"))
    torch.testing.assert_close(cache["blocks.1.hook_resid_post"], whole)
    q, k = (cache[f"blocks.0.attn.hook_{n}"] for n in "qk")
    scores = torch.einsum("rqhd,rkhd->rhqk", q, k) / 4**0.5
    hidden = scores.masked_fill(~torch.ones(4, 4).tril().bool(), float("-inf"))
    torch.testing.assert_close(hidden.softmax(-1), cache["blocks.0.attn.hook_pattern"])
    assert bridge.W_E.shape == (7, 8) and bridge.W_U.shape == (8, 7)
    assert bridge.W_Q.shape == (2, 2, 8, 4) and bridge.W_O.shape == (2, 2, 4, 8)
    assert bridge.W_in.shape == (2, 8, 16) and bridge.W_out.shape == (2, 16, 8)
