"""Histories and messages that not every model takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import (
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
)

from freerouter_core import errors
from freerouter_core.wire.json_values import Json

from ...frameworks import get_weather
from ..replies import HI, Reply, answer, call, refuse
from ..row import PIXEL, Ask, Call, Fails, Host, Row, Script, Text, Unfit, hosts

CORE = frozenset({"core_chat", "core_stream"})
"""The frameworks have no such messages: only the core is handed them."""
CORE_AND_LANGCHAIN = CORE | {"lc_invoke", "lc_stream"}
"""LlamaIndex has no such blocks."""
USER: Json = {"role": "user", "content": "Tell me"}
PICTURE: Json = {"type": "image_url", "image_url": {"url": PIXEL}}


def called(ident: str = "call_1", arguments: str = '{"city": "Oslo"}') -> Json:
    function = {"name": "get_weather", "arguments": arguments}
    return {"id": ident, "type": "function", "function": function}


def turn(*calls: Json, **fields: Any) -> Json:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": list(calls or (called(),)),
        **fields,
    }


def result(content: Any = "7 degrees", ident: str = "call_1") -> Json:
    return {"role": "tool", "tool_call_id": ident, "content": content}


CALLED = Ask([USER, turn(), result()])
"""A tool was called, by nobody knows which model, and answered."""
SHOWN = Ask([USER, turn(), result([{"type": "text", "text": "a map:"}, PICTURE])])
"""A tool answered with a picture."""
SEEN = Ask(
    [{"role": "user", "content": [PICTURE]}, {"role": "assistant", "content": "a map"}, USER]
)
"""A picture of an earlier turn."""
BLIND = {"architecture": {"input_modalities": ["text"]}}


def messages_of(body: Json, role: str) -> list[Json]:
    return [message for message in body["messages"] if message["role"] == role]


def texts(body: Json) -> str:
    return json.dumps(body["messages"], ensure_ascii=False)


def plain_texts(body: Json) -> bool:
    """Whether every content is a text: nothing else goes to a model without eyes."""
    return all(isinstance(m["content"], (str, type(None))) for m in body["messages"])


def unless(right: Callable[[Json], bool], refusal: Reply, good: Reply = HI) -> Script:
    """A model that refuses every request that is not right."""
    return lambda body: good if right(body) else refusal


def thinks_on_tool_turns(body: Json) -> bool:
    turns = [message for message in messages_of(body, "assistant") if message.get("tool_calls")]
    return all(message.get("reasoning_content") for message in turns)


def openrouter_thinks(body: Json) -> bool:
    turns = [message for message in messages_of(body, "assistant") if message.get("tool_calls")]
    return all(m.get("reasoning") and "reasoning_content" not in m for m in turns)


def says_something(body: Json) -> bool:
    """Anthropic's rule for the text of every message."""
    for message in body["messages"]:
        content = message["content"]
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        if not parts or any(p["type"] == "text" and not (p["text"] or "").strip() for p in parts):
            return False
    return True


def valid_ids(body: Json, pattern: str) -> bool:
    ids = [c["id"] for m in messages_of(body, "assistant") for c in m.get("tool_calls") or ()]
    answered = [message["tool_call_id"] for message in messages_of(body, "tool")]
    unique = len(set(ids)) == len(ids)
    return ids == answered and unique and all(re.fullmatch(pattern, ident) for ident in ids)


DEEPSEEK = refuse(
    400, "The `reasoning_content` in the thinking mode must be passed back to the API."
)
KIMI = refuse(
    400, "thinking is enabled but reasoning_content is missing in assistant tool call message at"
    " index 1",
)  # fmt: skip
EMPTY = refuse(400, "messages: text content blocks must be non-empty")


def wrapped(message: str) -> Reply:
    """A refusal as OpenRouter hands it on."""
    raw = json.dumps({"error": {"message": message, "type": "invalid_request_error"}})
    metadata = {"raw": raw, "provider_name": "Somebody"}
    error = {"message": "Provider returned error", "code": 400, "metadata": metadata}
    return refuse(400, {"error": error})


