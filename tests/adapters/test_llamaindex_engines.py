"""FreeRouter where LlamaIndex's users put it: chat and query engines, synthesizers, agents, pipelines; models fail beneath."""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import Document, SummaryIndex, VectorStoreIndex, get_response_synthesizer
from llama_index.core.agent.workflow import (
    AgentStream,
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
)
from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.base.response.schema import PydanticResponse, StreamingResponse
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.extractors import TitleExtractor
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.memory import ChatSummaryMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.selectors import PydanticSingleSelector
from llama_index.core.tools import QueryEngineTool
from llama_index.core.types import PydanticProgramMode

from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.answer import Answer
from llamaindex_freerouter import FreeRouter
from llamaindex_freerouter.responses import to_response

from ..frameworks import Person, llamaindex_model, llamaindex_weather, raw_of

DOCUMENTS = [
    Document(text="The bridge opened in 1998. It is long."),
    Document(text="The tower was built in 1889. It is tall."),
]
QUESTION = "When was the bridge opened?"


def storm(**last: Any) -> World:
    """Two models that fail in turn and one that is well."""
    failing = ["empty", "429-upstream", "error-in-200", "truncated-tool"]
    return World(
        [
            SimModel("a/m:free", script=failing),
            SimModel("b/m:free", script=["502", "cut"]),
            SimModel("c/m:free", **last),
        ]
    )


def index() -> VectorStoreIndex:
    return VectorStoreIndex.from_documents(DOCUMENTS, embed_model=MockEmbedding(8))


