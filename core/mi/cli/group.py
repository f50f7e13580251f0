"""The lazy command group: ``mi --help`` imports click and nothing else."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from importlib.metadata import entry_points
from typing import Any

import click

from mi.errors import MiError, nearest

# command -> (module:attribute, one line for `mi --help`); plugins add theirs through `mi.commands`
COMMANDS = {
    "init": ("mi.cli.init:init", "Make a folder a workspace."),
    "families": ("mi.cli.families:families", "List, add, declare and validate model families."),
    "variants": ("mi.cli.variants:variants", "List variants."),
    "show": ("mi.cli.show:show", "Show one variant: parameters, state, losses, artifacts."),
    "checkpoints": ("mi.cli.checkpoints:checkpoints", "List a variant's checkpoints: index, epoch, losses."),
    "probes": ("mi.cli.probes:probes", "List saved probes."),
    "probe": ("mi.cli.probes:probe", "Make, show and validate a probe."),
    "train": ("mi.cli.train:train", "Train a variant, keeping checkpoints."),
    "analyze": ("mi.cli.analyze:analyze", "Analyze checkpoints, one forward pass each."),
    "report": ("mi.cli.report:report", "List, validate and build reports."),
    "serve": ("mi.cli.serve:serve", "Look: serve reports on a local address."),
    "plugins": ("mi.cli.plugins:plugins", "List plugins and what went wrong in them."),
    "plugin": ("mi.cli.plugin:plugin", "Start a plugin of your own."),
}
COMMANDS_GROUP = "mi.commands"


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
        entry = _plugin_commands().get(cmd_name)
        if entry is None:
            return None
        try:
            loaded: click.Command = entry.load()
        except (Exception, SystemExit) as error:
            raise MiError(f"command {cmd_name!r} of {entry.value} failed to load: {error}") from error
        return loaded

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
        rows += [(name, f"From plugin {entry.value}.") for name, entry in sorted(_plugin_commands().items())]
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


def _plugin_commands() -> dict[str, Any]:
    return {e.name: e for e in entry_points(group=COMMANDS_GROUP) if e.name not in COMMANDS}


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