THINKING = (
    Row(
        name="DeepSeek V4 wants the thoughts of a turn that another model made",
        source="anomalyco/opencode#25356",
        wire=hosts(deepseek={"deepseek-v4-flash": unless(thinks_on_tool_turns, DEEPSEEK)}),
        ask=CALLED,
        requests=1,
    ),
    Row(
        name="DeepSeek V4 under a longer name, at another provider",
        source="nowledge-co/nowledge-mem#36",
        wire=hosts(nvidia={"deepseek-ai/DeepSeek-V4-Pro-0813": unless(
            thinks_on_tool_turns, DEEPSEEK)}),
        ask=CALLED,
        requests=1,
    ),
    Row(
        name="DeepSeek V4 at OpenRouter, in OpenRouter's own field",
        source="earendil-works/pi#3636",
        wire=hosts(openrouter={"deepseek/deepseek-v4-flash:free": unless(
            openrouter_thinks, wrapped("reasoning_content must be passed back to the API"))}),
        ask=CALLED,
        requests=1,
    ),
    Row(
        name="Kimi wants the same",
        source="continuedev/continue#11711",
        wire=hosts(siliconflow={"moonshotai/Kimi-K2.6": unless(thinks_on_tool_turns, KIMI)}),
        ask=CALLED,
        requests=1,
    ),
    Row(
        name="a model that nobody knew to want thoughts back is asked again with them",
        source="Neurons-AI/crawbot#26",
        wire=hosts(acme={"acme/new": unless(thinks_on_tool_turns, DEEPSEEK)}),
        ask=CALLED,
        requests=3,
        calls=2,
    ),
    Row(
        name="the same in Kimi's words, handed on by a gateway",
        source="OnesoftQwQ/opencode-go-copilot#1",
        wire=hosts(acme={"acme/new": unless(thinks_on_tool_turns, wrapped(
            "thinking is enabled but reasoning_content is missing in assistant tool call message"
            " at index 3"))}),
        ask=CALLED,
        requests=3,
        calls=2,
    ),
    Row(
        name="signed thoughts that a server refuses are left out",
        source="anthropics/anthropic-sdk-python#1598",
        wire=hosts(openrouter={"a/x:free": unless(
            lambda body: "signature" not in texts(body),
            wrapped("messages.1.content.0: Invalid `signature` in `thinking` block"))}),
        ask=Ask([USER, {"role": "assistant", "content": "hm", "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "s"}]}, USER]),
        requests=3,
        calls=2,
        ways=CORE,
    ),
    Row(
        name="thoughts of another model stay at home",
        source="vybestack/llxprt-code#2335",
        wire=hosts(groq={"a/x": HI}),
        ask=Ask(
            [USER, {"role": "assistant", "content": "hm", "reasoning_content": "secret"}, USER],
            langchain=[HumanMessage("x"), AIMessage([
                {"type": "thinking", "thinking": "secret", "signature": "s"},
                {"type": "redacted_thinking", "data": "secret"},
                {"type": "text", "text": "hm"}]), HumanMessage("x")],
            llamaindex=[ChatMessage("x"), ChatMessage(role=MessageRole.ASSISTANT, blocks=[
                ThinkingBlock(content="secret"), TextBlock(text="hm")]), ChatMessage("x")],
        ),
        requests=1,
        sent=lambda body: "secret" not in texts(body) and "hm" in texts(body),
    ),
)  # fmt: skip

EYES = (
    Row(
        name="a tool's picture, and nobody who sees",
        source="Stack-Cairn/LiveAgent#729",
        wire=(Host("groq", {"a/x": unless(plain_texts, refuse(400, "no"))}, row={"a/x": BLIND}),),
        ask=SHOWN,
        requests=1,
        sent=lambda body: "A picture was left out" in texts(body) and "a map:" in texts(body),
    ),
    Row(
        name="a tool's picture, and a model that sees further down",
        source="magnusoverli/opencode#72",
        wire=(Host("acme", {"a/x": HI, "b/y": HI}, row={"a/x": BLIND}),),
        ask=SHOWN,
        requests=1,
        at_most={"a/x": 0},
        sent=lambda body: PIXEL in texts(body),
    ),
    Row(
        name="a picture of an earlier turn, and nobody who sees",
        source="openkursar/hello-halo#109",
        wire=(Host("acme", {"a/x": unless(plain_texts, refuse(400, "no"))}, row={"a/x": BLIND}),),
        ask=SEEN,
        requests=1,
    ),
    Row(
        name="vLLM: is not a multimodal model",
        source="studio-dots-ai/dots.ocr#61",
        wire=hosts(vllm={"a/x": unless(plain_texts, refuse(
            400, {"object": "error", "message": "a/x is not a multimodal model None",
                  "type": "BadRequestError", "code": 400}))}),
        ask=SHOWN,
        requests=3,
        calls=2,
    ),
    Row(
        name="vLLM: at most 0 images",
        source="K4",
        wire=hosts(vllm={"a/x": unless(plain_texts, refuse(
            400, "At most 0 image(s) may be provided in one prompt."))}),
        ask=SEEN,
        requests=3,
        calls=2,
    ),
    Row(
        name="DeepSeek: unknown variant image_url",
        source="yilewang/llm-for-zotero#143",
        wire=hosts(acme={"a/x": unless(plain_texts, refuse(
            400, "Failed to deserialize the JSON body into the target type: messages[13]: unknown"
            " variant image_url, expected text at line 1 column 6290571"))}),
        ask=SHOWN,
        requests=3,
        calls=2,
    ),
    Row(
        name="Qwen: unexpected item type in content",
        source="open-octo/octo-agent#947",
        wire=hosts(acme={"a/x": unless(plain_texts, refuse(
            400, "<400> InternalError.Algo.InvalidParameter: Unexpected item type in content."))}),
        ask=SHOWN,
        requests=3,
        calls=2,
    ),
    Row(
        name="OpenAI: image_url is only supported by certain models",
        source="browser-use/web-ui#274",
        wire=hosts(acme={"a/x": unless(plain_texts, refuse(
            400, "Invalid content type. image_url is only supported by certain models."))}),
        ask=SHOWN,
        requests=3,
        calls=2,
    ),
    Row(
        name="llama.cpp: not compiled for multimodal, as a 500",
        source="mozilla-ai/llamafile#298",
        wire=hosts(llamacpp={"a/x": unless(plain_texts, refuse(
            500, "The server was not compiled for multimodal or the model projector can't be"
            " loaded."))}),
        ask=SHOWN,
        requests=3,
        calls=2,
    ),
    Row(
        name="pydantic: the type of a part should be text",
        source="thinking-machines-lab/tinker-feedback#83",
        wire=hosts(acme={"a/x": unless(plain_texts, refuse(422, {
            "detail": "Validation Error", "errors": [{
                "loc": "body -> messages -> 2 -> content -> list[TextContentPart] -> 0 -> type",
                "msg": "Input should be 'text'", "type": "literal_error"}]}))}),
        ask=SHOWN,
        requests=3,
        calls=2,
    ),
    Row(
        name="the user's own picture, refused in Ark's words, needs a model that sees",
        source="anomalyco/opencode#47994",
        wire=hosts(acme={"a/x": refuse(400, "Model do not support image input. Request id: 02"),
                         "b/y": HI}),
        ask=Ask([{"role": "user", "content": [{"type": "text", "text": "What?"}, PICTURE]}]),
        requests=2,
        learnt=[Unfit("a/x", "takes no image")],
    ),
    Row(
        name="the user's own picture, and nobody who sees",
        source="K4",
        wire=(Host("acme", {"a/x": HI}, row={"a/x": BLIND}),),
        ask=Ask([{"role": "user", "content": [{"type": "text", "text": "What?"}, PICTURE]}]),
        want=Fails(errors.NoCandidates, "takes no image"),
        requests=0,
    ),
    Row(
        name="a picture that a model drew is not shown to the next",
        source="K4",
        wire=(Host("acme", {"a/x": unless(plain_texts, refuse(400, "no"))}, row={"a/x": BLIND}),),
        ask=Ask(
            [USER, {"role": "assistant", "content": "a cat"}, USER],
            langchain=[HumanMessage("draw"), AIMessage([
                {"type": "text", "text": "a cat"},
                {"type": "image", "base64": PIXEL.partition(",")[2], "mime_type": "image/png"}]),
                HumanMessage("thanks")],
            llamaindex=[ChatMessage("draw"), ChatMessage(role=MessageRole.ASSISTANT, blocks=[
                TextBlock(text="a cat"), ImageBlock(url=PIXEL)]), ChatMessage("thanks")],
        ),
        requests=1,
        sent=lambda body: messages_of(body, "assistant")[0]["content"] == "a cat",
    ),
)  # fmt: skip

CSV = "bmFtZSxhZ2UKQWxpY2UsMzA="
PDF = "JVBERi0xLjQK"


def resource(**fields: Any) -> Json:
    return {"type": "resource", "resource": fields}


def shown(block: Json, **where: Any) -> Ask:
    """A tool answered with this block."""
    return Ask(
        [USER, turn(), result([block])],
        langchain=[
            HumanMessage("x"),
            AIMessage("", tool_calls=[{"id": "call_1", "name": "get_weather", "args": {}}]),
            ToolMessage([block], tool_call_id="call_1"),
        ],
        **where,
    )


FILES = (
    Row(
        name="MCP: a link to a resource",
        source="anthropics/claude-code#53453",
        wire=hosts(acme={"a/x": HI}),
        ask=shown({"type": "resource_link", "uri": "https://example.com/report.pdf",
                   "name": "Q1 Report", "mimeType": "application/pdf"}),
        requests=1,
        sent=lambda body: messages_of(body, "tool")[0]["content"]
        == "[Resource: Q1 Report, https://example.com/report.pdf, application/pdf]",
        ways=CORE_AND_LANGCHAIN,
    ),
    Row(
        name="MCP: a table as data is text",
        source="anomalyco/opencode#30249",
        wire=hosts(acme={"a/x": HI}),
        ask=shown(resource(uri="file:///test.csv", mimeType="text/csv", blob=CSV)),
        requests=1,
        sent=lambda body: messages_of(body, "tool")[0]["content"]
        == "[File test.csv]\nname,age\nAlice,30",
        ways=CORE_AND_LANGCHAIN,
    ),
    Row(
        name="MCP: a text has its name",
        source="danny-avila/LibreChat#15601",
        wire=hosts(acme={"a/x": HI}),
        ask=shown(resource(uri="file:///src/a.cs", mimeType="text/plain", text="class A {}")),
        requests=1,
        sent=lambda body: messages_of(body, "tool")[0]["content"] == "[File a.cs]\nclass A {}",
        ways=CORE_AND_LANGCHAIN,
    ),
    Row(
        name="MCP: a file has its own name",
        source="langgenius/dify#30260",
        wire=hosts(acme={"a/x": HI}),
        ask=shown(resource(uri="file:///docs/q1.pdf", mimeType="application/pdf", blob=PDF)),
        requests=1,
        sent=lambda body: messages_of(body, "tool")[0]["content"][0]["file"]["filename"]
        == "q1.pdf",
        ways=CORE_AND_LANGCHAIN,
    ),
    Row(
        name="MCP: a file, and nobody who reads files",
        source="anthropics/claude-code#72271",
        wire=(Host("acme", {"a/x": unless(plain_texts, refuse(400, "no"))}, row={"a/x": BLIND}),),
        ask=shown(resource(uri="file:///docs/q1.pdf", mimeType="application/pdf", blob=PDF)),
        requests=1,
        sent=lambda body: "[A file q1.pdf was left out" in texts(body),
        ways=CORE_AND_LANGCHAIN,
    ),
    Row(
        name="a file without a name",
        source="K4",
        wire=hosts(acme={"a/x": HI}),
        ask=Ask(
            [{"role": "user", "content": [{"type": "file", "file": {
                "file_data": f"data:application/pdf;base64,{PDF}"}}]}],
            langchain=[HumanMessage([{"type": "file", "base64": PDF,
                                      "mime_type": "application/pdf"}])],
            llamaindex=[ChatMessage(blocks=[DocumentBlock(
                data=b"%PDF-1.4\n", document_mimetype="application/pdf")])],
        ),
        requests=1,
        sent=lambda body: body["messages"][0]["content"][0]["file"]["filename"] == "file.pdf",
    ),
)  # fmt: skip

MARKED: Json = {"type": "text", "text": "Tell me", "cache_control": {"type": "ephemeral"}}
NULL = refuse(400, "ValidationError: body.messages.content.str - Input should be a valid string")
FORMS = (
    Row(
        name="OpenAI: a tool's picture is the user's",
        source="OpenHands/OpenHands#7700",
        wire=hosts(acme={"a/x": unless(
            lambda body: all(isinstance(m["content"], str) and m["content"]
                             for m in messages_of(body, "tool")),
            refuse(400, "Invalid 'messages[2]'. Image URLs are only allowed for messages with role"
                        " 'user', but this message with role 'tool' contains an image URL."))}),
        ask=Ask([USER, turn(), result([PICTURE])]),
        requests=3,
        calls=2,
        sent=lambda body: PIXEL in json.dumps(messages_of(body, "user")),
    ),
    Row(
        name="a mark of the cache, and a model that is not Claude",
        source="routatic/proxy#53",
        wire=hosts(acme={"a/x": unless(lambda body: "cache_control" not in texts(body), refuse(
            400, "Error from provider: Extra inputs are not permitted, field:"
                 " 'messages[0].content[0].cache_control'"))}),
        ask=Ask([{"role": "user", "content": [MARKED]}]),
        requests=1,
        ways=CORE_AND_LANGCHAIN,
    ),
    Row(
        name="a mark of the cache, refused by who should know it",
        source="routatic/proxy#53",
        wire=hosts(acme={"a/claude-5": unless(
            lambda body: "cache_control" not in texts(body),
            refuse(400, "Unknown parameter: 'messages[0].content[0].cache_control'."))}),
        ask=Ask([{"role": "user", "content": [MARKED]}]),
        requests=3,
        calls=2,
        ways=CORE_AND_LANGCHAIN,
    ),
    Row(
        name="a null content that must be a string",
        source="chenyme/grok2api#41",
        wire=hosts(acme={"a/x": unless(
            lambda body: all(isinstance(m["content"], str) for m in body["messages"]), NULL)}),
        ask=CALLED,
        requests=3,
        calls=2,
    ),
)  # fmt: skip

WORDS = (
    Row(
        name="texts of a tool's result are not glued",
        source="K4",
        wire=hosts(groq={"a/x": HI}),
        ask=Ask([USER, turn(), result([{"type": "text", "text": "alpha.txt"},
                                       {"type": "text", "text": "beta.txt"}])]),
        requests=1,
        sent=lambda body: messages_of(body, "tool")[0]["content"] == "alpha.txt\nbeta.txt",
    ),
    Row(
        name="an empty assistant's message is not sent",
        source="block/buzz#559",
        wire=hosts(acme={"a/x": unless(says_something, EMPTY)}),
        ask=Ask([USER, {"role": "assistant", "content": ""}, USER]),
        requests=1,
    ),
    Row(
        name="nor is one of spaces",
        source="anomalyco/opencode#31259",
        wire=hosts(acme={"a/x": unless(says_something, refuse(
            400, "text content blocks must contain non-whitespace text"))}),
        ask=Ask([USER, {"role": "assistant", "content": " \n"}, USER]),
        requests=1,
    ),
    Row(
        name="nor an empty word of the system",
        source="K4",
        wire=hosts(acme={"a/x": unless(says_something, EMPTY)}),
        ask=Ask([{"role": "system", "content": ""}, USER]),
        requests=1,
    ),
    Row(
        name="a tool that printed nothing",
        source="aaif-goose/goose#1425",
        wire=hosts(gemini={"gemini-3.6-flash": unless(
            lambda body: all(m["content"] for m in messages_of(body, "tool")),
            refuse(400, "* GenerateContentRequest.contents[6].parts: contents.parts must not be"
                   " empty."))}),
        ask=Ask([USER, turn(), result("")]),
        requests=1,
    ),
    Row(
        name="an empty part of a result",
        source="HKUDS/nanobot#949",
        wire=hosts(acme={"a/x": unless(
            lambda body: '"text": ""' not in texts(body) and '"content": ""' not in texts(body),
            EMPTY)}),
        ask=Ask([USER, turn(), result([{"type": "text", "text": ""}])]),
        requests=1,
    ),
    Row(
        name="a server that wants words beside every call",
        source="NousResearch/hermes-agent#9486",
        wire=hosts(acme={"a/x": unless(says_something, EMPTY)}),
        ask=CALLED,
        requests=3,
        calls=2,
    ),
    Row(
        name="a conversation of nothing",
        source="anthropics/claude-code#4416",
        wire=hosts(acme={"a/x": HI}),
        ask=Ask([{"role": "user", "content": " "}]),
        want=Fails(errors.BadRequest, "every message of the request is empty"),
        requests=0,
    ),
)  # fmt: skip

SHAPES = (
    Row(
        name="an answer of OpenAI's, with all its fields, sent back",
        source="anomalyco/opencode#41860",
        wire=hosts(acme={"a/x": unless(
            lambda body: {*body["messages"][1]} <= {"role", "content", "tool_calls"},
            refuse(400, "Invalid 'messages.tool_calls': empty array."))}),
        ask=Ask([USER, {"role": "assistant", "content": "hm", "tool_calls": [], "refusal": None,
                        "annotations": [], "audio": None, "function_call": None, "id": "m"}, USER]),
        requests=1,
        ways=CORE,
    ),
    Row(
        name="OpenAI's old functions",
        source="K4",
        wire=hosts(acme={"a/x": unless(lambda body: valid_ids(body, ".+"), refuse(400, "no"))}),
        ask=Ask([USER, {"role": "assistant", "content": None, "function_call": {
            "name": "get_weather", "arguments": "{}"}},
            {"role": "function", "name": "get_weather", "content": "7"}]),
        requests=1,
        ways=CORE,
    ),
    Row(
        name="Anthropic's history",
        source="K4",
        wire=hosts(acme={"a/x": unless(lambda body: valid_ids(body, "toolu_1"),
                                       refuse(400, "no"))}),
        ask=Ask(
            [USER, {"role": "assistant", "content": [
                {"type": "text", "text": "look"},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}]},
             {"role": "user", "content": [
                 {"type": "tool_result", "tool_use_id": "toolu_1", "content": "7"}]}],
            langchain=[HumanMessage("x"), AIMessage([
                {"type": "text", "text": "look"},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}]),
                HumanMessage([{"type": "tool_result", "tool_use_id": "toolu_1",
                               "content": "7"}])],
        ),
        requests=1,
        ways=CORE_AND_LANGCHAIN,
    ),
    Row(
        name="Gemini's history",
        source="K4",
        wire=hosts(acme={"a/x": unless(lambda body: valid_ids(body, ".+"), refuse(400, "no"))}),
        ask=Ask([{"role": "user", "parts": [{"text": "x"}]},
                 {"role": "model", "parts": [{"functionCall": {"name": "get_weather",
                                                               "args": {}}}]},
                 {"role": "function", "parts": [{"functionResponse": {
                     "name": "get_weather", "response": {"t": 7}}}]}]),
        requests=1,
        sent=lambda body: messages_of(body, "tool")[0]["content"] == '{"t": 7}',
        ways=CORE,
    ),
    Row(
        name="items of OpenAI's Responses",
        source="BerriAI/litellm#13420",
        wire=hosts(acme={"a/x": unless(lambda body: valid_ids(body, "call_9"),
                                       refuse(400, "no"))}),
        ask=Ask([{"role": "user", "content": [{"type": "input_text", "text": "x"}]},
                 {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": None},
                 {"id": "fc_1", "type": "function_call", "name": "get_weather",
                  "call_id": "call_9", "arguments": {"city": "Oslo"}},
                 {"type": "function_call_output", "call_id": "call_9", "output": "7"}]),
        requests=1,
        ways=CORE,
    ),
)  # fmt: skip

CALLS = (
    Row(
        name="arguments of null mean none",
        source="AIDotNet/OpenDeepWiki#392",
        wire=hosts(groq={"a/x": call("get_weather", "null")}),
        ask=Ask(tools=(get_weather,)),
        want=Call(arguments={}),
        requests=1,
    ),
    Row(
        name="arguments of nothing mean none",
        source="openai/openai-agents-js#664",
        wire=hosts(groq={"a/x": call("get_weather", "")}),
        ask=Ask(tools=(get_weather,)),
        want=Call(arguments={}),
        requests=1,
    ),
    Row(
        name="arguments that were encoded twice",
        source="vllm-project/vllm#54964",
        wire=hosts(vllm={"a/x": call("get_weather", json.dumps('{"city": "Oslo"}'))}),
        ask=Ask(tools=(get_weather,)),
        want=Call(),
        requests=1,
    ),
    Row(
        name="such arguments in a history",
        source="JetBrains/koog#2095",
        wire=hosts(acme={"a/x": unless(
            lambda body: isinstance(json.loads(messages_of(body, "assistant")[0]["tool_calls"][0]
                                               ["function"]["arguments"]), dict),
            refuse(400, 'The "function.arguments" parameter must be in JSON format.'))}),
        ask=Ask([USER, turn(called(arguments=json.dumps('{"city": "Oslo"}'))), result()]),
        requests=1,
        ways=CORE | {"li_chat", "li_stream"},  # LangChain parses them itself, and does not
    ),
    Row(
        name="ids of Kimi's calls at another model",
        source="OpenHands/software-agent-sdk#4578",
        wire=hosts(acme={"a/x": unless(lambda body: valid_ids(body, "[A-Za-z0-9_-]{1,40}"),
                                       refuse(400, "String should match pattern"))}),
        ask=Ask([USER, turn(called("functions.get_weather:1"), called("functions.get_weather:2")),
                 result("7", "functions.get_weather:1"), result("8", "functions.get_weather:2")]),
        requests=1,
    ),
    Row(
        name="ids that are longer than OpenAI allows",
        source="vercel/ai#5171",
        wire=hosts(acme={"a/x": unless(lambda body: valid_ids(body, ".{1,40}"), refuse(
            400, "Invalid 'messages[2].tool_calls[0].id': string too long."))}),
        ask=Ask([USER, turn(called("call_" + "x" * 38)), result("7", "call_" + "x" * 38)]),
        requests=1,
    ),
    Row(
        name="ids at Mistral",
        source="langchain-ai/langchain#24668",
        wire=hosts(mistral={"mistral-small": unless(
            lambda body: valid_ids(body, "[A-Za-z0-9]{9}"), refuse(
                400, "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."))}),
        ask=CALLED,
        requests=1,
    ),
    Row(
        name="two calls of one id",
        source="huggingface/tau#385",
        wire=hosts(acme={"a/x": unless(lambda body: valid_ids(body, "[A-Za-z0-9_-]{1,40}"),
                                       refuse(400, "no"))}),
        ask=Ask([USER, turn(called(), called()), result("7"), result("8")]),
        requests=1,
        ways=CORE,
    ),
    Row(
        name="a call that nobody answered",
        source="microsoft/vscode#299295",
        wire=hosts(gemini={"gemini-3.6-flash": unless(lambda body: valid_ids(body, ".+"), refuse(
            400, "Please ensure that the number of function response parts is equal to the number"
            " of function call parts of the function call turn."))}),
        ask=Ask([USER, turn(), USER]),
        requests=1,
    ),
)  # fmt: skip


def named(name: str) -> Callable[[str], str]:
    """A tool of that name."""

    def tool(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    tool.__name__ = name
    return tool


def calls_its_tool(body: Json) -> Reply:
    """A strict server: its model calls the tool by the name it was sent."""
    name = body["tools"][0]["function"]["name"]
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", name):
        return refuse(400, "Invalid 'tools[0].name': string does not match pattern.")
    return call(name, {"city": "Oslo"})


def tool_row(name: str, tool: str, source: str) -> Row:
    return Row(
        name=f"a tool with {name} in its name",
        source=source,
        wire=hosts(acme={"a/x": calls_its_tool}),
        ask=Ask(tools=(named(tool),)),
        want=Call(tool),
        requests=1,
    )


TOOLS = (
    tool_row("a dot", "calendar.respondToEvent", "openai/codex#8174"),
    tool_row("a slash", "user-profile/update", "github/copilot-cli#1879"),
    tool_row("spaces", "Create CIFS Share", "NetApp/netapp-dataops-toolkit#38"),
    tool_row("another script", "天气", "K4"),
    tool_row("too many letters", "get_" + "weather_" * 9, "K4"),
)


def limit(most: int, refusal: str) -> Script:
    return unless(lambda body: body.get("max_tokens", 0) <= most, refuse(400, refusal))


LIMITS: Sequence[Row] = (
    Row(
        name="Groq: max_tokens above the model's output limit",
        source="tashfeenahmed/freellmapi#980",
        wire=hosts(groq={"a/x": limit(8192, "`max_tokens` must be less than or equal to `8192`,"
                                      " the maximum value for `max_tokens` is less")}),
        ask=Ask(parameters={"max_tokens": 16_000}),
        requests=3,
        calls=2,
        sent=lambda body: body["max_tokens"] == 8192,
    ),
    Row(
        name="the same at OpenAI",
        source="anomalyco/opencode#1000",
        wire=hosts(acme={"a/x": limit(16_384, "max_tokens is too large: 32000. This model supports"
                                      " at most 16384 completion tokens, whereas you provided"
                                      " 32000.")}),
        ask=Ask(parameters={"max_tokens": 32_000}),
        requests=3,
        calls=2,
    ),
    Row(
        name="n above one",
        source="K4",
        wire=hosts(acme={"a/x": HI}),
        ask=Ask(parameters={"n": 2}),
        want=Fails(errors.BadRequest, "n must be 1"),
        requests=0,
        ways=CORE,  # the frameworks' models have no such option
    ),
    Row(
        name="log probabilities",
        source="K4",
        wire=hosts(acme={"a/x": answer("hi")}),
        ask=Ask(parameters={"logprobs": True}),
        want=Text("hi"),  # whoever may have them is asked, and who sends none still answers
        requests=1,
        ways=CORE,  # the same
    ),
    Row(
        name="pictures as objects beside the messages",
        source="run-llama/llama_index#15689",
        wire=hosts(acme={"a/x": HI}),
        ask=Ask(parameters={"image_documents": [object()]}),
        want=Fails(errors.BadRequest, r"image_documents\[0\] is an object"),
        requests=0,
        ways=CORE,  # the same; `complete(image_documents=…)` is tested beside the adapter
    ),
)  # fmt: skip

ROWS: tuple[Row, ...] = (
    *THINKING, *EYES, *FILES, *FORMS, *WORDS, *SHAPES, *CALLS, *TOOLS, *LIMITS,
)  # fmt: skip
