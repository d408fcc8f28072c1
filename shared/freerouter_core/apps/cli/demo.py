"""`freerouter demo`: LangChain and LlamaIndex over simulated models that fail as real ones do."""

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
    "upstream-429": "its provider is rate-limited (429)",
    "empty": "answered 200 with nothing in it",
    "gone": "no longer free (404)",
    "harness-gated": "listed as free, but open only to certain clients (403)",
    "server": "server error (502)",
    "cut": "the connection was cut",
}
_FACTS = (
    "The Vasco da Gama bridge opened in 1998 and spans the Tagus. Lisbon is the capital of "
    "Portugal. The Tram 28 runs from Martim Moniz to Campo de Ourique."
)


def scripted_models() -> list[SimModel]:
    """Models in the order they are asked, largest context first. Each call meets a failure."""
    scripts: dict[str, Sequence[str | None]] = {
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
        SimModel(name, context=(9 - n) * 100_000, script=script, first_token=0.3, speed=120.0)
        for n, (name, script) in enumerate(scripts.items())
    ] + [
        SimModel("baai/bge-m3:free", dimension=1024, context=8_192, script=("503",)),
        SimModel("kite/rerank:free", reranks=True, script=("429-upstream",)),
        SimModel("lark/rerank:free", reranks=True),
    ]


def run(console: Console, seed: int) -> None:
    """Run the demo in real time. It takes a few seconds."""
    started = time.monotonic()
    console.print(
        "[bold]This world is simulated[/]: no key, no network. Models fail as real ones do.\n"
    )
    account = SimAccount("sk-demo", per_minute=20)
    world = World(scripted_models(), [account], seed=seed, clock="real")
    router = world.router(strategy="context")
    unsubscribe = router.subscribe(_EventPrinter(console))
    try:
        with _section(console, "LangChain: a chain with a tool"):
            _langchain_tool(console, router, world.runtime.flush)
        with _section(console, "LangChain: structured output, streamed"):
            _langchain_structured(console, router, world.runtime.flush)
        with _section(console, "LlamaIndex: a query over documents"):
            _llamaindex_query(console, router, world.runtime.flush)
        with _section(console, "LlamaIndex: retrieval, with free embeddings and a free reranker"):
            _retrieval(console, router, world.runtime.flush)
    finally:
        unsubscribe()
        world.close()
    failed = sum(request.fate != "answer" for request in world.requests)
    console.print(
        f"\n{len(world.requests)} requests, {failed} failed, every call answered, nothing paid, "
        f"in {time.monotonic() - started:.1f} s. [bold]All of it was simulated.[/]\n"
        "Next: get a free key at https://openrouter.ai/keys, set OPENROUTER_API_KEY, and run: "
        "freerouter chat 'Why is the sky blue?'"
    )


class _EventPrinter:
    """Prints events as they happen."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: Event) -> None:
        match event:
            case ModelChosen():
                self._print(f"  → {event.model}", "cyan")
            case AttemptFailed():
                cause = _CAUSES.get(event.cause, f"{event.cause} ({event.status})")
                self._print(f"    ✗ {event.model}: {cause}; trying the next model", "red")
            case Waiting():
                self._print(f"    … waiting {event.seconds:.1f} s for a limit", "yellow")
            case Answered():
                attempts = "1 attempt" if event.attempts == 1 else f"{event.attempts} attempts"
                self._print(
                    f"    ✓ {event.model} answered after {attempts}, {event.seconds:.2f} s", "green"
                )

    def _print(self, text: str, style: str) -> None:
        self._console.print(f"[{style}]{escape(text)}[/]")


@contextmanager
def _section(console: Console, title: str) -> Iterator[None]:
    console.print(f"[bold]{title}[/]")
    yield
    console.print()


def _langchain_tool(console: Console, router: Router, flush: Callable[[], None]) -> None:
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
    reply = llm.invoke(messages)
    messages.append(reply)
    messages += [
        ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
        for call in reply.tool_calls
    ]
    answer = llm.invoke(messages)
    flush()
    calls = [call["name"] + str(call["args"]) for call in reply.tool_calls]
    console.print(f"  tool calls: {escape(str(calls))}")
    console.print(f"  answer:     {escape(str(answer.content))}")


def _langchain_structured(console: Console, router: Router, flush: Callable[[], None]) -> None:
    from pydantic import BaseModel

    from langchain_freerouter import ChatFreeRouter

    class City(BaseModel):
        """A city."""

        name: str
        inhabitants: int

    chain = ChatFreeRouter(router=router).with_structured_output(City)
    *_, city = chain.stream("Tell me about Lisbon, which has 545796 inhabitants")
    flush()
    console.print(f"  object:     {escape(repr(city))}")


def _llamaindex_query(console: Console, router: Router, flush: Callable[[], None]) -> None:
    try:
        from llama_index.core import Settings, SummaryIndex
        from llama_index.core.schema import Document

        from llamaindex_freerouter import FreeRouter
    except ImportError as error:
        raise MissingExtra(
            "the demo needs LlamaIndex", hint="pip install 'freerouter-llm[all]'"
        ) from error

    Settings.llm = FreeRouter(router=router)
    engine = SummaryIndex.from_documents([Document(text=_FACTS)]).as_query_engine()
    response = engine.query("When was the Vasco da Gama bridge opened?")
    flush()
    console.print(f"  answer:     {escape(str(response))}")


def _retrieval(console: Console, router: Router, flush: Callable[[], None]) -> None:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.schema import Document

    from llamaindex_freerouter import FreeRouterEmbedding, FreeRouterRerank

    documents = [Document(text=f"{fact.strip()}.") for fact in _FACTS.split(".") if fact.strip()]
    index = VectorStoreIndex.from_documents(
        documents, embed_model=FreeRouterEmbedding(router=router)
    )
    rerank = FreeRouterRerank(router=router, top_n=1)
    retriever = index.as_retriever(similarity_top_k=3)
    question = "Where does the tram run?"
    (best,) = rerank.postprocess_nodes(retriever.retrieve(question), query_str=question)
    flush()
    console.print(f"  found:      {escape(best.node.get_content())}")
