"""`freerouter logs`: what was asked and answered in the shell."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.markup import escape

from ...errors import BadSetting
from ...settings.environment import Settings
from ...wire.redact import strip_control_characters
from .console import console, json_option, print_json, without_tracebacks
from .conversation_log import ConversationLog, Exchange


@click.group(invoke_without_command=True)
@click.option(
    "-n",
    "--count",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Exchanges to show; 0 shows all.",
)
@click.option("-q", "--query", help="Only exchanges with this text.")
@click.option("-c", "--current", is_flag=True, help="Only the last conversation.")
@click.option("--cid", "--conversation", "conversation", help="Only the conversation of this id.")
@click.option("-r", "--response", is_flag=True, help="Only the text of the last answer.")
@json_option
@click.pass_context
@without_tracebacks
def logs(
    context: click.Context,
    /,
    *,
    count: int,
    query: str | None,
    current: bool,
    conversation: str | None,
    response: bool,
    as_json: bool,
) -> None:
    """Show the last conversations of the shell.

    They are kept in a file that only you can read. FREEROUTER_LOGS=false turns that off.
    """
    if context.invoked_subcommand is not None:
        return
    log = ConversationLog()
    try:
        if current and conversation is None:
            conversation = log.newest_conversation() or ""
        limit = 1 if response else count or None
        shown = log.last(limit, conversation=conversation, text=query)
    except sqlite3.Error as error:
        raise BadSetting(
            f"{log.path} cannot be read: {error}", hint="move it away: freerouter logs path"
        ) from None
    if as_json:
        print_json([asdict(exchange) | {"prompt": exchange.prompt} for exchange in shown])
    elif response:
        for exchange in shown:
            click.echo(exchange.answer)
    else:
        _print(console(), shown)


@logs.command()
@without_tracebacks
def path() -> None:
    """Print the path of the file."""
    click.echo(ConversationLog().path)


@logs.command()
@without_tracebacks
def status() -> None:
    """Say whether conversations are kept, and how many."""
    log = ConversationLog()
    kept = "on" if Settings.load().freerouter_logs else "off"
    count = len(log.last(None))
    size = log.path.stat().st_size if log.path.exists() else 0
    click.echo(f"logs are {kept}; {count} exchanges, {size / 1e6:.1f} MB in {log.path}")


@logs.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@without_tracebacks
def clear(*, yes: bool) -> None:
    """Forget all conversations."""
    log = ConversationLog()
    if not yes:
        click.confirm(f"Forget all conversations in {log.path}?", abort=True, err=True)
    log.clear()


def _print(out: Console, shown: Sequence[Exchange]) -> None:
    if not shown:
        out.print("nothing was logged yet")
    for exchange in shown:
        at = datetime.fromtimestamp(exchange.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        took = "" if exchange.seconds is None else f", {exchange.seconds:.1f} s"
        out.print(f"[bold]{at}  {exchange.conversation}[/]")
        out.print(f"[dim]{escape(exchange.model)} ({escape(exchange.provider)}){took}[/]")
        for line in strip_control_characters(exchange.prompt).splitlines():
            out.print(f"[cyan]> {escape(line)}[/]")
        out.print(escape(strip_control_characters(exchange.answer)))
        out.print()
