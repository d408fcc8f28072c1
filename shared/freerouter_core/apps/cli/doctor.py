"""`freerouter doctor`: check keys, providers, the catalogue and models."""

from __future__ import annotations

from collections.abc import Mapping

import click
from rich.console import Console
from rich.markup import escape

from ...catalogue.durations import duration_words
from ...catalogue.provider_rows import merge_rows
from ...client.router import Router
from ...errors import FreeRouterError
from ...reports import HealthReport
from ...settings.environment import Settings
from ...settings.known_providers import known_providers
from .console import (
    EXIT_FAILED,
    console,
    json_option,
    print_json,
    without_tracebacks,
)


@click.command()
@json_option
@without_tracebacks
def doctor(*, as_json: bool) -> None:
    """Check keys, providers, the catalogue and models.

    Exit code: 0 if a model would be asked now, 1 if none would, 3 without a key.
    """
    out = console(stderr=as_json)
    has_key = _check_keys(out)
    router = Router()
    problem = _refresh(router, ignore_errors=has_key)
    reach = "[red]not reachable[/]: " + escape(problem) if problem else "[green]reachable[/]"
    try:
        report, order = router.health(), router.explain("hello")
    except FreeRouterError as error:
        out.print(f"provider   {reach}")
        out.print(f"catalogue  [red]none[/]: {escape(error.message)}")
        if as_json:
            print_json({"well": False, "problem": error.message})
        raise SystemExit(EXIT_FAILED) from None
    out.print(f"provider   {', '.join(report.accounts)}: {reach}")
    _print_report(out, report)
    asked = [row for row in order.rows if row.usable]
    if not asked and problem is None:
        problem = next((row.state_words for row in order.rows), "no catalogue lists a model")
        out.print(
            f"requests   [red]no model would be asked[/]: {escape(problem)}; see freerouter config"
        )
    if report.simulated:
        out.print("[yellow]simulated: DEV_MODE is set, so no provider is called[/]")
    if as_json:
        print_json(
            {
                "well": bool(asked),
                "problem": problem,
                "simulated": report.simulated,
                "usable": len(report.usable),
                "asked": len(asked),
                "listed": report.listed,
                "age": report.age,
                "providers": report.accounts,
            }
        )
    raise SystemExit(0 if asked else EXIT_FAILED)


def _refresh(router: Router, *, ignore_errors: bool) -> str | None:
    """Fetch the catalogues. Returns what went wrong, if anything."""
    try:
        router.refresh()
    except FreeRouterError as error:
        if not ignore_errors:
            raise
        return error.message
    return None


def _print_report(out: Console, report: HealthReport) -> None:
    age = "none"
    if report.age is not None:
        age = f"{report.listed} models, {duration_words(report.age)} old"
    colour = "green" if report.usable else "red"
    out.print(f"catalogue  {age}")
    out.print(f"models     [{colour}]{report}[/]")


def _check_keys(out: Console) -> bool:
    """Print where each key comes from. Returns whether there is a key, or none is needed."""
    settings = Settings.load()
    has_key = False
    selected = {"openrouter", *settings.freerouter_providers, *settings.providers}
    for name, row in merge_rows(known_providers(), settings.providers).items():
        for variable in row.get("keys", ()):
            present = bool((settings.environment.get(variable) or "").strip())
            origin = settings.origin(variable)
            if name in selected:
                has_key = has_key or present
                _print_key(out, variable, origin if present else None, row)
            elif present:
                reason = row.get("ended") or f"not used; FREEROUTER_PROVIDERS={name} would use it"
                out.print(f"key        {variable}: [yellow]found[/] ({origin}), {escape(reason)}")
    return has_key or settings.dev_mode


def _print_key(out: Console, variable: str, origin: object, provider: Mapping[str, object]) -> None:
    """`origin`: where the key comes from; None if there is none."""
    if origin is not None:
        out.print(f"key        {variable}: [green]found[/] ({origin})")
        return
    out.print(f"key        {variable}: [red]not set[/]")
    if provider.get("signup"):
        out.print(f"           get a free key: {provider['signup']}")
