"""`freerouter doctor`: check keys, addresses, lists of models, and whether one would be asked."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.console import Console
from rich.markup import escape

from ...catalogue.durations import duration_words
from .checkup import MISSING, REFUSED, UNREACHABLE, Checkup, Finding, checkup
from .console import (
    EXIT_FAILED,
    EXIT_NO_KEY,
    EXIT_UNREACHABLE,
    console,
    json_option,
    print_json,
    without_tracebacks,
)
from .shell_words import in_shell

_COLOURS = {"accepted": "green", "not needed": "green", "not proven": "yellow"}


@click.command()
@json_option
@without_tracebacks
def doctor(*, as_json: bool) -> None:
    """Check keys, addresses, lists of models, and whether a model would be asked.

    Each key is proven where that costs nothing.

    \b
    Exit code:
      0  all is well
      1  no model would be asked now
      2  a setting is wrong
      3  a key is missing or was refused
      4  an address cannot be reached
    """
    found = checkup()
    if as_json:
        print_json(_as_json(found))
    else:
        _print(console(), found)
    raise SystemExit(_code(found))


def _code(found: Checkup) -> int:
    """What was found, as an exit code. The first cause decides: a key, an address, the rest."""
    states = {finding.key for finding in found.findings}
    if states & {MISSING, REFUSED}:
        return EXIT_NO_KEY
    if UNREACHABLE in states:
        return EXIT_UNREACHABLE
    return 0 if found.asked else EXIT_FAILED


def _as_json(found: Checkup) -> dict[str, object]:
    report, code = found.report, _code(found)
    failing = (f"{f.provider}: key {f.key} {f.detail}".strip() for f in found.findings if f.fails)
    return {
        "well": code == 0,
        "code": code,
        "problem": found.problem or next(failing, None),
        "hint": found.hint,
        "simulated": report is not None and report.simulated,
        "usable": len(report.usable) if report else 0,
        "asked": found.asked,
        "listed": report.listed if report else 0,
        "age": report.age if report else None,
        "providers": [asdict(finding) for finding in found.findings],
        "unused": [
            dict(zip(("variable", "origin", "why"), row, strict=True)) for row in found.unused
        ],
    }


def _print(out: Console, found: Checkup) -> None:
    for finding in found.findings:
        _print_finding(out, finding)
    report = found.report
    if report is not None and not (found.findings and all(f.fails for f in found.findings)):
        colour = "green" if found.asked else "red"
        age = "" if report.age is None else f", fetched {duration_words(report.age)} ago"
        out.print(f"[{colour}]{report}[/]{age}")
        if report.simulated:
            out.print("[yellow]simulated: DEV_MODE is set, so no provider is called[/]")
    if found.problem:
        out.print(f"[red]no model would be asked[/]: {escape(in_shell(found.problem))}")
        out.print(escape(in_shell(found.hint)))
    for variable, origin, why in found.unused:
        out.print(f"[dim]not used: {variable} ({escape(origin)}); {escape(why)}[/]")


def _print_finding(out: Console, finding: Finding) -> None:
    out.print(f"[bold]{escape(finding.provider)}[/]")
    if finding.key == MISSING:
        out.print(f"  key      [red]missing[/]: {finding.variable} is not set")
        if finding.signup:
            out.print(f"           a free key: {escape(finding.signup)}")
        out.print(f"           to keep it: freerouter keys set {escape(finding.provider)}")
    elif finding.variable is None or finding.key == "not needed":
        out.print("  key      not needed")
    else:
        colour = _COLOURS.get(finding.key, "red")
        state = "" if finding.key == UNREACHABLE else f"[{colour}]{finding.key}[/]: "
        out.print(f"  key      {state}{finding.variable} ({escape(finding.key_from or '')})")
    if finding.key in (REFUSED, "not proven") and finding.detail:
        out.print(f"           {escape(finding.detail)}")
    if finding.key == REFUSED and finding.signup:
        out.print(f"           mistyped, expired or revoked? see {escape(finding.signup)}")
    unreachable = finding.key == UNREACHABLE
    state = "[red]not reachable[/]: " if unreachable else ""
    out.print(f"  address  {state}{escape(str(finding.address))} ({escape(finding.address_from)})")
    if unreachable:
        out.print(f"           {escape(in_shell(finding.detail))}")
        out.print("           check the network, the proxy and this address")
    elif finding.free is not None:
        out.print(f"  models   {finding.free} free")
