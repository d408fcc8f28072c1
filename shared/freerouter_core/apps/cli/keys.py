"""`freerouter keys`: keep keys in the system's keyring, or in a file that only you can read."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click
from click.shell_completion import CompletionItem
from rich.markup import escape

from ...catalogue.provider_rows import merge_rows
from ...errors import BadSetting, forgets_locals, shown_name
from ...reports import Cell, Table
from ...settings.environment import Settings
from ...settings.kept_keys import FILE, KEYRING, file_of_keys, forget, keep, kept_keys
from ...settings.key_owners import names_a_secret
from ...settings.known_providers import known_providers
from .console import console, json_option, print_json, without_tracebacks

MAX_KEY = 10_000
"""Characters of a key."""


def complete_provider(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """The providers that begin so and have keys, for shells."""
    rows = known_providers().items()
    return [CompletionItem(n) for n, row in rows if row.get("keys") and n.startswith(begun)]


@click.group()
def keys() -> None:
    """Keep keys in the system's keyring, or in a file that only you can read.

    A variable in the environment, or in a .env of the working directory, takes precedence.
    """


@keys.command("set")
@click.argument("name", shell_complete=complete_provider)
@without_tracebacks
@forgets_locals
def set_key(*, name: str) -> None:
    """Keep the key of NAME, a provider such as groq, or a variable such as GROQ_API_KEY.

    The key is asked for, or read from standard input. It is never an argument, because a shell
    writes those down.
    """
    settings = Settings.load()
    variable, provider = _variable_of(name, settings)
    place = keep(variable, _read_key(variable, provider))
    out = console()
    if place == KEYRING:
        out.print(f"{variable} is kept in the system's keyring")
    else:
        out.print(f"{variable} is kept in a file that only you can read; there is no keyring:")
        out.print(f"  {escape(place)}", soft_wrap=True)
    origin = settings.environment.source_of(variable)
    if origin is not None and not origin.kept:
        out.print(f"[yellow]{variable} of the {escape(origin.name)} takes precedence[/]")
    used = {"openrouter", *settings.freerouter_providers, *settings.providers}
    if provider not in used:
        names = ",".join([*settings.freerouter_providers, provider])
        out.print(f"to ask it: export FREEROUTER_PROVIDERS={escape(names)}")


@keys.command("list")
@json_option
@without_tracebacks
def list_keys(*, as_json: bool) -> None:
    """List the kept keys, and where each is. No key is shown."""
    settings = Settings.load()
    owners = {variable: name for name, variable in _variables(settings)}
    rows = [
        {
            "variable": variable,
            "provider": owners.get(variable),
            "place": place,
            "used": (source := settings.environment.source_of(variable)) is not None
            and source.kept,
            "instead": None if source is None or source.kept else source.name,
        }
        for variable, place in kept_keys().items()
    ]
    if as_json:
        print_json(rows)
        return
    if not rows:
        console().print("no key is kept; to keep one: freerouter keys set openrouter")
        return
    cells = [
        (str(row["variable"]), str(row["provider"] or "-"), _kept_in(row), _use(row))
        for row in rows
    ]
    console().print(Table(("variable", "provider", "kept in", "now"), cells, spare=("provider",)))


def _kept_in(row: Mapping[str, object]) -> str:
    """The keyring, or the file whose path is told below the table."""
    return KEYRING if row["place"] == KEYRING else FILE


def _use(row: Mapping[str, object]) -> Cell:
    if row["used"]:
        return Cell("used", "good")
    if row["instead"]:
        return Cell(f"not used: the {row['instead']} has another", "wait")
    return Cell("cannot be read", "bad")


@keys.command("remove")
@click.argument("name", shell_complete=complete_provider)
@without_tracebacks
def remove_key(*, name: str) -> None:
    """Forget the kept key of NAME, a provider or a variable."""
    kept = kept_keys()
    variable = name.upper() if name.upper() in kept else _variable_of(name, Settings.load())[0]
    known = [v for owner, v in _variables(Settings.load()) if owner == name.lower() and v in kept]
    variable = next(iter(known), variable)
    if not forget(variable):
        raise BadSetting(f"no key of {shown_name(name)} is kept", hint="freerouter keys list")
    console().print(f"{variable} is forgotten")


@keys.command("path")
@without_tracebacks
def path_of_keys() -> None:
    """Print the path of the file that names the kept keys."""
    click.echo(file_of_keys())


def _variables(settings: Settings) -> list[tuple[str, str]]:
    """(provider, variable) of every key that a provider may have."""
    rows = merge_rows(known_providers(), settings.providers)
    return [(name, variable) for name, row in rows.items() for variable in row.get("keys", ())]


def _variable_of(name: str, settings: Settings) -> tuple[str, str]:
    """(variable, provider) that a name means: a provider's first variable, or that variable."""
    pairs = _variables(settings)
    for provider, variable in pairs:
        if name.lower() == provider.lower() or name.upper() == variable:
            if not names_a_secret(variable):
                raise BadSetting(
                    f"{variable} cannot be kept: its name does not say that it is a secret",
                    hint="call the variable by a name such as LAB_API_KEY",
                )
            return variable, provider
    raise BadSetting(
        f"no provider and no key's variable is called {shown_name(name)}",
        hint="known: " + ", ".join(dict.fromkeys(provider for provider, _ in pairs)),
    )


@forgets_locals
def _read_key(variable: str, provider: str) -> str:
    if sys.stdin.isatty():
        signup = known_providers().get(provider, {}).get("signup")
        if signup:
            console(stderr=True).print(f"a free key is at {escape(str(signup))}")
        text: str = click.prompt(variable, hide_input=True, err=True)
    else:
        text = sys.stdin.read(MAX_KEY + 1)
    key = text.strip()
    printable = key.isascii() and key.isprintable() and not any(map(str.isspace, key))
    if not key or not printable or len(key) > MAX_KEY:
        raise BadSetting(
            f"what was given for {variable} is no key",
            hint="paste it alone: letters, digits and signs, without spaces",
        )
    return key
