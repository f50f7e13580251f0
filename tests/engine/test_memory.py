"""``--memory``: what does not fit is refused in a sentence before any work, by itself; what streams, runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from mi import Analyzer, Output, Site
from mi.domain.sizes import parse_bytes, said_bytes
from mi.engine import memory
from mi.engine.analyze import analyze
from mi.engine.plan import make_plan
from mi.engine.session import Session
from mi.errors import ParameterError
from mi.store.artifacts import ArtifactReader
from mi.store.commits import Commits
from mi.store.layout import VariantPaths

SIZE, HIDDEN = 2001, 64
PROBE = SIZE * (2 * 8 + 8 + 8 + 2)  # tokens, column, label, two masks
HELD = SIZE * HIDDEN * 4  # hook_hidden at one position
ROW = 8 * (HIDDEN + SIZE) + 8 * 4 + 16  # what one row holds on its way, about


@pytest.fixture
def moments(tiny: Any) -> Analyzer:
    """A streaming analyzer that reads the logits too, which are a hundred times the hidden units."""
    tiny.ANALYZERS["tiny.moments"] = Analyzer(
        id="tiny.moments",
        version=1,
        title="Moments",
        function="mi_tiny.streams:Moments",
        streaming=True,
        sites=(Site("hook_hidden", -1), Site("hook_logits", -1)),
        outputs={
            "mean": Output(("unit",), "float64"),
            "deviation": Output(("unit",), "float64"),
            "right": Output((), "int64", fill=-1),
        },
    )
    return tiny.ANALYZERS["tiny.moments"]  # type: ignore[no-any-return]


def wide(make: Any, analyzers: list[str], **more: Any) -> Any:
    return make(epochs=(0, 400), analyzers=analyzers, size=SIZE, hidden=HIDDEN, **more)


def test_what_does_not_fit_is_refused_by_itself_and_the_others_run(make: Any, moments: Any) -> None:
    variant = wide(make, ["tiny.moments", "tiny.means", "tiny.grid", "tiny.gap", "tiny.norms"])
    summary = analyze([variant], memory=2_000_000)
    # The logits of all rows are 16 MB; the hidden units with the probe, 0.6.
    [failure] = summary.failures
    assert failure.analyzer == "tiny.grid"
    assert failure.message.endswith(
        "it holds 32.1 MB over the probe's 2,001 rows, more than the 2 MB of memory given; choose a probe of "
        "fewer rows, give more (--memory), or use a streaming one"
    )
    assert "analyzer tiny.grid of plugin tiny (mi-tiny 1.0): " in failure.message
    reader = ArtifactReader(VariantPaths(variant.folder))
    for id in ("tiny.moments", "tiny.means", "tiny.gap"):
        assert reader.committed("full", id).keys() == {0, 400}
    assert summary.total.forward_passes == 2


def test_what_needs_a_refused_one_is_refused_too(make: Any, tiny: Any) -> None:
    variant = wide(make, ["tiny.means", "tiny.gap", "tiny.norms"])
    summary = analyze([variant], memory=PROBE + HELD - 1)
    assert [f.analyzer for f in summary.failures] == ["tiny.means", "tiny.gap"]
    assert "tiny.means" in summary.failures[1].message
    assert summary.total.forward_passes == 0
    assert analyze([wide(make, ["tiny.means", "tiny.gap", "tiny.norms"])]).failures == []


def test_asked_for_by_name_too_the_others_run(make: Any, moments: Any) -> None:
    variant = wide(make, ["tiny.moments", "tiny.grid"])
    summary = analyze([variant], analyzers=["tiny.moments", "tiny.grid"], memory=2_000_000)
    assert [f.analyzer for f in summary.failures] == ["tiny.grid"]
    assert "it holds 32.1 MB over the probe's 2,001 rows" in summary.failures[0].message
    assert ArtifactReader(VariantPaths(variant.folder)).committed("full", "tiny.moments").keys() == {0, 400}


def test_a_site_that_cannot_be_kept_in_memory_stops_nobody(make: Any, moments: Any) -> None:
    variant = wide(make, ["tiny.moments"])
    summary = analyze([variant], keep=["hook_logits"], memory=2_000_000)
    [failure] = summary.failures
    assert failure.message.startswith("--keep hook_logits: it holds ")
    assert summary.total.computed == 2


def test_what_is_read_of_kept_activations_must_fit_too(make: Any) -> None:
    variant = wide(make, ["tiny.means"])
    assert analyze([variant], keep=["hook_hidden@-1"]).failures == []
    variant = wide(make, ["tiny.held", "tiny.spread"])
    summary = analyze([variant], memory=PROBE + HELD - 1)
    [failure] = summary.failures
    assert failure.analyzer == "tiny.held"
    assert "it holds 581 kB over the probe's 2,001 rows" in failure.message
    assert (summary.total.forward_passes, summary.total.computed) == (0, 2)  # one that streams
    assert analyze([variant], memory=PROBE + HELD + 10_000).failures == []


def test_in_strict_mode_too_the_others_run(make: Any, moments: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MI_STRICT_PLUGINS", "1")
    summary = analyze([wide(make, ["tiny.moments", "tiny.grid"])], memory=2_000_000)
    assert [f.analyzer for f in summary.failures] == ["tiny.grid"]  # no fault of the plugin's
    assert summary.total.computed == 2


def test_sites_count_once_and_those_that_do_not_fit_together_are_told(make: Any, tiny: Any) -> None:
    logits = Analyzer(
        id="tiny.logits",
        version=1,
        title="Logits",
        function=lambda data: {"top": data.site("hook_logits", -1).max()},
        sites=(Site("hook_logits", -1),),
        outputs={"top": Output(())},
    )
    tiny.ANALYZERS |= {"tiny.logits": logits, "tiny.twice": evolve(logits, id="tiny.twice")}
    variant = wide(make, ["tiny.logits", "tiny.twice", "tiny.means"])
    plan = make_plan(Session(), variant, memory=10**9)
    assert plan.room is not None and plan.broken == {}
    results = HIDDEN * 4 + 2 + 4 + 4
    assert plan.room.held == PROBE + HELD + SIZE * SIZE * 4 + results
    # Each fits, and the two of the logits share them; with the hidden units beside them it is too much.
    plan = make_plan(Session(), variant, memory=PROBE + SIZE * SIZE * 4 + HELD // 2)
    assert list(plan.broken) == ["tiny.means"]
    assert (
        "it holds 581 kB over the probe's 2,001 rows, with what others hold 16.6 MB, more than the 16.3 MB "
        "of memory given; ask for it by itself (--analyzers), or give more (--memory)"
    ) in plan.broken["tiny.means"]


def test_batches_shrink_to_what_is_left_and_say_so(make: Any, moments: Any, tmp_path: Path) -> None:
    def batch(variant: Any, id: str) -> Any:
        [(_, made)] = Commits.of(VariantPaths(variant.folder), "full", id).provenance()
        return made["batch"]

    found = {}
    for given in (None, 10**9, 4_000_000, 100):
        variant = wide(make, ["tiny.moments"], root=tmp_path / str(given))
        assert analyze([variant], memory=given).failures == []
        found[given] = batch(variant, "tiny.moments")
        mean = ArtifactReader(VariantPaths(variant.folder)).at("full", "tiny.moments", 400)["mean"]
        np.testing.assert_allclose(mean, reference(variant), rtol=1e-5)
    assert found[None] == found[10**9] == SIZE  # a batch's size follows from the model, where memory allows
    left = (4_000_000 - PROBE) // 2
    assert left // (4 * ROW) < found[4_000_000] <= left // (ROW // 2)
    assert found[100] == 1


def test_verify_allows_for_other_batches_and_says_so(make: Any, moments: Any) -> None:
    from mi.engine.judge import judge
    from mi.engine.recompute import draw, recompute

    variant = wide(make, ["tiny.moments"])
    assert analyze([variant], memory=100).failures == []
    judged = judge(Session(), variant)
    found = list(recompute(variant, draw(judged, VariantPaths(variant.folder), 2, 0)))
    assert [one.outcome for one in found] == ["near", "near"]  # a product of one row rounds in its own way
    assert "made with batch 1, here 2001" in found[0].why


def reference(variant: Any) -> Any:
    from mi_tiny.code import weights_at

    w = weights_at(variant.parameters, 400)
    return (w["embed"] @ w["inner"]).relu().double().mean(0)


def test_outputs_of_each_row_count(make: Any, row_logits: str) -> None:
    variant = wide(make, [row_logits])
    plan = make_plan(Session(), variant, analyzers=[row_logits], memory=20_000)
    assert plan.work == {}
    assert plan.broken[row_logits] == (
        "model_families/tiny/family.json: analyzer tiny.rows of plugin tiny (mi-tiny 1.0): "
        "output 'top' has a value for each of the probe's 2,001 rows, 24 kB a "
        "checkpoint, more than the 20 kB of memory given; choose a probe of fewer rows, or give more "
        "(--memory)"
    )
    assert make_plan(Session(), variant, analyzers=[row_logits], memory=10**6).work[row_logits].stale


def test_the_command_takes_sizes_and_shows_what_is_held(make: Any, moments: Any) -> None:
    from mi.testing import run

    variant = wide(make, ["tiny.norms", "tiny.means", "tiny.grid"])
    root = str(variant.workspace.root)
    ran = run("-w", root, "analyze", variant.name, "--memory", "2MB", "--dry-run")
    assert ran.code == 2, ran.err  # as the analysis will end
    held = said_bytes(PROBE + HELD + HIDDEN * 4 + 2)
    assert f"memory: {held} held over all rows, of 2 MB; batches of " in ran.out
    assert "tiny.grid of plugin tiny (mi-tiny 1.0): it holds 32.1 MB over the probe's 2,001 rows" in ran.out
    ran = run("-w", root, "analyze", variant.name, "--memory", "2MB")
    assert ran.code == 2
    assert "tiny.grid of plugin tiny (mi-tiny 1.0): it holds 32.1 MB" in ran.err
    assert "2 checkpoints, 2 forward passes, 4 results computed" in ran.out
    ran = run("-w", root, "analyze", variant.name, "--memory", "lots")
    assert (ran.code, ran.err) == (
        2,
        "mi: --memory is 'lots', expected a size such as 512MB, 8GB or 8GiB\n",
    )


@pytest.mark.parametrize(
    "text, size",
    [
        ("512MB", 512 * 10**6),
        ("8GB", 8 * 10**9),
        ("8GiB", 8 * 2**30),
        ("1.5 gib", 3 * 2**29),
        ("20k", 20_000),
        ("7", 7),
        ("2TB", 2 * 10**12),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MB", "8 apples", "-1GB", "0", "0.0001kB", "1e9", "8GBs", "inf"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="expected a size such as 512MB, 8GB or 8GiB"):
        parse_bytes(text)


def test_without_a_word_it_is_half_of_what_is_free_within_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "cgroup" / "outer" / "inner"
    group.mkdir(parents=True)
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    (tmp_path / "own").write_text("0::/outer/inner\n")
    monkeypatch.setattr(memory, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_OWN", tmp_path / "own")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "cgroup")
    assert memory.default_memory("cpu") == 8000 * 1024 // 2
    for folder, limit in ((group, "max"), (group.parent, "3000000")):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("2000000\n")
        (folder / "memory.stat").write_text("anon 5\ninactive_file 500000\n")
    assert memory.default_memory("cpu") == (3_000_000 - 2_000_000 + 500_000) // 2
    (tmp_path / "meminfo").write_text("MemAvailable: 10 kB\n")
    assert memory.default_memory("cpu") == 10 * 1024 // 2


def test_here_it_is_some_of_what_is_built_in() -> None:
    built_in = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < memory.default_memory("cpu") <= built_in // 2


CHILD = """
import json, re, sys
import torch
from mi.domain.workspace import Workspace
from mi.engine.analyze import analyze
torch.set_num_threads(1)
def peak():  # of this process alone, not inherited as ru_maxrss is
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
root, warm, name, ids, memory = sys.argv[1:]
workspace = Workspace.open(root)
analyze([workspace.variant(warm)], analyzers=ids.split(","))  # imports and first touches
before = peak()
summary = analyze([workspace.variant(name)], analyzers=ids.split(","), probe="many", memory=int(memory))
assert not summary.failures, summary.failures
print(json.dumps({"grew": peak() - before, "passes": summary.total.forward_passes}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak as Linux tells it")
def test_the_peak_of_a_streaming_analyzer_stays_far_below_what_the_whole_probe_holds(make: Any) -> None:
    """500,000 rows hold 512 MB of hidden units. In 32 MB they stream; held, they are there all at once."""
    rows, hidden = 500_000, 256
    activations = rows * hidden * 4
    ids = ["tiny.spread", "tiny.held"]
    small, big = (make(epochs=(0,), analyzers=ids, hidden=hidden, seed=seed) for seed in (0, 1))
    folder = big.family.folder
    declared = json.loads((folder / "family.json").read_text())
    declared["probes"]["kinds"].append("core.tokens")
    (folder / "family.json").write_text(json.dumps(declared))
    probe = {"schema": 1, "kind": "core.tokens", "options": {"file": "many.npy"}}
    (folder / "probes" / "many.json").write_text(json.dumps(probe))
    tokens = np.random.RandomState(0).randint(0, 11, (rows, 2))
    np.save(folder / "probes" / "many.npy", tokens.astype(np.uint8))

    def grown(id: str, given: int) -> int:
        words = [sys.executable, "-c", CHILD, str(big.workspace.root), small.name, big.name, id, str(given)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["passes"] == 1
        return int(found["grew"])

    streaming, whole = grown("tiny.spread", 32 * 2**20), grown("tiny.held", 4 * 2**30)
    assert whole > activations
    assert streaming < activations / 4
    reader = ArtifactReader(VariantPaths(big.folder))
    mean = [reader.at("many", id, 0)["mean"] for id in ids]
    np.testing.assert_allclose(mean[0], mean[1], rtol=1e-4)
