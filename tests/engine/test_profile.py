"""``mi analyze --profile``: seconds that add up, and a trace that Chrome's viewer takes."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi.domain.analyzer import Analyzer
from mi.domain.needs import ArtifactNeed
from mi.domain.output import Output
from mi.engine.analyze import analyze
from mi.engine.profile import REST, STAGES, own_time, profile, trace
from mi.engine.task import STAGES as CLOSING
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.timing import Recording, Timed, recording, timed

EPOCHS = (0, 50, 100, 200, 400)
HAPPEN = [stage for stage in STAGES if stage != "families"]  # the tiny family has no analyzer of that scope


def profiled(variant: Any) -> Recording:
    with recording() as found:
        summary = analyze([variant])
    assert summary.failures == []
    return found


def test_the_main_threads_stages_add_up_to_the_wall_time(make: Any) -> None:
    found = profiled(make())
    told = profile(found)
    stages = [row for row in told.main if not row.part]
    assert [row.stage for row in stages] == [*HAPPEN, REST]  # each in this order, once
    assert sum(row.seconds for row in stages) == pytest.approx(told.seconds, rel=1e-9)
    assert all(row.seconds >= 0 for row in told.main)
    for stage in stages:
        parts = [row for row in told.main if row.stage == stage.stage and row.part]
        if parts:
            assert sum(row.seconds for row in parts) == pytest.approx(stage.seconds)
            assert sum(row.calls for row in parts) == stage.calls
    calls = {row.stage: row.calls for row in stages}
    assert calls["forward"] == len(EPOCHS)  # a pass a checkpoint
    assert told.stage("forward") == next(row.seconds for row in stages if row.stage == "forward")
    assert told.stage("nothing of the kind") == 0


def test_the_reader_and_the_writer_are_told_apart(make: Any) -> None:
    told = profile(profiled(make()))
    assert set(told.others) == {"reader", "writer"}
    assert [(row.stage, row.calls) for row in told.others["reader"]] == [("read", len(EPOCHS))]
    assert {"encode", "fsync", "commit"} <= {row.stage for row in told.others["writer"]}


def test_each_analyzer_has_its_calls_and_its_bytes(make: Any, tiny: Any) -> None:
    variant = make()
    told = profile(profiled(variant))
    shares = {share.analyzer: share for share in told.analyzers}
    assert shares.keys() == tiny.ANALYZERS.keys()
    reader = ArtifactReader(VariantPaths(variant.folder))
    for id, analyzer in tiny.ANALYZERS.items():
        data = reader.dataset("full", id)
        assert shares[id].bytes == sum(data[name].nbytes for name in data.data_vars), id
        assert shares[id].calls == (len(EPOCHS) if analyzer.scope == "checkpoint" else 1), id
        assert shares[id].function > 0, id
        assert shares[id].writing > 0, id
    asked = [one for one in told.main if one.stage == "derived" and one.part]
    assert asked
    assert sum(share.derived for share in shares.values()) == pytest.approx(told.stage("derived"))


def test_an_analyzer_over_variants_has_a_stage_of_its_own(make: Any, tiny: Any) -> None:
    tiny.ANALYZERS["tiny.ends"] = Analyzer(
        id="tiny.ends",
        version=1,
        title="Where variants end",
        function=lambda data: {
            "end": [float(data.artifacts["tiny.path"][n]["total"]) for n in data.variants]
        },
        scope="family",
        artifacts=(ArtifactNeed("tiny.path", at="all"),),
        outputs={"end": Output(("variant",), "float64")},
    )
    told = profile(profiled(make()))
    [share] = [one for one in told.analyzers if one.analyzer == "tiny.ends"]
    assert (share.calls, share.bytes) == (1, 8)
    assert share.function == pytest.approx(told.stage("families", "function"))
    assert share.writing == pytest.approx(told.stage("families", "write"))


def test_a_kept_site_is_one_row_with_its_bytes(make: Any) -> None:
    with recording() as found:
        analyze([make(analyzers=["tiny.means"])], keep=["hook_hidden@-1"])
    rows = {share.analyzer: share for share in profile(found).analyzers}
    assert rows.keys() == {"tiny.means", "keep:hook_hidden@-1"}
    kept = rows["keep:hook_hidden@-1"]
    assert (kept.calls, kept.bytes) == (len(EPOCHS), len(EPOCHS) * 11 * 6 * 4)
    assert kept.writing > 0


def test_a_fresh_variant_has_no_pass_to_show(make: Any) -> None:
    variant = make()
    analyze([variant])
    told = profile(profiled(variant))
    assert {row.stage for row in told.main} == {"plan", "write", "trajectories", "tidy", REST}
    assert told.analyzers == ()
    assert told.others == {}


def test_what_fails_is_in_the_profile_too(make: Any, tiny: Any) -> None:
    from attrs import evolve

    def broken(data: Any) -> Any:
        raise RuntimeError("no")

    tiny.ANALYZERS["tiny.means"] = evolve(tiny.ANALYZERS["tiny.means"], function=broken)
    with recording() as found:
        summary = analyze([make()], analyzers=["tiny.means"])
    assert summary.failures
    [share] = profile(found).analyzers
    assert (share.analyzer, share.calls, share.bytes) == ("tiny.means", len(EPOCHS), 0)


def check_trace(data: Any) -> dict[str, list[dict[str, Any]]]:
    """A Trace Event Format object with complete and metadata events alone; thread's name -> complete events.

    Fields as documented: ``ph`` X has ``ts`` and ``dur`` in microseconds, ``pid`` and ``tid`` whole numbers;
    X events of one thread lie inside one another or apart.
    """
    assert data["displayTimeUnit"] in ("ms", "ns")
    names: dict[int, str] = {}
    events: dict[int, list[dict[str, Any]]] = {}
    pids = set()
    for event in data["traceEvents"]:
        assert isinstance(event["name"], str) and event["name"]
        assert type(event["pid"]) is int and type(event["tid"]) is int
        assert isinstance(event["args"], dict)
        pids.add(event["pid"])
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name", "thread_sort_index")
            if event["name"] == "thread_name":
                assert event["tid"] not in names
                names[event["tid"]] = event["args"]["name"]
            continue
        assert event["ph"] == "X"
        assert isinstance(event["cat"], str)
        assert event["ts"] >= 0 and event["dur"] >= 0
        events.setdefault(event["tid"], []).append(event)
    assert len(pids) == 1
    assert events.keys() <= names.keys()
    for of_thread in events.values():
        around: list[float] = []
        for event in sorted(of_thread, key=lambda e: (e["ts"], -e["dur"])):
            end = event["ts"] + event["dur"]
            while around and around[-1] <= event["ts"]:
                around.pop()
            assert not around or end <= around[-1] + 1e-3  # a nanosecond: sums of decimals round
            around.append(end)
    return {names[tid]: of_thread for tid, of_thread in events.items()}


def test_the_trace_is_one_that_chromes_viewer_takes(make: Any) -> None:
    found = profiled(make())
    threads = check_trace(json.loads(json.dumps(trace(found))))
    assert set(threads) == {"main", "reader", "writer"}
    whole = next(e for e in threads["main"] if e["name"] == "mi analyze")
    assert whole["ts"] == 0
    assert whole["dur"] == pytest.approx((found.end - found.start) / 1e3)
    assert all(e["ts"] + e["dur"] <= whole["dur"] + 1e-3 for of in threads.values() for e in of)
    assert [e["args"]["epoch"] for e in threads["reader"]] == sorted(EPOCHS, key=lambda e: (e != 400, e))
    functions = [e for e in threads["main"] if e["cat"] == "functions"]
    assert {e["args"]["epoch"] for e in functions} == set(EPOCHS)  # epoch 0 is an epoch
    assert "tiny.means" in {e["args"]["analyzer"] for e in functions}
    by_analyzer = {
        (e["args"]["analyzer"], e["args"]["bytes"]) for e in threads["writer"] if "bytes" in e["args"]
    }
    assert by_analyzer and all(size > 0 for _, size in by_analyzer)


@given(st.data())
def test_own_times_add_up_whatever_the_nesting(data: Any) -> None:
    found: list[Timed] = []

    def grow(start: int, end: int, depth: int) -> None:
        cuts = sorted(data.draw(st.lists(st.integers(start, end), max_size=4, unique=True)))
        for low, high in zip(cuts[::2], cuts[1::2], strict=False):
            found.append(Timed("s", "", None, "", 0, "main", low, high))
            if depth:
                grow(low, high, depth - 1)

    grow(0, 1000, 3)
    own = own_time(data.draw(st.permutations(found)))
    covered = np.zeros(1000, bool)
    for one in found:
        covered[one.start : one.end] = True
    assert sum(spent for _, spent in own) == covered.sum()
    assert all(0 <= spent <= one.end - one.start for one, spent in own)


def test_threads_of_other_names_keep_them() -> None:
    def work() -> None:
        with timed("sum"):
            pass

    with recording() as found:
        thread = threading.Thread(target=work, name="somebody's")
        thread.start()
        thread.join()
    assert set(profile(found).others) == {"somebody's"}
    assert set(check_trace(trace(found))) == {"main", "somebody's"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is typed in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)


def test_the_command_prints_tables_and_says_where_the_trace_is(make: Any, mi: Any, here: None) -> None:
    variant = make()
    ran = mi(variant, "analyze", variant.name, "--profile")
    assert ran.code == 0
    assert "trace: mi-profile.json" in ran.out
    assert [path.name for path in Path().iterdir()] == ["mi-profile.json"]  # and no part of it
    assert set(check_trace(json.loads(Path("mi-profile.json").read_text()))) == {"main", "reader", "writer"}
    lines = [line.split() for line in ran.out.splitlines()]
    heads = [words[0] for words in lines if words]
    for name in (*HAPPEN, *CLOSING, REST, "wall", "reader:", "writer:", "tiny.means", "tiny.path"):
        assert name in heads, name
    shares = {words[0]: float(words[words.index("%") - 1]) for words in lines if "%" in words}
    assert shares.pop("wall") == 100
    assert shares.keys() == {*CLOSING, REST}  # the stages of the closing line
    assert sum(shares.values()) == pytest.approx(100, abs=0.06 * len(shares))
    assert ran.out.splitlines()[-1].startswith("5 checkpoints, 5 forward passes")


def test_the_trace_goes_where_it_is_told(make: Any, mi: Any, here: None) -> None:
    variant = make()
    ran = mi(variant, "analyze", "--profile=there.json", variant.name)
    assert ran.code == 0
    assert "trace: there.json" in ran.out
    check_trace(json.loads(Path("there.json").read_text()))
    assert mi(variant, "analyze", variant.name).out.count("trace:") == 0


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("n11_seed0", "expected a file whose name ends in .json (for the default, name the variants before"),
        ("nowhere/x.json", "there is no folder nowhere, expected a file in a folder that is there"),
        ("folder.json", "it is a folder, expected a file in a folder that is there"),
        ("/proc/x.json", "the folder /proc cannot be written ("),
    ],
)
def test_a_trace_that_cannot_be_is_refused_before_any_work(
    make: Any, mi: Any, here: None, file: str, said: str
) -> None:
    variant = make()
    Path("folder.json").mkdir()
    for more in ([], ["--dry-run"]):
        ran = mi(variant, "analyze", variant.name, "--profile", file, *more)
        assert (ran.code, ran.out) == (2, "")
        assert f"--profile {file!r}: {said}" in ran.err
    assert not VariantPaths(variant.folder).artifacts.exists()
