"""What the benchmarks share: something to measure, a clock, tables, and their sections of README.md.

A section of README.md lies between ``<!-- name -->`` and ``<!-- /name -->``; the benchmark of that name
rewrites it and nothing else.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as `mi` sets it, before torch

from attrs import frozen

if TYPE_CHECKING:
    from mi.domain.workspace import Variant

FAMILY = "modular_addition_1layer"
PLUGINS = ("fourier_library", "geometry_library", "modular_arithmetic")
README = Path(__file__).with_name("README.md")
VERSIONS = ("mi-core", "torch", "transformer-lens", "numpy", "zarr", "xarray")


@frozen
class Took:
    """Seconds on the clock, and on the processors (all threads, and children that ended)."""

    clock: float
    processors: float


def timed(call: Callable[[], Any]) -> Took:
    start = time.perf_counter(), _processors()
    call()
    return Took(time.perf_counter() - start[0], _processors() - start[1])


def _processors() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def median(values: Sequence[Took]) -> Took:
    """Medians of both clocks, each by itself."""
    return Took(
        *(statistics.median(one) for one in zip(*((t.clock, t.processors) for t in values), strict=True))
    )


def alternate(ways: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Took]:
    """Medians over rounds in which every way has its turn, so that what disturbs one disturbs all."""
    found: dict[str, list[Took]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            found[name].append(timed(way))
            tell(f"round {number + 1} of {rounds}: {name}, {found[name][-1].clock:.2f} s")
    return {name: median(all_of) for name, all_of in found.items()}


def tell(line: str) -> None:
    """Progress, on standard error."""
    import sys

    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown; the first column is text, all others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def span(seconds: float) -> str:
    """Seconds for people, three digits."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def verdict(reached: bool) -> str:
    """Whether a target is met, in one word."""
    return "met" if reached else "**missed**"


class Machine:
    """Where the numbers come from, in words; other work on it shows as load."""

    def __init__(self, threads: int = 1, device: str = "cpu") -> None:
        self.threads, self.device = threads, device
        self.before = os.getloadavg()[0]

    def __str__(self) -> str:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        has = "no accelerator" if self.device == "cpu" else self.device
        made = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
        shared = f"load average {self.before:.1f} before, {os.getloadavg()[0]:.1f} after" + (
            ": a shared machine, other work was running" if self.before > 0.5 else ""
        )
        return (
            f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB of memory, {has}, "
            f"{self.threads} torch thread{'s' if self.threads > 1 else ''}; "
            f"Python {platform.python_version()}, {made}; {shared}."
        )


def rewrite(readme: Path, section: str, text: str) -> None:
    """Put ``text`` between the section's markers; a section that is not there yet goes to the end."""
    head, tail = f"<!-- {section} -->", f"<!-- /{section} -->"
    old = readme.read_text(encoding="utf-8") if readme.exists() else ""
    new = f"{head}\n\n{text.strip()}\n\n{tail}"
    if head in old and tail in old:
        before, rest = old.split(head, 1)
        new = before + new + rest.split(tail, 1)[1]
    else:
        new = f"{old.rstrip()}\n\n{new}\n".lstrip()
    readme.write_text(new, encoding="utf-8")


def begin(
    doc: str | None, full: Mapping[str, Any], argv: Sequence[str] | None = None, **more: Any
) -> argparse.Namespace:
    """What all benchmarks take, parsed; ``--full`` sets ``full`` and rewrites README.md.

    Torch's threads are set, and ``machine`` is where the numbers will come from.

    Args:
        doc: the script's docstring.
        full: option -> its value under ``--full``, where it is not given.
        argv: the words; None for the command's.
        more: option -> its small default.
    """
    import torch

    small = {"rounds": 2, "threads": None, "device": "cpu", **more}
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    told = ", ".join(f"{name} {value}" for name, value in full.items())
    parser.add_argument(
        "--full", action="store_true", help=f"the setting of README.md ({told}), and write it"
    )
    parser.add_argument("--readme", type=Path, help="write the section there")
    for name, value in small.items():
        parser.add_argument(
            f"--{name}", type=type(value) if value is not None else int, help=f"default: {value}"
        )
    given = parser.parse_args(argv)
    for name, value in {**small, **(full if given.full else {})}.items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    given.threads = given.threads or torch.get_num_threads()
    torch.set_num_threads(given.threads)
    if given.full and given.readme is None:
        given.readme = README
    given.machine = Machine(given.threads, given.device)
    return given


def publish(given: argparse.Namespace, section: str, text: str) -> None:
    """Print a section, and write it where it belongs."""
    print(text)
    if given.readme is not None:
        rewrite(given.readme, section, text)


@contextmanager
def place(*plugins: str) -> Iterator[Path]:
    """A folder for one benchmark, with the family's plugins, the named ones, and nothing of the user's."""
    from mi.testing.workspace import isolated

    with tempfile.TemporaryDirectory() as folder, isolated(Path(folder) / "home", *PLUGINS, *plugins):
        yield Path(folder)


def make_variant(
    root: Path,
    checkpoints: int,
    *,
    stride: int = 1,
    given: Mapping[str, Any] | None = None,
    local: Sequence[str] = (),
    **parameters: Any,
) -> Variant:
    """A variant of the family with ``checkpoints`` checkpoints, ``stride`` optimizer steps apart.

    Args:
        root: of a new workspace.
        checkpoints, stride: of the training; analyses cost the same however far it went.
        given: further plugins by name.
        local: modules of this folder that the workspace has as local plugins.
        parameters: domain parameters.
    """
    from mi.domain.scaffold import add_family, create_workspace
    from mi.domain.workspace import Workspace
    from mi.plugins import API_VERSION
    from mi.testing.workspace import isolated_host
    from mi.training import train

    create_workspace(root)
    for name in local:
        plugin = root / "local_plugins" / f"{name}.py"
        plugin.parent.mkdir(exist_ok=True)
        plugin.write_text(f'from {name} import *\n\nMI_API = "{API_VERSION}"\n')
    host = isolated_host(root / ".home", *PLUGINS, *local, *(given or {}), root=root, given=given)
    workspace = Workspace(root, host)
    add_family(workspace, FAMILY)
    variant = workspace.declare(workspace.family(FAMILY), {"train_fraction": 0.5, **parameters})
    last = (checkpoints - 1) * stride
    train(variant, epochs=last, schedule=f"0:{last}:{stride}" if last else "0")
    return variant
