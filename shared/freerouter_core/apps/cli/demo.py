"""`freerouter demo`: both adapters at work in a simulated world whose models fail as real ones do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape

from ...client.router import Router
from ...errors import MissingExtra
from ...events import Answered, AttemptFailed, Event, ModelChosen, Waiting
from ...simulator import SimAccount, SimModel, World

_CAUSES = {
    "upstream-429": "its upstream is rate-limited (429)",
    "empty": "answered 200 with nothing in it",
    "gone": "no longer free (404)",
    "harness-gated": "listed as free, refused to plain clients (403)",
    "server": "server error (502)",
    "cut": "the connection was cut",
}


def scripted_models() -> list[SimModel]:
    """Largest context first is the order they are asked in: each call meets a failure or two before its answer."""
    fates: dict[str, Sequence[str | None]] = {
        "gale/27b:free": ("429-upstream",),
        "haze/ultra:free": ("empty",),
        "aurora/large:free": (None, "502"),
        "birch/omni:free": (None, "stream-error-before"),
        "iris/coder:free": ("404-gone",),
        "cedar/mini:free": (None, "cut"),
        "juno/agent:free": ("403-harness",),
        "dune/small:free": (),
    }
    return [
        SimModel(name, context=(9 - n) * 100_000, script=fate, first_token=0.3, speed=120.0)
        for n, (name, fate) in enumerate(fates.items())
    ]


def run(console: Console, seed: int) -> None:
    """Play the demonstration on `console`, in real time; a few seconds."""
    started = time.monotonic()
    console.print(
        "[bold]This world is simulated[/]: no key, no network; models fail here as the real ones do.\n"
    )
    world = World(
        scripted_models(), [SimAccount("sk-demo", per_minute=20)], seed=seed, clock="real"
    )
    router = world.router(strategy="context")
    stop = router.subscribe(_Teller(console))
    try:
        with _scene(console, "LangChain: a chain with a tool"):
            _langchain_tool(console, router, world.runtime.flush)
        with _scene(console, "LangChain: structured output, streamed"):
            _langchain_structured(console, router, world.runtime.flush)
        with _scene(console, "LlamaIndex: a query over documents"):
            _llamaindex_query(console, router, world.runtime.flush)
    finally:
        stop()
        world.close()
    failed = sum(seen.fate != "answer" for seen in world.requests)
    console.print(
        f"\n{len(world.requests)} requests, {failed} failed, every call answered, nothing paid, "
        f"in {time.monotonic() - started:.1f} s. [bold]All of it was simulated.[/]\n"
        "Next: get a free key at https://openrouter.ai/keys, set OPENROUTER_API_KEY, and run: "
        "freerouter chat 'Why is the sky blue?'"
    )


class _Teller:
    """Prints what happens, as it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: Event) -> None:
        match event:
            case ModelChosen():
                self._say(f"  → {event.model}", "cyan")
            case AttemptFailed():
                why = _CAUSES.get(event.cause, f"{event.cause} ({event.status})")
                self._say(f"    ✗ {event.model}: {why}; moving on", "red")
            case Waiting():
                self._say(
                    f"    … everyone is waiting out a limit for {event.seconds:.1f} s", "yellow"
                )
            case Answered():
                self._say(
                    f"    ✓ {event.model} answered after {event.attempts} attempt(s), {event.seconds:.2f} s",
                    "green",
                )

    def _say(self, text: str, style: str) -> None:
        self._console.print(f"[{style}]{escape(text)}[/]")


@contextmanager
def _scene(console: Console, title: str) -> Iterator[None]:
    console.print(f"[bold]{title}[/]")
    yield
    console.print()


def _langchain_tool(console: Console, router: Router, told: Callable[[], None]) -> None:
    try:
        from langchain_core.messages import HumanMessage, ToolMessage
        from langchain_core.tools import tool

        from langchain_freerouter import ChatFreeRouter
    except ImportError as error:
        raise MissingExtra(
            "the demo needs LangChain", hint="pip install 'freerouter-llm[all]'"
        ) from error

    @tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"{city}: 21 °C and clear"

    llm = ChatFreeRouter(router=router).bind_tools([get_weather])
    messages: list[Any] = [HumanMessage("What is the weather in Lisbon?")]
    call = llm.invoke(messages)
    messages.append(call)
    messages += [
        ToolMessage(get_weather.invoke(c["args"]), tool_call_id=c["id"]) for c in call.tool_calls
    ]
    answer = llm.invoke(messages)
    told()
    console.print(
        f"  tool calls: {escape(str([c['name'] + str(c['args']) for c in call.tool_calls]))}"
    )
    console.print(f"  answer:     {escape(str(answer.content))}")


def _langchain_structured(console: Console, router: Router, told: Callable[[], None]) -> None:
    from pydantic import BaseModel

    from langchain_freerouter import ChatFreeRouter

    class City(BaseModel):
        """A city."""

        name: str
        inhabitants: int

    chain = ChatFreeRouter(router=router).with_structured_output(City)
    *_, city = chain.stream("Tell me about Lisbon, which has 545796 inhabitants")
    told()
    console.print(f"  object:     {escape(repr(city))}")


def _llamaindex_query(console: Console, router: Router, told: Callable[[], None]) -> None:
    try:
        from llama_index.core import Settings, SummaryIndex
        from llama_index.core.schema import Document

        from llamaindex_freerouter import FreeRouter
    except ImportError as error:
        raise MissingExtra(
            "the demo needs LlamaIndex", hint="pip install 'freerouter-llm[all]'"
        ) from error

    facts = (
        "The Vasco da Gama bridge opened in 1998 and spans the Tagus. Lisbon is the capital of Portugal. "
        "The Tram 28 runs from Martim Moniz to Campo de Ourique."
    )
    Settings.llm = FreeRouter(router=router)
    engine = SummaryIndex.from_documents([Document(text=facts)]).as_query_engine()
    response = engine.query("When was the Vasco da Gama bridge opened?")
    told()
    console.print(f"  answer:     {escape(str(response))}")
