"""Bytes, files and reading: our store against a compressed npz an analyzer and epoch, with the same results.

    python benchmarks/reading.py [--prime 17] [--checkpoints 12] [--rounds 2] [--looks 5] [--threads N]
[--full]

The npz layout is written from our store, so that both hold the same numbers at the same precision.
Reading is
timed with the operating system's page cache warm, and cold: before each cold look the pages of all files on
both sides are dropped, and whether that worked is measured.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common import FAMILY, begin, make_variant, place, publish, span, tell, verdict

FULL = {"prime": 113, "checkpoints": 95, "rounds": 5, "looks": 20, "stride": 10}
FASTER = 10
FIRST, OPENED = "opened for the first time", "opened for it"
HELD, LAZY, PAGE = "held open", "an xarray dataset held open", "an open page, from memory"
ONE = "one epoch of all panels"
SMALL = ("modular_arithmetic.progress_measures", "restricted_loss_test")
VECTOR = ("modular_arithmetic.logit_spectrum", "trig_coefficient")
MATRIX = ("modular_arithmetic.neuron_frequencies", "fraction")


def drop(files: Sequence[Path]) -> None:
    """Have the page cache forget these files."""
    for path in files:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def resident(files: Sequence[Path]) -> float:
    """Share of the files' pages that the page cache holds."""
    libc, page = ctypes.CDLL(None, use_errno=True), mmap.PAGESIZE
    held = there = 0
    for path in files:
        length = path.stat().st_size
        if not length:
            continue
        with path.open("r+b") as file, mmap.mmap(file.fileno(), length) as view:
            pages = (ctypes.c_ubyte * -(-length // page))()
            start = (ctypes.c_char * length).from_buffer(view)
            libc.mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(length), pages)
            held, there = held + sum(one & 1 for one in pages), there + len(pages)
            del start
    return held / max(there, 1)


class Looks:
    """What a report asks of the store, and the same of the npz layout."""

    def __init__(self, variant: Any, folder: Path) -> None:
        from mi.domain.values import check_options
        from mi.store.artifacts import ArtifactReader
        from mi.store.layout import VariantPaths
        from mi.views.data import DataSource
        from mi.views.frames import make_frames

        self.variant, self.folder, self.probe = variant, folder, variant.family.default_probe
        self.paths = VariantPaths(variant.folder)
        family, offered = variant.family, variant.workspace.host.visualizations(variant.family)
        placed = variant.workspace.report(family, "default").panels
        placed = [p for p in placed if offered[p.visualization].reads]  # losses are no artifacts
        self.panels = [offered[p.visualization] for p in placed]
        self.reads = sorted({id for panel in self.panels for id in panel.reads})
        reader = ArtifactReader(self.paths)
        self.epochal = {id for id in self.reads if reader.committed(self.probe, id)}
        self.epochs = sorted(reader.committed(self.probe, SMALL[0]))
        source = DataSource.of(variant)
        data: dict[str, Any] = {panel.id: source.data(panel) for panel in self.panels}
        self.loaded = {id: d for held in data.values() for id, d in held.artifacts.items()}
        self.frames = []
        for panel, placing in zip(self.panels, placed, strict=True):
            chosen = {**family.use("visualization", panel.id).options, **placing.options}
            self.frames.append(
                make_frames(data[panel.id], panel, check_options(panel.id, panel.options, chosen))
            )
        self.lazy = {id: reader.dataset(self.probe, id) for id in self.reads}
        self.held = {id: reader.open(self.probe, id) for id in self.reads}

    # One epoch of everything that the panels read; each array's values are really there at the end.

    def npz_epoch(self, epoch: int) -> int:
        import plain

        return sum(
            values.nbytes
            for id in self.reads
            for values in plain.read(
                plain.npz(self.folder, id, epoch if id in self.epochal else None)
            ).values()
        )

    def store_epoch(self, epoch: int) -> int:
        from mi.store.artifacts import ArtifactReader

        reader = ArtifactReader(self.paths)
        found = [reader.at(self.probe, id, epoch) for id in self.reads]
        return sum(values.nbytes for arrays in found for values in arrays.values())

    def first_epoch(self, epoch: int) -> int:
        """With nothing known of the groups: a process's first look."""
        from mi.store import commits, groups

        groups._SEEN.clear()
        commits._SEEN.clear()
        return self.store_epoch(epoch)

    def held_epoch(self, epoch: int) -> int:
        """From groups that stay open and hold small chunks that were decoded before."""
        found = [held.at(epoch) for held in self.held.values()]
        return sum(values.nbytes for arrays in found for values in arrays.values())

    def lazy_epoch(self, epoch: int) -> int:
        """From datasets that stay open and hold no values."""
        total = 0
        for id, data in self.lazy.items():
            there = data.isel(epoch=self.epochs.index(epoch)) if id in self.epochal else data
            total += sum(v.copy(deep=False).values.nbytes for v in there.data_vars.values())
        return total

    def page_epoch(self, epoch: int) -> int:
        """What the server holds of a page that is open: each panel's frame, ready to be drawn."""
        return sum(len(frames.exact(epoch)) for frames in self.frames)

    # All epochs of everything: what opening a page costs.

    def npz_everything(self, _: int) -> int:
        import numpy as np
        import plain

        total = 0
        for id in self.reads:
            epochs = self.epochs if id in self.epochal else [None]
            parts = [plain.read(plain.npz(self.folder, id, epoch)) for epoch in epochs]
            total += sum(np.stack([part[name] for part in parts]).nbytes for name in parts[0])
        return total

    def page_everything(self, _: int) -> int:
        from mi.views.data import DataSource

        source = DataSource.of(self.variant)
        once: dict[str, Any] = {}
        for panel in self.panels:
            once |= source.data(panel).artifacts  # type: ignore[union-attr]
        return sum(v.values.nbytes for data in once.values() for v in data.data_vars.values())

    # One array over all epochs.

    def npz_path(self, id: str, name: str) -> int:
        import numpy as np
        import plain

        values = []
        for epoch in self.epochs:
            with np.load(plain.npz(self.folder, id, epoch)) as file:
                values.append(file[name])
        return int(np.stack(values).nbytes)

    def store_path(self, id: str, name: str) -> int:
        from mi.store.artifacts import ArtifactReader

        return int(ArtifactReader(self.paths).dataset(self.probe, id)[name].values.nbytes)

    def lazy_path(self, id: str, name: str) -> int:
        return int(self.lazy[id][name].copy(deep=False).values.nbytes)

    def page_path(self, id: str, name: str) -> int:
        return int(self.loaded[id][name].values.nbytes)


Questions = Mapping[str, tuple[Callable[[int], int], Mapping[str, Callable[[int], int]]]]


def questions(looks: Looks) -> Questions:
    """Question -> how the npz layout answers, and our ways by name."""
    asked: dict[str, Any] = {
        ONE: (
            looks.npz_epoch,
            {
                FIRST: looks.first_epoch,
                OPENED: looks.store_epoch,
                HELD: looks.held_epoch,
                LAZY: looks.lazy_epoch,
                PAGE: looks.page_epoch,
            },
        ),
        "all epochs of all panels": (looks.npz_everything, {"opening a page": looks.page_everything}),
    }
    for label, (id, name) in {"a number": SMALL, "a vector": VECTOR, "a matrix": MATRIX}.items():
        asked[f"{label} over all epochs (`{name}`)"] = (
            lambda _, id=id, name=name: looks.npz_path(id, name),
            {
                OPENED: lambda _, id=id, name=name: looks.store_path(id, name),
                LAZY: lambda _, id=id, name=name: looks.lazy_path(id, name),
                PAGE: lambda _, id=id, name=name: looks.page_path(id, name),
            },
        )
    return asked


def measure(
    looks: Looks, asked: Questions, given: Any, files: Sequence[Path]
) -> tuple[list[list[str]], dict[str, float], float]:
    """Rows of the table; question and way -> ratio, warm and cold; share of pages that were not dropped."""
    dice = random.Random(0)
    rows, ratios, stayed = [], {}, 0.0
    for question, (plain_way, ours) in asked.items():
        ways = {"npz": plain_way, **ours}
        few = max(given.looks // 5, 2) if "all epochs" in question else given.looks
        for cold in (False, True):
            seconds: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(given.rounds):
                walk = [dice.choice(looks.epochs) for _ in range(few)]
                for way, look in ways.items():
                    times: list[float] = []
                    for epoch in walk:
                        if cold:
                            drop(files)
                            stayed = max(stayed, resident(files) if not times else 0.0)
                        start = time.perf_counter()
                        look(epoch)
                        times.append(time.perf_counter() - start)
                    seconds[way].append(statistics.median(times))
            middle = {way: statistics.median(times) for way, times in seconds.items()}
            for way in ours:
                ratio = middle["npz"] / middle[way]
                ratios[f"{question}|{way}|{'cold' if cold else 'warm'}"] = ratio
                state = "cold" if cold else "warm"
                rows.append(
                    [f"{question}, {state}", way, span(middle["npz"]), span(middle[way]), f"{ratio:.1f}"]
                )
            tell(f"{question}, {'cold' if cold else 'warm'}")
    return rows, ratios, stayed


def main(argv: Sequence[str] | None = None) -> None:
    given = begin(__doc__, FULL, argv, prime=17, checkpoints=12, looks=5, stride=1)
    with place() as folder:
        from chunks import compared
        from store import Sizes, arrays_of, sizes, write_npz

        from mi.engine.analyze import analyze
        from mi.store.layout import VariantPaths
        from mi.store.pack import pack

        variant = make_variant(
            folder / "workspace", given.checkpoints, stride=given.stride, prime=given.prime
        )
        tell("analyzing")
        summary = analyze([variant], device=given.device)
        assert not summary.failures, summary.failures
        write_npz(variant, folder / "npz")
        subprocess.run(["sync", "--file-system", str(folder)], check=True)  # only clean pages can be dropped
        paths = VariantPaths(variant.folder)
        ours, theirs = Sizes([paths.artifacts, paths.commits]), Sizes([folder / "npz"])
        looks = Looks(variant, folder / "npz")
        rows, ratios, stayed = measure(looks, questions(looks), given, [*ours.files, *theirs.files])
        arrays, codecs = arrays_of(variant), compared(variant)
        pack(paths)
        packed = Sizes([paths.commits], [paths.packed])
        looks = Looks(variant, folder / "npz")
        asked = {f"{ONE}, packed": (looks.npz_epoch, {FIRST: looks.first_epoch, HELD: looks.held_epoch})}
        more = measure(looks, asked, given, [*packed.files, *theirs.files])
        publish(given, "store", sizes(given, ours, packed, theirs, arrays, codecs))
        publish(given, "reading", report(given, looks, [*rows, *more[0]], ratios, stayed))


def report(
    given: Any,
    looks: Looks,
    rows: list[list[str]],
    ratios: Mapping[str, float],
    stayed: float,
) -> str:
    head = ["question", "our way", "npz", "ours", "ratio"]
    body = ["| " + " | ".join(line) + " |" for line in [head, ["---", "---", "---:", "---:", "---:"], *rows]]
    checks = []
    path = f"a number over all epochs (`{SMALL[1]}`)"
    for question, way in (
        (ONE, FIRST),
        (ONE, OPENED),
        (ONE, HELD),
        (ONE, PAGE),
        (path, OPENED),
        (path, LAZY),
        (path, PAGE),
    ):
        both = [ratios[f"{question}|{way}|{state}"] for state in ("warm", "cold")]
        checks.append(
            f"- {question}, {way}: {both[0]:.1f} × warm ({verdict(both[0] >= FASTER)}), "
            f"{both[1]:.1f} × cold ({verdict(both[1] >= FASTER)})."
        )
    return f"""## Reading

{FAMILY}, p = {given.prime}, {given.checkpoints} checkpoints, default report: {len(looks.panels)} panels \
that read \
{len(looks.reads)} analyzers; random epochs, {given.looks} looks a round, medians of {given.rounds} \
alternating rounds. \
{given.machine}

{chr(10).join(body)}

Cold: `posix_fadvise(DONTNEED)` on every file of both layouts before each look; {100 * stayed:.0f} % of
their pages stayed. Opened for the first time: nothing is known of the groups. Opened for it: a new reader in
a process that has read the groups before, so that it knows their metadata; it holds no values. Held open:
metadata and coordinates, and up to 32 MiB a group of decoded chunks that hold several epochs, so small
results; the others are read each time. An xarray dataset held open is the same behind xarray's own indexing.
An open page holds arrays and frames in memory, as `mi serve` does, after "opening a page"; it reads nothing,
warm or cold, while a script over the npz layout reads again.

Target: {FASTER} × faster.

{chr(10).join(checks)}"""


if __name__ == "__main__":
    main()
