"""Commands that run a server: serve, simulate."""

from __future__ import annotations

import contextlib
import gc
import socket
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

import click

from ...catalogue.counts import count_words
from ...client.config import OnStreamBreak
from ...client.router import Router
from ...runtime.runtime import Runtime
from ...wire.model_names import ModelNames
from .console import without_tracebacks
from .server import listen, server_of

LOOPBACK = ("127.0.0.1", "::1", "localhost")
C = TypeVar("C", bound=Callable[..., object])

host_option = click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on."
)
model_option = click.option(
    "-m", "--model", default="auto", help='Model to ask first if a caller sends "auto".'
)

map_option = click.option(
    "--map",
    "names",
    multiple=True,
    metavar="PATTERN=MODEL",
    envvar="FREEROUTER_SERVE_MAP",
    show_envvar=True,
    help="What a client's name of a model means, such as 'gpt-*=auto'. May be repeated.",
)
max_wait_option = click.option(
    "--max-wait",
    type=click.FloatRange(0, 600),
    default=60.0,
    show_default=True,
    help="Seconds in line for your own limits. A longer line is answered 429, with the wait.",
)


def on_stream_break_option(default: OnStreamBreak) -> Callable[[C], C]:
    return click.option(
        "--on-stream-break",
        type=click.Choice(["raise", "continue"]),
        default=default,
        show_default=True,
        help="A stream that breaks ends with an error, or another model continues its text.",
    )


def port_option(default: int) -> Callable[[C], C]:
    return click.option(
        "--port",
        type=click.IntRange(0, 65_535),
        default=default,
        show_default=True,
        help="0 picks a free port.",
    )


_ACCESS = (
    click.option(
        "--token",
        "tokens",
        multiple=True,
        envvar="FREEROUTER_SERVE_TOKEN",
        show_envvar=True,
        help="Bearer token that callers must send. May be repeated: one for each caller.",
    ),
    click.option(
        "--no-token",
        is_flag=True,
        help="Accept callers without a token, even if other machines can reach HOST.",
    ),
    click.option(
        "--allow-host",
        "hosts",
        multiple=True,
        envvar="FREEROUTER_SERVE_HOSTS",
        show_envvar=True,
        help="A further host name to answer to, such as host.docker.internal. May be repeated.",
    ),
    click.option(
        "--allow-origin",
        "origins",
        multiple=True,
        envvar="FREEROUTER_SERVE_ORIGINS",
        show_envvar=True,
        help="A site or app whose pages may send requests, as app://obsidian.md. May be repeated.",
    ),
)


def access_options(command: C) -> C:
    """Who may use a server: `tokens`, `no_token`, `hosts` and `origins`."""
    for option in reversed(_ACCESS):
        command = option(command)
    return command


def accepted_hosts(host: str, hosts: tuple[str, ...]) -> tuple[str, ...] | None:
    """The names that a server on `host` answers to. None: any."""
    return (*LOOPBACK, host, *hosts) if hosts or host in LOOPBACK else None


def check_token(host: str, tokens: tuple[str, ...], *, no_token: bool) -> None:
    """Raise `UsageError` if other machines could use the server without a token."""
    if host not in LOOPBACK and not (any(tokens) or no_token):
        raise click.UsageError(
            f"everyone who can reach {host} could use up your limits: "
            "pass --token, or --no-token to allow it"
        )


