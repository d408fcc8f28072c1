"""`freerouter bulk`: a job over days, from the shell."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import click
from rich.markup import escape

from ...client.bulk import Bulk
from ...client.router import Router
from ...errors import BadSetting
from ...wire.json_values import parse_json
from ...wire.request import Pace
from ..bulk_files.formats import NAMES, format_of
from ..bulk_files.table_rows import Prompting
from .bulk_run import BulkRun
from .console import console, json_option, print_json, without_tracebacks


class _DefaultRun(click.Group):
    """`bulk IN` is `bulk run IN`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_DefaultRun)
def bulk() -> None:
    """Ask every row of a file, over days if limits want it.

    \b
      freerouter bulk in.jsonl -o out.jsonl
      freerouter bulk reviews.csv -o labels.csv --prompt "Label this review: {text}"

    Whatever ends it, the same command goes on where it stood.
    """


_JOB = click.argument("job", type=str)
_FILE = click.Path(dir_okay=False, path_type=Path)


def _options(command: Any) -> Any:
    """The options that say how a job is worked on."""
    for option in reversed(
        (
            click.option("--concurrency", type=click.IntRange(1), help="Requests at once at most."),
            click.option(
                "--attempts",
                type=click.IntRange(1),
                default=5,
                show_default=True,
                help="Tries of a row.",
            ),
            click.option(
                "--stop-after", type=click.IntRange(1), help="Stop after so many failures in a row."
            ),
            click.option(
                "--until", type=click.DateTime(), help="Stop at this time, in local time."
            ),
            click.option(
                "--pace",
                type=click.Choice(get_args(Pace)),
                help="How the quota of a day is spent. Default: even, so that some is left to you.",
            ),
            click.option("-q", "--quiet", is_flag=True, help="Show no progress."),
        )
    ):
        command = option(command)
    return command


