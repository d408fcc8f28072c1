"""The `freerouter` command. Each subcommand is a thin layer over `Router`."""

from __future__ import annotations

import re
from typing import Any

import click

from ..._version import __version__
from ...errors import hide_keys, like_a_key
from . import (
    benchmark,
    bulk,
    cache,
    catalogue,
    chat,
    config,
    doctor,
    embed,
    keys,
    local,
    logs,
    mcp,
    probe,
    run,
    serve,
    templates,
    trust,
)
from .console import console, without_tracebacks

_WORD = re.compile(r"[\w.~+/=-]{12,}")
_MEANT = {
    "ask": "chat",
    "complete": "chat",
    "health": "models",
    "history": "logs",
    "limits": "stats",
    "list": "models",
    "login": "keys set",
    "performance": "stats",
    "proxy": "serve",
    "quota": "stats",
    "start": "serve",
    "status": "doctor",
    "usage": "stats",
}
"""What other programs call a command, and reports are called in code: the command here."""
SECTIONS = {
    "Start": ("demo", "keys", "doctor", "chat"),
    "Ask": ("bulk", "embed", "logs", "templates"),
    "Look": ("models", "recommend", "explain", "stats", "discover", "probe", "benchmark"),
    "For other programs": ("serve", "run", "mcp", "simulate"),
    "Set up": ("config", "local", "cache", "trust"),
}
"""The commands as help shows them: what one needs first stands first."""


class _Commands(click.Group):
    """Its usage errors quote no key that was pasted where an argument belongs."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        longest = max(map(len, self.commands))
        for title, names in SECTIONS.items():
            limit = formatter.width - longest - 6
            rows = [
                (f"{name:<{longest}}", self.commands[name].get_short_help_str(limit))
                for name in names
            ]
            with formatter.section(title):
                formatter.write_dl(rows)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*args, **extra)
        except click.UsageError as error:
            raise _without_keys(error) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in _MEANT:
            words = f"No such command {args[0]!r}. Did you mean 'freerouter {_MEANT[args[0]]}'?"
            raise click.UsageError(words, ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _without_keys(error) from None


def _without_keys(error: click.UsageError) -> click.UsageError:
    message = error.format_message()
    clean = _WORD.sub(
        lambda word: "[key]" if like_a_key(word[0].lstrip("-")) else word[0], hide_keys(message)
    )
    return error if clean == message else click.UsageError(clean, error.ctx)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="freerouter")
def cli() -> None:
    """Free language models that behave like one dependable model."""


@cli.command()
@click.option(
    "--seed", type=int, default=7, show_default=True, help="Seed of the simulated randomness."
)
@without_tracebacks
def demo(*, seed: int) -> None:
    """Run LangChain and LlamaIndex over simulated models that fail.

    Needs no key and no network.
    """
    from .demo import import_frameworks, run

    screen = console()
    with screen.status("importing LangChain and LlamaIndex …"):
        import_frameworks()
    run(screen, seed)


for command in (
    chat.chat,
    embed.embed,
    logs.logs,
    templates.templates,
    serve.serve,
    run.run,
    serve.simulate,
    mcp.mcp,
    doctor.doctor,
    probe.probe,
    benchmark.benchmark,
    bulk.bulk,
    cache.cache,
    catalogue.models,
    catalogue.discover,
    catalogue.recommend,
    catalogue.explain,
    catalogue.stats,
    config.config,
    keys.keys,
    trust.trust_files,
    local.local,
):
    cli.add_command(command)
