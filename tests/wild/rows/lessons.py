"""What is learnt from refusals, at which scope, until when."""

from __future__ import annotations

import json
from collections.abc import Callable

from freerouter_core import errors
from freerouter_core.wire.json_values import Json

from ..replies import HI, PERSON, WEATHER, Reply, answer, call, no_connection, raw, refuse
from ..row import (
    PICTURE,
    STRUCTURED,
    TOOLS,
    Ask,
    Call,
    Doubted,
    Fails,
    Free,
    Host,
    Object,
    Ready,
    Row,
    Unfit,
    Waits,
    hosts,
)

DEBT = refuse(
    402,
    "Insufficient credits. This account never purchased credits. "
    "Purchase more at https://openrouter.ai/settings/credits",
)
NVIDIA = raw('{"status": 403, "title": "Forbidden", "detail": "Authorization failed"}', 403)
WEEK = refuse(
    429,
    {
        "error": "you (x) have reached your weekly usage limit, upgrade for higher limits: "
        "https://ollama.com/upgrade"
    },
)
SESSION = refuse(
    429,
    {
        "error": "you (x) have reached your session usage limit, upgrade for higher limits: "
        "https://ollama.com/upgrade"
    },
)
HOUR = refuse(
    429, {"error": "you've reached your hourly usage limit, please wait or upgrade to continue"}
)
SUBSCRIPTION = refuse(
    403,
    {"error": "this model requires a subscription, upgrade for access: https://ollama.com/upgrade"},
)
ZAI = refuse(
    429,
    {
        "error": {
            "code": "1113",
            "message": "Insufficient balance or no resource package. Please recharge.",
        }
    },
)
ZHIPU = refuse(429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}})
KILO_LIMIT = refuse(
    401,
    {
        "error": {
            "message": "You have used all anonymous requests. Sign up, or come back later",
            "code": "PROMOTION_MODEL_LIMIT_REACHED",
        }
    },
)
KILO_PAID = refuse(
    401, {"error": {"message": "You need to sign in", "code": "PAID_MODEL_AUTH_REQUIRED"}}
)
BARE_429 = refuse(429, "Too many requests")
ODD_429 = refuse(429, "Kontingent aufgebraucht")
PROSE = answer("As an AI I prefer prose.")
ODD = refuse(400, "Das geht so nicht.")


def several(reply: Reply, count: int) -> dict[str, Reply]:
    """The same reply by that many models of as many makers."""
    return {f"maker{n}/{chr(97 + n)}-model": reply for n in range(count)}


def without_seed(words: str) -> Callable[[Json], Reply]:
    """A model that refuses a `seed` in these words."""
    return lambda body: refuse(400, words) if "seed" in body else HI


WHOLE = frozenset({"core_chat", "lc_invoke", "li_chat"})
OTHER = {"llama-4": HI}

