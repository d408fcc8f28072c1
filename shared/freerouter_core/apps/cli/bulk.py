"""`freerouter bulk`: a job over days, from the shell."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import click

from ...catalogue.counts import count_words
from ...client.bulk import Bulk, BulkResult
from ...client.router import Router
from ...errors import BadSetting
from ...wire.json_values import parse_json
from ...wire.request import Pace
from ..bulk_files.columns import Columns, kept_of
from ..bulk_files.file_format import Table
from ..bulk_files.formats import NAMES, check_written, format_name, written_format
from ..bulk_files.table_rows import check_template
from .bulk_input import BulkInput
from .bulk_job import (
    OF_THE_WORK,
    called,
    check_can_be_written,
    check_files_differ,
    check_is_rewritable,
    file_of,
    is_kept,
    location_of,
    opened,
    settings_of,
)
from .bulk_reading import InputReading, reading
from .bulk_run import BulkRun, in_words
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


ATTEMPTS = 5
"""Tries of a row, if nothing else is said."""
_JOB = click.argument("job", type=str)
_FILE = click.Path(dir_okay=False, path_type=Path)
_STANDARD_OUTPUT = (Path("-"), Path("/dev/stdout"))


def _options(command: Any) -> Any:
    """The options that say how a job is worked on."""
    for option in reversed(
        (
            click.option("--concurrency", type=click.IntRange(1), help="Requests at once at most."),
            click.option(
                "--attempts",
                type=click.IntRange(1),
                help=f"Tries of a row. Default: {ATTEMPTS}, or the job's.",
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
@click.option(
    "--schema",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the JSON schema of the answers.",
)
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
    check_is_rewritable(output, with_job=job_path is not None)
    location = job_path or f"{output}.job"
    check_files_differ(input=source, schema=schema, job=file_of(location), output=output)
    check_written(output, form, read_too=True)
    _check_templates(prompt, system)
    settings = {
        "input": str(source.absolute()),
        "output": str(output.absolute()),
        "input_format": format_name(source, form),
        "prompt": "" if prompt is None else prompt,
        "system": system or "",
        "schema": "" if schema is None else json.dumps(_schema(schema)),
        "id": id_field or "",
        "model": model or "",
        "order": "given" if in_order else "as_done",
        **dict.fromkeys(OF_THE_WORK, ""),
    }
    _work(location, settings, merge=merge, **options)


@bulk.command()
@_JOB
@click.option("--merge", is_flag=True, help="Ask what changed in the input since the job began.")
@_options
@without_tracebacks
def resume(*, job: str, merge: bool, **options: Any) -> None:
    """Go on with JOB: the job's file, or its output. What is not given is as it was."""
    location = location_of(job)
    _work(location, settings_of(location), merge=merge, **options)


@bulk.command()
@_JOB
@click.option("--failed", is_flag=True, required=True, help="The rows that failed.")
@_options
@without_tracebacks
def retry(*, job: str, failed: bool, **options: Any) -> None:
    """Try the failed rows of JOB again."""
    location = location_of(job)
    _work(location, settings_of(location), merge=False, retries=failed, **options)


@bulk.command()
@_JOB
@json_option
@without_tracebacks
def status(*, job: str, as_json: bool) -> None:
    """Show how JOB stands, and when it will be done."""
    progress = opened(location_of(job)).progress()
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
    location, output = location_of(job), None if output in _STANDARD_OUTPUT else output
    settings = settings_of(location)
    source = BulkInput(settings)
    check_files_differ(input=source.path, job=file_of(location), export=output)
    if output is not None:
        check_written(output, form)
    written, job_read = written_format(output, source.format, form), opened(location, settings)
    names: dict[str, None] = {}
    for result in _there(job_read):
        names |= dict.fromkeys(kept_of(result))
    table = Table(
        columns=Columns.beside(names, parse_json(settings["own_columns"])),
        rows=lambda: map(kept_of, _there(job_read)),
        types=source.contents.types if source.path.exists() else None,
    )
    with written.writer(output, table) as writer:
        for result in _there(job_read):
            writer.write(in_words(result))


