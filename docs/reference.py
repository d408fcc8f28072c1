"""Write `docs/reference` from docstrings and help texts: `python docs/reference.py [FOLDER]`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from free_tiers import free_tiers
from griffe import GriffeLoader, Object, Parser
from griffe2md import render_object_docs

import freerouter_core
import langchain_freerouter
import llamaindex_freerouter
from freerouter_core import guards, reports, simulator

HERE = Path(__file__).parent
ROOT = HERE.parent


class Page(NamedTuple):
    """A page: its title, what is on it, and a text below the title."""

    title: str
    paths: tuple[str, ...]
    text: str = ""


PAGES = {
    "router": Page(
        "The router",
        (
            "freerouter_core.client.router.Router",
            "freerouter_core.client.router.Session",
            "freerouter_core.reports.sessions.SessionStats",
            "freerouter_core.client.streams.Stream",
            "freerouter_core.client.streams.AsyncStream",
        ),
        "A method that may wait has an asynchronous twin, with `a` before its name: `achat`, "
        "`aexplain`, `aquota`, …",
    ),
    "requests": Page(
        "Requests and answers",
        (
            "freerouter_core.wire.request.ChatRequest",
            "freerouter_core.routing.plan.Outcome",
            "freerouter_core.wire.answer.Answer",
            "freerouter_core.wire.delta.Delta",
        ),
    ),
    "providers": Page(
        "Providers, limits, models",
        (
            "freerouter_core.catalogue.providers.Provider",
            "freerouter_core.catalogue.providers.Limit",
            "freerouter_core.catalogue.model.Model",
            "freerouter_core.settings.environment.Settings",
        ),
    ),
    "reports": Page(
        "Reports",
        (
            "freerouter_core.reports.explanation.Explanation",
            "freerouter_core.reports.candidacy.Candidacy",
            "freerouter_core.reports.health.HealthReport",
            "freerouter_core.reports.quota.QuotaReport",
            "freerouter_core.reports.quota.QuotaLine",
            "freerouter_core.reports.performance.PerformanceReport",
            "freerouter_core.reports.performance.Performance",
            "freerouter_core.client.watch.Watch",
            "freerouter_core.reports.timeline.Timeline",
            "freerouter_core.reports.trail.Trail",
            "freerouter_core.reports.trail.TrailLine",
            "freerouter_core.reports.stats.Stats",
            "freerouter_core.reports.costs.CostEstimate",
            "freerouter_core.reports.recommendations.Recommendations",
            "freerouter_core.routing.recommend.Recommendation",
            "freerouter_core.reports.models.Models",
            "freerouter_core.reports.tables",
            "freerouter_core.reports.bars",
        ),
        "Every report is a table (`Tabled`). Some are a drawing, too (`Drawn`).",
    ),
    "guards": Page(
        "Guards",
        (
            "freerouter_core.guards.base.Guard",
            "freerouter_core.guards.base.Exchange",
            "freerouter_core.guards.base.Verdict",
            "freerouter_core.guards.patterns.PatternGuard",
            "freerouter_core.guards.moderation.ModerationGuard",
            "freerouter_core.guards.patterns.CrisisGuard",
        ),
    ),
    "errors": Page("Errors", ("freerouter_core.errors",)),
    "events": Page("Events", ("freerouter_core.events",)),
    "simulator": Page(
        "The simulator",
        (
            "freerouter_core.simulator.world.World",
            "freerouter_core.simulator.models",
            "freerouter_core.simulator.presets",
            "freerouter_core.simulator.stories",
        ),
    ),
    "instruments": Page(
        "Service, metrics, traces",
        (
            "freerouter_core.apps.rest",
            "freerouter_core.apps.http.watchers.Watchers",
            "freerouter_core.apps.http.overview.Overview",
            "freerouter_core.apps.metrics.Metrics",
            "freerouter_core.apps.tracing.Traces",
            "freerouter_core.apps.mcp",
        ),
    ),
    "langchain": Page("LangChain", ("langchain_freerouter.chat_models.ChatFreeRouter",)),
    "llamaindex": Page("LlamaIndex", ("llamaindex_freerouter.llm.FreeRouter",)),
}
"""The pages, by the names of their files."""

UNTOLD = {
    *("observe", "counted", "write", "cell", "session_memory", "describe", "capability_words"),
    *("format_seconds", "format_share", "Performance.of", "SessionStats.of", "Stats.of"),
    *("make_router", "model_copy", "settings_customise_sources", "to_json", "from_dict"),
    *("to_payload", "class_name", "get_lc_namespace", "is_lc_serializable"),
}
"""Names and `Class.name`s that frameworks and our own modules call, and users do not."""

BASES = {
    "freerouter_core.guards.base.Guard",
    "freerouter_core.reports.tables.Drawn",
    "freerouter_core.reports.tables.Tabled",
}
"""Classes with a section of their own: what they define is not repeated for those that inherit."""

CONFIG: Any = {
    "heading_level": 2,
    "filters": ["!^_"],
    "inherited_members": True,
    "merge_init_into_class": True,
    "show_bases": False,
    "show_submodules": False,
    "show_signature_annotations": True,
    "signature_crossrefs": False,
    "annotations_path": "brief",
    "members_order": "source",
    "summary": False,
    "line_length": 100,
}


def _public_names() -> Iterator[tuple[str, str]]:
    """(where something is defined, the path that users import it by)."""
    packages: tuple[tuple[ModuleType, str], ...] = (
        (guards, "freerouter_core.guards."),
        (reports, "freerouter_core.reports."),
        (simulator, "freerouter_core.simulator."),
        (freerouter_core, ""),
        (langchain_freerouter, ""),
        (llamaindex_freerouter, ""),
    )
    for package, prefix in packages:
        for name in package.__all__:
            module = getattr(getattr(package, name), "__module__", None)
            if module is not None:
                yield f"{module}.{name}", f"{prefix}{name}"


PUBLIC = dict(_public_names())


def pages() -> Iterator[tuple[str, str]]:
    """(file name, text) of every page."""
    loader = GriffeLoader(search_paths=[ROOT, ROOT / "shared"], docstring_parser=Parser.google)
    for package in ("freerouter_core", "langchain_freerouter", "llamaindex_freerouter"):
        loader.load(package)
    modules = loader.modules_collection
    for name, page in PAGES.items():
        yield f"{name}.md", _page(page, [modules[path] for path in page.paths])
    yield "command.md", _command()
    yield "free-tiers.md", free_tiers()
    titles = [
        *((name, page.title) for name, page in PAGES.items()),
        ("command", "The command"),
        ("free-tiers", "Free tiers of each provider"),
    ]
    index = "\n".join(f"- [{title}]({name}.md)" for name, title in titles)
    yield "README.md", _INDEX.format(index=index)


_INDEX = """\
# Reference

