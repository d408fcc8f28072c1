"""`freerouter local`: models on this machine: which servers run, what they hold, what fits; and how to start one."""

from __future__ import annotations

import asyncio
import logging
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import click

from ...client.resolve import known_providers
from ...client.router import Router
from ...errors import FreeRouterError
from ...events import log
from ...reports import Cell, Table
from ...routing.candidates import ROOM
from ...runtime.hardware import memory
from .console import console, guarded, json_option, print_json

PATIENCE = 2.0
"""Seconds a server is waited for."""
CONTAINER, IMAGE, PORT = "freerouter-ollama", "ollama/ollama", 11_434


@click.group()
def local() -> None:
    """Models on this machine: Ollama, LM Studio, llama.cpp, vLLM, transformers."""


@local.command("list")
@json_option
@guarded
def listed(as_json: bool) -> None:
    """Which local servers run, the models they hold, and whether those fit into this machine's memory."""
    names = [name for name, row in known_providers().items() if row.get("local")]
    level = log.level
    log.setLevel(logging.ERROR)  # a server that does not run is no failure here
    try:
        room, rows = memory(), asyncio.run(_servers(names))
    finally:
        log.setLevel(level)
    if as_json:
        print_json({"memory": room, "servers": rows})
        return
    out = console()
    out.print(
        f"memory for models: {room >> 30} GiB"
        if room
        else "memory for models: not known (the extra `local` may tell)"
    )
    shown: list[tuple[Cell | str, ...]] = []
    for row in rows:
        if not row["running"]:
            shown.append((row["name"], Cell(row["reason"], "dim"), "", ""))
        for model in row["models"]:
            size = model["size"]
            fits = Cell("yes", "good") if size * ROOM <= room else Cell("no", "bad")
            gigabytes = f"{size / 2**30:.1f} GiB" if size else ""
            shown.append((row["name"], model["id"], gigabytes, fits if size and room else ""))
    out.print(Table(("server", "model", "size", "fits"), tuple(shown), ("size",)))


async def _servers(names: Sequence[str]) -> list[dict[str, Any]]:
    return await asyncio.gather(*map(_server, names))


async def _server(name: str) -> dict[str, Any]:
    try:
        report = await Router(providers=(name,)).ahealth(wait=PATIENCE)
    except FreeRouterError as error:
        return {"name": name, "running": False, "reason": error.message, "models": []}
    if report.simulated:
        return {
            "name": name,
            "running": False,
            "reason": "simulated: DEV_MODE is set",
            "models": [],
        }
    models = [row.model for row in report.rows if row.model.listed]
    return {
        "name": name,
        "running": True,
        "reason": "",
        "models": [{"id": m.id, "size": m.size} for m in models],
    }


@local.command()
@click.argument("what")
@click.option("-m", "--model", help="With ollama: a model to fetch, such as llama3.2.")
@guarded
def up(what: str, model: str | None) -> None:
    """Start a local server: WHAT is `ollama` (in Docker), or `hf:MODEL` (`transformers serve`, until Ctrl-C)."""
    if what == "ollama":
        _ollama(model)
    elif what.startswith("hf:") and len(what) > 3:
        _transformers(what.removeprefix("hf:"))
    else:
        raise click.UsageError(f"{what!r} is neither `ollama` nor `hf:MODEL`")


def _ollama(model: str | None) -> None:
    docker = shutil.which("docker")
    if docker is None:
        raise click.ClickException(
            "Docker is not installed: get it at https://docs.docker.com/get-docker, or Ollama itself at https://ollama.com"
        )
    if _run(docker, "start", CONTAINER, quiet=True) != 0:  # there is none of that name yet
        address = f"127.0.0.1:{PORT}:{PORT}"
        failed = _run(
            docker,
            "run",
            "-d",
            "--name",
            CONTAINER,
            "-p",
            address,
            "-v",
            f"{CONTAINER}:/root/.ollama",
            IMAGE,
        )
        if failed:
            raise click.ClickException("Docker could not start Ollama; its own words are above")
    if model and _run(docker, "exec", CONTAINER, "ollama", "pull", model):
        raise click.ClickException(f"Ollama could not fetch {model}; its own words are above")
    click.echo(f"Ollama listens on http://127.0.0.1:{PORT}; `docker stop {CONTAINER}` ends it")
    click.echo(f"  FREEROUTER_PROVIDERS=ollama freerouter chat -m ollama:{model or 'MODEL'} hello")


def _transformers(model: str) -> None:
    command = shutil.which("transformers")
    if command is None:
        raise click.ClickException(
            "transformers is not installed: pip install 'transformers[serving]'"
        )
    click.echo("transformers listens on http://localhost:8000; Ctrl-C ends it")
    click.echo(f"  FREEROUTER_PROVIDERS=transformers freerouter chat -m transformers:{model} hello")
    try:
        status = _run(command, "serve")
    except KeyboardInterrupt:
        return
    if status:
        raise click.ClickException("transformers could not serve; its own words are above")


def _run(*command: str, quiet: bool = False) -> int:
    silent = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, check=False, stdout=silent, stderr=silent).returncode  # noqa: S603  # found by `which`