def _there(job: Bulk) -> Iterable[BulkResult]:
    """The results that are there, in the input's order, also beyond the first that is missing."""
    if job.progress().finished:
        return job.results()
    return sorted(job.results(given=False), key=lambda result: result.number)


def _work(
    location: str,
    settings: dict[str, str],
    *,
    merge: bool,
    retries: bool = False,
    quiet: bool,
    until: datetime | None,
    **options: Any,
) -> None:
    """Work on a job. `options`: those of `OF_THE_WORK`; None: as it was."""
    settings |= {name: str(value) for name, value in options.items() if value is not None}
    source, name = BulkInput(settings), called(location, Path(settings["output"]))
    read = InputReading(source.path, name, lambda: is_kept(location), quiet=quiet)
    with reading(read):
        job, run, before = _begun(
            source, location, settings, name, merge=merge, retries=retries, quiet=quiet, until=until
        )
        read.over()
        try:
            code = run.run()
        except BadSetting:  # it was refused after all
            job.put_settings(before)
            raise
    raise SystemExit(code)


def _begun(
    source: BulkInput,
    location: str,
    settings: dict[str, str],
    name: str,
    *,
    merge: bool,
    retries: bool,
    quiet: bool,
    until: datetime | None,
) -> tuple[Bulk, BulkRun, dict[str, str]]:
    """(the job, the work on it, the settings that it had before)."""
    output = Path(settings["output"])
    table, written = source.table, written_format(output, source.format)
    check_can_be_written(output)
    settings = {**settings, "own_columns": json.dumps(table.columns.own)}
    job = _router(settings["pace"]).bulk(
        source.requests(),
        location,
        schema=parse_json(settings["schema"]) if settings["schema"] else None,
        order="given" if settings["order"] == "given" else "as_done",
        changed="merge" if merge else "refuse",
        total=source.contents.rows,
        until=until,
        concurrency=_number(settings["concurrency"]),
        attempts=_number(settings["attempts"]) or ATTEMPTS,
        stop_after=_number(settings["stop_after"]),
    )
    for name, own in table.columns.renamed.items():
        console(stderr=True).print(f"the input has its own {name}: the job's is called {own}")
    before = _accept(job, settings, reads=retries)
    if retries:
        _open_failed(job)
    run = BulkRun(job, lambda: written.writer(output, table), name, quiet=quiet)
    return job, run, before


def _number(text: str) -> int | None:
    return int(text) if text else None


def _router(pace: str) -> Router:
    return Router(pace="asap" if pace == "asap" else "even") if pace else Router()


def _accept(job: Bulk, settings: dict[str, str], *, reads: bool) -> dict[str, str]:
    """Keep how a job is worked on. Returns what was kept before, or the same if it is new.

    `reads`, and if its input is another: that is read first, for what is refused must change
    nothing. Else it is read while the job is worked on.
    """
    before = job.settings()
    another = any(
        before.get(name) != text for name, text in settings.items() if name not in OF_THE_WORK
    )
    if (reads or another) and job.progress().read:
        job.load()
    job.put_settings(settings)
    return {**settings, **before}


def _open_failed(job: Bulk) -> None:
    failed, opened_again = job.progress().failed, job.retry_failed()
    never = "" if not failed else ": those that failed can never be asked as they are"
    said = f"{count_words(opened_again, 'failed row')} will be tried again"
    console(stderr=True).print(said if opened_again else f"there is no row to try again{never}")


def _check_templates(prompt: str | None, system: str | None) -> None:
    for what, template in (("prompt", prompt), ("system", system)):
        if template is not None and not check_template(template, what=what) and what == "prompt":
            console(stderr=True).print("--prompt names no field: every row asks the same")


def _schema(path: Path) -> dict[str, Any]:
    try:
        schema = parse_json(path.read_text("utf-8"))
    except ValueError as error:
        raise BadSetting(f"{path.name} is no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise BadSetting(f"{path.name} is no JSON schema: it must be an object")
    return schema