@bulk.command()
@click.argument(
    "source", metavar="IN", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("-o", "--output", type=_FILE, required=True, help="Where the answers go.")
@click.option("--job", "job_path", help="The job's file, or redis://…#name. Default: OUT.job.")
@click.option("-p", "--prompt", help='The prompt of a row, such as "Label: {text}".')
@click.option("-s", "--system", help="A system message.")
@click.option("--schema", type=_FILE, help="A file with the JSON schema of the answers.")
@click.option("--id", "id_field", help='The field that names a row. Default: "id".')
@click.option("-m", "--model", help="Ask this model first.")
@click.option("--format", "form", type=click.Choice(NAMES), help="Default: by the file's ending.")
@click.option("--in-order", is_flag=True, help="Write rows in the order of the input.")
@click.option("--merge", is_flag=True, help="Ask what changed in the input since the job began.")
@_options
@without_tracebacks
def run(
    *,
    source: Path,
    output: Path,
    job_path: str | None,
    prompt: str | None,
    system: str | None,
    schema: Path | None,
    id_field: str | None,
    model: str | None,
    form: str | None,
    in_order: bool,
    merge: bool,
    **options: Any,
) -> None:
    """Ask every row of IN, and write the answers to OUT as they come."""
    if output.resolve() == source.resolve():
        raise BadSetting("the output would overwrite the input", hint="name another file with -o")
    settings = {
        "input": str(source.absolute()),
        "output": str(output.absolute()),
        "format": form or "",
        "prompt": "" if prompt is None else prompt,
        "system": system or "",
        "schema": "" if schema is None else json.dumps(_schema(schema)),
        "id": id_field or "",
        "model": model or "",
        "order": "given" if in_order else "as_done",
    }
    location = job_path or f"{output}.job"
    _work(location, settings, merge=merge, begins=True, **options)


@bulk.command()
@_JOB
@click.option("--merge", is_flag=True, help="Ask what changed in the input since the job began.")
@_options
@without_tracebacks
def resume(*, job: str, merge: bool, **options: Any) -> None:
    """Go on with JOB: the job's file, or its output."""
    location = _location(job)
    _work(location, _settings(location), merge=merge, **options)


@bulk.command()
@_JOB
@click.option("--failed", is_flag=True, required=True, help="The rows that failed.")
@_options
@without_tracebacks
def retry(*, job: str, failed: bool, **options: Any) -> None:
    """Try the failed rows of JOB again."""
    location = _location(job)
    settings = _settings(location)
    count = _opened(location).retry_failed()
    console(stderr=True).print(f"{count:,} failed rows are tried again")
    _work(location, settings, merge=False, **options)


@bulk.command()
@_JOB
@json_option
@without_tracebacks
def status(*, job: str, as_json: bool) -> None:
    """Show how JOB stands, and when it will be done."""
    location = _location(job)
    progress = _opened(location).progress()
    if as_json:
        print_json({**vars(progress), "left": progress.left, "finished": progress.finished})
    else:
        console().print(progress)


@bulk.command()
@_JOB
@click.option("-o", "--output", type=_FILE, help="Default: standard output.")
@click.option("--format", "form", type=click.Choice(NAMES), help="Default: that of the input.")
@without_tracebacks
def export(*, job: str, output: Path | None, form: str | None) -> None:
    """Write all answers of JOB so far, in the order of the input. Asks nobody."""
    location = _location(job)
    settings = _settings(location)
    name = form or settings["format"] or None
    shown = output if output is not None and not name else Path(settings["input"])
    written, job_of_file = format_of(shown, name), _opened(location, settings)
    if job_of_file.progress().finished:
        results = job_of_file.results()
    else:  # those that are there, also beyond the first that is missing
        there = job_of_file.results(given=False)
        results = iter(sorted(there, key=lambda result: result.number))
    with written.writer(output) as writer:
        for result in results:
            writer.write(result)


def _work(
    location: str,
    settings: dict[str, str],
    *,
    merge: bool,
    begins: bool = False,
    quiet: bool,
    until: datetime | None,
    pace: Pace | None,
    **options: Any,
) -> None:
    source = Path(settings["input"])
    form = format_of(source, settings["format"] or None)
    prompting = Prompting(
        prompt=settings["prompt"] or None,
        system=settings["system"] or None,
        id=settings["id"] or None,
        model=settings["model"] or None,
    )
    requests = (prompting.request(row) for row in form.rows(source))
    job = (Router(pace=pace) if pace else Router()).bulk(
        requests,
        location,
        schema=parse_json(settings["schema"]) if settings["schema"] else None,
        order="given" if settings["order"] == "given" else "as_done",
        changed="merge" if merge else "refuse",
        total=form.count(source),
        until=until,
        **options,
    )
    if begins:
        job.put_settings(settings)
    raise SystemExit(BulkRun(job, form, Path(settings["output"]), quiet=quiet).run())


def _schema(path: Path) -> dict[str, Any]:
    try:
        schema = parse_json(path.read_text("utf-8"))
    except ValueError as error:
        raise BadSetting(f"{path.name} is no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise BadSetting(f"{path.name} is no JSON schema: it must be an object")
    return schema


def _location(job: str) -> str:
    """The job that is meant: of that name, or of that output."""
    if "://" in job:
        return job
    beside = Path(f"{job}.job")
    path = beside if beside.exists() else Path(job)
    if not path.exists():
        raise BadSetting(
            f"there is no job {escape(job)}", hint="name the job's file, or its output"
        )
    return str(path)


def _settings(location: str) -> dict[str, str]:
    settings = _opened(location).settings()
    if "input" not in settings:
        raise BadSetting(
            "this job was not begun by the command",
            hint="the program that began it goes on with it",
        )
    return settings


def _opened(location: str, settings: dict[str, str] | None = None) -> Bulk:
    schema = (settings or {}).get("schema")
    return Router().bulk(None, location, schema=parse_json(schema) if schema else None)
