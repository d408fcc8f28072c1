"""Refusals that are no proof, and those that are."""

from __future__ import annotations

from freerouter_core import errors

from ..replies import (
    HI,
    PERSON,
    WEATHER,
    Reply,
    no_connection,
    pieces,
    raw,
    refuse,
    streams,
)
from ..row import (
    PICTURE,
    STRUCTURED,
    TOOLS,
    Call,
    Fails,
    Free,
    Host,
    Object,
    Ready,
    Rests,
    Row,
    Unfit,
    Waits,
    hosts,
)

NO_EYES = refuse(400, "This model does not support image input")
THINKING = refuse(400, "The reasoning_content in the thinking mode must be passed back to the API.")
GEMINI_KEY = refuse(
    400,
    {
        "error": {
            "code": 400,
            "message": "API key not valid. Please pass a valid API key.",
            "status": "INVALID_ARGUMENT",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                }
            ],
        }
    },
)


def groq(code: str, message: str, status: int = 400) -> Reply:
    """Groq's errors about what its own model wrote."""
    inner = {"message": message, "type": "invalid_request_error", "code": code}
    return refuse(status, {"error": inner | {"failed_generation": '{"name": "unauthorized"}'}})


JSON_FAILED = groq(
    "json_validate_failed",
    "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
)
CALL_FAILED = groq(
    "tool_use_failed",
    "Failed to call a function. Please adjust your prompt. See 'failed_generation' for details.",
)
PARSE_FAILED = groq(
    "output_parse_failed", "Parsing failed. The model generated output that could not be parsed."
)
DECOMMISSIONED = groq(
    "model_decommissioned",
    "The model `gemma2-9b-it` has been decommissioned and is no longer supported.",
)
LOCATION = refuse(
    400,
    {
        "error": {
            "code": 400,
            "message": "User location is not supported for the API use.",
            "status": "FAILED_PRECONDITION",
        }
    },
)
ECHO = refuse(
    422,
    {
        "detail": [
            {
                "type": "value_error",
                "loc": ["body", "messages", 1],
                "msg": "Value error, not understood",
                "input": {"role": "assistant", "content": "moderation", "refusal": None},
            }
        ]
    },
)
ECHO_AS_TEXT = refuse(
    400,
    "[{'type': 'value_error', 'loc': ('body', 'messages', 1), 'msg': 'not understood', "
    "'input': {'role': 'assistant', 'content': 'My api key expired', 'refusal': None}}]",
)
ODD = refuse(400, "Das geht so nicht.")
"""A refusal in words that nobody listed."""
FLAGGED = refuse(
    403,
    {
        "error": {
            "message": "Your input was flagged",
            "code": 403,
            "metadata": {"reasons": ["violence"], "flagged_input": "…"},
        }
    },
)
WALL = raw(
    "<!DOCTYPE html><title>Attention Required! | Cloudflare</title>"
    "<h1>Sorry, you have been blocked</h1>",
    403,
)
UPSTREAM_KEY = refuse(
    401,
    {
        "error": {
            "message": "Provider returned error",
            "code": 401,
            "metadata": {"raw": "invalid api key", "provider_name": "Acme"},
        }
    },
)


def several(reply: Reply, *names: str) -> dict[str, Reply]:
    """The same reply by several models."""
    return dict.fromkeys(names, reply)


