"""The lazy command group: ``mi --help`` imports click and nothing else."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import Any

import click

from mi.entrypoints import COMMANDS as GROUP
from mi.entrypoints import Found, find, malformed
from mi.errors import MiError, PluginError, nearest
from mi.faults import frames, is_fault, one_line, sentence

# command -> (module:attribute, one line for `mi --help`); plugins add theirs through `mi.commands`
COMMANDS = {
    "init": ("mi.cli.init:init", "Make a folder a workspace."),
    "families": ("mi.cli.families:families", "List, add, declare and validate model families."),
    "variants": ("mi.cli.variants:variants", "List variants."),
    "summary": (
        "mi.cli.summary:summary",
        "How every variant of a family went: parameters, outcome, what analyses add.",
    ),
    "show": ("mi.cli.show:show", "Show one variant: parameters, state, losses, artifacts."),
    "checkpoints": ("mi.cli.checkpoints:checkpoints", "List a variant's checkpoints: index, epoch, losses."),
    "probes": ("mi.cli.probes:probes", "List saved probes."),
    "probe": ("mi.cli.probes:probe", "Make, show and validate a probe."),
    "train": ("mi.cli.train:train", "Train a variant, keeping checkpoints."),
    "analyses": ("mi.cli.analyses:analyses", "List what can be measured, one line each."),
    "analyze": ("mi.cli.analyze:analyze", "Analyze checkpoints, one forward pass each."),
    "verify": ("mi.cli.verify:verify", "Read everything again, and compute a sample again."),
    "clean": ("mi.cli.clean:clean", "Drop artifacts that are stale or nobody's."),
    "pack": ("mi.cli.pack:pack", "Gather a variant's artifacts into one file."),
    "unpack": ("mi.cli.pack:unpack", "Spread packed artifacts out into a folder again."),
    "cache": ("mi.cli.cache:cache", "List, measure and drop kept activations."),
    "report": ("mi.cli.report:report", "List, validate and build reports."),
    "serve": ("mi.cli.serve:serve", "Look: serve reports on a local address."),
    "trust": ("mi.cli.trust:trust", "Allow local plugins to run."),
    "doctor": ("mi.cli.doctor:doctor", "Look for what is broken, and say how to mend it."),
    "plugins": ("mi.cli.plugins:plugins", "List plugins and what went wrong in them."),
    "plugin": ("mi.cli.plugin:plugin", "Start a plugin of your own."),
}


class LazyGroup(click.Group):
    """Commands named as data, imported on use; a plugin's command that fails harms no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the core's commands in the order of a day's work, then of plugins'."""
        return [*COMMANDS, *sorted(_plugin_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now.

        Raises:
            MiError: a plugin's command cannot be imported.
        """
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        claims = _plugin_commands().get(cmd_name)
        return _load(cmd_name, claims) if claims else None

    def invoke(self, ctx: click.Context) -> Any:
        """As click's; an exception that comes out of a plugin's code is one sentence that names the plugin.

        Raises:
            PluginError: from that exception, which ``--debug`` shows.
        """
        try:
            return super().invoke(ctx)
        except (MiError, click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            host = ctx.meta.get("mi.host")
            blamed = _broken_metadata(error) or (host.blamed(error) if host is not None else "")
            if not blamed:
                raise
            raise PluginError(f"{blamed}; --debug shows the traceback") from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest names when there is no such command."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            near = nearest(name, self.list_commands(ctx))
            raise MiError(
                f"unknown command {name!r}"
                + (f": did you mean {' or '.join(near)}?" if near else "; see `mi --help`")
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing one."""
        rows = [(name, COMMANDS[name][1]) for name in COMMANDS]
        rows += [(name, f"From {claims[0].source}.") for name, claims in sorted(_plugin_commands().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def run(self, args: list[str] | None = None) -> int:
        """Run and give the exit code: 0, 2 for what the user can mend, 130 for Ctrl-C."""
        arguments = sys.argv[1:] if args is None else args
        try:
            result = self.main(arguments, prog_name="mi", standalone_mode=False)
            return result if isinstance(result, int) else 0
        except MiError as error:
            if "--debug" in arguments or os.environ.get("MI_DEBUG"):
                traceback.print_exc()
            click.echo(f"mi: {error}", err=True)
            return 2
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except click.exceptions.Exit as exit_:
            return exit_.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("mi: stopped", err=True)
            return 130
        except BrokenPipeError:
            # The reader of a pipe (`mi variants | head`) has gone: no error, and nothing more to say.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


def _broken_metadata(error: Exception) -> str:
    """What to remove, where an error came out of reading everybody's entry points, as xarray does."""
    modules = [str(frame.f_globals.get("__name__", "")) for frame in frames(error)]
    if not any(name.startswith(("importlib.metadata", "importlib_metadata")) for name in modules):
        return ""
    said = malformed()
    return f"broken metadata of {said[0]}; install it anew or remove it" if said else ""


def _plugin_commands() -> dict[str, list[Found]]:
    """Commands of installed plugins -> who claims each."""
    commands: dict[str, list[Found]] = {}
    for found in find(GROUP):
        if found.entry is not None and found.entry.name not in COMMANDS:
            commands.setdefault(one_line(found.entry.name), []).append(found)
    return commands


def _load(name: str, claims: list[Found]) -> click.Command:
    """A plugin's command.

    Raises:
        PluginError: several distributions claim it, or it cannot be imported, or is none.
    """
    if len(claims) > 1:
        both = " and ".join(found.source for found in claims)
        raise PluginError(f"the command {name!r} is claimed by {both}; remove one of them")
    (found,) = claims
    assert found.entry is not None
    try:
        command = found.entry.load()
    except BaseException as error:
        if not is_fault(error):
            raise
        raise PluginError(
            f"command {name!r} of {found.source} failed in import: {sentence(error)}"
        ) from error
    if not isinstance(command, click.Command):
        raise PluginError(f"command {name!r} of {found.source}: {found.entry.value} is not a click command")
    return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--workspace",
    "-w",
    metavar="DIR",
    help="The folder with model_families/ and results/ (default: MI_WORKSPACE, else upward from here).",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="mi-core", prog_name="mi")
@click.pass_context
def cli(ctx: click.Context, workspace: str | None, debug: bool) -> None:
    """Find out how a family of trained models solves its task, and how that solution formed."""
    ctx.obj = workspace
