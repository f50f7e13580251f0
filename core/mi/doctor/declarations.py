"""Families, probes and reports of the workspace against the plugins, in a child process that loads them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mi.child import Child, Ended, Report
from mi.doctor.context import Context
from mi.doctor.finding import OK, PROBLEM, Finding
from mi.plural import are, counted


def start(context: Context, without: Collection[str]) -> Child:
    """The child that validates; see :func:`findings`.

    Args:
        context: with a workspace.
        without: plugins that are known to end the process that loads them.

    Raises:
        MiError: no process can be started.
    """
    argument = {"root": str(context.root), "without": sorted(without)}
    return Child("mi.doctor.declarations:validate", argument, context.limit)


def validate(argument: Mapping[str, Any], report: Report) -> None:
    """In the child: load all plugins, validate every family of the workspace."""
    from mi.domain.validate import validate_family
    from mi.domain.workspace import Workspace
    from mi.plugins import load_host

    root = Path(argument["root"])
    environ = {k: v for k, v in os.environ.items() if k not in ("MI_STRICT_PLUGINS", "MI_TRACE_PLUGINS")}
    without = filter(None, [environ.get("MI_DISABLE_PLUGINS", ""), *argument["without"]])
    environ["MI_DISABLE_PLUGINS"] = ",".join(without)
    report.phase("loading plugins")
    workspace = Workspace(root, load_host(root, environ=environ))
    found: dict[str, Any] = {}
    for name in workspace.family_names():
        report.phase(f"validating family {name}")
        found[name] = [[verdict.file, verdict.problem] for verdict in validate_family(workspace, name)]
        report.say(families=found)
    report.say(families=found)


def findings(ended: Ended, context: Context) -> Iterator[Finding]:
    """One finding for each file that is wrong, and one for each family in which none is."""
    families: dict[str, list[list[str]]] = ended.said.get("families", {})
    for name, verdicts in families.items():
        wrong = [(file, problem) for file, problem in verdicts if problem]
        for i, (file, problem) in enumerate(wrong):
            sentence = problem.replace(f"{context.root}{os.sep}", "")
            mend = f"edit {file} or install the plugin that it names, then `mi families validate {name}`"
            yield Finding("workspace", f"{file}/{i}", PROBLEM, sentence, mend)
        if not wrong:
            sentence = f"family {name}: {counted(len(verdicts), 'file')} {are(len(verdicts))} valid"
            yield Finding("workspace", f"family {name}", OK, sentence)
    if ended.problem:
        sentence = f"families cannot be validated: it {ended.problem}"
        yield Finding("workspace", "validation", PROBLEM, sentence, "mi plugins --check")
    elif not families:
        yield Finding(
            "workspace", "families", OK, "no family yet; `mi families` lists those that plugins ship"
        )