`python docs/reference.py` writes these pages from the docstrings and from `providers.toml`. How to
use it all: [features](../features.md), [options and settings](../settings.md). How it works inside:
[architecture](../architecture.md).

{index}
"""


def _page(page: Page, objects: Iterable[Object]) -> str:
    parts = [f"# {page.title}", *([page.text] if page.text else [])]
    for obj in objects:
        if obj.is_module:
            parts += [obj.docstring.value] if obj.docstring else []
            parts += [_rendered(member) for member in obj.members.values() if _is_public(member)]
        else:
            parts.append(_rendered(obj))
    return "\n\n".join(parts) + "\n"


def _is_public(obj: Any) -> bool:
    if obj.is_alias or obj.name.startswith("_") or obj.name in UNTOLD:
        return False
    return bool(obj.is_class or obj.is_function)


def _rendered(obj: Any) -> str:
    bases = obj.mro() if obj.is_class else []
    _prune(obj, bases)
    for depth, base in enumerate(bases, 1):
        _prune(base, ())
        _move_behind(base, depth)
    inherited = not any(base.path in BASES for base in bases)
    text = render_object_docs(obj, CONFIG | {"inherited_members": inherited})
    return _listed_attributes(_tidy(text))


_moved: set[int] = set()


def _move_behind(base: Any, depth: int) -> None:
    """Put what a class inherits behind what it defines: members are ordered by line numbers."""
    for member in base.members.values():
        if member.lineno is not None and id(member) not in _moved:
            _moved.add(id(member))
            member.lineno += 100_000 * depth


def _prune(obj: Any, bases: Iterable[Any]) -> None:
    """Drop members without a text of their own: fields that the class's docstring describes,
    asynchronous twins, and overrides of documented methods. Drop what is `UNTOLD`."""
    names = set(obj.members)
    for name, member in list(obj.members.items()):
        untold = bool(UNTOLD & {name, f"{obj.name}.{name}"})
        twin = name.startswith("a") and name[1:] in names
        override = any(name in base.members and base.members[name].docstring for base in bases)
        described = member.docstring or not (member.is_attribute or twin or override)
        if member.is_alias or untold or not described:
            del obj.members[name]


def _tidy(text: str) -> str:
    """The text without links that lead nowhere, and with code as Markdown has it."""
    text = re.sub(r"\[(`?[^\]\[`]+`?)\]\(#[^)]*\)", r"\1", text)
    text = re.sub(r"<code>(.*?)</code>", lambda m: f"`{m[1]}`", text)
    for defined, public in PUBLIC.items():
        text = re.sub(rf"`{re.escape(defined)}\b", f"`{public}", text)
    # `py` marks a signature, which is no program to run.
    text = re.sub(r"^(#+ .*\n\n```)python\n", r"\1py\n", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=```py\n)[^\n]*", lambda m: _signature(m[0]), text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _signature(line: str) -> str:
    """A signature without pydantic's wrappers. One that is long has a line for each parameter."""
    line = re.sub(r"Annotated\[([^,\]]+), [^\]]*\]", r"\1", line)
    line = re.sub(
        r" = (Pydantic)?Field\(default=(UnsetNumber\()?([^,)]+)\)?(, .*)?\)$", r" = \3", line
    )
    line = re.sub(r" = (Pydantic)?Field\(default_factory=.*\)$", "", line)
    return line if len(line) <= 100 else _broken(line)


