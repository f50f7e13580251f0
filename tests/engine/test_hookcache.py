"""Hooks of a model are remembered between calls, and no longer than they hold."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from mi.domain.output import Output
from mi.domain.site import Site
from mi.engine.analyze import analyze
from mi.engine.plan import make_plan
from mi.engine.session import Session
from mi.engine.sources import packages, source_digest
from mi.store.layout import VariantPaths
from mi.testing import run

SITE = Path(__file__).parent / "site"
PATTERN = "hook_*o*"


def every_hook(data: Any) -> dict[str, Any]:
    """``energy`` of all hooks that the pattern stands for; ``count`` of them."""
    found = data.sites(PATTERN, -1)
    return {"energy": sum(t.square().mean() for t in found.values()), "count": len(found)}


def depths(subject: Any) -> dict[str, Any]:
    """``deep``: as many as the logits are wide."""
    return {"deep": range(subject.hooks["hook_logits"][-1])}


def loosen(tiny: Any) -> None:
    """tiny.energy reads a pattern; tiny.norms asks for the width of a hook."""
    tiny.ANALYZERS["tiny.energy"] = evolve(
        tiny.ANALYZERS["tiny.energy"],
        derived=(),
        sites=(Site(PATTERN, -1),),
        function=every_hook,
        outputs={"energy": Output(()), "count": Output((), "int32", fill=-1)},
    )
    tiny.ANALYZERS["tiny.norms"] = evolve(
        tiny.ANALYZERS["tiny.norms"],
        coordinates=depths,
        outputs={"norm": Output(("deep",))},
        function=lambda data: {"norm": data.weights["outer"].norm(dim=0)},
    )


@pytest.fixture
def edited(make: Any, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``edited({old: new, …})``: the variant, as a process finds it after its family was edited in place.

    The package is a copy of the tiny one under its name; what was imported is forgotten.
    """
    copy = shutil.copytree(SITE, tmp_path / "site", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(copy)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # edits within one second and of one length

    def again(edits: dict[str, str] | None = None, **settings: Any) -> Any:
        file = copy / "mi_tiny" / "code.py"
        text = file.read_text()
        for old, new in (edits or {}).items():
            assert text.count(old) == 1
            text = text.replace(old, new)
        file.write_text(text)
        for name in [n for n in sys.modules if n.startswith("mi_tiny")]:
            del sys.modules[name]
        import mi_tiny

        assert Path(mi_tiny.__file__).is_relative_to(copy)
        loosen(mi_tiny)
        tiny.ANALYZERS.clear()
        tiny.ANALYZERS.update(mi_tiny.ANALYZERS)
        return make(**settings)

    return again


def models() -> int:
    return len(sys.modules["mi_tiny.code"].MODELS) if "mi_tiny.code" in sys.modules else 0


ONE_MORE = {
    "self.calls = []\n": "self.hook_out = HookPoint()\n        self.calls = []\n",
    "self.hook_logits(hidden @ self.outer)": "self.hook_out(self.hook_logits(hidden @ self.outer))",
}


def file_of(variant: Any) -> Path:
    return VariantPaths(variant.folder).hooks


def test_a_fresh_variant_builds_no_model_to_expand_a_pattern(edited: Any) -> None:
    variant = edited()
    assert analyze([variant]).failures == []
    assert models() == 1
    told = json.loads(file_of(variant).read_bytes())["models"]
    assert list(told) == ["2 tokens, float32"]
    assert told["2 tokens, float32"]["hooks"] == {
        "hook_hidden": ["float32", [2, 6]],
        "hook_logits": ["float32", [2, 11]],
        "hook_silent": None,
    }
    summary = analyze([edited()])
    assert (summary.failures, summary.total.computed) == ([], 0)
    assert models() == 0
    item = make_plan(Session(), edited()).bench.items["tiny.energy"]
    assert item.globs == {f"{PATTERN}@-1": ("hook_logits",)}
    assert models() == 0


def test_a_familys_package_edited_in_place_is_asked_again(edited: Any) -> None:
    analyze([edited()])
    plan = make_plan(Session(), edited(ONE_MORE))
    assert models() == 1
    assert plan.bench.items["tiny.energy"].globs == {f"{PATTERN}@-1": ("hook_logits", "hook_out")}
    assert [id for id, work in plan.work.items() if work.stale] == ["tiny.energy"]
    summary = analyze([edited()])
    assert (summary.failures, summary.total.computed) == ([], 5)
    assert analyze([edited()]).total.computed == 0
    assert models() == 0


def spoil(variant: Any) -> None:
    """Remembered by code that is the same, so far as its digest can tell, yet wrong."""
    told = json.loads(file_of(variant).read_bytes())
    told["models"]["2 tokens, float32"]["hooks"]["hook_old"] = ["float32", [2, 3]]
    file_of(variant).write_text(json.dumps(told))


def test_what_no_longer_holds_is_found_where_there_is_a_model(edited: Any) -> None:
    from mi.store.artifacts import ArtifactReader

    variant = edited()
    analyze([variant])
    spoil(variant)
    summary = analyze([edited(epochs=(0, 50, 100, 200, 400, 800))])
    assert summary.failures == []
    assert models() == 1
    assert "hook_old" not in file_of(variant).read_text()
    counts = ArtifactReader(VariantPaths(variant.folder)).dataset("full", "tiny.energy")["count"]
    assert counts.values.tolist() == [1] * 6
    # All six at the new checkpoint, tiny.gap at the five others (another reference), both trajectories.
    assert summary.total.computed == 6 + 5 + 2


def test_a_plan_remembers_nothing_and_a_dry_run_builds_the_model_once(edited: Any) -> None:
    variant = edited()
    make_plan(Session(), variant)
    assert models() == 1
    assert not file_of(variant).exists()
    dry = ("-w", str(variant.workspace.root), "analyze", variant.name, "--dry-run")
    first = run(*dry)
    assert (first.code, models()) == (0, 2)
    edited()
    again = run(*dry)
    assert (again.code, models()) == (0, 0)
    assert again.out == first.out  # batches and what is held over all rows, too
    assert "5 stale, 5 forward passes" in again.out
    assert "memory: " in again.out
    assert analyze([edited()]).total.forward_passes == 5


def test_a_dry_run_by_memory_finds_a_misspelt_site(edited: Any) -> None:
    variant = edited()
    dry = ("-w", str(variant.workspace.root), "analyze", variant.name, "--dry-run")
    run(*dry)
    edited()
    tiny = sys.modules["mi_tiny"].ANALYZERS  # type: ignore[attr-defined]
    tiny["tiny.means"] = evolve(tiny["tiny.means"], sites=(Site("hook_hiden", -1),))
    ran = run(*dry)
    assert (ran.code, models()) == (2, 0)
    assert "site hook_hiden@-1: the model has no hook 'hook_hiden'; did you mean hook_hidden" in ran.out
    tiny["tiny.means"] = evolve(tiny["tiny.means"], sites=(Site("hook_hidden", 5),))
    assert "the position is outside 0..1 of its 2 positions" in run(*dry).out


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"schema": 99, "models": {}}', b'{"schema": 1, "models": [1]}', b"\xff{"]
)
def test_a_damaged_file_is_as_good_as_none(edited: Any, content: bytes) -> None:
    variant = edited()
    analyze([variant])
    before = file_of(variant).read_bytes()
    file_of(variant).write_bytes(content)
    summary = analyze([edited()])
    assert (summary.failures, summary.total.computed) == ([], 0)
    assert file_of(variant).read_bytes() == before


