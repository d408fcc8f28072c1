"""`freerouter trust`: believe the files of this directory as much as the environment."""

from __future__ import annotations

from pathlib import Path

import click

from ...settings.environment import DOTENV_FILES
from ...settings.file import FILE_NAMES
from ...settings.trust import distrust, read_bounded, trust
from .console import without_tracebacks


@click.command("trust")
@click.option("--forget", is_flag=True, help="Trust them no more.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@without_tracebacks
def trust_files(*, forget: bool, yes: bool) -> None:
    """Trust the settings files of this directory as they are now.

    They may then say where your keys go. A file that changes is not trusted any more.
    """
    paths = [path for name in (*FILE_NAMES, *DOTENV_FILES) if (path := Path(name)).is_file()]
    if not paths:
        raise click.ClickException("this directory has no settings file and no .env")
    contents = [read_bounded(path) for path in paths]
    names = ", ".join(map(str, paths))
    if forget:
        distrust(contents)
        click.echo(f"not trusted any more: {names}")
        return
    if not yes:
        click.confirm(f"May {names} in {Path.cwd()} say where your keys go?", abort=True)
    trust(contents)
    click.echo(f"trusted until they change: {names}")