@click.command()
@host_option
@port_option(8_080)
@access_options
@model_option
@map_option
@on_stream_break_option("raise")
@max_wait_option
@click.option(
    "--allow-media-host",
    "media_hosts",
    multiple=True,
    metavar="HOST",
    envvar="FREEROUTER_SERVE_MEDIA_HOSTS",
    show_envvar=True,
    help="A host inside your network that pictures and files may be at; '*': any. May be repeated.",
)
@click.option(
    "--answer-cache",
    metavar="PLACE",
    default="",
    help="Where answers are kept: true (beside the state), memory, or an address. Off by default.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(1),
    default=512,
    show_default=True,
    help="Requests to models at once. More are answered 429.",
)
@click.option(
    "--grace",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Seconds for open streams to finish after Ctrl-C.",
)
@without_tracebacks
def serve(
    *,
    host: str,
    port: int,
    tokens: tuple[str, ...],
    no_token: bool,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    model: str,
    names: tuple[str, ...],
    media_hosts: tuple[str, ...],
    on_stream_break: OnStreamBreak,
    answer_cache: str,
    max_wait: float,
    max_requests: int,
    grace: int,
) -> None:
    """Serve the free models on HOST:PORT.

    OpenAI's chat API is under /v1, FreeRouter's own under /api/v1.
    """
    from ..rest import app

    check_token(host, tokens, no_token=no_token)
    router = Router(
        model=model,
        max_wait=max_wait,
        on_stream_break=on_stream_break,
        answer_cache=answer_cache,
    )
    router.check()
    ModelNames.parse(names)
    listener, address = listen(host, port)
    key = "YOUR_TOKEN" if any(tokens) else "any"
    click.echo(f"FreeRouter listens on {address}/v1 (Ctrl-C stops it)")
    click.echo(f"  export OPENAI_BASE_URL={address}/v1 OPENAI_API_KEY={key}")
    application = app(
        router,
        token=tokens,
        hosts=accepted_hosts(host, hosts),
        origins=origins,
        media_hosts=media_hosts,
        names=names,
        most=max_requests,
    )
    serve_until_signal(application, listener, grace=grace, router=router)


@click.command()
@host_option
@port_option(8_765)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the simulated randomness."
)
@click.option("--failing", is_flag=True, help="Let most models fail at times, as real ones do.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="A key that it accepts; others get 401. May be repeated; each key has its own limits.",
)
@click.option("--per-minute", type=click.IntRange(1), help="Requests that a key may send a minute.")
@click.option("--per-day", type=click.IntRange(1), help="Requests that a key may send a UTC day.")
@without_tracebacks
def simulate(
    *,
    host: str,
    port: int,
    seed: int,
    failing: bool,
    keys: tuple[str, ...],
    per_minute: int | None,
    per_day: int | None,
) -> None:
    """Serve a simulated OpenRouter on HOST:PORT, for any client.

    Nothing leaves this machine. Without --key any key is accepted, and without limits there are
    none. With limits alone the key is sk-simulated.
    """
    from ...simulator import SimAccount, World, calm_models, failing_models

    if (per_minute or per_day) and not keys:
        keys = ("sk-simulated",)
    accounts = [SimAccount(key, per_minute, per_day=per_day) for key in keys]
    models = failing_models() if failing else calm_models()
    world = World(models, accounts or None, seed=seed, clock="real")
    listener, address = listen(host, port)
    accepted = count_words(len(keys), "key") if keys else "any key"
    limits = [f"{per_minute} a minute"] if per_minute else []
    limits += [f"{per_day} a day"] if per_day else []
    rules = ", ".join([accepted, *limits, "Ctrl-C stops it"])
    shown = keys[0] if keys == ("sk-simulated",) else "YOUR_KEY" if keys else "sk-simulated"
    click.echo(f"a simulated OpenRouter listens on {address}/api/v1 ({rules})")
    click.echo(f"  export OPENROUTER_BASE_URL={address}/api/v1 OPENROUTER_API_KEY={shown}")
    serve_until_signal(world.app(), listener, grace=1, lifespan="off")


def serve_until_signal(
    app: Callable[..., Any],
    listener: socket.socket,
    *,
    grace: int,
    lifespan: Literal["auto", "off"] = "auto",
    router: Router | None = None,
) -> None:
    """Serve until a signal comes.

    `router`: it is served on its runtime's own loop, so that requests cross no threads. It is
    closed at the end, which writes the state.
    """
    server = server_of(app, grace=grace, lifespan=lifespan)
    with contextlib.suppress(KeyboardInterrupt):
        if router is None:
            server.run(sockets=[listener])
            return
        with server.capture_signals(), _little_garbage_collection():
            Runtime.current().call(lambda: server.serve(sockets=[listener]), serves=True)
            router.close()


@contextlib.contextmanager
def _little_garbage_collection() -> Iterator[None]:
    """What is loaded stays, so it is not looked through again and again: a tenth of all CPU."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
