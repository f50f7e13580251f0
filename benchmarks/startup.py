"""How long a command takes to start: the light ones against a bare interpreter and against one heavy import.

    python benchmarks/startup.py [--rounds 21] [--slow 3]

Every command is a process of its own, all in turn in every round (the slow ones in the first rounds only), so
that what disturbs one disturbs all. Writes the table benchmarks/startup.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

from common import Machine, Took, table, tell, timed, verdict

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "benchmarks" / "startup.md"
MI = "import sys; sys.argv[0] = 'mi'; from mi.cli import main; main()"  # what the script `mi` does
BARE, HEAVY, TARGET = "python -c pass", "python -c 'import transformer_lens'", 0.3
COMMANDS = {
    BARE: ["-c", "pass"],
    "mi --version": ["-c", MI, "--version"],
    "mi --help": ["-c", MI, "--help"],
    "mi plugins": ["-c", MI, "plugins"],
    "mi variants": ["-c", MI, "variants"],
    "mi plugins --check": ["-c", MI, "plugins", "--check"],
    HEAVY: ["-c", "import transformer_lens"],
}
SLOW = ("mi plugins --check", HEAVY)


def measure(rounds: int, slow: int) -> dict[str, list[Took]]:
    """Command -> what each of its processes took; one more before the first round is not counted."""
    found: dict[str, list[Took]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as home:
        # The records of the last load go here, and the warm-up makes them.
        environ = {**os.environ, "MI_HOME": home, "MI_WORKSPACE": str(ROOT)}

        def run(arguments: list[str]) -> None:
            command = [sys.executable, *arguments]
            subprocess.run(command, stdout=subprocess.DEVNULL, cwd=home, env=environ, check=True)

        for name, arguments in COMMANDS.items():
            tell(f"warm-up: {name}")
            run(arguments)
        for number in range(rounds):
            for name, arguments in COMMANDS.items():
                if name not in SLOW or number < slow:
                    found[name].append(timed(lambda arguments=arguments: run(arguments)))  # type: ignore[misc]
            tell(f"round {number + 1} of {rounds}")
    return found


def report(found: dict[str, list[Took]], machine: Machine) -> str:
    """The table, and what to think of it."""
    bare = {which: _middle(found[BARE], which) for which in ("clock", "processors")}
    rows = []
    for name, all_of in found.items():
        clock, processors = _middle(all_of, "clock"), _middle(all_of, "processors")
        low, high = _quartiles([took.clock for took in all_of])
        ratio = f"{processors / bare['processors']:.1f}"
        noise = f"{1e3 * low:.0f}–{1e3 * high:.0f}"
        rows.append([f"`{name}`", f"{1e3 * clock:.0f}", noise, f"{1e3 * processors:.0f}", ratio, len(all_of)])
    low, high = _quartiles([took.clock for took in found[BARE]])
    plugins = [e.name for e in entry_points(group="mi.plugins")]
    lines = [
        "# Start-up",
        "",
        "Written by `benchmarks/startup.py`: medians of processes of their own, taken in turn,",
        f"with {len(plugins)} plugins installed ({', '.join(sorted(plugins))}).",
        "",
        table(
            ["command", "clock, ms", "quartiles", "processors, ms", "× bare interpreter", "processes"], rows
        ),
        "",
        *_targets(found),
        "",
        f"How noisy it was: half of the bare interpreters took {1e3 * low:.0f} to {1e3 * high:.0f} ms. What",
        "else runs lengthens the clock many times over, time on the processors by some, their ratio least.",
        str(machine),
        "",
    ]
    return "\n".join(lines)


def _targets(found: dict[str, list[Took]]) -> list[str]:
    said = []
    for name in ("mi --help", "mi plugins"):
        clock, processors = _middle(found[name], "clock"), _middle(found[name], "processors")
        by = f"{clock:.2f} s on the clock: {verdict(clock < TARGET)}; {processors:.2f} s on the processors"
        said.append(f"- `{name}` under {TARGET} s: {by}: {verdict(processors < TARGET)}.")
    ratio = _middle(found[HEAVY], "processors") / _middle(found["mi plugins"], "processors")
    said.append(f"- Importing TransformerLens alone takes {ratio:.0f} times as long as `mi plugins`.")
    return said


def _middle(all_of: list[Took], which: str) -> float:
    return statistics.median(getattr(took, which) for took in all_of)


def _quartiles(values: list[float]) -> tuple[float, float]:
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def main() -> int:
    """Measure, write the table, print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=21, help="processes of each light command")
    parser.add_argument("--slow", type=int, default=3, help="processes of each slow command, at least 2")
    options = parser.parse_args()
    machine = Machine()
    text = report(measure(options.rounds, max(options.slow, 2)), machine)
    TABLE.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
