"""Every file of a variant, harmed in every way: `mi verify` finds it, or it holds nothing that counts.

And then `mi clean` and `mi analyze` bring back what an undisturbed variant holds, or say what to put back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import define
from unbroken.analyses import ANALYZE, VARIANT
from unbroken.bench import Visible, copied, findings, visible, workspace
from unbroken.net import order
from unbroken.trainings import SCENARIOS as TRAININGS
from unbroken.trainings import TrainingNet
from unbroken.warm import Server

from mi.errors import MiError
from mi.store.integrity import NOTE, Finding
from mi.store.layout import VariantPaths

FREE = (".lock", "log.jsonl", "config.json", "metadata.json")  # of these, below

Harm = Callable[[Path, random.Random], None]


def flip(file: Path, chance: random.Random) -> None:
    """One bit."""
    data = bytearray(file.read_bytes())
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)


def cut(file: Path, chance: random.Random) -> None:
    """The end is missing."""
    data = file.read_bytes()
    file.write_bytes(data[: chance.randrange(len(data))] if data else b"")


def empty(file: Path, chance: random.Random) -> None:
    """As after a loss of power, where nobody flushed."""
    file.write_bytes(b"")


def gone(file: Path, chance: random.Random) -> None:
    """Deleted."""
    file.unlink()


def foreign(file: Path, chance: random.Random) -> None:
    """Something else under its name."""
    file.write_bytes(chance.randbytes(200))


HARMS = (flip, cut, empty, gone, foreign)


@define
class Laid:
    """An analyzed variant, to be copied, and what it holds."""

    place: Path
    truth: Visible
    files: list[str]

    def copy(self) -> tuple[Path, VariantPaths]:
        root = copied(self.place / "start", self.place / "harmed")
        return root, VariantPaths(root / "results" / VARIANT)


@pytest.fixture(scope="module", params=["folder", "packed"])
def laid(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    place: Path = tmp_path_factory.mktemp("attacked")
    paths = workspace(place / "start", range(0, 60, 10))
    keep = () if request.param == "packed" else ("--keep", "hook_hidden@-1")
    assert server.run(order(place / "start", (*ANALYZE, *keep))).code == 0
    if request.param == "packed":
        assert server.run(order(place / "start", ("pack", VARIANT))).code == 0
    assert findings(paths) == []
    files = sorted(str(f.relative_to(paths.root)) for f in paths.root.rglob("*") if f.is_file())
    return Laid(place, visible(paths), [f for f in files if f not in FREE])


def shown(paths: VariantPaths) -> Visible | str:
    """What is visible, or the sentence that is said instead."""
    try:
        return visible(paths)
    except MiError as error:
        return str(error)


def found(paths: VariantPaths) -> list[Finding]:
    """What is wrong and not only worth a note."""
    return [f for f in findings(paths) if f.state != NOTE]


def judge(laid: Laid, paths: VariantPaths, what: str) -> bool:
    """Whether the harm is found; where it is not, everything that is shown is as it was."""
    wrong = found(paths)
    seen = shown(paths)
    if isinstance(seen, str):
        assert wrong, f"{what}: readers meet {seen!r}, and nothing is found"
    elif not wrong:
        for key, held in seen.items():  # a fingerprint that is none any more is stale, which the plan tells
            assert laid.truth[key][1] == held[1], what
    else:
        for key, held in seen.items():
            assert laid.truth[key] == held or laid.truth[key][1] == held[1], what
    return bool(wrong)


def mend(server: Server, root: Path, laid: Laid, paths: VariantPaths, file: str) -> None:
    """Clean and analyze; a checkpoint is put back from a copy first, as the finding says."""
    if file.startswith("checkpoints/"):
        paths.root.joinpath(file).write_bytes(
            (laid.place / "start" / "results" / VARIANT / file).read_bytes()
        )
    output = laid.place / "output"
    output.unlink(missing_ok=True)
    for command in (("clean", VARIANT, "--yes"), ANALYZE):
        ended = server.run(order(root, command, output=output))
        assert ended.code == 0, (file, output.read_text())
    held = visible(paths)
    assert {k: v for k, v in laid.truth.items() if "hook" not in k[0]}.items() <= held.items(), file
    assert held.items() <= laid.truth.items(), file
    assert findings(paths) == [], file


def attacks(laid: Laid, count: int, seed: int) -> Iterator[tuple[str, Harm, random.Random]]:
    """``count`` of them, drawn at random; 0 for every harm of every file."""
    chance = random.Random(seed)
    every = [(file, harm) for file in laid.files for harm in HARMS]
    for file, harm in chance.sample(every, count) if count else every:
        yield file, harm, chance


def test_whatever_is_harmed_is_found_or_does_not_count(laid: Laid) -> None:
    caught, (_, paths) = 0, laid.copy()
    for file, harm, chance in attacks(laid, 60 if len(laid.files) > 12 else 30, seed=1):
        before = (paths.root / file).read_bytes()
        harm(paths.root / file, chance)
        caught += judge(laid, paths, f"{file}: {harm.__name__}")
        (paths.root / file).write_bytes(before)
    assert found(paths) == []
    assert caught > 20


def test_what_was_harmed_is_mended(server: Server, laid: Laid) -> None:
    for file, harm, chance in attacks(laid, 4, seed=2):
        root, paths = laid.copy()
        harm(paths.root / file, chance)
        mend(server, root, laid, paths, file)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_file_harmed_in_every_way_is_found_and_mended(
    server: Server, laid: Laid, record_property: Callable[[str, object], None]
) -> None:
    for file, harm, chance in attacks(laid, 0, seed=3):
        root, paths = laid.copy()
        harm(paths.root / file, chance)
        judge(laid, paths, f"{file}: {harm.__name__}")
        mend(server, root, laid, paths, file)
    record_property("times", len(laid.files) * len(HARMS))


@pytest.mark.parametrize("laid", ["folder"], indirect=True)
def test_chunks_put_in_one_anothers_place_are_found_by_computing_again(
    server: Server, laid: Laid, tmp_path: Path
) -> None:
    """Each is whole by its own checksum."""
    root, paths = laid.copy()
    chunks = sorted((paths.artifacts / "full" / "tiny.means" / "mean").glob("c/*/*"))
    if len(chunks) < 2:
        chunks = sorted((paths.artifacts / "full" / "tiny.means").glob("*/c/0"))
    one, other = (chunks[0].read_bytes(), chunks[-1].read_bytes())
    assert one != other
    chunks[0].write_bytes(other)
    output = tmp_path / "output"
    ended = server.run(order(root, ("verify", VARIANT, "--sample", "100", "--seed", "1"), output=output))
    assert ended.code == 2, output.read_text()


def test_a_training_whose_files_are_harmed_is_found_or_does_not_count(server: Server, tmp_path: Path) -> None:
    net = TrainingNet.lay(TRAININGS[1], server, tmp_path)
    root = net.fresh()
    paths = net.paths(root)
    truth, caught = net.visible(paths), 0
    files = sorted(f for f in paths.root.rglob("*") if f.is_file() and f.name not in FREE)
    chance = random.Random(4)
    for file in files:
        before = file.read_bytes()
        for harm in chance.sample(HARMS, 2):
            harm(file, chance)
            wrong = found(paths)
            caught += bool(wrong)
            if not wrong and file.exists():
                assert {k: v for k, v in net.visible(paths).items() if k[0] == "losses"} == {
                    k: v for k, v in truth.items() if k[0] == "losses"
                }, (file, harm.__name__)
                assert "checkpoints" not in file.parts and "states" not in file.parts, (file, harm.__name__)
            file.write_bytes(before)
    assert found(paths) == []
    assert caught > len(files)
    # A state that is harmed is passed over, and its epochs are trained again to the same bits.
    for harm in (flip, cut, empty):
        root = net.fresh()
        latest = max(net.paths(root).states.iterdir())  # not on the longer training's schedule: kept as it is
        harm(latest, chance)
        harmed = latest.read_bytes()
        assert server.run(order(root, net.scenario.command)).code == 0
        assert net.visible(net.paths(root)) == net.after | {("state", 5): harmed}
        assert [f.where for f in found(net.paths(root))] == [f"states/{latest.name}"]


@pytest.mark.parametrize("laid", ["folder"], indirect=True)
@pytest.mark.parametrize("harm", [cut, empty, gone, foreign], ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", ["log.jsonl", "config.json"])
def test_what_a_variant_says_of_itself_is_refused_in_a_sentence_or_does_without(
    server: Server, laid: Laid, harm: Harm, name: str, tmp_path: Path
) -> None:
    root, paths = laid.copy()
    harm(paths.root / name, random.Random(1))
    for command in (
        ("show", VARIANT),
        ("verify", VARIANT, "--sample", "1", "--seed", "1"),
        ANALYZE,
        ("variants",),
    ):
        output = tmp_path / command[0]
        ended = server.run(order(root, command, output=output))
        assert ended.code in (0, 2), (command, output.read_text())
        assert "Traceback" not in output.read_text()
        if name == "log.jsonl":
            assert ended.code == 0, output.read_text()
