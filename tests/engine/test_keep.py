"""``--keep``: activations in the store, and analyzers over them that make no pass and need no model."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from mi import Analyzer, Output, Site
from mi.domain.keep import group_name
from mi.engine.analyze import analyze
from mi.engine.plan import make_plan
from mi.engine.session import Session
from mi.errors import MiError, ParameterError, PlanError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

HIDDEN = "hook_hidden@-1"


def kept(variant: Any, site: str, probe: str = "full") -> xr.Dataset:
    return ArtifactReader(VariantPaths(variant.folder).kept).dataset(probe, group_name(Site.parse(site)))


def passed(variant: Any, epoch: int, hook: str) -> np.ndarray:
    """What a pass of one's own gives at a hook, (rows, position, …)."""
    from mi.store.checkpoints import load_tensors

    model = variant.code.build_model("cpu")
    variant.code.load_weights(model, load_tensors(VariantPaths(variant.folder).checkpoint(epoch)))
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.as_tensor(variant.probe()[1].tokens))
    return cache[hook].numpy()  # type: ignore[no-any-return]


def calls() -> int:
    """Passes over the whole probe, of every model that was built."""
    from mi_tiny.code import MODELS

    return sum(rows == 11 for model in MODELS for rows in model.calls)


def without_model(variant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No checkpoint is left, and the family's code cannot build its model any more."""
    import mi_tiny.code

    shutil.rmtree(VariantPaths(variant.folder).checkpoints)

    def refuse(self: Any, device: str) -> Any:
        raise RuntimeError("no model here")

    monkeypatch.setattr(mi_tiny.code.TinyMlp, "build_model", refuse)


def contents(variant: Any) -> dict[str, xr.Dataset]:
    reader = ArtifactReader(VariantPaths(variant.folder))
    return {f"{p}/{a}": reader.dataset(p, a).load() for p in reader.probes() for a in reader.analyzers(p)}


def test_kept_sites_and_analyzers_share_one_pass(make: Any) -> None:
    variant = make()
    summary = analyze([variant], keep=[HIDDEN, "hook_logits"])
    assert summary.failures == []
    assert summary.total.forward_passes == calls() == 5
    hidden, logits = kept(variant, HIDDEN)["activation"], kept(variant, "hook_logits")["activation"]
    assert hidden.dims == ("epoch", "x", "dim_1")
    assert logits.dims == ("epoch", "x", "position", "dim_1")
    for epoch in (0, 200):
        assert np.array_equal(hidden.sel(epoch=epoch), passed(variant, epoch, "hook_hidden")[:, -1])
        assert np.array_equal(logits.sel(epoch=epoch), passed(variant, epoch, "hook_logits"))
    again = analyze([make()], keep=[HIDDEN, "hook_logits"])
    assert again.total.forward_passes == again.total.computed == 0


def test_keeping_costs_a_pass_only_where_something_is_missing(make: Any) -> None:
    variant = make()
    analyze([variant])
    before = calls()
    summary = analyze([variant], keep=[HIDDEN])  # all analyzers are fresh
    assert (summary.total.forward_passes, summary.total.computed) == (5, 5)
    assert calls() == before + 5
    later = make((0, 50, 100, 200, 400, 800))
    summary = analyze([later], keep=[HIDDEN, "hook_logits@-1"])
    assert summary.total.forward_passes == 6  # logits of each, and everything of the last
    assert list(kept(later, HIDDEN)["epoch"].values) == [0, 50, 100, 200, 400, 800]
    assert analyze([later], keep=["hook_*@-1"], analyzers=[]).total.computed == 0  # those that fire


def test_a_new_analyzer_over_kept_sites_makes_no_pass_and_needs_neither_model_nor_checkpoints(
    make: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = ["tiny.means", "tiny.energy", "tiny.share", "tiny.grid", "tiny.gap", "tiny.path"]
    expected = contents_of(make, "other", late)
    variant = make(analyzers=["tiny.norms"])
    assert analyze([variant], keep=[HIDDEN, "hook_logits@-1"]).failures == []
    before = calls()
    without_model(variant, monkeypatch)
    variant = make((), analyzers=[*late, "tiny.norms"])
    session = Session({variant.workspace.root: variant.workspace})
    plan = make_plan(session, variant)
    assert plan.kept_epochs == plan.stale_epochs == (0, 50, 100, 200, 400)
    assert plan.pass_epochs == ()
    assert list(plan.known.absent) == [0, 50, 100, 200, 400]
    summary = analyze([variant])
    assert summary.failures == []
    assert (summary.total.forward_passes, summary.total.own_passes, calls()) == (0, 0, before)
    found = contents(variant)
    assert found["full/tiny.norms"].sizes["epoch"] == 5  # computed before: it stays
    for place, data in expected.items():
        assert data.identical(found[place].assign_attrs(data.attrs)), place
    assert analyze([variant]).total.computed == 0
    assert not VariantPaths(variant.folder).checkpoints.exists()


def contents_of(make: Any, name: str, analyzers: list[str]) -> dict[str, xr.Dataset]:
    """The same analyzers over the same checkpoints, computed from real passes."""
    from mi.domain.workspace import Workspace

    root = make().workspace.root.parent / name
    variant = make(analyzers=analyzers, root=root)
    assert analyze([variant]).total.forward_passes == 5
    assert isinstance(variant.workspace, Workspace)
    return contents(variant)


def test_a_pattern_of_an_analyzer_expands_by_the_hooks_that_were_recorded(
    make: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = make(analyzers=["tiny.means"])
    analyze([variant], keep=["hook_*@-1"])
    without_model(variant, monkeypatch)
    hidden, logits = Site("hook_h*", -1), Site("hook_l*", -1)
    tiny.ANALYZERS["tiny.all"] = Analyzer(
        id="tiny.all",
        version=1,
        title="Mean of each site",
        function=lambda data: {
            "mean": torch.stack([t.mean() for s in (hidden, logits) for t in data.sites(s.hook, -1).values()])
        },
        sites=(hidden, logits),
        outputs={"mean": Output(("of",))},
        coordinates=lambda subject: {"of": sorted(h for h in subject.hooks if h != "hook_silent")},
    )
    variant = make((), analyzers=["tiny.all"])
    assert analyze([variant]).failures == []
    data = contents(variant)["full/tiny.all"]
    assert list(data["of"].values) == ["hook_hidden", "hook_logits"]
    held = kept(variant, HIDDEN)["activation"].sel(epoch=50)
    assert data["mean"].sel(of="hook_hidden", epoch=50) == torch.from_numpy(held.values).mean()


def test_what_was_kept_in_fewer_bits_stands_for_a_pass_only_where_the_checkpoint_is_gone(make: Any) -> None:
    variant = make(analyzers=["tiny.norms"])
    analyze([variant], keep=[HIDDEN], keep_dtype="float16")
    half = kept(variant, HIDDEN)["activation"]
    assert half.dtype == np.float16
    assert np.array_equal(half.sel(epoch=50), passed(variant, 50, "hook_hidden")[:, -1].astype(np.float16))
    paths = VariantPaths(variant.folder)
    weights = paths.checkpoint(50).read_bytes()
    paths.checkpoint(50).unlink()
    variant = make((), analyzers=["tiny.means", "tiny.gap", "tiny.norms"])
    summary = analyze([variant])
    assert (summary.failures, summary.total.forward_passes) == (
        [],
        4,
    )  # exact values wherever they can be had
    told = {
        id: ArtifactReader(paths).committed("full", id) for id in ("tiny.means", "tiny.gap", "tiny.norms")
    }
    for id in ("tiny.means", "tiny.gap"):  # gap reads means at the same checkpoint
        assert [e for e, said in told[id].items() if said.endswith("~float16")] == [50]
        assert ArtifactReader(paths).dataset("full", id).attrs["from_float16"] == [50]
    assert not any("~" in said for said in told["tiny.norms"].values())
    mean = contents(variant)["full/tiny.means"]["mean"].sel(epoch=50)
    assert np.array_equal(mean, torch.from_numpy(half.sel(epoch=50).values).float().mean(0).numpy())
    assert analyze([variant]).total.computed == 0
    paths.checkpoint(50).write_bytes(weights)
    summary = analyze([make()], analyzers=["tiny.gap"])
    assert (summary.total.forward_passes, summary.total.computed) == (1, 2)
    assert not any("~" in said for said in ArtifactReader(paths).committed("full", "tiny.gap").values())
    paths.checkpoint(50).unlink()
    assert analyze([variant]).total.computed == 0  # what was computed exactly stays


def test_values_that_a_data_type_cannot_hold_are_refused_by_name(make: Any) -> None:
    from mi_tiny.code import weights_at

    from mi.store.checkpoints import save_tensors

    variant = make(analyzers=["tiny.means"])
    weights = weights_at(variant.parameters, 100)
    weights["embed"] *= 1e6
    save_tensors(VariantPaths(variant.folder).checkpoint(100), weights, {})
    summary = analyze([variant], keep=[HIDDEN], keep_dtype="float16")
    (failure,) = summary.failures
    said = "output 'activation' holds numbers that float16 cannot: their range ends at ±65504"
    assert failure.message == f"keeping hook_hidden@-1 at epoch 100: {said}"
    assert list(kept(variant, HIDDEN)["epoch"].values) == [0, 50, 200, 400]
    assert contents(variant)["full/tiny.means"].sizes["epoch"] == 5
    with pytest.raises(ParameterError, match="bfloat16 is no data type of zarr's"):
        analyze([variant], keep=[HIDDEN], keep_dtype="bfloat16")
    with pytest.raises(PlanError, match="is kept as float16 already, over 4 epochs, and not as float32"):
        analyze([variant], keep=[HIDDEN])
    with pytest.raises(PlanError, match=r"--keep hook_hiden: .* did you mean hook_hidden"):
        analyze([variant], keep=["hook_hiden"])
    with pytest.raises(PlanError, match="the position is outside 0"):
        analyze([variant], keep=["hook_logits@2"])


def test_plain_xarray_reads_kept_activations(make: Any) -> None:
    variant = make()
    analyze([variant], keep=[HIDDEN, "hook_logits"])
    analyze([variant], keep=["hook_logits"], probe="few", analyzers=[])
    tree = xr.open_datatree(VariantPaths(variant.folder).kept.artifacts, engine="zarr")
    assert set(tree.groups) == {
        "/",
        "/full",
        "/few",
        *(f"/{p}" for p in ("full/hook_hidden@-1", "full/hook_logits", "few/hook_logits")),
    }
    few = tree["few/hook_logits"]
    assert few["activation"].dims == ("epoch", "row", "position", "dim_1")
    assert np.array_equal(few["activation"].sel(epoch=100), passed(variant, 100, "hook_logits")[:3])
    told = few.attrs
    assert (told["site"], told["hook"], told["position"]) == ("hook_logits", "hook_logits", None)
    assert (told["probe"], told["family_code"]) == ("few", "tiny.mlp")
    assert told["versions"]["torch"] == torch.__version__


def described(variant: Any) -> dict[str, tuple[int, int, int]]:
    """Site -> epochs fresh, stale, without a checkpoint."""
    from mi.engine.cache import kept_of

    return {
        f"{k.judged.probe}/{k.site}": (len(k.judged.fresh), len(k.judged.stale), len(k.absent))
        for k in kept_of(variant)
    }


def test_verify_and_clean_look_after_kept_activations(make: Any) -> None:
    from mi_tiny.code import weights_at

    from mi.engine.clean import clean, plan_cleaning
    from mi.engine.verify import verify
    from mi.store.checkpoints import save_tensors

    variant = make(analyzers=["tiny.means"])
    analyze([variant], keep=[HIDDEN, "hook_logits"])
    analyze([variant], keep=[HIDDEN], keep_dtype="float16", probe="few")
    verdict = verify(variant, sample=30, seed=0)
    assert verdict.findings == []
    assert (verdict.groups, verdict.fresh, verdict.count("equal")) == (5, 25, 25)
    paths = VariantPaths(variant.folder)
    save_tensors(paths.checkpoint(100), weights_at(variant.parameters, 101), {})
    paths.checkpoint(50).unlink()
    assert described(variant) == {
        f"{p}": (4, 1, 1) for p in (f"few/{HIDDEN}", f"full/{HIDDEN}", "full/hook_logits")
    }
    stale = {f.where for f in verify(variant, sample=0, seed=0).findings if f.state == "stale"}
    assert stale == {
        "few/tiny.means",
        "full/tiny.means",
        f"few/keep:{HIDDEN}",
        f"full/keep:{HIDDEN}",
        "full/keep:hook_logits",
    }
    chunk = next(
        f for f in (paths.kept.artifacts / "full" / "hook_logits").rglob("activation/c/**/0") if f.is_file()
    )
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 4
    chunk.write_bytes(data)
    damaged = [f for f in verify(variant, sample=0, seed=0).findings if f.state == "damaged"]
    assert [f.where.split("/c/")[0] for f in damaged] == ["activations.zarr/full/hook_logits/activation"]
    cleaning = plan_cleaning(variant)
    told = {d.place: d.epochs for d in cleaning.drops}
    assert told["activations.zarr/full/hook_hidden@-1"] == (100,)
    clean(cleaning)
    assert plan_cleaning(variant).drops == []
    assert described(variant)[f"full/{HIDDEN}"] == (
        4,
        0,
        1,
    )  # what is left of a checkpoint that is gone stays
    assert [f for f in verify(variant, sample=0, seed=0).findings if f.state != "note"] == []


def test_rows_of_a_large_epoch_are_read_a_few_at_a_time(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mi.engine.kept import KeptReader
    from mi.store import schema

    monkeypatch.setattr(schema, "SHARD_BYTES", 2048)  # so that epochs of this size have a file each
    monkeypatch.setattr(schema, "BATCH_BYTES", 512)
    variant = make((0, 50), analyzers=[], size=31)
    analyze([variant], analyzers=[], keep=["hook_logits"])
    paths = VariantPaths(variant.folder)
    files = [f for f in (paths.kept.artifacts / "full/hook_logits/activation/c").rglob("*") if f.is_file()]
    assert len(files) == 2
    whole = passed(variant, 50, "hook_logits")
    reader, site = KeptReader(paths, "full", 31, "cpu"), Site("hook_logits")
    for low, high in ((0, 31), (0, 1), (5, 9), (30, 31)):
        part = reader.read(50, [site], slice(low, high))["hook_logits"]
        assert part.is_inference()
        assert np.array_equal(part.numpy(), whole[low:high])
    held = xr.open_zarr(paths.kept.artifacts, group="full/hook_logits")["activation"]
    assert np.array_equal(held.sel(epoch=50, x=slice(7, 12)), whole[7:13])


def test_a_notebook_reads_kept_activations(make: Any) -> None:
    import mi

    variant = make(analyzers=[])
    analyze([variant], analyzers=[], keep=["hook_*@-1"])
    lab = mi.open(variant.workspace.root).variant(variant.id)
    found = lab.activations("hook_logits@-1")
    assert np.array_equal(found.sel(epoch=200), passed(variant, 200, "hook_logits")[:, -1])
    with pytest.raises(MiError, match=r"unknown site kept of .*'hook_logits': did you mean hook_logits@-1"):
        lab.activations("hook_logits")
    with pytest.raises(MiError, match="did you mean"):
        lab.activations("hook_hiden@-1")
