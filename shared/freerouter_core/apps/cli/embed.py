"""`freerouter embed`: vectors of lines, as JSON lines."""

from __future__ import annotations

import json
import sys
from typing import TextIO

import click

from ...catalogue.counts import count_words
from ...client.router import Router
from ...errors import BadRequest
from ...wire.vectors import as_base64
from .console import console, without_tracebacks


@click.command()
@click.argument("texts", nargs=-1)
@click.option("--file", "source", type=click.File("r", encoding="utf-8"), help="One text a line.")
@click.option("--model", default="auto", show_default=True, help="A space, or a model.")
@click.option("--query", "is_query", is_flag=True, help="Texts to search with, not to be searched.")
@click.option("--pin", type=click.Path(), help="The record that says which space an index is of.")
@click.option("--dimensions", type=click.IntRange(1), help="Numbers of a vector.")
@click.option("--base64", "packed", is_flag=True, help="Vectors as base64 of 32-bit numbers.")
@click.option("--split", is_flag=True, help="Embed texts that are too long in pieces.")
@without_tracebacks
def embed(
    *,
    texts: tuple[str, ...],
    source: TextIO | None,
    model: str,
    is_query: bool,
    pin: str | None,
    dimensions: int | None,
    packed: bool,
    split: bool,
) -> None:
    """Embed texts: the arguments, a file's lines, or standard input's.

    Prints one JSON object a line: the text's index and its vector. What was used is told on
    standard error.
    """
    lines = list(texts)
    if source is not None or not lines:
        stream = source or sys.stdin
        lines += [line.rstrip("\n") for line in stream if line.strip()]
    if not lines:
        raise BadRequest("there is nothing to embed", hint="pass texts, --file, or lines")
    embedded = Router().embed(
        lines,
        model=model,
        kind="query" if is_query else "document",
        pin=pin,
        dimensions=dimensions,
        long="split" if split else "error",
    )
    for n, vector in enumerate(embedded.vectors):
        value = as_base64(vector) if packed else vector.tolist()
        click.echo(json.dumps({"index": n, "embedding": value}))
    served = ", ".join(f"{name} {count}" for name, count in sorted(embedded.providers.items()))
    vectors = count_words(len(embedded), "vector")
    console(stderr=True).print(
        f"{vectors} of {embedded.model} ({embedded.dimension} numbers), by {served or 'nobody'}; "
        f"kept from earlier: {embedded.cached}"
    )
