"""`freerouter templates`: prompts that are kept under a name, with parameters."""

from __future__ import annotations

import json
import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from ...errors import BadSetting
from ...reports import Table
from ...settings.trust import read_bounded
from .console import console, json_option, print_json, without_tracebacks

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
_FIELDS = ("prompt", "system", "model", "defaults")
INPUT = "input"
"""The parameter that stands for the prompt of a call."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """A prompt that is kept.

    `$name` in `prompt` and `system` stands for a parameter, `$input` for the prompt of a call.

    Attributes:
        prompt: the user's message; empty: the prompt of a call.
        system: the system message; empty: none.
        model: the model to ask; empty: the best one available.
        defaults: values of parameters that a call does not give.
    """

    prompt: str = ""
    system: str = ""
    model: str = ""
    defaults: Mapping[str, str] = field(default_factory=dict)

    def filled(self, given: str, parameters: Mapping[str, str]) -> tuple[str, str]:
        """(prompt, system) for a call.

        A prompt without `$input` stands before what was given.

        Raises:
            BadSetting: a parameter is missing, or is none of this template.
        """
        values = {**self.defaults, **parameters}
        names = self.parameters
        unknown = sorted(set(parameters) - names)
        missing = sorted(names - values.keys() - {INPUT})
        if unknown or missing:
            problem = f"has no parameter {unknown[0]!r}" if unknown else f"needs {missing[0]!r}"
            hint = f"-p {missing[0]} VALUE" if missing else f"it has {', '.join(sorted(names))}"
            raise BadSetting(f"the template {problem}", hint=hint)
        values[INPUT] = given
        prompt = string.Template(self.prompt).safe_substitute(values)
        if INPUT not in _names_in(self.prompt) | _names_in(self.system):
            prompt = "\n\n".join(filter(None, (prompt, given)))
        return prompt, string.Template(self.system).safe_substitute(values)

    @property
    def parameters(self) -> set[str]:
        """The names that stand for something."""
        return _names_in(self.prompt) | _names_in(self.system)


def folder() -> Path:
    """Where templates are kept, one file each."""
    from platformdirs import user_config_path

    return user_config_path("freerouter") / "templates"


def load(name: str) -> Template:
    """A template by its name, or by the path of a file that ends in .toml.

    Raises:
        BadSetting: there is none, or it makes no sense.
    """
    path = Path(name) if name.endswith(".toml") else folder() / f"{_checked(name)}.toml"
    try:
        content = tomllib.loads(read_bounded(path).decode("utf-8-sig"))
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in folder().glob("*.toml")))
        raise BadSetting(
            f"no template is called {name!r}",
            hint=f"there are: {known}" if known else "freerouter templates save NAME …",
        ) from None
    except (OSError, ValueError) as error:
        raise BadSetting(
            f"{path} cannot be read: {error}", hint="correct it, or remove it"
        ) from None
    defaults = content.get("defaults", {})
    unknown = sorted(content.keys() - set(_FIELDS))
    texts = [*(content.get(name, "") for name in _FIELDS[:3])]
    if unknown or not isinstance(defaults, dict) or not all(isinstance(t, str) for t in texts):
        raise BadSetting(
            f"{path} is no template" + (f": {unknown[0]!r} is not known" if unknown else ""),
            hint="texts: prompt, system, model; a table: defaults",
        )
    prompt, system, model = texts
    values = {str(key): str(value) for key, value in defaults.items()}
    return Template(prompt=prompt, system=system, model=model, defaults=values)


def save(name: str, template: Template) -> Path:
    """Keep a template. Returns its file. Raises `OSError`, or `BadSetting` for a wrong name."""
    lines = [
        f"{field} = {_quoted(value)}"
        for field in _FIELDS[:3]
        if (value := getattr(template, field))
    ]
    if template.defaults:
        lines += [
            "",
            "[defaults]",
            *(f"{_quoted(k)} = {_quoted(v)}" for k, v in template.defaults.items()),
        ]
    path = folder() / f"{_checked(name)}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def complete_template(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """The names of templates that begin so, for shells."""
    names = sorted(path.stem for path in folder().glob("*.toml"))
    return [CompletionItem(name) for name in names if name.startswith(begun)]


@click.group()
def templates() -> None:
    """Keep prompts under a name, with parameters.

    `freerouter chat -t NAME` asks one. In its texts $name stands for a parameter (-p name value)
    and $input for the prompt of the call.
    """


@templates.command("list")
@json_option
@without_tracebacks
def list_templates(*, as_json: bool) -> None:
    """List the templates."""
    kept = {path.stem: load(path.stem) for path in sorted(folder().glob("*.toml"))}
    if as_json:
        print_json(kept)
        return
    if not kept:
        console().print("no template is kept; to keep one: freerouter templates save NAME …")
        return
    rows = [
        (name, " ".join(sorted(t.parameters)), (t.system or t.prompt).replace("\n", " "))
        for name, t in kept.items()
    ]
    console().print(Table(("template", "parameters", "text"), rows, spare=("parameters",)))


@templates.command()
@click.argument("name", shell_complete=complete_template)
@json_option
@without_tracebacks
def show(*, name: str, as_json: bool) -> None:
    """Show the template NAME."""
    template = load(name)
    if as_json:
        print_json(template)
        return
    for field_name in _FIELDS[:3]:
        if value := getattr(template, field_name):
            click.echo(f"{field_name}: {value}")
    for parameter, value in template.defaults.items():
        click.echo(f"{parameter}: {value} (if -p {parameter} is not given)")


@templates.command("save")
@click.argument("name")
@click.argument("prompt", default="")
@click.option("-s", "--system", default="", help="The system message.")
@click.option("-m", "--model", default="", help="The model to ask.")
@click.option(
    "-p", "--param", "defaults", nargs=2, multiple=True, metavar="KEY VALUE",
    help="A parameter's value if a call gives none. May be repeated.",
)  # fmt: skip
@without_tracebacks
def save_template(
    *, name: str, prompt: str, system: str, model: str, defaults: tuple[tuple[str, str], ...]
) -> None:
    """Keep PROMPT, or a system message, as the template NAME."""
    template = Template(prompt=prompt, system=system, model=model, defaults=dict(defaults))
    if not (prompt or system):
        raise click.UsageError("a template needs a prompt, or a system message (-s)")
    click.echo(f"kept in {save(name, template)}")


@templates.command()
@click.argument("name", shell_complete=complete_template)
@without_tracebacks
def remove(*, name: str) -> None:
    """Forget the template NAME."""
    load(name)
    (folder() / f"{_checked(name)}.toml").unlink()


@templates.command("path")
@without_tracebacks
def path_of_templates() -> None:
    """Print the folder of the templates."""
    click.echo(folder())


def _names_in(text: str) -> set[str]:
    return set(string.Template(text).get_identifiers())


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadSetting(
            f"{name[:80]!r} is no name of a template", hint="letters, digits, dots and dashes"
        )
    return name


def _quoted(text: str) -> str:
    """A text as TOML writes it: as JSON does, but DEL is escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
