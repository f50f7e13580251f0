"""``mi serve``: look at reports in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mi.cli.common import open_workspace, say

if TYPE_CHECKING:
    from mi.server.run import Running


@click.command()
@click.option(
    "--port", default=5006, show_default=True, type=click.IntRange(0, 65535), help="0 for a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="NAME",
    help="A further host name that browsers may use; needed where --host is not this machine alone.",
)
@click.option("--dev", is_flag=True, help="Load plugins anew when they are saved, and reload open pages.")
@click.option("--open/--no-open", "open_browser", default=False, help="Open the page in a browser.")
@click.pass_context
def serve(
    ctx: click.Context, port: int, host: str, allow_hosts: tuple[str, ...], dev: bool, open_browser: bool
) -> None:
    """Serve reports on a local address, until Ctrl-C.

    The page shows one report of one variant, with one cursor over its checkpoints. Nothing is written.

    With --dev the files of local and editable plugins are watched, and reports and families too. What is
    broken shows its error in place, and is whole again after the next good save. A local plugin that may run
    now may go on while it is edited; to other commands it is a changed file, which `mi trust` asks about.
    """
    from mi.server.hosts import is_loopback
    from mi.server.run import check_host
    from mi.server.run import serve as run

    check_host(host, allow_hosts)
    workspace = open_workspace(ctx)

    def ready(running: Running) -> None:
        if not is_loopback(host):
            click.echo(
                "mi: warning: other machines can reach this page, and it asks for no password", err=True
            )
        click.echo(f"Serving {workspace.root} at {running.url}")
        if open_browser:
            click.launch(running.url)

    run(workspace, host, port, allow_hosts, ready, say if dev else None)
    click.echo("Stopped.")
