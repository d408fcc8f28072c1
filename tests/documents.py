"""Runs the blocks of a page: Python in a namespace, shell lines against a simulated OpenRouter."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
STAYS = ("freerouter serve", "freerouter simulate", "freerouter mcp --http")
"""Commands that run until they are stopped. Tests wait for their first line."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    `printed`: what the page says it prints; None: nothing. `line`: the line it starts on, from 1.
    `end`: the offset of its end, with what it prints.
    """

    language: str
    text: str
    printed: str | None
    line: int
    end: int


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, without those that show what the block above them prints."""
    text = page.read_text("utf-8")
    return [
        Block(m[1], m[2], m[3], text.count("\n", 0, m.start()) + 1, m.end())
        for m in FENCE.finditer(text)
        if m[1] != "text"
    ]


def run_python(code: str, name: str, space: dict[str, Any]) -> str:
    """Run a block. Returns what it prints. Its top level may await."""
    out = io.StringIO()
    compiled = compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with contextlib.redirect_stdout(out):
        if compiled.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(compiled, space))  # noqa: S307
        else:
            exec(compiled, space)  # noqa: S102  # our own text
    return out.getvalue()


def run_shell(text: str, folder: Path, environment: dict[str, str]) -> str:
    """Run lines one by one. Returns what they print, without stderr. `export` lasts."""
    printed = ""
    environment = environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    for line in text.splitlines():
        command = line.split("  # ")[0].strip()
        if not command or command.startswith("#"):
            continue
        if command.startswith("export "):
            environment |= dict(
                part.split("=", 1) for part in command.removeprefix("export ").split()
            )
        elif command.startswith(STAYS):
            _start_and_stop(f"{command} --port 0", folder, environment)
        else:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
            printed += "".join(f"{part.rstrip()}\n" for part in done.stdout.splitlines())
    return printed


def _start_and_stop(command: str, folder: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=folder,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.terminate()
        process.wait(30)
    assert "listens on http://127.0.0.1:" in first, command


def renewed(page: Path, printed: dict[int, str]) -> str:
    """The text of a page with what its blocks printed, by their lines. Others stay as they are."""
    text, shift = page.read_text("utf-8"), 0
    for block in blocks(page):
        out = printed.get(block.line, block.printed)
        end = block.end + shift
        start = end - (len(f"\n\n```text\n{block.printed}```") if block.printed is not None else 0)
        shown = f"\n\n```text\n{out}```" if out else ""
        text = text[:start] + shown + text[end:]
        shift += len(shown) - (end - start)
    return text
