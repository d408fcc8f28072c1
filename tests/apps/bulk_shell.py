"""`freerouter bulk` in this process, and the files that it reads and writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from freerouter_core.apps.cli.main import cli


def bulk(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["bulk", *arguments])


def said(result: Result) -> str:
    """What a command told the user, without line breaks."""
    return " ".join(result.stderr.split())


def write_lines(path: str, lines: list[Any]) -> None:
    Path(path).write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def read_lines(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def read_table(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
