"""Site patterns: expanded against the model in natural order, held by the fingerprint, refused in words."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from mi.domain.needs import Derived
from mi.domain.output import Output
from mi.domain.site import Site
from mi.domain.values import Option
from mi.engine.analyze import analyze
from mi.engine.data import Subject
from mi.engine.plan import make_plan
from mi.engine.session import Session
from mi.errors import PlanError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

SEEN: list[list[str]] = []


def every_hook(data: Any, **options: Any) -> dict[str, Any]:
    found = data.sites(options.get("where", "hook_*o*"), -1)
    SEEN.append(list(found))
    return {"energy": sum(t.square().mean() for t in found.values())}


def planned(variant: Any) -> Any:
    session = Session({variant.workspace.root: variant.workspace})
    return make_plan(session, variant, analyzers=["tiny.energy"])


@pytest.fixture
def loose(tiny: Any) -> Any:
    """tiny.energy over every hook with an o: the logits alone."""
    SEEN.clear()
    changes = {"derived": (), "sites": (Site("hook_*o*", -1),), "function": every_hook}
    tiny.ANALYZERS["tiny.energy"] = evolve(tiny.ANALYZERS["tiny.energy"], **changes)
    return tiny


def test_layers_come_in_natural_order() -> None:
    hooks = [f"blocks.{i}.hook_z" for i in (10, 2, 0)] + ["blocks.0.attn.hook_z", "hook_z"]
    found = Site("blocks.*.hook_z", -1).expand(hooks)
    assert [s.key for s in found] == [f"blocks.{i}.hook_z@-1" for i in (0, 2, 10)]
    assert Site("hook_z").expand(hooks) == (Site("hook_z"),)
    assert Site("hook_q").expand(hooks) == Site("blocks*hook_z").expand(hooks) == ()


def test_a_pattern_gives_what_it_matches(make: Any, loose: Any) -> None:
    summary = analyze([make()], analyzers=["tiny.energy"])
    assert summary.failures == []
    assert summary.total.forward_passes == 5
    assert SEEN == [["hook_logits"]] * 5
    assert analyze([make()], analyzers=["tiny.energy"]).total.forward_passes == 0


def test_a_model_with_one_more_hook_is_another_result(make: Any, loose: Any) -> None:
    from mi_tiny.code import Net
    from transformer_lens.hook_points import HookPoint

    before = planned(make()).bench.items["tiny.energy"]
    assert before.globs == {"hook_*o*@-1": ("hook_logits",)}
    build, forward = Net.__init__, Net.forward

    def wider(net: Any, size: int, hidden: int) -> None:
        build(net, size, hidden)
        net.hook_out = HookPoint()
        net.setup()

    Net.__init__ = wider  # the module is thrown away after the test
    Net.forward = lambda net, tokens: net.hook_out(forward(net, tokens))
    after = planned(make()).bench.items["tiny.energy"]
    assert after.globs == {"hook_*o*@-1": ("hook_logits", "hook_out")}
    assert after.identity != before.identity


def test_another_expansion_is_another_identity(make: Any, loose: Any) -> None:
    variant = make()
    wide = planned(variant).bench.items["tiny.energy"].identity
    exact = evolve(loose.ANALYZERS["tiny.energy"], sites=(Site("hook_logits", -1),))
    loose.ANALYZERS["tiny.energy"] = exact
    assert planned(make()).bench.items["tiny.energy"].identity == wide
    loose.ANALYZERS["tiny.energy"] = evolve(exact, sites=(Site("hook_h*", -1),))
    assert planned(make()).bench.items["tiny.energy"].identity != wide


def test_a_pattern_that_matches_nothing_is_refused(make: Any, loose: Any) -> None:
    loose.ANALYZERS["tiny.energy"] = evolve(loose.ANALYZERS["tiny.energy"], sites=(Site("hook_hiden*"),))
    with pytest.raises(PlanError) as caught:
        analyze([make()], analyzers=["tiny.energy"])
    said = "analyzer tiny.energy: site hook_hiden*: no hook of the model matches 'hook_hiden*'; did you mean"
    assert str(caught.value).startswith(said)
    assert "hook_hidden" in str(caught.value)
    assert not VariantPaths(make().folder).artifacts.exists()


def test_an_option_may_name_a_pattern(make: Any, loose: Any) -> None:
    options = {"where": Option(type="str", default="hook_logits")}
    loose.ANALYZERS["tiny.energy"] = evolve(
        loose.ANALYZERS["tiny.energy"], sites=(), site_options=("where",), options=options, function=by_option
    )
    analyze(
        [make(options={"tiny.energy": {"where": "hook_[*@-1"}})], analyzers=["tiny.share"]
    )  # not asked for
    summary = analyze([make(options={"tiny.energy": {"where": "hook_h*@-1"}})], analyzers=["tiny.energy"])
    assert summary.failures == []
    assert SEEN == [["hook_hidden"]] * 5


def by_option(data: Any, where: str) -> dict[str, Any]:
    site = Site.parse(where)
    found = data.sites(site.hook, site.position)
    SEEN.append(list(found))
    return {"energy": sum(t.mean() for t in found.values())}


def test_a_pattern_that_is_not_declared_is_refused(make: Any, loose: Any) -> None:
    loose.ANALYZERS["tiny.energy"] = evolve(loose.ANALYZERS["tiny.energy"], sites=(Site("hook_logits", -1),))
    summary = analyze([make()], analyzers=["tiny.energy"])
    assert "site hook_*o*@-1 is read but not declared" in summary.failures[0].message


def test_a_derived_quantity_may_declare_a_pattern(make: Any, tiny: Any) -> None:
    hidden = Derived(
        id="tiny.loose", version=1, sites=(Site("hook_h*", -1),), function=lambda d: d.sites("hook_h*", -1)
    )

    def energy(data: Any) -> dict[str, Any]:
        return {"energy": data.derived("tiny.loose")["hook_hidden"].mean()}

    changes = {"derived": (hidden,), "function": energy}
    tiny.ANALYZERS["tiny.energy"] = evolve(tiny.ANALYZERS["tiny.energy"], **changes)
    variant = make()
    assert analyze([variant], analyzers=["tiny.energy", "tiny.means"]).failures == []
    store = ArtifactReader(VariantPaths(variant.folder))
    mean = store.at("full", "tiny.means", 100)["mean"].mean()
    assert store.at("full", "tiny.energy", 100)["energy"] == pytest.approx(mean, rel=1e-5)


def test_dimensions_may_come_from_the_models_hooks(make: Any, tiny: Any) -> None:
    """An analyzer that the family does not know finds out how wide the model is."""

    def width(subject: Subject) -> dict[str, range]:
        positions, units = subject.hooks["hook_hidden"]
        return {"place": range(positions), "width": range(units)}

    tiny.ANALYZERS["tiny.energy"] = evolve(
        tiny.ANALYZERS["tiny.energy"],
        derived=(),
        sites=(Site("hook_hidden"),),
        function=lambda data: {"energy": data.site("hook_hidden").mean(0)},
        outputs={"energy": Output(("place", "width"))},
        coordinates=width,
    )
    variant = make()
    assert analyze([variant], analyzers=["tiny.energy"]).failures == []
    energy = ArtifactReader(VariantPaths(variant.folder)).dataset("full", "tiny.energy")["energy"]
    assert energy.dims == ("epoch", "place", "width")
    assert energy.shape == (5, 2, 6)


def test_the_model_is_not_built_where_nobody_asks(make: Any) -> None:
    from mi_tiny.code import MODELS

    variant = make()
    analyze([variant], analyzers=["tiny.energy"])
    built = len(MODELS)
    assert analyze([variant], analyzers=["tiny.energy"]).total.fresh == 5
    assert len(MODELS) == built
