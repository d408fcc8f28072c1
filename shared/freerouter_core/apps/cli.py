"""The `freerouter` command: thin over `Router`."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .. import __version__
from ..errors import FreeRouterError
from ..router import Router

F = TypeVar("F", bound=Callable[..., Any])

EXIT_FAILED, EXIT_USAGE, EXIT_NO_KEY = 1, 2, 3
"""Exit codes: the models failed; the call was wrong; there is no key. `doctor` ends with 1 where no model is usable."""


def _console(*, stderr: bool = False) -> Console:
    # Without emoji=False rich reads the ":free:" of a message as a picture.
    return Console(stderr=stderr, highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())


def _guarded(command: F) -> F:
    """A user's mistake or a provider's failure is one line that says what to do, never a traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        from ..errors import AuthenticationFailed, BadRequest, BadSetting

        try:
            return command(*args, **kwargs)
        except FreeRouterError as error:
            console = _console(stderr=True)
            console.print(f"[red]{type(error).__name__}[/]: {escape(error.message)}")
            if error.hint:
                console.print(escape(error.hint))
            code = EXIT_USAGE if isinstance(error, (BadSetting, BadRequest)) else EXIT_FAILED
            raise SystemExit(EXIT_NO_KEY if isinstance(error, AuthenticationFailed) else code) from None
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our pipe has gone: no word is owed to it
            raise SystemExit(0) from None

    return run  # type: ignore[return-value]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="freerouter")
def cli() -> None:
    """The world's free language models behind one dependable door."""


@cli.command()
@click.argument("prompt", required=False)
@click.option("-m", "--model", default="auto", help='A model id, or "auto".')
@click.option("-s", "--system", help="A system message.")
@click.option("--max-tokens", type=click.IntRange(1), help="Tokens the answer may have.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=None, help="Seconds to the first token."
)
@click.option("--explain", is_flag=True, help="Show which models were tried, and why.")
@_guarded
def chat(
    prompt: str | None,
    model: str,
    system: str | None,
    max_tokens: int | None,
    timeout: float | None,
    explain: bool,
) -> None:
    """Ask PROMPT (or standard input) and print the answer as it comes."""
    from ..wire.request import ChatRequest

    if prompt is None:
        if sys.stdin.isatty():
            raise click.UsageError('nothing to ask: freerouter chat "Why is the sky blue?"')
        prompt = sys.stdin.read()
    messages = ([{"role": "system", "content": system}] if system else []) + [
        {"role": "user", "content": prompt}
    ]
    request = ChatRequest(messages, parameters={"max_tokens": max_tokens}, timeout=timeout)
    trail = _console(stderr=True)
    router = Router(model=model)
    stream = router.stream(request)
    try:
        for delta in stream:
            if delta.text:
                sys.stdout.write(delta.text)
                sys.stdout.flush()
    except FreeRouterError as error:
        sys.stdout.write("\n" if getattr(error, "partial", "") else "")
        if explain:
            _print_attempts(trail, error.attempts)
        raise
    sys.stdout.write("\n")
    outcome = stream.outcome
    if outcome is not None and explain:
        for line in outcome.journal.render():
            trail.print(f"[dim]{escape(line)}[/]")
        _print_attempts(trail, outcome.attempts)
    if outcome is not None and outcome.answer.simulated:
        trail.print("[yellow]simulated: DEV_MODE is set, nobody was called[/]")


def _print_attempts(console: Console, attempts: Any) -> None:
    for record in attempts:
        verdict = f"[red]{record['fault']}[/]" if record["fault"] else "[green]answered[/]"
        status = f" HTTP {record['status']}" if record["status"] else ""
        console.print(
            f"  {escape(record['model'])} ({record['provider']}): {verdict}{status}, {record['seconds']:.2f} s"
        )


