"""Traps of TransformerLens 4 on a real bridge; each is silent there, and refused or avoided here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from bridges import Code, native

from mi.domain.site import Site
from mi.engine.batches import keep
from mi.engine.capture import Resident
from mi.engine.trial import Trial, try_out
from mi.errors import PlanError

ROWS = 9


@pytest.fixture(scope="module")
def bridge() -> Any:
    return native(n_ctx=3)


@pytest.fixture
def resident(bridge: Any) -> Resident:
    return Resident(Code(), bridge, "cpu", "float32")


@pytest.fixture(scope="module")
def tokens() -> Any:
    return torch.randint(0, 7, (ROWS, 3), generator=torch.Generator().manual_seed(1)).numpy()


def capture(resident: Resident, tokens: Any, *sites: Site) -> dict[str, torch.Tensor]:
    return resident.capture(tokens, sites, try_out(resident, tokens, sites))


def test_a_filter_with_a_misspelt_hook_drops_it_in_silence_and_we_do_not(
    bridge: Any, resident: Resident, tokens: Any
) -> None:
    names = ["blocks.0.mlp.hook_pots", "blocks.0.mlp.hook_post"]
    _, cache = bridge.run_with_cache(torch.tensor(tokens), names_filter=names)
    assert names[0] not in cache  # the trap: no error
    with pytest.raises(PlanError, match=r"no hook 'blocks\.0\.mlp\.hook_pots'; did you mean .*hook_post"):
        try_out(resident, tokens, [Site(n) for n in names])


def test_scores_that_are_the_pattern_are_refused(bridge: Any, resident: Resident, tokens: Any) -> None:
    _, cache = bridge.run_with_cache(torch.tensor(tokens))
    scores, pattern = (cache[f"blocks.0.attn.hook_{n}"] for n in ("attn_scores", "pattern"))
    assert torch.equal(scores, pattern)  # the trap, while it lasts
    with pytest.raises(PlanError, match="holds the attention pattern, after the softmax"):
        try_out(resident, tokens, [Site("blocks.0.attn.hook_attn_scores", -1)])


def test_true_scores_are_not_refused(bridge: Any, tokens: Any) -> None:
    """The check looks at values: the same name with real scores in it passes."""

    class Scored:
        hook_dict = bridge.hook_dict

        def run_with_cache(self, rows: Any, **settings: Any) -> Any:
            out, cache = bridge.run_with_cache(rows, **settings)
            found = dict(cache.cache_dict)
            found["blocks.0.attn.hook_attn_scores"] = found["blocks.0.attn.hook_pattern"].log()
            return out, found

    site = Site("blocks.0.attn.hook_attn_scores", -1)
    trial = try_out(Resident(Code(), Scored(), "cpu", "float32"), tokens, [site])
    assert trial.row_bytes > 0


def test_a_hook_that_exists_and_never_fires_is_refused(bridge: Any, resident: Resident, tokens: Any) -> None:
    site = Site("blocks.0.attn.hook_result", -1)
    if site.hook in bridge.hook_dict:
        with pytest.raises(PlanError, match="exists but never fires"):
            try_out(resident, tokens, [site])
    else:
        with pytest.raises(PlanError, match="the model has no hook"):
            try_out(resident, tokens, [site])


def test_every_site_is_what_the_whole_pass_holds(bridge: Any, resident: Resident, tokens: Any) -> None:
    sites = [
        Site("blocks.0.mlp.hook_post", -1),
        Site("blocks.1.attn.hook_pattern", -1),
        Site("blocks.1.hook_resid_pre"),
        Site("unembed.hook_out", -1),
    ]
    found = capture(resident, tokens, *sites)
    logits, cache = bridge.run_with_cache(torch.tensor(tokens))
    assert found["blocks.0.mlp.hook_post@-1"].shape == (ROWS, 16)
    assert torch.equal(found["blocks.0.mlp.hook_post@-1"], cache["blocks.0.mlp.hook_post"][:, -1])
    assert torch.equal(found["blocks.1.attn.hook_pattern@-1"], cache["blocks.1.attn.hook_pattern"][:, :, -1])
    assert torch.equal(found["blocks.1.hook_resid_pre"], cache["blocks.1.hook_resid_pre"])
    torch.testing.assert_close(found["unembed.hook_out@-1"], logits[:, -1])
    assert all(t.is_inference() for t in found.values())


def test_stopping_early_keeps_sites_the_same_and_saves_layers(
    bridge: Any, resident: Resident, tokens: Any
) -> None:
    site = Site("blocks.0.mlp.hook_post", -1)
    trial = try_out(resident, tokens, [site])
    assert trial.stop == 1
    late: list[int] = []
    handle = bridge.blocks[1].register_forward_hook(lambda *_: late.append(1))
    try:
        early = resident.capture(tokens, [site], trial)
        assert late == []
        full = resident.capture(tokens, [site], Trial(trial.row_bytes, None))
        assert late == [1]
    finally:
        handle.remove()
    assert torch.equal(early[site.key], full[site.key])
    assert try_out(resident, tokens, [Site("blocks.1.mlp.hook_post", -1)]).stop is None
    assert try_out(resident, tokens, [site, Site("unembed.hook_out", -1)]).stop is None


def test_weights_made_in_inference_mode_load_and_resist_edits(bridge: Any, resident: Resident) -> None:
    with torch.inference_mode():
        weights = {n: t.clone() for n, t in bridge.state_dict().items()}
    resident.load(weights)
    with pytest.raises(RuntimeError, match="inference tensor"), torch.no_grad():
        next(iter(weights.values())).mul_(2)


def test_a_position_is_the_querys_in_patterns_and_the_rows_elsewhere() -> None:
    pattern = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    assert torch.equal(keep(Site("blocks.0.attn.hook_pattern", 1), pattern), pattern[:, :, 1])
    assert torch.equal(keep(Site("blocks.0.hook_z", 1), pattern), pattern[:, 1])
    with pytest.raises(PlanError, match=r"outside 0\.\.3 of its 4 positions"):
        keep(Site("blocks.0.attn.hook_pattern", 4), pattern)
