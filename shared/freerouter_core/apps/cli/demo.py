"""`freerouter demo`: LangChain and LlamaIndex over simulated models that fail as real ones do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from ...catalogue.counts import count_words
from ...client.router import Router
from ...errors import MissingExtra
from ...events import Answered, AttemptFailed, Event, ModelChosen, Waiting
from ...runtime.loop.clock import Clock, RealClock
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
    "The Vasco da Gama bridge opened in 1998. Lisbon is the capital of Portugal. "
    "The Tram 28 runs from Martim Moniz to Campo de Ourique."
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


def run(console: Console, seed: int, clock: Clock | None = None) -> None:
    """Run the demo, in real time unless a clock is given. It takes a few seconds."""
    console.print(
        "[bold]This world is simulated[/]: no key, no network. Models fail as real ones do."
    )
    account = SimAccount("sk-demo", per_minute=20)
    world = World(scripted_models(), [account], seed=seed, clock=clock or RealClock())
    router = world.router(strategy="context")
    printer = _EventPrinter(console, max(map(len, world.models)))
    unsubscribe = router.subscribe(printer)
    try:
        for title, part in _PARTS.items():
            console.print(f"\n[bold]{title}[/]")
            found = part(router)
            world.runtime.flush()
            for name, value in found.items():
                console.print(f"  [dim]{name:<{printer.width}}[/]  {escape(value)}")
            if printer.nobody_reads:
                return
    finally:
        unsubscribe()
        world.close()
    failed = sum(request.fate != "answer" for request in world.requests)
    requests = count_words(len(world.requests), "request")
    console.print(
        f"\n{requests}, {failed} failed, [bold green]every call answered[/], "
        f"nothing paid, in {world.elapsed:.1f} s.\n"
        "[bold]All of it was simulated.[/] Next: a free key from https://openrouter.ai/keys, then\n"
        "  freerouter keys set openrouter\n"
        "  freerouter chat 'Why is the sky blue?'"
    )


def import_frameworks() -> None:
    """Import what the demo shows, before its clock runs: that takes seconds the first time.

    Raises:
        MissingExtra: LangChain or LlamaIndex is not installed.
    """
    try:
        import langchain_freerouter  # noqa: F401
        import llamaindex_freerouter  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            "the demo needs LangChain and LlamaIndex", hint="pip install 'freerouter-llm[all]'"
        ) from error


class _EventPrinter:
    """Prints events as they happen: a line for each attempt, which its outcome ends.

    `width`: letters of the longest model's name.
    """

    def __init__(self, console: Console, width: int) -> None:
        self.width = width
        self.nobody_reads = False
        """Whether the output's reader has gone, as after `| head`."""
        self._console = console

    def __call__(self, event: Event) -> None:
        match event:
            case ModelChosen():
                self._print(f"  [cyan]{escape(event.model):<{self.width}}[/]  ", end="")
            case AttemptFailed():
                cause = _CAUSES.get(event.cause, f"{event.cause} ({event.status})")
                self._print(f"[red]✗ {escape(cause)}[/]")
            case Waiting():
                self._print(f"  [yellow]{'…':<{self.width}}  waits {event.seconds:.1f} s[/]")
            case Answered():
                after = "" if event.attempts == 1 else f", after {event.attempts - 1} failed"
                self._print(f"[green]✓ answered in {event.seconds:.2f} s{after}[/]")

    def _print(self, text: str, end: str = "\n") -> None:
        try:
            self._console.print(text, end=end)
        except SystemExit:  # on the thread of the events: the caller's own is told
            self.nobody_reads = True


def _tool(router: Router) -> dict[str, str]:
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool

    from langchain_freerouter import ChatFreeRouter

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
    calls = (
        f"{call['name']}({', '.join(f'{name}={value!r}' for name, value in call['args'].items())})"
        for call in reply.tool_calls
    )
    return {"tool call": ", ".join(calls), "answer": str(answer.content)}


def _structured(router: Router) -> dict[str, str]:
    from pydantic import BaseModel

    from langchain_freerouter import ChatFreeRouter

    class City(BaseModel):
        """A city."""

        name: str
        inhabitants: int

    chain = ChatFreeRouter(router=router).with_structured_output(City)
    *_, city = chain.stream("Tell me about Lisbon, which has 545796 inhabitants")
    return {"object": repr(city)}


def _query(router: Router) -> dict[str, str]:
    from llama_index.core import SummaryIndex
    from llama_index.core.schema import Document

    from llamaindex_freerouter import FreeRouter

    index = SummaryIndex.from_documents([Document(text=_FACTS)])
    response = index.as_query_engine(llm=FreeRouter(router=router)).query(
        "When was the Vasco da Gama bridge opened?"
    )
    return {"answer": str(response)}


def _retrieval(router: Router) -> dict[str, str]:
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
    return {"found": best.node.get_content()}


_PARTS: dict[str, Callable[[Router], dict[str, str]]] = {
    "LangChain: a chain with a tool": _tool,
    "LangChain: structured output, streamed": _structured,
    "LlamaIndex: a query over documents": _query,
    "LlamaIndex: retrieval, with free embeddings and a free reranker": _retrieval,
}