@cli.command()
@click.option(
    "--all", "everything", is_flag=True, help="Also the free models that are no candidates, and why."
)
@_guarded
def models(everything: bool) -> None:
    """List the free models: context, capabilities, health."""
    report = Router().health()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, options in (
        ("model", {"overflow": "fold"}),
        ("context", {"justify": "right"}),
        ("capabilities", {"overflow": "fold"}),
        ("health", {"overflow": "fold"}),
    ):
        table.add_column(name, **options)  # type: ignore[arg-type]
    for row in sorted(report.rows, key=lambda r: (r.reason is not None, -r.model.context, r.model.id)):
        if row.reason is not None and not everything:
            continue
        words = [word for word in row.model.capabilities if word != "text"]
        table.add_row(
            escape(row.model.id), f"{row.model.context:,}", " ".join(words) or "text", _health_words(row)
        )
    console = _console()
    console.print(table)
    console.print(f"[dim]{report}[/]")
    if report.simulated:
        _console(stderr=True).print("[yellow]simulated: DEV_MODE is set[/]")


def _health_words(row: Any) -> str:
    if row.reason is not None:
        return f"[dim]{escape(row.reason)}[/]"
    if row.returns is not None:
        return f"[yellow]{escape(row.state)}, back in {row.returns:.0f} s[/]"
    health = row.health
    if health is None or not (health.answers or health.failures):
        return "[green]ready[/]"
    return f"[green]ready[/], {health.answers} answered, {health.failures} failed, {health.first_token:.1f} s"


@cli.command()
@_guarded
def doctor() -> None:
    """Check keys, providers, catalogue and models. Ends with 0 if a model is usable now, 1 if none is, 3 without a key."""
    console = _console()
    settings_ok = _check_keys(console)
    router = Router()
    try:
        router.refresh()
        reach = "[green]reachable[/]"
    except FreeRouterError as error:
        if not settings_ok:
            raise
        reach = f"[red]not reachable[/]: {escape(error.message)}"
    try:
        report = router.health()
    except FreeRouterError as error:
        console.print(f"provider   {reach}")
        console.print(f"catalogue  [red]none[/]: {escape(error.message)}")
        raise SystemExit(EXIT_FAILED) from None
    console.print(f"provider   {', '.join(report.accounts)}: {reach}")
    age = "none" if report.age is None else f"{report.listed} models, {_age(report.age)} old"
    console.print(f"catalogue  {age}")
    usable = len(report.usable)
    colour = "green" if usable else "red"
    console.print(f"models     [{colour}]{report}[/]")
    if report.simulated:
        console.print("[yellow]simulated: DEV_MODE is set, nobody is called[/]")
    raise SystemExit(0 if usable else EXIT_FAILED)


def _check_keys(console: Console) -> bool:
    from ..catalogue.providers import extended
    from ..resolution import known_providers
    from ..settings import Settings

    settings = Settings.load()
    environment = settings.environment
    found = False
    named = {"openrouter", *settings.freerouter_providers, *settings.providers}
    for name, row in extended(known_providers(), settings.providers).items():
        used = name in named
        for variable in row.get("keys", ()):
            held = bool(environment.get(variable))
            where = "environment" if os.environ.get(variable) else ".env file"
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
    "--port", type=click.IntRange(0, 65_535), default=8_765, show_default=True, help="0 picks a free one."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--failing", is_flag=True, help="Most models fail at times, as the real ones do.")
@_guarded
def simulate(host: str, port: int, seed: int, failing: bool) -> None:
    """Serve a simulated OpenRouter on HOST:PORT, for any client. Nothing leaves this machine."""
    try:
        import uvicorn
    except ImportError:
        raise click.ClickException("this needs uvicorn: pip install 'freerouter-llm[cli]'") from None
    import socket

    from ..simulator import World, calm_models, failing_models

    world = World(failing_models() if failing else calm_models(), seed=seed, clock="real")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # from here on whoever connects is answered, if a moment later
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
    bound = listener.getsockname()[1]
    click.echo(f"a simulated OpenRouter listens on http://{host}:{bound}/api/v1 (any key; Ctrl-C ends it)")
    click.echo(f"  export OPENROUTER_BASE_URL=http://{host}:{bound}/api/v1 OPENROUTER_API_KEY=sk-simulated")
    server = uvicorn.Server(uvicorn.Config(world.app(), log_level="warning", lifespan="off"))
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


@cli.command()
@click.option("--seed", type=int, default=7, show_default=True)
@_guarded
def demo(seed: int) -> None:
    """A LangChain agent's tools and a LlamaIndex query over a simulated world in which models fail. No key, no network."""
    from .demo import run

    run(_console(), seed)


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
