"""`freerouter local`: list and start model servers on this machine."""

from __future__ import annotations

import asyncio
import logging
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click

from ...client.router import Router
from ...errors import FreeRouterError
from ...events import log
from ...reports import Cell, Table
from ...routing.selection import MEMORY_FACTOR
from ...runtime.hardware import memory
from ...settings.known_providers import known_providers
from .console import console, json_option, print_json, without_tracebacks

SERVER_WAIT = 2.0
"""Seconds to wait for a server."""
CONTAINER = "freerouter-ollama"
IMAGE = "ollama/ollama"
OLLAMA_PORT = 11_434
GIB = 2**30


@click.group()
def local() -> None:
    """Models on this machine: Ollama, LM Studio, llama.cpp, vLLM, transformers."""


@dataclass(frozen=True)
class LocalModel:
    """`size`: bytes of memory; 0 if unknown."""

    id: str
    size: int


@dataclass(frozen=True)
class LocalServer:
    """A server and its models. `reason`: why it is not running."""

    name: str
    running: bool
    reason: str = ""
    models: tuple[LocalModel, ...] = ()


@local.command("list")
@json_option
@without_tracebacks
def list_servers(*, as_json: bool) -> None:
    """List local servers, their models, and which models fit into memory."""
    names = [name for name, row in known_providers().items() if row.get("local")]
    level = log.level
    log.setLevel(logging.ERROR)  # a server that does not run is no reason for a warning
    try:
        available, servers = memory(), asyncio.run(_find_servers(names))
    finally:
        log.setLevel(level)
    if as_json:
        print_json({"memory": available, "servers": [asdict(server) for server in servers]})
        return
    amount = f"{available // GIB} GiB" if available else "unknown (the extra `local` measures it)"
    out = console()
    out.print(f"memory for models: {amount}")
    rows: list[tuple[Cell | str, ...]] = []
    for server in servers:
        if not server.running:
            rows.append((server.name, Cell(server.reason, "dim"), "", ""))
        rows += [_row(server, model, available) for model in server.models]
    out.print(Table(("server", "model", "size", "fits"), tuple(rows), ("size",)))


def _row(server: LocalServer, model: LocalModel, available: int) -> tuple[Cell | str, ...]:
    size = f"{model.size / GIB:.1f} GiB" if model.size else ""
    fits: Cell | str = ""
    if model.size and available:
        fits = Cell("yes", "good") if model.size * MEMORY_FACTOR <= available else Cell("no", "bad")
    return server.name, model.id, size, fits


async def _find_servers(names: Sequence[str]) -> list[LocalServer]:
    return await asyncio.gather(*map(_find_server, names))


async def _find_server(name: str) -> LocalServer:
    try:
        report = await Router(providers=(name,)).ahealth(wait=SERVER_WAIT)
    except FreeRouterError as error:
        return LocalServer(name, running=False, reason=error.message)
    if report.simulated:
        return LocalServer(name, running=False, reason="simulated: DEV_MODE is set")
    models = [row.model for row in report.rows if row.model.listed]
    return LocalServer(
        name, running=True, models=tuple(LocalModel(model.id, model.size) for model in models)
    )


@local.command()
@click.argument("what")
@click.option("-m", "--model", help="With ollama: a model to download, such as llama3.2.")
@without_tracebacks
def up(*, what: str, model: str | None) -> None:
    """Start a local server.

    WHAT is `ollama` (runs in Docker), or `hf:MODEL` (runs `transformers serve` until Ctrl-C).
    """
    if what == "ollama":
        _start_ollama(model)
    elif what.startswith("hf:") and len(what) > 3:
        _run_transformers(what.removeprefix("hf:"))
    else:
        raise click.UsageError(f"{what!r} is neither `ollama` nor `hf:MODEL`")


def _start_ollama(model: str | None) -> None:
    docker = shutil.which("docker")
    if docker is None:
        raise click.ClickException(
            "Docker is not installed: install it from https://docs.docker.com/get-docker, "
            "or install Ollama from https://ollama.com"
        )
    if _run(docker, "start", CONTAINER, quiet=True) != 0:  # the container does not exist yet
        port = f"127.0.0.1:{OLLAMA_PORT}:{OLLAMA_PORT}"
        volume = f"{CONTAINER}:/root/.ollama"
        if _run(docker, "run", "-d", "--name", CONTAINER, "-p", port, "-v", volume, IMAGE):
            raise click.ClickException("Docker could not start Ollama; see its output above")
    if model and _run(docker, "exec", CONTAINER, "ollama", "pull", model):
        raise click.ClickException(f"Ollama could not fetch {model}; see its output above")
    click.echo(f"Ollama listens on http://127.0.0.1:{OLLAMA_PORT}; stop: docker stop {CONTAINER}")
    click.echo(f"  FREEROUTER_PROVIDERS=ollama freerouter chat -m ollama:{model or 'MODEL'} hello")


def _run_transformers(model: str) -> None:
    program = shutil.which("transformers")
    if program is None:
        raise click.ClickException(
            "transformers is not installed: pip install 'transformers[serving]'"
        )
    click.echo("transformers listens on http://localhost:8000; Ctrl-C stops it")
    click.echo(f"  FREEROUTER_PROVIDERS=transformers freerouter chat -m transformers:{model} hello")
    try:
        status = _run(program, "serve")
    except KeyboardInterrupt:
        return
    if status:
        raise click.ClickException("transformers could not serve; see its output above")


def _run(*command: str, quiet: bool = False) -> int:
    output = subprocess.DEVNULL if quiet else None
    # The program was found by `shutil.which`.
    done = subprocess.run(command, check=False, stdout=output, stderr=output)  # noqa: S603
    return done.returncode
