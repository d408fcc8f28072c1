"""The `freerouter` command: thin over `Router`."""

from __future__ import annotations

import contextlib
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from ..._version import __version__
from ...client.router import Router
from ...errors import FreeRouterError
from . import benchmark, local, probe
from . import catalogue as lists
from . import chat as talk
from .console import EXIT_FAILED, age_words, console, guarded, json_option, print_json

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="freerouter")
def cli() -> None:
    """The world's free language models behind one dependable door."""


@cli.command()
@json_option
@guarded
def doctor(as_json: bool) -> None:
    """Check keys, providers, catalogue and models. Ends with 0 if a model would be asked now, 1 if none would, 3 without a key."""
    out = console(stderr=as_json)
    found = _check_keys(out)
    router = Router()
    try:
        router.refresh()
        reach, problem = "[green]reachable[/]", None
    except FreeRouterError as error:
        if not found:
            raise
        reach, problem = f"[red]not reachable[/]: {escape(error.message)}", error.message
    try:
        report, order = router.health(), router.explain("hello")
    except FreeRouterError as error:
        out.print(f"provider   {reach}")
        out.print(f"catalogue  [red]none[/]: {escape(error.message)}")
        if as_json:
            print_json({"well": False, "problem": error.message})
        raise SystemExit(EXIT_FAILED) from None
    out.print(f"provider   {', '.join(report.accounts)}: {reach}")
    age = "none" if report.age is None else f"{report.listed} models, {age_words(report.age)} old"
    out.print(f"catalogue  {age}")
    asked = [row for row in order.rows if row.usable]
    out.print(f"models     [{'green' if report.usable else 'red'}]{report}[/]")
    if not asked and problem is None:
        problem = next((row.state_words for row in order.rows), "no model is listed")
        out.print(
            f"requests   [red]none of them would be asked[/]: {escape(problem)}; see freerouter config"
        )
    if report.simulated:
        out.print("[yellow]simulated: DEV_MODE is set, nobody is called[/]")
    if as_json:
        told: dict[str, Any] = {
            "well": bool(asked),
            "problem": problem,
            "simulated": report.simulated,
        }
        told |= {"usable": len(report.usable), "asked": len(asked), "listed": report.listed}
        print_json(told | {"age": report.age, "providers": report.accounts})
    raise SystemExit(0 if asked else EXIT_FAILED)


def _check_keys(console: Console) -> bool:
    from ...catalogue.providers import extended
    from ...client.resolve import known_providers
    from ...settings.environment import Settings

    settings = Settings.load()
    environment = settings.environment
    found = False
    named = {"openrouter", *settings.freerouter_providers, *settings.providers}
    for name, row in extended(known_providers(), settings.providers).items():
        used = name in named
        for variable in row.get("keys", ()):
            held = bool(environment.get(variable, "").strip())
            where = settings.origin(variable.lower())
            if used:
                found = found or held
                state = f"[green]found[/] ({where})" if held else "[red]not set[/]"
                console.print(f"key        {variable}: {state}")
                if not held and row.get("signup"):
                    console.print(f"           a free one: {row['signup']}")
            elif held:
                why = row.get("ended") or f"unused; FREEROUTER_PROVIDERS={name} would ask it, too"
                console.print(f"key        {variable}: [yellow]found[/] ({where}), {escape(why)}")
    return found or settings.dev_mode


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8_765,
    show_default=True,
    help="0 picks a free one.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--failing", is_flag=True, help="Most models fail at times, as the real ones do.")
@guarded
def simulate(host: str, port: int, seed: int, failing: bool) -> None:
    """Serve a simulated OpenRouter on HOST:PORT, for any client. Nothing leaves this machine."""
    from ...simulator import World, calm_models, failing_models

    world = World(failing_models() if failing else calm_models(), seed=seed, clock="real")
    listener, address = _listen(host, port)
    click.echo(f"a simulated OpenRouter listens on {address}/api/v1 (any key; Ctrl-C ends it)")
    click.echo(f"  export OPENROUTER_BASE_URL={address}/api/v1 OPENROUTER_API_KEY=sk-simulated")
    _serve(world.app(), listener, lifespan="off", timeout_graceful_shutdown=1)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8_080,
    show_default=True,
    help="0 picks a free one.",
)
@click.option(
    "--token", envvar="FREEROUTER_SERVE_TOKEN", help="What callers must bring as a bearer token."
)
@click.option(
    "--no-token",
    is_flag=True,
    help="Let anybody in who reaches HOST, though it is not this machine alone.",
)
@click.option("-m", "--model", default="auto", help='Asked first where a caller says "auto".')
@click.option(
    "--grace",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Seconds that open streams have to end on Ctrl-C.",
)
@guarded
def serve(host: str, port: int, token: str | None, no_token: bool, model: str, grace: int) -> None:
    """Serve OpenAI's chat API on HOST:PORT over the free models, and FreeRouter's own under /api/v1."""
    from ..rest import app

    if host not in LOOPBACK and not (token or no_token):
        raise click.UsageError(
            f"whoever reaches {host} could spend your limits: give --token, or --no-token to mean it"
        )
    router = Router(model=model)
    router.check()
    listener, address = _listen(host, port)
    click.echo(f"FreeRouter listens on {address}/v1 (Ctrl-C ends it)")
    click.echo(
        f"  export OPENAI_BASE_URL={address}/v1 OPENAI_API_KEY={'YOUR_TOKEN' if token else 'any'}"
    )
    hosts = LOOPBACK if host in LOOPBACK else None
    _serve(
        app(router, token=token, hosts=hosts, close=True), listener, timeout_graceful_shutdown=grace
    )


@cli.command()
@click.option("-m", "--model", default="auto", help='Asked first where a caller says "auto".')
@guarded
def mcp(model: str) -> None:
    """Be an MCP server on standard input and output: free models, recommendations, costs, answers."""
    from ..mcp import server

    server(Router(model=model)).run("stdio")


def _listen(host: str, port: int) -> tuple[Any, str]:
    """A listening socket, and its address: from here on whoever connects is answered, if a moment later."""
    import socket

    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
    shown = f"[{host}]" if ":" in host else host
    return listener, f"http://{shown}:{listener.getsockname()[1]}"


def _serve(app: Any, listener: Any, **options: Any) -> None:
    try:
        import uvicorn
    except ImportError:
        raise click.ClickException(
            "this needs uvicorn: pip install 'freerouter-llm[cli]'"
        ) from None
    config = uvicorn.Config(app, log_level="warning", **options)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


@cli.command()
@click.option("--seed", type=int, default=7, show_default=True)
@guarded
def demo(seed: int) -> None:
    """A LangChain agent's tools and a LlamaIndex query over a simulated world in which models fail. No key, no network."""
    from .demo import run

    run(console(), seed)


for command in (
    talk.chat,
    probe.command,
    benchmark.command,
    lists.models,
    lists.discover,
    lists.recommend,
    lists.explain,
    lists.stats,
    lists.config,
    local.local,
):
    cli.add_command(command)