# -- engines ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def forgetful() -> Iterator[None]:
    """LlamaIndex leaves the event loops and SQLite connections of its synchronous memory to the garbage collector."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize(
    "mode",
    [
        ChatMode.SIMPLE,
        ChatMode.CONTEXT,
        ChatMode.CONDENSE_QUESTION,
        ChatMode.CONDENSE_PLUS_CONTEXT,
        ChatMode.BEST,
    ],
)
def test_chat_engines_four_ways(mode: ChatMode) -> None:
    with storm() as world:
        engine = index().as_chat_engine(chat_mode=mode, llm=llamaindex_model(world))

        async def run() -> list[str]:
            streamed = await engine.astream_chat(QUESTION)
            tokens = [token async for token in streamed.async_response_gen()]
            return [str(await engine.achat(QUESTION)), "".join(tokens)]

        said = [
            str(engine.chat(QUESTION)),
            "".join(engine.stream_chat(QUESTION).response_gen),
            *asyncio.run(run()),
        ]

        assert all(text.strip() for text in said)
        assert not any(seen.problem for seen in world.requests)


@pytest.mark.parametrize(
    "mode", [m for m in ResponseMode if m not in (ResponseMode.NO_TEXT, ResponseMode.CONTEXT_ONLY)]
)
def test_response_synthesizers(mode: ResponseMode) -> None:
    nodes = [NodeWithScore(node=TextNode(text=document.text), score=1.0) for document in DOCUMENTS]
    with storm() as world:
        llm = llamaindex_model(world)
        made = get_response_synthesizer(llm=llm, response_mode=mode)

        assert str(made.synthesize(QUESTION, nodes)).strip()
        assert str(asyncio.run(made.asynthesize(QUESTION, nodes))).strip()
        if mode not in (ResponseMode.ACCUMULATE, ResponseMode.COMPACT_ACCUMULATE):
            streaming = get_response_synthesizer(llm=llm, response_mode=mode, streaming=True)
            answer = streaming.synthesize(QUESTION, nodes)
            assert isinstance(answer, StreamingResponse)
            assert "".join(answer.response_gen).strip()


def test_a_structured_query() -> None:
    with storm() as world:
        synthesizer = get_response_synthesizer(
            llm=llamaindex_model(world),
            response_mode=ResponseMode.TREE_SUMMARIZE,
            output_cls=Person,
        )
        engine = index().as_query_engine(
            llm=llamaindex_model(world), response_synthesizer=synthesizer
        )

        answer = engine.query("Who is Anna, 33?")
        assert isinstance(answer, PydanticResponse)
        assert isinstance(answer.response, Person)


def test_few_calls_for_long_texts() -> None:
    """A window that is promised too small multiplies calls: four chunks of 900 words are one prompt in 32,768 tokens."""
    long = [Document(text="word " * 900) for _ in range(4)]
    with World([SimModel("a/m:free")]) as world:
        SummaryIndex.from_documents(long).as_query_engine(llm=llamaindex_model(world)).query(
            QUESTION
        )

        assert len(world.requests) == 1


def test_a_choice_between_engines() -> None:
    with storm() as world:
        llm = llamaindex_model(world)
        tools = [
            QueryEngineTool.from_defaults(index().as_query_engine(llm=llm), description=about)
            for about in ("bridges", "towers")
        ]
        engine = RouterQueryEngine.from_defaults(
            tools, llm=llm, selector=PydanticSingleSelector.from_defaults(llm=llm)
        )

        assert str(engine.query("1. When was the bridge opened?")).strip()


# -- agents ----------------------------------------------------------------------------------------------------------


async def ran(agent: Any, question: str, **options: Any) -> tuple[Any, list[Any]]:
    handler = agent.run(question, **options)
    events = [event async for event in handler.stream_events()]
    return await handler, events


def test_agents_think_aloud_and_keep_their_thoughts() -> None:
    async def run() -> tuple[Any, list[Any]]:
        agent = FunctionAgent(tools=[llamaindex_weather], llm=llm)
        return await ran(agent, "get_weather in Paris")

    with World([SimModel("a/m:free", reasoning=True)]) as world:
        llm = llamaindex_model(world)
        answer, events = asyncio.run(run())
        streamed = [event for event in events if isinstance(event, AgentStream)]

        assert "Paris: sunny" in str(answer)
        assert "".join(event.thinking_delta or "" for event in streamed)
        assert all(isinstance(event.delta, str) for event in streamed)
        replayed = [m for m in world.requests[-1].body["messages"] if m.get("reasoning_details")]
        assert replayed, "the same model gets its own thoughts back"


def test_an_agent_that_writes_code() -> None:
    says = iter(["I compute it.\n<execute>\nprint(40 + 2)\n</execute>", "The answer is 42."])

    def run_code(code: str) -> str:
        assert code.strip() == "print(40 + 2)"
        return "42"

    async def run() -> Any:
        agent = CodeActAgent(code_execute_fn=run_code, tools=[], llm=llm)
        return (await ran(agent, "What is 40 + 2?"))[0]

    with World(
        [SimModel("a/m:free", script=["empty", None, "mid-stream-error"]), SimModel("b/m:free")]
    ) as world:
        for model in world.models.values():
            model.says = lambda _: next(says)
        world.models["a/m:free"].script = ["empty"]
        llm = llamaindex_model(world)

        assert "42" in str(asyncio.run(run()))


def test_agents_hand_over_and_answer_in_objects() -> None:
    async def run() -> Any:
        first = FunctionAgent(
            name="first",
            description="asks",
            tools=[llamaindex_weather],
            llm=llm,
            can_handoff_to=["second"],
        )
        second = FunctionAgent(
            name="second", description="knows", tools=[llamaindex_weather], llm=llm
        )
        workflow = AgentWorkflow(agents=[first, second], root_agent="first", output_cls=Person)
        return (await ran(workflow, "get_weather in Paris for Anna, 33"))[0]

    with storm() as world:
        llm = llamaindex_model(world)
        answer = asyncio.run(run())

        assert answer.structured_response["age"] == 33
        assert not any(seen.problem for seen in world.requests)


def test_an_agent_that_must_stop_early_tells_so_last() -> None:
    """`early_stopping_method="generate"` appends a system message; a model that takes none but the first is learnt."""

    def objects(body: dict[str, Any]) -> str | None:
        later = any(m["role"] == "system" for m in body["messages"][1:])
        return "System message must be at the beginning." if later else None

    async def run() -> Any:
        agent = FunctionAgent(
            tools=[llamaindex_weather],
            llm=llm,
            system_prompt="Be brief.",
            early_stopping_method="generate",
        )
        return (await ran(agent, "get_weather in Paris", max_iterations=1))[0]

    with World([SimModel("a/m:free", objects=objects)]) as world:
        llm = llamaindex_model(world)

        assert str(asyncio.run(run())).strip()


def test_react_without_native_tools() -> None:
    """Models without tools of their own, in an agent that needs none."""
    says = iter(
        [
            'Thought: I look.\nAction: get_weather\nAction Input: {"city": "Paris"}',
            "Thought: I know.\nAnswer: sunny",
        ]
    )

    async def run() -> Any:
        return (await ran(ReActAgent(tools=[llamaindex_weather], llm=llm), "Weather in Paris?"))[0]

    with World([SimModel("a/m:free", tools=False, says=lambda _: next(says))]) as world:
        llm = llamaindex_model(world, is_function_calling_model=False)

        assert "sunny" in str(asyncio.run(run()))
        assert not any("tools" in seen.body for seen in world.requests)


# -- structured prediction -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode", [PydanticProgramMode.FUNCTION, PydanticProgramMode.LLM, PydanticProgramMode.OPENAI]
)
def test_every_program_mode_keeps_the_system_prompt_and_the_callers_options(
    mode: PydanticProgramMode,
) -> None:
    prompt, options = (
        PromptTemplate("Tell of {who}, 33"),
        {"tool_choice": "auto", "temperature": 0.1},
    )
    with storm() as world:
        llm = llamaindex_model(world, pydantic_program_mode=mode, system_prompt="Be brief.")
        given = dict(options)
        got = [
            llm.structured_predict(Person, prompt, llm_kwargs=given, who="Anna"),
            asyncio.run(llm.astructured_predict(Person, prompt, llm_kwargs=given, who="Anna")),
            list(llm.stream_structured_predict(Person, prompt, llm_kwargs=given, who="Anna"))[-1],
        ]

        assert got == [Person(name="Anna", age=33)] * 3
        assert given == options
        assert all("Be brief." in seen.body["messages"][0]["content"] for seen in world.requests)


# -- pipelines, memory, counting -------------------------------------------------------------------------------------


def test_the_ingestion_cache_hits_again() -> None:
    with storm() as world:
        cache = IngestionCache()
        for _ in range(2):
            llm = FreeRouter(router=world.router(strategy="context"))
            pipeline = IngestionPipeline(
                transformations=[TitleExtractor(llm=llm, num_workers=1)], cache=cache
            )
            nodes = pipeline.run(nodes=[TextNode(text="The bridge opened in 1998.", id_="1")])
            asked = len(world.requests)

        assert nodes[0].metadata["document_title"]
        assert asked == len(world.requests)
        first = len(world.requests)
        pipeline.run(nodes=[TextNode(text="The bridge opened in 1998.", id_="1")])
        assert len(world.requests) == first


def test_memory_that_summarises() -> None:
    with storm() as world:
        memory = ChatSummaryMemoryBuffer.from_defaults(
            llm=llamaindex_model(world), token_limit=60, tokenizer_fn=str.split
        )
        for n in range(8):
            memory.put(ChatMessage(role=MessageRole.USER, content=f"message {n} " + "word " * 12))
            memory.put(ChatMessage(role=MessageRole.ASSISTANT, content="noted " * 8))

        assert memory.get()[0].role == MessageRole.SYSTEM


def test_tokens_are_counted_in_streams_of_engines() -> None:
    tokens = TokenCountingHandler(tokenizer=str.split)
    with World([SimModel("a/m:free")]) as world:
        llm = llamaindex_model(world, callback_manager=CallbackManager([tokens]))
        list(llm.stream_chat([ChatMessage("hello")]))
        list(llm.stream_complete("hello"))

        assert [event.total_token_count for event in tokens.llm_token_counts] == [
            event.prompt_token_count + event.completion_token_count
            for event in tokens.llm_token_counts
        ]
        assert tokens.llm_token_counts[0].prompt_token_count > 1


# -- windows ---------------------------------------------------------------------------------------------------------


def test_prompt_sizes_choose_models_and_errors_only_larger_ones() -> None:
    sizes = {"a/small:free": 8_000, "b/middle:free": 40_000, "c/large:free": 200_000}
    with World([SimModel(name, context=size) for name, size in sizes.items()]) as world:
        llm = FreeRouter(router=world.router(), context_window=4_000)
        for words, least in ((20, 0), (16_000, 40_000), (60_000, 200_000)):
            llm.complete("word " * words)
            assert sizes[world.asked[-1]] >= least
        assert not any(seen.problem for seen in world.requests)

    lied = [
        SimModel("a/m:free", context=40_000, script=["400-context"]),
        SimModel("b/m:free", context=39_000),
        SimModel("c/m:free", context=90_000),
    ]
    with World(lied) as world:
        FreeRouter(router=world.router(model="a/m:free")).complete("hi")

        assert world.asked[0] == "a/m:free"
        assert all(world.models[name].context > 8_192 for name in world.asked[1:])


# -- what comes back and is written down -----------------------------------------------------------------------------


def test_pictures_sounds_and_sources_of_an_answer() -> None:
    answer = Answer(
        text="look",
        images=({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},),
        audio={"id": "1", "data": "aGk=", "transcript": "hi"},
        annotations=({"type": "url_citation", "url_citation": {"url": "https://a.example"}},),
    )
    response = to_response(answer, {})
    text, picture, sound = response.message.blocks

    assert isinstance(text, TextBlock)
    assert isinstance(picture, ImageBlock)
    assert picture.resolve_image().read() == b"hi"
    assert isinstance(sound, AudioBlock)
    assert response.message.additional_kwargs["annotations"] == list(answer.annotations)
    assert raw_of(response)["choices"][0]["message"]["images"] == list(answer.images)
    json.dumps(response.raw)


def test_messages_survive_pickle_and_json() -> None:
    with World([SimModel("a/m:free", reasoning=True)]) as world:
        llm = llamaindex_model(world)
        message = llm.chat_with_tools([llamaindex_weather], "get_weather in Rome").message

    for again in (
        pickle.loads(pickle.dumps(message)),
        ChatMessage.model_validate_json(message.model_dump_json()),
    ):
        assert [type(block) for block in again.blocks] == [ThinkingBlock, ToolCallBlock]
        assert again.additional_kwargs == message.additional_kwargs


def test_a_default_timeout_read_back_is_still_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_TIMEOUT", "7")
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-x")
    for llm, expected in ((FreeRouter(), 7.0), (FreeRouter(timeout=9.0), 9.0)):
        again = FreeRouter.from_dict(llm.to_dict())
        assert again._router._resolved.timeout == expected
