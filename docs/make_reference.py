"""Make docs/reference/ from the code: exact signatures, docstrings, the help of every command.

    python docs/make_reference.py          writes the pages
    python docs/make_reference.py --check  exits with 1 and names the pages that are stale

The sources are read, not imported (griffe); only the commands' help needs the command itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import griffe

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Made by docs/make_reference.py from the code; edit the docstrings. -->\n"

# page -> (title, what the page is, module -> public names)
PAGES: dict[str, tuple[str, str, dict[str, tuple[str, ...]]]] = {
    "declarations": (
        "Declarations",
        "What hooks return and what families bind: frozen, light to import, checked when they are made. All "
        "are names of `mi`.",
        {
            "mi.domain.code": ("FamilyCode", "VariantCode", "Training", "TrainingPass"),
            "mi.domain.probe": ("ProbeKind", "Rows", "Probe", "RowSource", "probe_from_rows"),
            "mi.domain.analyzer": ("Analyzer",),
            "mi.domain.output": ("Output",),
            "mi.domain.site": ("Site",),
            "mi.domain.needs": ("ArtifactNeed", "GradientNeed", "ProbeNeed", "Derived"),
            "mi.domain.visualization": ("Visualization", "Field"),
            "mi.domain.values": ("Option", "TypedValue"),
            "mi.domain.family": ("Family",),
            "mi.errors": ("MiError", "NotApplicableError", "ParameterError"),
        },
    ),
    "notebook": (
        "In a notebook",
        "`mi.open()` gives a workspace; variants, checkpoints and views follow from it.",
        {
            "mi.lab.workspace": ("open", "Lab"),
            "mi.lab.family": ("LabFamily",),
            "mi.lab.variant": ("LabVariant",),
            "mi.lab.moment": ("Moment", "View"),
        },
    ),
    "data": (
        "What functions receive",
        "The arguments of an analyzer's function, of a visualization's `static`, `frame` and `figure`.",
        {
            "mi.engine.data": ("CheckpointData", "Streaming", "TrajectoryData", "Subject"),
            "mi.engine.family_data": ("FamilyData", "FamilySubject"),
            "mi.engine.gradients": ("Gradients",),
            "mi.engine.model": ("Model",),
            "mi.views.data": ("ViewData",),
            "mi.views.context": ("FigureContext",),
            "mi.views.recipes": ("heatmap", "epoch_heatmap", "lines", "epoch_lines", "bars", "points"),
        },
    ),
}


def hooks_page() -> str:
    """The four hooks, each under a heading with its exact signature."""
    module = griffe.load("mi.hookspecs", search_paths=[ROOT / "core"], docstring_parser="google")
    parts = [
        f"{NOTE}\n# Hooks\n\nImplement them in the module that the entry point names, each marked with "
        "`@mi.hookimpl`. Leave out what you do not need, and any argument that you do not use. The host "
        "calls each plugin by itself; what raises is kept on the plugin's record, and costs nobody "
        "else anything.\n"
    ]
    for name, member in module.members.items():
        if isinstance(member, griffe.Function):
            parts.append(f"## {name}\n\n{_function(member)}")
    return "\n".join(parts)


def objects_page(title: str, intro: str, names: dict[str, tuple[str, ...]]) -> str:
    """Classes and functions of several modules."""
    parts = [f"{NOTE}\n# {title}\n\n{intro}\n"]
    for module_name, members in names.items():
        module = griffe.load(module_name, search_paths=[ROOT / "core"], docstring_parser="google")
        for name in members:
            member = module[name]
            said = _class(member) if isinstance(member, griffe.Class) else _function(member)
            parts.append(f"## {name}\n\n`{module_name}.{name}`\n\n{said}")
    return "\n".join(parts)


def _class(cls: griffe.Class) -> str:
    parts = [_text(cls)]
    described = dict(_described(cls))
    rows = []
    for name, member in cls.members.items():
        if not isinstance(member, griffe.Attribute) or name.startswith("_") or "property" in member.labels:
            continue
        if member.annotation is None:  # set in __init__, described in the docstring
            continue
        default = _default(member.value)
        rows.append(
            f"| `{name}` | `{_cell(str(member.annotation))}` | {default} | {described.get(name, '')} |"
        )
    if rows:
        parts.append("| attribute | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
    for name, member in cls.members.items():
        if name.startswith("_"):
            continue
        if isinstance(member, griffe.Attribute) and "property" in member.labels:
            parts.append(f"**`{name}`** → `{member.annotation}`: {_text(member).strip()}\n")
        elif isinstance(member, griffe.Function):
            parts.append(f"### {cls.name}.{name}\n\n{_function(member)}")
    return "\n".join(parts)


def _function(function: griffe.Function) -> str:
    parts = [_code(function), _text(function)]
    for section in _sections(function):
        if section.kind is griffe.DocstringSectionKind.parameters:
            rows = [f"- `{p.name}`: {_line(p.description)}" for p in section.value]
            parts.append("\n".join(rows) + "\n")
        elif section.kind is griffe.DocstringSectionKind.raises:
            rows = [f"- `{r.annotation}`: {_line(r.description)}" for r in section.value]
            parts.append("Raises:\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _sections(member: Any) -> Sequence[Any]:
    return member.docstring.parse("google", warnings=False) if member.docstring else ()


def _text(member: Any) -> str:
    """The prose of a docstring as Markdown."""
    text = [s.value for s in _sections(member) if s.kind is griffe.DocstringSectionKind.text]
    return _marked("\n\n".join(text)) + "\n"


def _described(cls: griffe.Class) -> Iterator[tuple[str, str]]:
    for section in _sections(cls):
        if section.kind is griffe.DocstringSectionKind.attributes:
            for attribute in section.value:
                # "sites, weights: what the function reads": griffe takes further names for a type.
                first = attribute.name.rstrip(",")
                assert cls.docstring is not None
                line = re.search(rf"^ *{first}((?:, \w+)*):", cls.docstring.value, re.M)
                for name in (first, *(line[1].split(", ")[1:] if line else ())):
                    yield name, _cell(_line(attribute.description))


def _default(value: Any) -> str:
    if value is None:
        return "required"
    text = str(value)
    found = re.match(r"field\((.*)\)$", text)
    if found:  # attrs: field(default=(), converter=...)
        inner = re.search(r"(?:default|factory)=(\w+\(.*?\)|\(\)|[^,]+)", found[1])
        if inner is None:
            return "required"
        text = f"{inner[1]}()" if "factory=" in found[1] else inner[1]
    return f"`{_cell(text)}`"


def _line(text: str) -> str:
    return _marked(" ".join(text.split()))


def _marked(text: str) -> str:
    """Turn the few marks of reStructuredText into Markdown's."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(function: griffe.Function) -> str:
    decorators = "".join(
        f"@{d.value}\n" for d in function.decorators if str(d.value) in ("classmethod", "abstractmethod")
    )
    return f"```python\n{decorators}def {function.signature()}\n```\n"


