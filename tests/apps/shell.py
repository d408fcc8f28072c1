"""`Shell`: the command in this process, over a simulated world, in a terminal of any width."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import click
import pytest

from freerouter_core.apps.cli import cli
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import World

STYLES = re.compile(r"\x1b\[([\d;]*)m")
KEY = "sk-simulated"
ADDRESS = "https://simulated.invalid/api/v1"


@dataclass(frozen=True)
class Screen:
    """What a command printed, and its exit code."""

    out: str
    err: str
    code: int

    def __str__(self) -> str:
        """All of it, as a golden file has it."""
        parts = [self.out, "".join(f"! {line}\n" for line in self.err.splitlines())]
        if self.code:
            parts.append(f"(exit {self.code})\n")
        return "".join(parts)


class _Terminal(io.TextIOWrapper):
    """A stream that says whether it is a terminal."""

    def __init__(self, *, terminal: bool, content: bytes = b"") -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8", write_through=True)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


@dataclass
class Shell:
    """Runs the command against `world`. `paths`: what is written as <name> in screens."""

    world: World
    paths: dict[str, str] = field(default_factory=dict)

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        columns: int = 80,
        terminal: str | None = None,
    ) -> Screen:
        """`stdin` None: a terminal. `terminal`: its TERM, for standard output; None: a pipe."""
        out, err = (_Terminal(terminal=terminal is not None) for _ in range(2))
        given = _Terminal(terminal=stdin is None, content=stdin or b"")
        settings = {"COLUMNS": str(columns), "TERM": terminal or "dumb"}
        code = 0
        with (
            mock.patch.dict(os.environ, settings),
            mock.patch("freerouter_core.apps.cli.prompt._brings_something", lambda: bool(stdin)),
            mock.patch.object(sys, "stdin", given),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            Runtime._current = self.world.runtime
            try:
                cli.main(list(arguments), prog_name="freerouter")
            except SystemExit as ending:
                code = ending.code if isinstance(ending.code, int) else 1
        return Screen(self._clean(out.text), self._clean(err.text), code)

    def _clean(self, text: str) -> str:
        for name, path in self.paths.items():
            text = text.replace(path, name)
        return text


def leaves(group: click.Group, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, by the words that call it. A group that does something alone
    is one, too."""
    for name, command in sorted(group.commands.items()):
        words = " ".join((*names, name))
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield words, command
            yield from leaves(command, *names, name)
        else:
            yield words, command


@contextlib.contextmanager
def shell(world: World, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell with a key for `world`, whose state is forgotten afterwards."""
    patch.setenv("OPENROUTER_API_KEY", KEY)
    patch.setenv("OPENROUTER_BASE_URL", ADDRESS)
    patch.setenv("FREEROUTER_STATE", "memory")
    with world:
        yield Shell(world, {"<home>": str(folder)})
        Runtime._current = None