@pytest.mark.parametrize("hooks", [None, [], {"hook_hidden": 3}, {"hook_hidden": ["float32"]}])
def test_a_damaged_table_is_as_good_as_none(edited: Any, hooks: Any) -> None:
    variant = edited()
    analyze([variant])
    told = json.loads(file_of(variant).read_bytes())
    told["models"]["2 tokens, float32"]["hooks"] = hooks
    file_of(variant).write_text(json.dumps(told))
    assert analyze([edited()]).total.computed == 0
    assert models() == 1


def test_what_a_pass_showed_is_remembered_though_nobody_asked(make: Any) -> None:
    variant = make()
    analyze([variant])
    told = json.loads(file_of(variant).read_bytes())["models"]["2 tokens, float32"]
    assert told["hooks"]["hook_logits"] == ["float32", [2, 11]]
    assert told["row_bytes"] == 4 * 2 * (6 + 11)


def test_packages_are_those_of_the_class_and_its_bases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "mi_tiny_base"
    base.mkdir()
    (base / "__init__.py").write_text("")
    (base / "half.py").write_text("class Half:\n    pass\n")
    (tmp_path / "mi_tiny_alone.py").write_text(
        "from mi.domain.code import VariantCode\nfrom mi_tiny_base.half import Half\n"
        "class Whole(Half, VariantCode):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from mi_tiny_alone import Whole

    assert packages(Whole) == ["mi_tiny_alone", "mi_tiny_base"]
    digests = [source_digest(name) for name in packages(Whole)]
    assert len(set(digests)) == 2
    (base / "__pycache__").mkdir(exist_ok=True)
    (base / "__pycache__" / "half.cpython-311.pyc").write_bytes(b"x")
    (base / "sizes.json").write_text("{}")
    assert source_digest("mi_tiny_base") == digests[1]  # what runs is what was read
    assert imported_anew("mi_tiny_base") != digests[1]
    (base / "sizes.json").unlink()
    assert imported_anew("mi_tiny_base") == digests[1]
    assert source_digest("builtins") is source_digest("not.imported") is None


def imported_anew(package: str) -> str | None:
    for name in [n for n in sys.modules if n.startswith(package)]:
        del sys.modules[name]
    importlib.import_module(package)
    return source_digest(package)