ROWS = (
    # -- debts --------------------------------------------------------------------------------
    Row(
        name="an account in debt, a call every three minutes",
        source="K2",
        wire=hosts(openrouter={"a/x:free": DEBT, "b/y:free": DEBT}, groq=OTHER),
        calls=40,
        every=180.0,
        requests=43,
        at_most={"openrouter": 3},
        learnt=[Waits("openrouter", "debt", 0.0, 6 * 3_600.0), Free("groq")],
    ),
    Row(
        name="a key without credit, a call every minute",
        source="tashfeenahmed/freellmapi#196",
        wire=hosts(huggingface={"moonshotai/kimi-k2": refuse(402, "Payment required")}, groq=OTHER),
        calls=30,
        every=60.0,
        requests=32,
        at_most={"huggingface": 2},
    ),
    Row(
        name="a debt that is paid: the account answers again",
        source="router-for-me/CLIProxyAPI#5611",
        wire=hosts(openrouter={"a/x:free": [DEBT, HI]}, groq=OTHER),
        calls=20,
        every=180.0,
        requests=21,
        learnt=[Free("openrouter"), Ready("a/x:free")],
    ),
    Row(
        name="Z.ai's 1113, preferred",
        source="K2",
        wire=hosts(zai={"glm-4.7-flash": ZAI, "glm-4.6v-flash": ZAI}, groq=OTHER),
        calls=20,
        every=180.0,
        requests=22,
        at_most={"zai": 2},
        learnt=[Waits("zai", "debt")],
    ),
    Row(
        name="Z.ai's 1113 in Chinese",
        source="iOfficeAI/AionUi#557",
        wire=hosts(zai={"glm-4.7-flash": ZHIPU, "glm-4.6v-flash": ZHIPU}, groq=OTHER),
        calls=10,
        every=60.0,
        requests=11,
        at_most={"zai": 1},
        learnt=[Waits("zai", "debt")],
    ),
    Row(
        name="Z.ai's 1113 for a model that costs, while a free one answers",
        source="anomalyco/opencode#12671",
        wire=hosts(zai={"glm-5": ZAI, "glm-4.7-flash": HI}),
        calls=5,
        every=60.0,
        requests=6,
        at_most={"glm-5": 1},
        learnt=[Unfit("glm-5", "gone"), Free("zai"), Ready("glm-4.7-flash")],
    ),
    Row(
        name="a debt told of one model, while another of the account answers",
        source="DaWe35/image-router#33",
        wire=hosts(
            north={
                "a/x": refuse(402, "Quota exceeded and account balance is $0.0, please pay"),
                "b/y": HI,
            }
        ),
        calls=5,
        every=60.0,
        requests=6,
        at_most={"a/x": 1},
        learnt=[Free("north"), Unfit("a/x")],
    ),
    # -- keys and permissions -----------------------------------------------------------------
    Row(
        name="a key that NVIDIA forbids twenty models, and nobody else",
        source="K2",
        wire=hosts(nvidia=several(NVIDIA, 20)),
        want=Fails(errors.AuthenticationFailed, "Authorization failed|nvidia", "NVIDIA_API_KEY"),
        calls=12,
        every=60.0,
        requests=6,
        learnt=[Waits("nvidia", "account-forbidden", 60.0)],
    ),
    Row(
        name="a key that NVIDIA forbids twenty models, and another account",
        source="HKUDS/OpenHarness#233",
        wire=hosts(nvidia=several(NVIDIA, 20), groq=OTHER),
        calls=12,
        every=60.0,
        requests=18,
        at_most={"nvidia": 6},
        learnt=[Waits("nvidia", "account-forbidden"), Free("groq")],
    ),
    Row(
        name="a token without the permission, told as 403",
        source="microsoft/ai-agents-for-beginners#203",
        wire=hosts(
            github=several(refuse(403, "Must have 'models' permissions to use this"), 6),
            groq=OTHER,
        ),
        calls=12,
        every=60.0,
        requests=18,
        at_most={"github": 6},
        learnt=[Waits("github", "account-forbidden")],
    ),
    Row(
        name="one forbidden model says nothing of its account",
        source="github/gh-models#65",
        wire=hosts(github={"openai/o1": raw("", 403), "openai/gpt-mini": HI}),
        calls=4,
        every=5.0,
        requests=5,
        at_most={"openai/o1": 1},
        learnt=[Free("github"), Ready("openai/gpt-mini")],
    ),
    Row(
        name="models that need a subscription, and a free one",
        source="ollama/ollama#16773",
        wire=hosts(
            ollama_cloud={
                **dict.fromkeys(("kimi-k3", "qwen3.5", "glm-5", "deepseek-v4"), SUBSCRIPTION),
                "gemma4:31b": HI,
            }
        ),
        calls=4,
        every=60.0,
        requests=8,
        at_most={"kimi-k3": 1, "glm-5": 1},
        learnt=[Free("ollama-cloud"), Unfit("qwen3.5", "gone"), Ready("gemma4:31b")],
    ),
    Row(
        name="a plan that has ended",
        source="diegosouzapw/OmniRoute#1767",
        wire=hosts(
            north={"a/x": refuse(403, "Your subscription has expired"), "b/y": HI}, groq=OTHER
        ),
        calls=10,
        every=60.0,
        requests=11,
        at_most={"north": 1},
        learnt=[Waits("north", "no-plan")],
    ),
    Row(
        name="a refused key is not asked with every call",
        source="Blockether/vis#82",
        wire=hosts(
            openrouter={"a/x:free": refuse(401, "User not found."), "b/y:free": HI}, groq=OTHER
        ),
        calls=11,
        every=60.0,
        requests=12,
        at_most={"openrouter": 1},
        learnt=[Waits("openrouter", "key-refused"), Free("groq")],
    ),
    Row(
        name="a key that was refused for some minutes by mistake",
        source="RooCodeInc/Roo-Code#6459",
        wire=hosts(
            openrouter={"a/x:free": [refuse(401, "No auth credentials found"), HI]}, groq=OTHER
        ),
        calls=12,
        every=120.0,
        requests=13,
        learnt=[Free("openrouter"), Ready("a/x:free")],
    ),
    # -- without a key ------------------------------------------------------------------------
    Row(
        name="Kilo's limit without a key, told as 401",
        source="Kilo-Org/cloud#328",
        wire=[
            Host("kilo", {"a/x:free": [KILO_LIMIT, HI], "b/y:free": HI}, key=""),
            Host("groq", OTHER),
        ],
        calls=12,
        every=180.0,
        requests=13,
        learnt=[Free("kilo"), Ready("a/x:free")],
    ),
    Row(
        name="Kilo's limit without a key, and nobody else",
        source="K2",
        wire=[Host("kilo", {"a/x:free": KILO_LIMIT, "b/y:free": KILO_LIMIT}, key="")],
        want=Fails(errors.Exhausted, "anonymous-limit", "without a key"),
        requests=4,
        learnt=[Waits("kilo", "anonymous-limit", 0.0, 6 * 3_600.0)],
    ),
    Row(
        name="a paid model that was named, without a key",
        source="K2",
        wire=[Host("kilo", {"a/paid": KILO_PAID, "b/y:free": HI}, key="")],
        policy={"model": "kilo:a/paid"},
        calls=3,
        every=60.0,
        requests=4,
        learnt=[Free("kilo"), Ready("b/y:free")],
    ),
    Row(
        name="any other 401 without a key is for a while",
        source="duolahypercho/codex-router#184",
        wire=[
            Host("kilo", {"a/x:free": [raw("nope", 401), HI]}, key=""),
            Host("groq", OTHER),
        ],
        calls=12,
        every=180.0,
        requests=13,
        learnt=[Free("kilo"), Ready("a/x:free")],
    ),
    # -- limits of hours, weeks, and of nobody knows what ---------------------------------------
    Row(
        name="Ollama's week, preferred",
        source="diegosouzapw/OmniRoute#3709",
        wire=hosts(ollama_cloud={"gpt-oss:20b": WEEK, "gemma4:31b": WEEK}, groq=OTHER),
        calls=40,
        every=180.0,
        requests=43,
        at_most={"ollama-cloud": 3},
        learnt=[Waits("ollama-cloud", "account-week", 0.0, 7 * 86_400.0)],
    ),
    Row(
        name="Ollama's session",
        source="continuedev/continue#11444",
        wire=hosts(ollama_cloud={"gpt-oss:20b": SESSION, "gemma4:31b": SESSION}, groq=OTHER),
        calls=20,
        every=60.0,
        requests=23,
        at_most={"ollama-cloud": 3},
        learnt=[Waits("ollama-cloud", "account-window")],
    ),
    Row(
        name="Ollama's hour",
        source="continuedev/continue#9233",
        wire=hosts(ollama_cloud={"gpt-oss:20b": HOUR, "gemma4:31b": HOUR}, groq=OTHER),
        calls=20,
        every=60.0,
        requests=23,
        at_most={"ollama-cloud": 3},
        learnt=[Waits("ollama-cloud", "account-window")],
    ),
    Row(
        name="a spent day, and a second call: the reason is told again",
        source="K2",
        wire=hosts(
            openrouter={"a/x:free": refuse(429, "Rate limit exceeded: free-models-per-day")}
        ),
        want=Fails(errors.Exhausted, "account-day", "day's free requests of openrouter"),
        calls=2,
        every=60.0,
        requests=1,
        learnt=[Waits("openrouter", "account-day")],
    ),
    Row(
        name="a day's tokens, in Cerebras's words",
        source="continuedev/continue#9800",
        wire=hosts(
            cerebras={
                "gpt-oss-120b": refuse(429, "Tokens per day limit exceeded - too many tokens")
            },
            groq=OTHER,
        ),
        calls=10,
        every=60.0,
        requests=11,
        at_most={"cerebras": 1},
        learnt=[Waits("cerebras", "account-day")],
    ),
    Row(
        name="a limit in words nobody listed, by every model for hours",
        source="K2, sibling",
        wire=hosts(north={"a/x": ODD_429, "b/y": ODD_429, "c/z": ODD_429}, groq=OTHER),
        calls=40,
        every=180.0,
        requests=56,
        at_most={"north": 14},
        learnt=[Waits("north", "account-spent", 0.0, 6 * 3_600.0)],
    ),
    Row(
        name="a bare 429 of one model says nothing of its account",
        source="BerriAI/litellm#3274",
        wire=hosts(north={"a/x": BARE_429, "b/y": HI}),
        requests=2,
        learnt=[Free("north"), Ready("b/y")],
    ),
    # -- nobody there ---------------------------------------------------------------------------
    Row(
        name="a provider that is down is left after two models",
        source="K1, sibling",
        wire=hosts(north=several(no_connection(), 8), groq=OTHER),
        calls=6,
        every=5.0,
        requests=9,
        at_most={"north": 3},
        learnt=[Waits("north", "unreachable", 0.0, 600.0)],
    ),
    Row(
        name="a provider that refuses in odd words what another one answers",
        source="K2, sibling",
        wire=hosts(north=several(refuse(400, "Zugang gesperrt"), 8), groq=OTHER),
        calls=12,
        every=30.0,
        requests=18,
        at_most={"north": 6},
        learnt=[Waits("north", "account-refused")],
    ),
    # -- the way of asking ----------------------------------------------------------------------
    Row(
        name="prose to a structured request is learnt at the first sight of it",
        source="K2",
        wire=hosts(north={"a/x": PROSE, "b/y": PERSON}),
        ask=STRUCTURED,
        want=Object(),
        calls=6,
        every=60.0,
        requests=7,
        at_most={"a/x": 1},
        policy={"strategy": "adaptive"},
        learnt=[Doubted("a/x", 0.33)],
    ),
    Row(
        name="a call as text to a request with tools is learnt",
        source="K2, sibling",
        wire=hosts(
            north={
                "a/x": answer('<tool_call>{"name": "get_weather", "arguments": {}}</tool_call>'),
                "b/y": call("get_weather", {"city": "Oslo"}),
            }
        ),
        ask=TOOLS,
        want=Call(),
        calls=6,
        every=60.0,
        requests=7,
        ways=WHOLE,  # a stream shows such a text as it comes
        at_most={"a/x": 1},
        policy={"strategy": "adaptive"},
    ),
    Row(
        name="odd words to a request with tools, which another model does",
        source="griptape-ai/griptape-nodes-engine#1402",
        wire=hosts(north={"a/x": ODD, "b/y": call("get_weather", {"city": "Oslo"})}),
        ask=TOOLS,
        want=Call(),
        calls=4,
        every=60.0,
        requests=5,
        at_most={"a/x": 1},
        policy={"strategy": "adaptive"},
        learnt=[Free("north"), Ready("b/y")],
    ),
    Row(
        name="odd words to a plain request, which another model does",
        source="BerriAI/litellm#12503",
        wire=hosts(north={"a/x": ODD, "b/y": HI}),
        calls=4,
        every=5.0,
        requests=5,
        at_most={"a/x": 1},
        learnt=[Free("north")],
    ),
    *(
        Row(
            name=f"a parameter that is refused in other words: {words}",
            source="kind: parameters by name",
            wire=hosts(north={"a/x": without_seed(words)}),
            ask=Ask(parameters={"seed": 7}),
            calls=3,
            every=60.0,
            requests=4,
        )
        for words in (
            "seed: Extra inputs are not permitted",
            "Unknown parameter: 'seed'",
            "Additional properties are not allowed ('seed' was unexpected)",
        )
    ),
    Row(
        name="tools that are refused in other words: another model is asked, then at once",
        source="kind: capabilities by name",
        wire=hosts(
            north={
                "a/x": refuse(
                    400,
                    "Tools aren't enabled here: function calling is not available for this model",
                ),
                "b/y": WEATHER,
            }
        ),
        ask=TOOLS,
        want=Call(),
        calls=3,
        every=60.0,
        requests=4,
        at_most={"a/x": 1},
        learnt=[Unfit("a/x", "tools")],
    ),
    Row(
        name="eyes that are refused in other words",
        source="kind: capabilities by name",
        wire=hosts(north={"a/x": refuse(400, "This endpoint cannot process images"), "b/y": HI}),
        ask=PICTURE,
        calls=3,
        every=60.0,
        requests=4,
        at_most={"a/x": 1},
        learnt=[Unfit("a/x", "takes no image")],
    ),
    Row(
        name="a parameter that is refused by name is left out from then on",
        source="K2, sibling",
        wire=hosts(
            north={
                "a/x": lambda body: (
                    refuse(400, "Unsupported parameter: 'seed' is not supported with this model.")
                    if "seed" in body
                    else HI
                )
            }
        ),
        ask=Ask(parameters={"seed": 7}),
        calls=3,
        every=60.0,
        requests=4,
        learnt=[Free("north"), Ready("a/x")],
        sent=lambda body: "seed" not in body,
    ),
    Row(
        name="a field in a tool that is refused by its place is left out from then on",
        source="run-llama/llama_index#19121",
        wire=hosts(
            north={
                "a/x": lambda body: (
                    refuse(
                        422,
                        {
                            "detail": [
                                {
                                    "type": "extra_forbidden",
                                    "loc": ["body", "tools", 0, "function", "strict"],
                                    "msg": "Extra inputs are not permitted",
                                    "input": False,
                                }
                            ]
                        },
                    )
                    if "strict" in json.dumps(body["tools"])
                    else call("get_weather", {"city": "Oslo"})
                )
            }
        ),
        ask=TOOLS,
        want=Call(),
        calls=2,
        every=60.0,
        requests=3,
        learnt=[Free("north"), Ready("a/x")],
    ),
)