def _broken(signature: str) -> str:
    """A long signature with a line for each parameter."""
    lines, depth = [""], 0
    letters = iter(signature)
    for letter in letters:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == ")" and depth == 0:
            return "\n".join([*lines, letter + "".join(letters)])
        if letter != " " or lines[-1].strip():
            lines[-1] += letter
        if depth == 1 and letter in "(,":
            lines.append("    ")
    return "\n".join(lines)


_ATTRIBUTE = re.compile(r"### `[\w.]+`\n\n```py\n(\w+): ([^\n]+)\n```\n\n([^\n]+(?:\n[^\n]+)*)\n*")
"""The section of an attribute whose text is one paragraph."""


def _listed_attributes(text: str) -> str:
    """The text of a class with its attributes in a list, instead of in a section each."""
    head, *sections = re.split(r"\n\n(?=### )", text)
    items, others = [], []
    for section in sections:
        match = _ATTRIBUTE.fullmatch(section)
        if match is None:
            others.append(section)
            continue
        name, (kind, _, default) = match[1], match[2].partition(" = ")
        plain = default and not default.startswith("field(")
        note = f"`{kind}`, default `{default}`" if plain else f"`{kind}`"
        items.append(f"- **{name}** ({note}) – {' '.join(match[3].split())}")  # noqa: RUF001  # as griffe2md
    if items:
        paragraphs = head.rstrip().split("\n\n")
        joint = "\n" if "**Attributes:**" in paragraphs[-2:] else "\n\n**Attributes:**\n\n"
        head = head.rstrip() + joint + "\n".join(items)
    return "\n\n".join([head, *others])


def _command() -> str:
    import click

    from freerouter_core.apps.cli import cli

    parts = ["# The command\n"]
    width: dict[str, Any] = {"terminal_width": 100, "max_content_width": 100}

    def add(command: click.Command, context: click.Context) -> None:
        usage = command.get_help(context).rstrip()
        parts.append(f"## `{context.command_path}`\n\n```text\n{usage}\n```\n")
        if not isinstance(command, click.Group):
            return
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                add(inner, click.Context(inner, info_name=name, parent=context, **width))

    add(cli, click.Context(cli, info_name="freerouter", **width, **cli.context_settings))
    return "\n".join(parts)


def main(folder: Path) -> None:
    """Write all pages into a folder."""
    folder.mkdir(exist_ok=True)
    for name, text in pages():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "reference")
