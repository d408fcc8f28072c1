"""`freerouter run`: a client of any kind over a service of its own, which ends with it."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ...client.config import OnStreamBreak
from ...client.router import Router
from ...events import log
from ...settings.environment import Settings
from ...wire.model_names import ModelNames
from .client_secrets import without_secrets
from .clients import INSTALL, Service, applied, name_of, setup_of
from .console import without_tracebacks
from .serve import LOOPBACK, map_option, max_wait_option, model_option, on_stream_break_option
from .server import listen, server_of

NOT_FOUND = 127
"""The exit code of a command that is not there, as in a shell."""
GRACE = 2.0
"""Seconds for the service to end."""
FLUSH = 1.0
"""Seconds for the log to be written."""


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@model_option
@map_option
@on_stream_break_option("continue")
@max_wait_option
@click.option(
    "--log",
    "log_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file for the service's log. The terminal is the client's.",
)
@click.option(
    "--keep-env",
    "keep",
    multiple=True,
    metavar="NAME",
    help="A variable with a key that the client is to have, such as GITHUB_TOKEN. May be repeated.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@without_tracebacks
def run(
    *,
    model: str,
    names: tuple[str, ...],
    on_stream_break: OnStreamBreak,
    max_wait: float,
    log_file: Path | None,
    keep: tuple[str, ...],
    command: tuple[str, ...],
) -> None:
    """Run COMMAND with the free models as its own: claude, codex, opencode, aider, or any.

    A service is started for it on a free port of this machine, with a token of its own. The
    command learns of both by its variables, and nothing is written to its configuration. Options
    of its own stand behind its name. The service ends with it, and its exit code is passed on.

    Keys of providers stay here: the command gets no variable that holds one.
    """
    from ..rest import app

    program, *arguments = command
    path = shutil.which(program)
    if path is None:
        install = INSTALL.get(name_of(program))
        hint = f"; to install it: {install}" if install else ""
        click.echo(f"{program}: command not found{hint}", err=True)
        raise SystemExit(NOT_FOUND)
    router = Router(model=model, max_wait=max_wait, on_stream_break=on_stream_break)
    router.check()
    ModelNames.parse(names)
    token = f"fr-{secrets.token_urlsafe(24)}"
    listener, address = listen("127.0.0.1", 0)
    application = app(router, token=token, hosts=LOOPBACK, names=names, close=True)
    environment = without_secrets(os.environ, Settings.load(), keep)
    setup = setup_of(program, Service(address=address, token=token, model=model), environment)
    with _quiet(log_file), _serving(application, listener):
        if hidden := sorted(os.environ.keys() - environment.keys()):
            log.info("variables that the client does not get: %s", ", ".join(hidden))
        code = _run([path, *setup.arguments, *arguments], applied(setup.variables, environment))
        router.flush(FLUSH)  # the log has what the client's last request met
    sys.exit(code)


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run a client with this terminal. Returns its exit code, as a shell tells it."""
    # What the terminal sends (Ctrl-C, Ctrl-\) reaches the client by itself. What others send to
    # this process is passed on. A handler, not SIG_IGN, which the client would inherit.
    from_terminal = sys.stdin.isatty()
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _: object) -> None:
        if from_terminal and number in (signal.SIGINT, _number("SIGQUIT")):
            return
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    handled = [_number(name) for name in ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP")]
    before = {number: signal.signal(number, pass_on) for number in handled if number is not None}
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603  # the user's command
        for number in early:
            process.send_signal(number)
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _number(name: str) -> signal.Signals | None:
    """A signal, if this system has it."""
    return getattr(signal, name, None)


@contextmanager
def _serving(application: Callable[..., Any], listener: socket.socket) -> Iterator[None]:
    """Serve on a thread."""
    server = server_of(application, grace=1, log_level="critical")
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="freerouter-serve", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(GRACE)
        listener.close()


@contextmanager
def _quiet(log_file: Path | None) -> Iterator[None]:
    """Send the log to a file, or nowhere: the terminal is the client's."""
    handler = logging.FileHandler(log_file, "a", "utf-8") if log_file else logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level, propagates = log.level, log.propagate
    log.addHandler(handler)
    log.propagate = False
    if log_file:
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
        log.setLevel(level)
        log.propagate = propagates
