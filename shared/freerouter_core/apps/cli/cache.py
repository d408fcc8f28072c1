"""`freerouter cache`: what is kept of answers, and forgetting it."""

from __future__ import annotations

import click
from rich.markup import escape
from rich.table import Table

from ...catalogue.counts import count_words
from ...client.router import Router
from ...reports.tables import format_seconds
from ...wire.retry_after import parse_duration
from .console import console, json_option, print_json, without_tracebacks

SHOWN_TEXT = 80
"""Characters of an answer in a table."""

store_option = click.option(
    "--store",
    default="",
    metavar="PLACE",
    help="Where answers are kept, if not where FREEROUTER_ANSWER_CACHE says, or beside the state.",
)


@click.group()
def cache() -> None:
    """Answers that are kept, so that equal requests cost nothing."""


@cache.command()
@store_option
@json_option
@without_tracebacks
def stats(*, store: str, as_json: bool) -> None:
    """How many answers are kept, and their size."""
    router = Router(answer_cache=store or True)
    counts = router.cache_stats()
    if as_json:
        print_json({"entries": counts["entries"], "bytes": counts["bytes"]})
        return
    click.echo(
        f"{count_words(counts['entries'], 'answer')}, {count_words(counts['bytes'], 'byte')}"
    )


@cache.command()
@click.option("--older", metavar="AGE", help='Only answers older than this: "1d", "12h".')
@store_option
@without_tracebacks
def clear(*, older: str | None, store: str) -> None:
    """Forget answers, for all processes that share them."""
    seconds = None if older is None else parse_duration(older)
    if older is not None and (seconds is None or seconds < 0):
        raise click.BadParameter(f'{older!r} is no duration such as "1d" or "12h"')
    forgotten = Router(answer_cache=store).clear_cache(seconds)
    click.echo(f"{count_words(forgotten, 'answer')} forgotten")


@cache.command()
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@store_option
@json_option
@without_tracebacks
def show(*, limit: int, store: str, as_json: bool) -> None:
    """The answers that were kept last."""
    answers = Router(answer_cache=store).kept_answers(limit)
    if as_json:
        print_json(answers)
        return
    table = Table("age", "model", "bytes", "answer")
    for answer in answers:
        text = " ".join(answer["text"].split()) or f"calls {', '.join(answer['tool_calls'])}"
        shown = text if len(text) <= SHOWN_TEXT else f"{text[: SHOWN_TEXT - 1]}…"
        row = (format_seconds(answer["age"]), answer["model"], str(answer["bytes"]), shown)
        table.add_row(*map(escape, row))
    console().print(table)
