"""Write the list of the kit's checks into docs/plugins/testing.md, from the docstrings of `mi.testing`.

python docs/make_checks.py          writes the list
python docs/make_checks.py --check  exits with 1 when it is stale
"""

from __future__ import annotations

import sys
from pathlib import Path

import mi.testing

PAGE = Path(__file__).parent / "plugins" / "testing.md"
START = "<!-- Made by docs/make_checks.py from the docstrings of mi.testing. -->"
END = "<!-- end -->"
CLASSES = {
    "PluginConformance": "The plugin as a whole (`PluginConformance`; part of each of the others)",
    "FamilyConformance": "A family (`FamilyConformance`)",
    "ProbeConformance": "A kind of probe (`ProbeConformance`)",
    "AnalyzerConformance": "An analyzer (`AnalyzerConformance`)",
    "VisualizationConformance": "A visualization (`VisualizationConformance`)",
}


def tables() -> str:
    """One table a class: check and rule, in the order in which they run."""
    parts = []
    for name, title in CLASSES.items():
        cls = getattr(mi.testing, name)
        shared = mi.testing.PluginConformance if cls is not mi.testing.PluginConformance else object
        rows = []
        for base in reversed(cls.__mro__):
            for check, function in vars(base).items():
                if check.startswith("test_") and not hasattr(shared, check):
                    rows.append(f"| `{check}` | {' '.join((function.__doc__ or '').split())} |")
        parts.append("\n".join([f"**{title}**", "", "| check | rule |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def main() -> int:
    """Write or check."""
    text = PAGE.read_text()
    before, _, rest = text.partition(START)
    made = f"{before}{START}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"
    if "--check" in sys.argv:
        if made != text:
            print("docs/plugins/testing.md is stale; run `python docs/make_checks.py`")
        return int(made != text)
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
