"""Write `docs/reference` from the docstrings and from the commands' own help: `python docs/reference.py [FOLDER]`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from griffe import GriffeLoader, Object, Parser
from griffe2md import render_object_docs

import freerouter_core
import langchain_freerouter
import llamaindex_freerouter

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "router": ("The router\n\nWhat may wait has a twin with `a` before its name for event loops: `achat`, `aexplain`, `aquota`, …", ("client.router.Router", "client.router.Session", "reports.sessions.SessionStats", "client.streams.Stream", "client.streams.AsyncStream")),
    "requests": ("Requests and answers", ("wire.request.ChatRequest", "routing.plan.Outcome", "wire.answer.Answer", "wire.delta.Delta")),
    "providers": ("Providers, limits, models", ("catalogue.providers.Provider", "catalogue.providers.Limit", "catalogue.model.Model", "settings.environment.Settings")),
    "reports": ("Reports", (
        "reports.explanation.Explanation", "reports.candidacy.Candidacy", "reports.health.HealthReport",
        "reports.quota.QuotaReport", "reports.quota.QuotaLine", "reports.performance.PerformanceReport",
        "reports.performance.Performance", "reports.stats.Stats", "reports.costs.CostEstimate",
        "reports.recommendations.Recommendations", "routing.recommend.Recommendation",
        "reports.models.Models", "reports.tables", "reports.bars",
    )),
    "guards": ("Guards", ("guards.base.Guard", "guards.base.Exchange", "guards.base.Verdict", "guards.patterns.PatternGuard", "guards.moderation.ModerationGuard", "guards.patterns.CrisisGuard")),
    "errors": ("Errors", ("errors",)),
    "events": ("Events", ("events",)),
    "simulator": ("The simulator", ("simulator.world.World", "simulator.models", "simulator.presets")),
    "instruments": ("Service, metrics, traces", ("apps.rest", "apps.http.watchers.Watchers", "apps.http.overview.Overview", "apps.metrics.Metrics", "apps.tracing.Traces", "apps.mcp")),
}  # fmt: skip
"""Page by page: its title, and what stands on it, of `freerouter_core`."""
ADAPTERS = {
    "langchain": ("LangChain", "langchain_freerouter.chat_models.ChatFreeRouter"),
    "llamaindex": ("LlamaIndex", "llamaindex_freerouter.llm.FreeRouter"),
}
UNTOLD = (
    "observe", "counted", "write", "cell", "session_memory", "describe", "settings_customise_sources", "make_router",
    "to_json", "is_lc_serializable", "get_lc_namespace", "from_dict", "to_payload", "class_name", "model_copy", "format_seconds", "format_share",
    "capability_words",
)  # fmt: skip
"""What frameworks and our own modules call, and users do not."""
CONFIG: Any = {
    "heading_level": 2,
    "filters": ["!^_", *(f"!^{name}$" for name in UNTOLD)],
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


PUBLIC = {
    name: getattr(package, name).__module__
    for package in (freerouter_core, langchain_freerouter, llamaindex_freerouter)
    for name in package.__all__
    if isinstance(getattr(package, name), type)
}
"""What is imported from the packages themselves."""


HOMES = {
    **{
        f"reports.{noun}": "reports"
        for noun in (
            "bars",
            "candidacy",
            "costs",
            "explanation",
            "health",
            "models",
            "performance",
            "quota",
            "recommendations",
            "sessions",
            "stats",
            "tables",
        )
    },
    "apps.http.watchers": "apps.rest",
    "guards.base": "guards",
    "guards.moderation": "guards",
    "guards.patterns": "guards",
    "simulator.models": "simulator",
    "simulator.presets": "simulator",
    "simulator.world": "simulator",
}
"""Modules whose names are imported from their package."""


def pages() -> Iterator[tuple[str, str]]:
    """(name, text) of every page."""
    loader = GriffeLoader(search_paths=[ROOT, ROOT / "shared"], docstring_parser=Parser.google)
    for package in ("freerouter_core", "langchain_freerouter", "llamaindex_freerouter"):
        loader.load(package)
    found = loader.modules_collection
    index = []
    for name, (title, paths) in PAGES.items():
        yield f"{name}.md", _page(title, [found[f"freerouter_core.{path}"] for path in paths])
        index.append((name, title.partition("\n")[0]))
    for name, (title, path) in ADAPTERS.items():
        yield f"{name}.md", _page(title, [found[path]])
        index.append((name, title))
    yield "command.md", _command()
    index.append(("command", "The command"))
    lines = "\n".join(f"- [{title}]({name}.md)" for name, title in index)
    yield (
        "README.md",
        f"# Reference\n\nFrom the docstrings, by `python docs/reference.py`. How to use it all: [features](../features.md), [options and settings](../settings.md).\n\n{lines}\n",
    )


def _page(title: str, objects: list[Object]) -> str:
    told = [f"# {title}"]
    for found in objects:
        if found.is_module:
            told += [found.docstring.value] if found.docstring else []
            told += [_rendered(one) for one in found.members.values() if _public(one)]
        else:
            told.append(_rendered(found))
    return "\n\n".join(told) + "\n"


def _public(found: Any) -> bool:
    if found.is_alias or found.name.startswith("_") or found.name in UNTOLD:
        return False
    return bool(found.is_class or found.is_function)


def _rendered(found: Any) -> str:
    for depth, one in enumerate([found, *found.mro()] if found.is_class else ()):
        _prune(one)
        if depth:
            _after(one, depth)
    return _tidy(render_object_docs(found, CONFIG))


_moved: set[int] = set()


def _after(base: Any, depth: int) -> None:
    """Put what a class inherits behind what it defines: members are ordered by their line."""
    for member in base.members.values():
        if member.lineno is not None and id(member) not in _moved:
            _moved.add(id(member))
            member.lineno += 100_000 * depth


def _prune(found: Any) -> None:
    """Leave out what says nothing of itself: fields that the class tells of, and the twins for event loops of what is told already."""
    names = set(found.members)
    for name, member in list(found.members.items()):
        twin = name.startswith("a") and name[1:] in names
        if member.is_alias or ((member.is_attribute or twin) and not member.docstring):
            del found.members[name]


def _tidy(text: str) -> str:
    """Without links that lead nowhere, and with code as Markdown has it."""
    text = re.sub(r"\[(`?[^\]\[`]+`?)\]\(#[^)]*\)", r"\1", text)
    text = re.sub(r"<code>(.*?)</code>", lambda m: f"`{m[1]}`", text)
    for name, module in PUBLIC.items():
        text = text.replace(f"`{module}.{name}", f"`{name}")
    for inner, package in HOMES.items():
        text = text.replace(f"`freerouter_core.{inner}.", f"`freerouter_core.{package}.")
    text = re.sub(
        r"^(#+ .*\n\n```)python\n", r"\1py\n", text, flags=re.MULTILINE
    )  # a signature, no program
    text = re.sub(r"(?<=```py\n)[^\n]{100,}", lambda m: _broken(m[0]), text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _broken(signature: str) -> str:
    """A long signature with a line for each parameter."""
    lines, depth = [""], 0
    for letter in signature:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == ")" and depth == 0:
            lines += [""]
        if letter != " " or lines[-1].strip():
            lines[-1] += letter
        if depth == 1 and letter in "(,":
            lines += ["    "]
    return "\n".join(lines)


def _command() -> str:
    import click

    from freerouter_core.apps.cli import cli

    told = ["# The command\n"]

    def tell(command: click.Command, context: click.Context) -> None:
        told.append(
            f"## `{context.command_path}`\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
        )
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                if inner is not None:
                    tell(
                        inner,
                        click.Context(
                            inner,
                            info_name=name,
                            parent=context,
                            terminal_width=100,
                            max_content_width=100,
                        ),
                    )

    tell(
        cli,
        click.Context(
            cli,
            info_name="freerouter",
            terminal_width=100,
            max_content_width=100,
            **cli.context_settings,
        ),
    )
    return "\n".join(told)


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in pages():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "reference")