ROWS = (
    Row(
        name="a bad gateway, then another model answers",
        source="K1, sibling",
        wire=hosts(openrouter={"a/x:free": raw("<h1>502</h1>", 502), "b/y:free": HI}),
        requests=2,
        learnt=[Rests("a/x:free", 10.0, 30.0), Ready("b/y:free"), Free("openrouter")],
    ),
    Row(
        name="a model without eyes, then one with",
        source="K1, sibling",
        wire=hosts(openrouter={"a/x:free": NO_EYES, "b/y:free": HI}),
        ask=PICTURE,
        requests=2,
        learnt=[Unfit("a/x:free", "takes no image")],
    ),
    Row(
        name="a stream that is cut after text was shown",
        source="K3, sibling",
        wire=hosts(
            groq={
                "a/x": streams(
                    pieces('data: {"choices": [{"delta": {"content": "Once"}}]}\n\n', cut=True)
                ),
                "b/y": HI,
            }
        ),
        streamed=Fails(errors.StreamBroken, partial="Once"),
        requests=1,
    ),
    # -- a whole family refuses ---------------------------------------------------------------
    Row(
        name="two models of one family want their thoughts back",
        source="K1",
        wire=hosts(
            openrouter={
                **several(THINKING, "deepseek/v4-flash:free", "deepseek/v4-pro:free"),
                "qwen/q3:free": HI,
                "google/g3:free": HI,
            }
        ),
        requests=3,
        at_most={"deepseek/v4-pro:free": 1},
    ),
    Row(
        name="three models of two makers want their thoughts back",
        source="anomalyco/opencode#25356",
        wire=hosts(
            openrouter={
                **several(THINKING, "deepseek/v4:free", "moonshotai/k2:free", "z-ai/glm:free"),
                "qwen/q3:free": HI,
            }
        ),
        requests=4,
    ),
    Row(
        name="after an odd refusal the next maker is asked first",
        source="dirge-code/dirge#757",
        wire=hosts(
            openrouter={
                **several(
                    refuse(400, "text content is empty"),
                    "moonshotai/k2:free",
                    "moonshotai/k2-thinking:free",
                    "moonshotai/k3:free",
                ),
                "qwen/q3:free": HI,
            }
        ),
        requests=2,
    ),
    Row(
        name="after an odd refusal the next account is asked first",
        source="HKUDS/nanobot#949",
        wire=hosts(north={"a/x": ODD, "b/y": ODD, "c/z": ODD}, south={"d/w": HI}),
        requests=2,
    ),
    # -- the key, told as something else ------------------------------------------------------
    Row(
        name="a refused key told as 400, and another account",
        source="K1",
        wire=hosts(gemini=several(GEMINI_KEY, "gemini-3-flash", "gemma-4"), groq={"llama-4": HI}),
        requests=2,
        learnt=[Waits("gemini", "key-refused", 600.0), Free("groq")],
    ),
    Row(
        name="a refused key told as 400 in an array, and nobody else",
        source="google-gemini/gemini-cli#25198",
        wire=hosts(
            gemini=several(
                raw(
                    '[{"error": {"code": 400, "message": "API Key not found. Please pass a valid '
                    'API key.", "status": "INVALID_ARGUMENT"}}]',
                    400,
                ),
                "gemini-3-flash",
                "gemma-4",
            )
        ),
        want=Fails(errors.AuthenticationFailed, "API Key not found", "GEMINI_API_KEY"),
        requests=1,
        learnt=[Waits("gemini", "key-refused")],
    ),
    Row(
        name="an error in an error in an error",
        source="continuedev/continue#10290",
        wire=hosts(
            gemini={
                "gemini-3": refuse(
                    400,
                    '{\n  "error": {\n    "code": 400,\n    "message": "API key not valid. '
                    'Please pass a valid API key.",\n    "status": "INVALID_ARGUMENT"\n  }\n}\n',
                )
            },
            groq={"llama-4": HI},
        ),
        requests=2,
        learnt=[Waits("gemini", "key-refused")],
    ),
    Row(
        name="a key that has expired, told as 400",
        source="continuedev/continue#11336",
        wire=hosts(
            gemini={"gemini-3": refuse(400, "API key expired. Please renew the API key.")},
            groq={"llama-4": HI},
        ),
        requests=2,
        learnt=[Waits("gemini", "key-refused")],
    ),
    Row(
        name="a key that leaked, told as 403",
        source="continuedev/continue#11541",
        wire=hosts(
            gemini={
                "gemini-3": refuse(
                    403, "Your API key was reported as leaked. Please use another API key."
                )
            },
            groq={"llama-4": HI},
        ),
        requests=2,
        learnt=[Waits("gemini", "key-refused")],
    ),
    Row(
        name="a refused key of the only account",
        source="K1, sibling",
        wire=hosts(groq={"a/x": refuse(401, "Invalid API Key"), "b/y": HI}),
        want=Fails(errors.AuthenticationFailed, "Invalid API Key", "GROQ_API_KEY"),
        requests=1,
        learnt=[Waits("groq", "key-refused")],
    ),
    Row(
        name="a refused key of both accounts: each is named, with its own variable",
        source="K2",
        wire=hosts(
            groq={"a/x": refuse(401, "Invalid API Key")},
            mistral={"b/y": raw('{"detail": "Unauthorized"}', 401)},
        ),
        want=Fails(errors.AuthenticationFailed, "a/x.*b/y", "MISTRAL_API_KEY.*GROQ_API_KEY"),
        requests=2,
    ),
    Row(
        name="a refused key inside a 200",
        source="anomalyco/opencode#14252",
        wire=hosts(
            opencode={
                "minimax-free": raw('{"error": {"message": "User not found.", "code": 401}}')
            },
            groq={"llama-4": HI},
        ),
        requests=2,
        learnt=[Waits("opencode", "key-refused")],
    ),
    Row(
        name="a 401 that names its model is the model's",
        source="cline/cline#1734",
        wire=hosts(
            mistral={
                "codestral-latest": refuse(401, "codestral-latest needs a key of its own"),
                "mistral-small": HI,
            }
        ),
        requests=2,
        learnt=[Free("mistral"), Rests("codestral-latest")],
    ),
    Row(
        name="an upstream's refused key is not ours",
        source="anomalyco/opencode#2245",
        wire=hosts(openrouter={"a/x:free": UPSTREAM_KEY, "b/y:free": HI}),
        requests=2,
        learnt=[Free("openrouter")],
    ),
    Row(
        name="an upstream's country is not ours",
        source="K1, sibling",
        wire=hosts(
            openrouter={
                "google/gemma-4:free": refuse(
                    400,
                    {
                        "error": {
                            "message": "Provider returned error",
                            "code": 400,
                            "metadata": {
                                "raw": "User location is not supported for the API use.",
                                "provider_name": "Google AI Studio",
                            },
                        }
                    },
                ),
                "b/y:free": HI,
            }
        ),
        requests=2,
        learnt=[Free("openrouter")],
    ),
    Row(
        name="an upstream's debt is not ours",
        source="anomalyco/opencode#14252",
        wire=hosts(
            openrouter={
                "minimax/m3:free": refuse(
                    402, "Upstream error from Minimax: insufficient balance (1008)"
                ),
                "b/y:free": HI,
            }
        ),
        requests=2,
        learnt=[Free("openrouter"), Rests("minimax/m3:free")],
    ),
    # -- one generation -----------------------------------------------------------------------
    Row(
        name="two failed generations of JSON, and a third model",
        source="thepersonalaicompany/amurex-backend#38",
        wire=hosts(groq={"a/x": JSON_FAILED, "b/y": JSON_FAILED, "c/z": PERSON}),
        ask=STRUCTURED,
        want=Object(),
        requests=3,
    ),
    Row(
        name="a failed generation of JSON by the only model: asked again",
        source="JusticeRage/Gepetto#37",
        wire=hosts(groq={"a/x": [JSON_FAILED, PERSON]}),
        ask=STRUCTURED,
        want=Object(),
        requests=2,
    ),
    Row(
        name="two failed tool calls, and a third model",
        source="groq/groq-typescript#28",
        wire=hosts(groq={"a/x": CALL_FAILED, "b/y": CALL_FAILED, "c/z": WEATHER}),
        ask=TOOLS,
        want=Call(),
        requests=3,
    ),
    Row(
        name="a failed tool call of the only model: asked again",
        source="pipecat-ai/pipecat#1168",
        wire=hosts(groq={"a/x": [CALL_FAILED, WEATHER]}),
        ask=TOOLS,
        want=Call(),
        requests=2,
    ),
    Row(
        name="a call whose parameters do not match, found by the provider",
        source="HunorLaczko/ha-groq-cloud-api#20",
        wire=hosts(
            groq={
                "a/x": groq(
                    "tool_use_failed",
                    "tool call validation failed: parameters for tool get_weather did not match "
                    "schema: errors: [`/city`: expected string, but got array]",
                ),
                "b/y": WEATHER,
            }
        ),
        ask=TOOLS,
        want=Call(),
        requests=2,
    ),
    Row(
        name="output that the provider cannot parse, twice",
        source="K1",
        wire=hosts(groq={"a/x": PARSE_FAILED, "b/y": PARSE_FAILED, "c/z": HI}),
        requests=3,
    ),
    # -- gone, or not yet there ---------------------------------------------------------------
    Row(
        name="two decommissioned models",
        source="RightNow-AI/openfang#834",
        wire=hosts(groq={"a/x": DECOMMISSIONED, "b/y": DECOMMISSIONED, "c/z": HI}),
        requests=3,
        learnt=[Unfit("a/x", "gone"), Unfit("b/y", "gone"), Ready("c/z")],
    ),
    Row(
        name="unknown models, in GitHub's words",
        source="github/gh-models#65",
        wire=hosts(
            github={
                "a/x": refuse(
                    400, {"error": {"code": "unknown_model", "message": "Unknown model"}}
                ),
                "b/y": HI,
            }
        ),
        requests=2,
        learnt=[Unfit("a/x", "gone")],
    ),
    Row(
        name="no such model, in Cloudflare's words",
        source="K1",
        wire=hosts(
            cloudflare={
                "@cf/a/x": refuse(
                    400, {"errors": [{"code": 5007, "message": "No such model @cf/a/x or task"}]}
                ),
                "@cf/b/y": HI,
            }
        ),
        requests=2,
        learnt=[Unfit("@cf/a/x", "gone")],
    ),
    Row(
        name="models that are unavailable for a while",
        source="K1",
        wire=hosts(
            north={
                "a/x": refuse(400, {"error": {"code": "model_unavailable", "message": "Not now"}}),
                "b/y": refuse(400, "The model is currently overloaded"),
                "c/z": HI,
            }
        ),
        requests=3,
        learnt=[Rests("a/x"), Rests("b/y")],
    ),
    Row(
        name="a local server that cannot load a model",
        source="K1",
        wire=hosts(
            north={"a/x": refuse(400, "Failed to load model. Error: not enough memory."), "b/y": HI}
        ),
        requests=2,
        learnt=[Rests("a/x")],
    ),
    # -- the account --------------------------------------------------------------------------
    Row(
        name="a country that is not served",
        source="poenl/gemini-api#4",
        wire=hosts(gemini=several(LOCATION, "gemini-3", "gemma-4"), groq={"llama-4": HI}),
        requests=2,
        learnt=[Waits("gemini", "location", 600.0)],
    ),
    Row(
        name="a project's spend cap, told as 400",
        source="K1",
        wire=hosts(
            gemini=several(
                refuse(400, "Your project has exceeded its monthly spending cap."),
                "gemini-3",
                "gemma-4",
            ),
            groq={"llama-4": HI},
        ),
        requests=2,
        learnt=[Waits("gemini", "account-budget", 600.0)],
    ),
    Row(
        name="no credit, told as 400",
        source="Tongyi-MAI/Z-Image#44",
        wire=hosts(
            north=several(
                refuse(400, {"code": 400, "message": "Insufficient credits. Please top up."}),
                "a/x",
                "b/y",
            ),
            groq={"llama-4": HI},
        ),
        requests=2,
        learnt=[Waits("north", "debt")],
    ),
    Row(
        name="no quota for anything, told as 429",
        source="ChatGPTNextWeb/NextChat#3123",
        wire=hosts(
            openai=several(
                refuse(
                    429,
                    {
                        "error": {
                            "message": "You exceeded your current quota, please check your plan "
                            "and billing details.",
                            "type": "insufficient_quota",
                            "code": "insufficient_quota",
                        }
                    },
                ),
                "gpt-a",
                "gpt-b",
            ),
            groq={"llama-4": HI},
        ),
        requests=2,
        learnt=[Waits("openai", "debt", 600.0)],
    ),
    Row(
        name="SambaNova's 402: its own name, and no other provider's page",
        source="K2",
        wire=hosts(sambanova=several(refuse(402, "Payment required"), "a/x", "b/y")),
        want=Fails(errors.Exhausted, "debt", r"sambanova(?!.*openrouter)"),
        requests=4,
        learnt=[Waits("sambanova", "debt")],
    ),
    # -- a word in an echo --------------------------------------------------------------------
    Row(
        name="our own refusal: null in an echo",
        source="K1",
        wire=hosts(north={"a/x": ECHO, "b/y": ECHO}, south={"c/z": HI}),
        requests=2,
        learnt=[Free("north")],
    ),
    Row(
        name="our own words in an echo that is a text",
        source="K1, sibling",
        wire=hosts(north={"a/x": ECHO_AS_TEXT}, south={"c/z": HI}),
        requests=2,
        learnt=[Free("north")],
    ),
    # -- what nobody listed -------------------------------------------------------------------
    Row(
        name="odd words of every model of one account, and another account",
        source="BerriAI/litellm#12503",
        wire=hosts(north=several(ODD, "a/x", "b/y", "c/z", "d/w"), south={"e/v": HI}),
        requests=2,
        at_most={"north": 1},
    ),
    Row(
        name="odd words of every model: all of them are told",
        source="decolua/9router#640",
        wire=hosts(north=several(ODD, "a/x", "b/y"), south=several(ODD, "c/z", "d/w")),
        want=Fails(errors.BadRequest, "2 models of north: bad-request.*2 models of south"),
        requests=4,
    ),
    Row(
        name="odd words of twenty models cost a bounded number of requests",
        source="router-for-me/CLIProxyAPI#1747",
        wire=hosts(openrouter=several(ODD, *(f"maker{n}/m{n}:free" for n in range(20)))),
        want=Fails(errors.BadRequest, "Das geht so nicht"),
        requests=8,
    ),
    Row(
        name="odd words of nine models, and an account that was not asked",
        source="BerriAI/litellm#12503",
        wire=hosts(north=several(ODD, *(f"maker{n}/m{n}" for n in range(9))), south={"x/y": HI}),
        requests=2,
    ),
    Row(
        name="a status nobody sends",
        source="K1, sibling",
        wire=hosts(north={"a/x": raw("", 418), "b/y": raw("", 444), "c/z": HI}),
        requests=3,
    ),
    Row(
        name="odd words with 403 by three models, and a fourth of the same account",
        source="K1, sibling",
        wire=hosts(
            north={
                **several(refuse(403, "Das geht so nicht."), "deepseek/a", "qwen/b", "meta/c"),
                "google/d": HI,
            }
        ),
        requests=4,
        learnt=[Free("north"), Ready("google/d")],
    ),
    Row(
        name="odd words with an odd status rest an account for minutes, not for hours",
        source="K2, sibling",
        wire=hosts(north=several(refuse(498, "Das geht so nicht."), "a/x", "b/y", "c/z")),
        want=Fails(errors.Exhausted, "3 models of north"),
        requests=9,
        learnt=[Waits("north", "account-refused", 600.0, 1_200.0)],
    ),
    *(
        Row(
            name=f"{status}: two families refuse in odd words, and a third answers",
            source="K1, sibling",
            wire=hosts(
                north=several(refuse(status, "Nein."), "deepseek/a", "qwen/b") | {"d/w": HI}
            ),
            requests=3,
            at_most={"deepseek/a": 1, "qwen/b": 1},
        )
        for status in (400, 403, 405, 409, 417, 422, 451)
    ),
    Row(
        name="every model of the only account refuses with 451: each is asked once",
        source="K1, sibling",
        wire=hosts(north=several(refuse(451, "Nein."), "deepseek/a", "qwen/b", "meta/c")),
        want=Fails(errors.BadRequest, "Nein"),
        requests=3,
    ),
    Row(
        name="a closed project, told as 400",
        source="kind: accounts that somebody closed",
        wire=hosts(
            groq=several(
                refuse(
                    400,
                    {
                        "error": {
                            "message": "Organization has been restricted. Please reach out to "
                            "support if you believe this was in error.",
                            "code": "organization_restricted",
                        }
                    },
                ),
                "a/x",
                "b/y",
            ),
            south={"c/z": HI},
        ),
        requests=2,
        learnt=[Waits("groq", "account-forbidden", 600.0)],
    ),
    Row(
        name="too many requests, told as 400, with the wait",
        source="kind: limits in other statuses",
        wire=hosts(
            north={"a/x": refuse(400, "Rate limit reached", {"retry-after": "90"})},
            south={"c/z": HI},
        ),
        requests=2,
        learnt=[Rests("a/x", 80.0, 90.0), Free("north")],
    ),
    Row(
        name="a wall in HTML, and another account",
        source="HKUDS/Vibe-Trading#528",
        wire=hosts(nvidia=several(WALL, "a/x", "b/y"), groq={"c/z": HI}),
        requests=2,
    ),
    Row(
        name="a privacy setting told as 404, and another account",
        source="BerriAI/litellm#21377",
        wire=hosts(
            openrouter=several(
                refuse(
                    404, "No endpoints found matching your data policy (Free model publication)"
                ),
                "a/x:free",
                "b/y:free",
            ),
            groq={"llama-4": HI},
        ),
        requests=3,
        learnt=[Unfit("a/x:free", "gone"), Free("openrouter")],
    ),
    Row(
        name="an account in arrears, told as 400",
        source="tencentmusic/supersonic#1572",
        wire=hosts(
            north={
                "qwen-a": refuse(
                    400,
                    {
                        "code": "Arrearage",
                        "message": "Access denied, please make sure your account is in good "
                        "standing.",
                    },
                )
            },
            groq={"llama-4": HI},
        ),
        requests=2,
        learnt=[Waits("north", "debt")],
    ),
    # -- the content --------------------------------------------------------------------------
    Row(
        name="two models of one account refuse the content, a third answers",
        source="BerriAI/litellm#40406",
        wire=hosts(openrouter={**several(FLAGGED, "a/x:free", "b/y:free"), "c/z:free": HI}),
        requests=3,
    ),
    Row(
        name="two accounts and makers refuse the content",
        source="BerriAI/litellm#40406",
        wire=hosts(
            openrouter={"a/x:free": FLAGGED, "d/w:free": HI},
            north={"b/y": FLAGGED, "c/z": HI},
        ),
        policy={"model": "openrouter:a/x:free", "fallback_models": ["north:b/y"]},
        want=Fails(errors.Refused, "flagged", "change the prompt"),
        requests=2,
    ),
    Row(
        name="two accounts refuse the content, and their models are of one maker",
        source="BerriAI/litellm#40406",
        wire=hosts(openrouter={"a/x:free": FLAGGED}, north={"a/x2": FLAGGED}, south={"b/z": HI}),
        requests=3,
    ),
    # -- too large ----------------------------------------------------------------------------
    Row(
        name="too many tokens of output for the account's minute",
        source="zeeyado/koassistant.koplugin#106",
        wire=hosts(
            groq={
                "a/x": refuse(
                    413,
                    "Request too large for model `x` in organization `o` on output tokens per "
                    "minute (OTPM): Limit 8000, Requested 32979, please reduce max_tokens",
                )
            }
        ),
        want=Fails(errors.FreeRouterError, "output-too-large|too large", "lower max_tokens"),
        requests=1,
    ),
    Row(
        name="prompt and max_tokens together are too large for one, not for another",
        source="continuedev/continue#10218",
        wire=hosts(
            groq={
                "a/x": refuse(
                    413,
                    "Request too large for model `x` on tokens per minute (TPM): Limit 12000, "
                    "Requested 14137, please reduce your message size and try again.",
                ),
                "b/y": HI,
            }
        ),
        requests=2,
        learnt=[Ready("a/x"), Free("groq")],
    ),
    # -- cold starts --------------------------------------------------------------------------
    Row(
        name="a provider that refuses connections, and one whose list takes 1.5 s",
        source="K1",
        wire=[
            Host("north", {"a/x": HI}, lists=no_connection()),
            Host("south", {"b/y": HI}, lists_after=1.5),
        ],
        requests=1,
        at_most={"south": 1},
    ),
    Row(
        name="a provider whose list is an error, and one whose list takes 0.02 s",
        source="K1, sibling",
        wire=[
            Host("north", {"a/x": HI}, lists=raw("<h1>500</h1>", 500)),
            Host("south", {"b/y": HI}, lists_after=0.02),
        ],
        requests=1,
    ),
    Row(
        name="a provider that refuses the key for its list",
        source="Alishahryar1/free-claude-code#902",
        wire=[
            Host("north", {"a/x": HI}, lists=refuse(401, "no")),
            Host("south", {"b/y": HI}, lists_after=1.0),
        ],
        requests=1,
    ),
    Row(
        name="a provider whose list never comes",
        source="K1, sibling",
        wire=[
            Host("north", {"a/x": HI}, lists_after=1e6),
            Host("south", {"b/y": HI}),
        ],
        requests=1,
    ),
    Row(
        name="a named model whose provider is dead, and a list that comes meanwhile",
        source="K1",
        wire=[
            Host("north", {"a/x": no_connection()}, lists=no_connection()),
            Host("south", {"b/y": HI}, lists_after=5.0),
        ],
        policy={"model": "north:a/x"},
        requests=8,
        at_most={"south": 1},
    ),
    Row(
        name="the only list so far has nobody who can, and another comes",
        source="K1, sibling",
        wire=[
            Host("north", {"a/x": HI}, row={"a/x": {"architecture": {}}}),
            Host("south", {"b/y": HI}, lists_after=3.0),
        ],
        ask=PICTURE,
        requests=1,
    ),
    Row(
        name="everybody of the first list fails, and another comes",
        source="K1, sibling",
        wire=[
            Host("north", {"a/x": refuse(401, "no"), "b/y": HI}),
            Host("south", {"c/z": HI}, lists_after=3.0),
        ],
        requests=2,
    ),
)