def commands_page() -> str:
    """The help of every command, as it prints at 100 columns."""
    from mi.cli.group import COMMANDS, cli

    context = _context(cli, "mi", None)
    # Commands of plugins depend on what is installed.
    own = re.sub(r"\n  \S+ +From plugin .*", "", _help(context))
    parts = [f"{NOTE}\n# Commands\n\n{own}"]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None, name
        inner = _context(command, name, context)
        parts.append(f"## mi {name}\n\n{_help(inner)}")
        for below in command.list_commands(inner) if isinstance(command, click.Group) else ():
            child = command.get_command(inner, below)  # type: ignore[attr-defined]
            parts.append(f"### mi {name} {below}\n\n{_help(_context(child, below, inner))}")
    return "\n".join(parts)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=100)


def _help(context: click.Context) -> str:
    text = "\n".join(line.rstrip() for line in context.get_help().splitlines())
    return f"```text\n{text}\n```\n"


def pages() -> dict[Path, str]:
    """File -> content of every page."""
    found = {"hooks": hooks_page(), "commands": commands_page()}
    found |= {name: objects_page(*page) for name, page in PAGES.items()}
    return {FOLDER / f"{name}.md": text.rstrip() + "\n" for name, text in found.items()}


def main() -> int:
    """Write the pages, or name those that are stale."""
    made = pages()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale; run `python docs/make_reference.py`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(made[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
