"""`RULES`: which statuses and words mean which fault.

Statuses lie. OpenRouter's 429 is an account's minute, its day, or one upstream's pool; its 404 is a
vanished model, a missing capability, a privacy setting or a passing upstream fault; a 200 may carry
any of them. So the table looks at the words. It is read from the top, the first row that matches
decides, and the last row matches everything.

A row says what is recognised, never more (law 11). What no row knows is a bare refusal: of this
request by this model. `routing` may conclude more from several of them. What can be done about a
cause is in `remedies`.
"""

from __future__ import annotations

import re

from .fault import Cause, Kind
from .rule import Rule
from .rule import rule as _rule
from .rule_words import (
    ACCOUNT_CLOSED,
    AGAIN_LATER,
    CROWDED,
    KEY_REFUSED,
    MEDIA_OF_USERS_ONLY,
    NO_CREDIT,
    NO_FORCED_CALL,
    NO_RESPONSE_FORMAT,
    NOT_TAKEN,
    OF_ACCOUNT,
    OF_MODEL,
    OFFENCES,
    OVERLOADED,
    PER_DAY,
    REQUESTS_PER_MINUTE,
    THROTTLED,
    UPSTREAM,
    no_input,
)

OF_UPSTREAM = re.compile(UPSTREAM, re.IGNORECASE)
"""What a gateway says if it was an upstream of its own that refused."""

RULES: tuple[Rule, ...] = (
    # -- an upstream of a gateway: its key, its debt and its limits are not ours ------------------
    _rule(Cause.UPSTREAM_401, Kind.BUSY, "401", UPSTREAM),
    # anomalyco/opencode#14252
    _rule(Cause.UPSTREAM_DEBT, Kind.BUSY, "402", UPSTREAM),
    _rule(Cause.UPSTREAM_DEBT, Kind.BUSY, "400 403",
          rf"(?:{UPSTREAM}).{{0,400}}(?:{NO_CREDIT})"),

    # -- the model is not free, so the account may still be good ----------------------------------
    # Ollama Cloud (ollama/ollama#16773), Kilo (Kilo-Org/cloud#328).
    _rule(Cause.NOT_FREE, Kind.GONE, "401-403 429",
          r"PAID_MODEL|FreeTierOnly|free (?:tier|quota|trial) (?:of|for) (?:the|this) model\b"
          r"|\bmodel (?:service )?(?:has been|is|was) paused|tier not high enough|required tier"
          r"|\bmodels?\b.{0,60}\b(?:requires?|needs?|only available)\b.{0,40}"
          r"\b(?:subscription|paid|plan|upgrade|tier|sign(?:ing)? in|log(?:ging)? in)\b",
          teaches=False),

    # -- the account: its key, its plan, its place ------------------------------------------------
    # Kilo (Kilo-Org/cloud#328): free models without a key, a number of times an hour.
    _rule(Cause.ANONYMOUS_LIMIT, Kind.ACCOUNT, "401 403 429",
          r"come back later|PROMOTION_MODEL_LIMIT"
          r"|anonymous (?:users?|requests?|access|usage|limit|quota)", teaches=False),
    # Mistral's 403 "Inactive subscription", Z.ai's 1309, and plans that have ended.
    _rule(Cause.NO_PLAN, Kind.ACCOUNT, "400-403 429",
          r"(?:inactive|expired|no active) (?:subscription|plan)"
          r"|(?:subscription|plan) (?:package )?(?:is |has |was )*"
          r"(?:inactive|expired|required|ended|cancel)",
          teaches=False),
    _rule(Cause.KEY_REFUSED, Kind.ACCOUNT, "401", teaches=False),
    # Gemini says 400 (cequence-io/openai-scala-client#109, google-gemini/gemini-cli#25198).
    _rule(Cause.KEY_REFUSED, Kind.ACCOUNT, "400 403",
          KEY_REFUSED, teaches=False),
    # poenl/gemini-api#4
    _rule(Cause.LOCATION, Kind.ACCOUNT, "400 403 451",
          r"user location is not supported|unsupported_country"
          r"|country, region|(?:your|this) (?:country|region|territory|location) is not supported"
          r"|(?:free tier|service|api) .{0,20}not available in your (?:country|region)",
          teaches=False),
    # Accounts, projects and services that somebody has closed: Groq's organizations, Gemini's
    # projects (SERVICE_DISABLED, API_KEY_HTTP_REFERRER_BLOCKED), Moonshot's suspended accounts.
    # A debt may be the reason, so it is told first.
    _rule(Cause.ACCOUNT_FORBIDDEN, Kind.ACCOUNT, "400 403 412 429",
          rf"\A(?!(?s:.*)(?:{NO_CREDIT}))(?s:.*)(?:{ACCOUNT_CLOSED})", teaches=False),

    # -- limits -----------------------------------------------------------------------------------
    # An upstream's "per day" is no limit of the account, so upstreams come first
    # (HacxGPT-Official/HacxGPT-CLI#31, open-webui/computer#293).
    _rule(Cause.UPSTREAM_429, Kind.BUSY, "429", rf"upstream_provider_shared_pool|{UPSTREAM}"),
    # Limits of one model. Groq: "for model `x`", "request too large"; Gemini: quotaId …PerModel,
    # "limit: 0"; Mistral: x-ratelimit-limit-req-minute: 0; ModelScope: (1008).
    _rule(Cause.OUTPUT_TOO_LARGE, Kind.UNFIT, "413 429",
          r"output[ _-]tokens?.{0,60}(?:per[ _-]?min|limit|too large)"
          r"|too large.{0,200}output[ _-]tokens?", teaches=False),
    _rule(Cause.TOO_LARGE, Kind.UNFIT, "413 429", r"request too large", teaches=False),
    _rule(Cause.NO_FREE_QUOTA, Kind.GONE, "429",
          r"\blimit: 0\b"
          r"|quotaValue\W+0\b"
          r"|ratelimit-limit[\w-]{0,40}: 0\b"
          r"|\(1008\)"),
    _rule(Cause.MODEL_DAY, Kind.BUSY, "429",
          rf"\A(?=.*(?:{OF_MODEL}))(?=.*(?:{PER_DAY}|\bdaily\b))", teaches=False),
    # Only a minute's requests can be counted here. Groq's limits of tokens are not among them, nor
    # one that it does not name: "on : Limit 500000" (bklieger-groq/stockbot-on-groq#46).
    _rule(Cause.MODEL_MINUTE, Kind.BUSY, "429",
          rf"\A(?=.*(?:{OF_MODEL}))(?=.*(?:{REQUESTS_PER_MINUTE}))", teaches=False),
    _rule(Cause.MODEL_LIMIT, Kind.BUSY, "429", OF_MODEL, teaches=False),
    # Limits of the account. OpenRouter: free-models-per-…, free_tier_…
    # (Gitlawb/openclaude#936); Cloudflare: "daily free allocation"; Hugging Face: "monthly
    # included credits".
    _rule(Cause.ACCOUNT_MONTH, Kind.ACCOUNT, "402 403 429",
          r"monthly (?:included )?credits"
          r"|(?:calls|requests|tokens) ?(?:/|per) ?month"
          r"|monthly (?:\w{1,20} )?(?:quota|limit|allowance)|\bfor (?:the|this) month\b",
          teaches=False),
    _rule(Cause.ACCOUNT_DAY, Kind.ACCOUNT, "403 429",
          r"free_tier_daily"
          r"|daily free allocation|daily (?:\w+ )?(?:limit|quota)"
          rf"|{PER_DAY}", teaches=False),
    # Ollama Cloud (diegosouzapw/OmniRoute#3709, continuedev/continue#11444 and #9233).
    _rule(Cause.ACCOUNT_WEEK, Kind.ACCOUNT, "402 403 429",
          r"\bweekly\b.{0,30}(?:limit|quota|allowance)|(?:per|/|each) ?week\b", teaches=False),
    _rule(Cause.ACCOUNT_WINDOW, Kind.ACCOUNT, "402 403 429",
          r"\b(?:session|hourly|\d+[- ]?h(?:ou)?rs?)\b.{0,20}(?:limit|quota|allowance)"
          r"|(?:limit|quota|allowance)\b[^.]{0,20} for \d+[- ]?h(?:ou)?rs?\b|\d ?小时的?使用上限"
          r"|(?:per|/|each) ?hour\b", teaches=False),
    _rule(Cause.CONCURRENCY, Kind.BUSY, "402 429 503", rf"{CROWDED}|\b1302\b", teaches=False),
    _rule(Cause.ACCOUNT_MINUTE, Kind.ACCOUNT, "403 429",
          rf"\A(?=.*(?:{OF_ACCOUNT}))(?=.*(?:{REQUESTS_PER_MINUTE}))"
          r"|free-models-per-min"
          r"|free_tier_per_minute"
          r"|x-ratelimit-remaining\W+0", teaches=False),

    # -- the account: what may be spent -----------------------------------------------------------
    # A price cap that does its work is not at fault: only an unknown field blames it.
    _rule(Cause.NOT_FREE, Kind.GONE, "",
          r"excluded_by.{0,200}max_price"
          r"|constraint_filtered", teaches=False),
    _rule(Cause.PRICE_CAP, Kind.UNFIT, "400 422", r"\bmax_price\b", teaches=False),
    # astrio-labs/forall#76
    _rule(Cause.MAX_TOKENS_402, Kind.UNFIT, "402", r"fewer max_tokens",
          teaches=False),
    _rule(Cause.ACCOUNT_BUDGET, Kind.ACCOUNT, "400 403 429",
          r"guardrail_budget|workspace_budget"
          r"|key_limit|key limit"
          r"|\bspend(?:ing)?[ _-](?:cap|limit)|\bbudget\b.{0,20} exceeded|budget_exceeded"
          r"|reached (?:its|your|the) (?:\w{1,20} )?(?:budget|API usage limits)", teaches=False),
    # open-assistant-org/open-assistant#80, iagooar/qqqa#39; Z.ai's 1113 is a 429
    # (musistudio/claude-code-router#1071), others say 400 (Tongyi-MAI/Z-Image#44).
    _rule(Cause.AMBIGUOUS_429, Kind.BUSY, "400 403 429", THROTTLED),
    _rule(Cause.DEBT, Kind.ACCOUNT, "402", teaches=False),
    _rule(Cause.DEBT, Kind.ACCOUNT, "400 403 412 429", NO_CREDIT, teaches=False),

    # -- the model, for now -----------------------------------------------------------------------
    _rule(Cause.AMBIGUOUS_429, Kind.BUSY, "429"),
    _rule(Cause.AMBIGUOUS_429, Kind.BUSY, "400 403 409 420 422",
          r"too many requests|\brate[ _-]?limit(?:ed\b|ing\b|[ _](?:reached|exceeded|hit|error))"
          r"|exceed\w{0,3} .{0,20}\brate[ _-]?limit"),

    # -- one generation went wrong: the next may be good -------------------------------------------
    # Groq checks what its models write (thepersonalaicompany/amurex-backend#38,
    # groq/groq-typescript#28, HunorLaczko/ha-groq-cloud-api#20).
    _rule(Cause.TOKEN_LIMIT, Kind.UNFIT, "400 422",
          r"Token limit reached|max completion tokens reached", teaches=False),
    _rule(Cause.JSON_FAILED, Kind.BROKEN, "400 422",
          r"json_validate_failed|Failed to (?:generate|validate) JSON"),
    _rule(Cause.CALL_FAILED, Kind.BROKEN, "400 422",
          r"tool_use_failed|tool call validation failed|Failed to call a function"),
    _rule(Cause.GENERATION_FAILED, Kind.BROKEN, "400 422", r"output_parse_failed"),

    # -- the model, for good ----------------------------------------------------------------------
    # Listed, and refused to every plain client: OpenRouter's agentic harnesses, OpenCode Zen's
    # FreeTierError, regions.
    _rule(Cause.HARNESS_GATED, Kind.GONE, "403", r"agentic harness"),
    _rule(Cause.TERMS, Kind.GONE, "403",
          r"FreeTierError|can only be used from within"
          r"|region|country|not available in your"),
    # No endpoint can do it: evalstate/fast-agent#122, Kilo-Org/kilocode#9006,
    # zed-industries/zed#36094.
    _rule(Cause.NO_TOOL_CHOICE, Kind.UNFIT, "400 404 422",
          NO_FORCED_CALL, lacks="tool_choice"),
    _rule(Cause.NO_TOOLS, Kind.UNFIT, "400 404 422",
          r"support tool use"
          r"|(?:not|n't) support (?:tools|function|tool[ _-](?:use|call))"
          r"|\b(?:tools|(?:tool|function)[ _-](?:use|calls?|calling))\b\W{0,3}(?:param\w* )?"
          rf"{NOT_TAKEN}"
          r"|tool choice requires --enable-auto-tool-choice", lacks="tools tool_choice"),
    _rule(Cause.NO_TOOL_CHOICE, Kind.UNFIT, "400 404 422",
          r"support the provided 'tool_choice'"
          r"|tool_choice.{0,40}(?:not support|must be \W?auto)|support (?:tool_choice|forced tool)",
          lacks="tool_choice"),
    # Before models that see nothing: this one takes pictures in another form.
    _rule(Cause.FLAT_CONTENT, Kind.UNFIT, "400 415 422", MEDIA_OF_USERS_ONLY,
          lacks="flat-content"),
    # vLLM (studio-dots-ai/dots.ocr#61), DeepSeek (yilewang/llm-for-zotero#143), OpenAI
    # (browser-use/web-ui#274), Qwen (open-octo/octo-agent#947), llama.cpp
    # (mozilla-ai/llamafile#298), Ollama, Ark (anomalyco/opencode#47994).
    _rule(Cause.NO_IMAGE, Kind.UNFIT, "400 404 415 422 500 501",
          r"support (?:image|vision|multi-?modal)|(?:image|vision) input is not"
          r"|is not a (?:multimodal|vision)|not compiled for multimodal|mmproj"
          r"|At most 0 image|only supported by certain models"
          r"|unknown variant \W{0,3}(?:image|input_image)"
          r"|Unexpected item type in content|text[- ]only model|image tool results"
          r"|missing data required for image|only (?:supports? )?text (?:content|input|message)"
          r"|\bcontent\b.{0,80}Input should be 'text'|\btext-only\b|is not a VLM|"
          + no_input(r"(?:images?|image_url|pictures?|vision|multi-?modal)")
          + r"|\b(?:images?|image_url|vision|multimodal)\W{0,3}(?: inputs?| contents?)?"
          r" (?:is |are )?not (?:supported|enabled)", lacks="image"),
    _rule(Cause.NO_AUDIO, Kind.UNFIT, "400 404 415 422 500 501",
          r"support (?:input )?audio|audio input is not|At most 0 audio"
          r"|unknown variant \W{0,3}(?:input_)?audio|" + no_input("audio"), lacks="audio"),
    _rule(Cause.NO_VIDEO, Kind.UNFIT, "400 404 415 422 500 501",
          r"support (?:input )?video|video input is not|At most 0 video"
          r"|unknown variant \W{0,3}(?:input_)?video|" + no_input("videos?"), lacks="video"),
    _rule(Cause.NO_FILE, Kind.UNFIT, "400 404 415 422 500 501",
          r"support (?:file|pdf|document)|(?:file|pdf|document)s? input is not"
          r"|unknown variant \W{0,3}(?:input_)?file|Invalid content type\W+file"
          r"|either text or image_url|" + no_input("(?:files?|pdfs?|documents?)"), lacks="file"),
    _rule(Cause.NO_PARAMETERS, Kind.UNFIT, "404",
          r"can handle the requested parameters", lacks="structured_outputs response_format"),
    # The caller's settings hide it: unoplat/unoplat-code-confluence#1080.
    _rule(Cause.DATA_POLICY, Kind.GONE, "404",
          r"data policy|guardrail restrictions|privacy", teaches=False),
    _rule(Cause.NO_PROVIDER, Kind.GONE, "404",
          r"No allowed providers", teaches=False),
    # It is gone: stepfun-ai/Step-3.5-Flash#45, sepandhaghighi/mytext#111,
    # OpenRouterTeam/openrouter-examples#74.
    _rule(Cause.UPSTREAM_404, Kind.BUSY, "404", r"provider returned error"),
    _rule(Cause.GONE, Kind.GONE, "404 410"),
    # A model, or a server, that is for something else: llama.cpp, Ollama, vLLM.
    _rule(Cause.NOT_A_MODEL, Kind.GONE, "400 405 422 500 501",
          r"(?:not|n't) support (?:the )?(?:embeddings?|rerank(?:ing)?|completions?|chat)\b"
          r"(?! ?template)"),
    # Groq (RightNow-AI/openfang#834), GitHub (github/gh-models#65), Cloudflare's 5007.
    _rule(Cause.NOT_A_MODEL, Kind.GONE, "400 403 409 422",
          r"is not a valid model|unknown[ _]model|invalid model\b|no such model"
          r"|model_not_(?:found|available|supported)|model_deprecated|unsupported model\b"
          r"|\bmodel (?:\S{1,80} )?(?:is |was )?not found"
          r"|\bmodel (?:\S{1,80} )?(?:is )?not supported (?:by|at|for) (?:any |this )?"
          r"(?:provider|chat)"
          r"|not work with the specified model|on-demand throughput isn"
          r"|(?:not|n't|unable to) find (?:the )?model\b"
          r"|\brequested model (?:\S{1,80} )?is not (?:available|supported)|模型不存在"
          r"|model .{0,80}(?:does not|doesn't) exist|not have access to (?:the )?model\b"
          r"|model .{0,80}no longer (?:available|supported)|model .{0,80}end[- ]of[- ]life"
          r"|decommissioned|model .{0,80}(?:has been|was|is) (?:retired|removed|discontinued"
          r"|deprecated|sunset)"),
    # LM Studio loads on demand; others take a model out for a while.
    _rule(Cause.NOT_LOADED, Kind.BUSY, "400 409 420 422-425 444 498 499",
          r"failed to load|model_unavailable|unavailable_model"
          r"|model .{0,60}(?:is |are )?(?:not loaded|loading|being loaded|warming up)"
          r"|\bno models? (?:is |are |currently )*loaded|model (?:\S{1,80} )?has crashed"
          rf"|{OVERLOADED}|(?:currently|temporarily) unavailable"
          r"|\b(?:server|service|engine|model)\b.{0,20} (?:busy|starting|unavailable)\b"
          r"|no healthy upstream|upstream connect error"),
    _rule(Cause.DEGRADED, Kind.BUSY, "400", r"DEGRADED"),
    # The bound of one field, which some explain by the window: Groq (anomalyco/opencode#1000).
    _rule(Cause.OUTPUT_TOO_LARGE, Kind.UNFIT, "400 413 422",
          r"max_(?:completion_|output_)?tokens\W{1,6}(?:must|should|has to|cannot|can't)"
          r" (?:not )?be .{0,12}(?:less|lower|small|most|more|greater|larger|between|range|<)",
          teaches=False),
    _rule(Cause.CONTEXT, Kind.UNFIT, "400 413 422 500 502",
          r"context.{0,12}(?:length|window|size)|maximum context"
          r"|prompt is too long|n_prompt_tokens"
          r"|(?:prompt|input|message)s?\b(?![\\'\"]{1,3}:).{0,30} exceeds? .{0,20}"
          r"(?:length|tokens?|limit)\b"
          r"|exceeded model token limit|range of input length"
          r"|inputs\W{1,3} (?:tokens \+|must have less)"
          r"|input.{0,20}too long|input.{0,30}too large to process", teaches=False),
    # Of a request, and not of a day or a minute (Cerebras: continuedev/continue#9800).
    _rule(Cause.CONTEXT, Kind.UNFIT, "400 413 422 500 502",
          r"\A(?!(?s:.*)(?:\bper[ _-]?(?:second|min|hour|day|month)|\b(?:rate|daily|quota)\b"
          rf"|{AGAIN_LATER}))"
          r"(?s:.*)too many tokens", teaches=False),

    # -- the form of the request ------------------------------------------------------------------
    # The model is asked again in the form it takes: each word is the name of a row of `quirks`,
    # which has the source.
    _rule(Cause.NO_SYSTEM, Kind.UNFIT, "400 422 500",
          r"Developer instruction is not enabled"
          r"|System role (?:is )?not supported|support \W?system\W? (?:role|with)"
          r"|role\W{1,4}system\W{1,3} ?(?:is )?not", lacks="no-system"),
    _rule(Cause.LATER_SYSTEM, Kind.UNFIT, "400 422 500",
          r"System message must be at the beginning"
          r"|system messages? must .{0,20}first", lacks="later-system"),
    _rule(Cause.DEVELOPER, Kind.UNFIT, "400 422",
          r"developer is not one of|Input tag 'developer'"
          r"|Incorrect role information", lacks="developer"),
    _rule(Cause.ALTERNATION, Kind.UNFIT, "400 422 500",
          r"roles must alternate", lacks="alternation"),
    _rule(Cause.USER_AFTER_TOOL, Kind.UNFIT, "400 422",
          r"Unexpected role 'user' after role 'tool'", lacks="user-after-tool"),
    _rule(Cause.TOOL_IDS, Kind.UNFIT, "400 422",
          r"tool call id.{0,80}length of 9", lacks="tool-ids-9"),
    _rule(Cause.PREFILL, Kind.UNFIT, "400 422 500",
          r"assistant message prefill|must end with a user message"
          r"|ending with a model turn|Expected last role User"
          r"|prefill is incompatible|ends with a user role|continue from an assistant"
          r"|last message (?:role )?must (?:be|have) .{0,12}user", lacks="prefill"),
    _rule(Cause.TOOL_NAME, Kind.UNFIT, "400",
          r"function_response\.name: Name cannot be empty"
          r"|REQUIRED_FIELD_MISSING.{0,60}name", lacks="tool-name"),
    # OpenAI says "but got null instead", vLLM's pydantic "input_type=NoneType".
    _rule(Cause.CONTENT_NULL, Kind.UNFIT, "400 422",
          r"required properties at '/messages/\d+' are 'role,content'"
          r"|\bcontent\b.{0,120}(?:\b(?:got|received|found|is|was) (?:null|none)\b|NoneType"
          r"|none is not an allowed|(?:not|n't) be (?:null|none)\b)", lacks="content-null"),
    # Anthropic and Bedrock (NousResearch/hermes-agent#9486), Gemini (agno-agi/agno#2649).
    _rule(Cause.CONTENT_EMPTY, Kind.UNFIT, "400 422 500",
          r"must (?:be|have|contain) non-(?:empty|whitespace)|parts must not be empty"
          r"|\bcontent\b.{0,60} (?:is|must not be|cannot be|can't be) empty"
          r"|\bmessage\b(?![\\'\"]{1,3}:).{0,60} must not be empty"
          r"|content or tool_calls must be set|required oneof field 'data'"
          r"|at least one parts field", lacks="content-empty"),
    # DeepSeek (anomalyco/opencode#25356), Moonshot (continuedev/continue#11711).
    _rule(Cause.REASONING_REQUIRED, Kind.UNFIT, "400 422",
          r"reasoning_content\W.{0,60}(?:must be passed|is missing|is required)"
          r"|(?:missing|needs?|requires?) (?:field |a |the |their )?\W{0,3}reasoning_content",
          lacks="reasoning-required"),
    # Another model's signed thoughts: anthropics/anthropic-sdk-python#1598.
    _rule(Cause.REASONING_FIELDS, Kind.UNFIT, "400 422",
          r"Invalid \W{0,3}signature\W{0,3} in \W{0,3}thinking"
          r"|thinking\W{1,3} or \W{0,3}redacted_thinking\W{1,3} blocks"
          r"|encrypted content .{0,60}could not be verified", lacks="reasoning-fields"),
    _rule(Cause.FLAT_CONTENT, Kind.UNFIT, "400 422",
          r"content.{0,40}(?:must be a string|Input should be a valid string|expected a string)"
          r".{0,200}\b(?:list|array)\b|role:(?:system|user)\W.{0,200}content.{0,40}must be a string"
          r"|content.{0,40}Expected one of: \['str'\]|list is only supported for user"
          r"|Type mismatch of '/messages/\d+/content'", lacks="flat-content"),
    # It may have been a list, or the null of a turn that only calls (chenyme/grok2api#41).
    _rule(Cause.FLAT_CONTENT, Kind.UNFIT, "400 422",
          r"content.{0,40}(?:must be a string|(?:should|must) be a valid string"
          r"|expected a string)", lacks="flat-content content-null"),
    _rule(Cause.JSON_WITH_TOOLS, Kind.UNFIT, "400",
          r"(?:json mode|json_object\W?) cannot be combined"
          r"|with a response mime type"
          r"|tools\W{1,6}is incompatible with \W{0,6}response_format", lacks="json-with-tools"),
    _rule(Cause.NO_PARAMETERS, Kind.UNFIT, "400 422",
          rf"json[ _]mode {NOT_TAKEN}|support json[ _]mode|{NO_RESPONSE_FORMAT}",
          lacks="structured_outputs response_format"),
    _rule(Cause.NO_JSON_SCHEMA, Kind.UNFIT, "400 422",
          r"response_format.{0,40}(?:unavailable|not support)"
          r"|json_schema.{0,30}(?:unavailable|not support)"
          r"|support (?:structured[ _]output|response[ _]format|json[ _]schema)"
          rf"|(?:structured[ _]outputs?|guided[ _]decoding) {NOT_TAKEN}"
          r"|structured[ _]outputs not support"
          r"|response_format\W{1,3}type\W{1,3} must be", lacks="structured_outputs"),
    _rule(Cause.NAMED_TOOL_CHOICE, Kind.UNFIT, "400",
          r"Invalid tool_choice type: 'object'", lacks="named-tool-choice"),
    _rule(Cause.MAX_TOKENS_16, Kind.UNFIT, "400",
          r"Expected a value >= 16", lacks="max-tokens-16"),
    _rule(Cause.MAX_COMPLETION_TOKENS, Kind.UNFIT, "400",
          r"Use 'max_completion_tokens' instead", lacks="max_completion_tokens"),
    _rule(Cause.REASONING_OFF, Kind.UNFIT, "400",
          r"Reasoning is mandatory|(?:always engages in|only works in) thinking"
          r"|Budget 0 is invalid", lacks="reasoning-off"),
    _rule(Cause.PENALTIES, Kind.UNFIT, "400", r"Penalty is not enabled", lacks="penalties"),
    # DanielEdrisian/AlexSideBar-Public#104
    _rule(Cause.SCHEMAS, Kind.UNFIT, "400",
          r"Unknown name .{1,40} at '(?:tools|generation_config)", lacks="plain-schemas"),

    # -- the request ------------------------------------------------------------------------------
    _rule(Cause.TOO_LARGE, Kind.UNFIT, "413", teaches=False),
    # OpenRouter's metadata: `reasons` and `flagged_input` (moderation), `patterns` (guardrails).
    _rule(Cause.MODERATION, Kind.REFUSED, "400 403 422 451",
          r"flagged_input|sensitive.?(?:content|information)|moderation|content[_ ]policy"
          r"|content management policy"
          r"|content_?filter|data_?inspection_?failed|censorship|safety system|content exists risk"
          r"|PROHIBITED_CONTENT|SAFETY_CHECK|敏感内容"
          r"|violat\w{1,5} .{0,40}(?:guidelines|polic(?:y|ies))"
          r"|(?:type|code|reason)\W{1,6}refusal\b"
          rf"|\breasons\b.{{0,9}}\[[^\]]{{0,200}}?(?:{OFFENCES})", teaches=False),
    _rule(Cause.GUARDRAIL, Kind.REFUSED, "403", r"guardrail|\bpatterns\b", teaches=False),
    _rule(Cause.OUTPUT_TOO_LARGE, Kind.UNFIT, "400 422",
          r"max_(?:completion_|output_)?tokens.{0,60}"
          r"(?:too (?:large|high)|exceeds|at most|maximum)",
          teaches=False),
    _rule(Cause.BAD_VALUE, Kind.UNFIT, "400 422",
          r"\b(?:temperature|top_p|presence_penalty|frequency_penalty)\b.{0,60}"
          r"(?:must be|should be|between|less than|greater than|out of range)", teaches=False),
    _rule(Cause.UPSTREAM_400, Kind.UNFIT, "400 409 422",
          r"provider returned error|provider_name|upstream"),
    _rule(Cause.BAD_REQUEST, Kind.UNFIT, "400 405 406 409 411 412 414-422 451",
          teaches=False),
    _rule(Cause.UPSTREAM_403, Kind.BUSY, "403", UPSTREAM),
    _rule(Cause.FORBIDDEN, Kind.BUSY, "403"),

    # -- the provider's trouble -------------------------------------------------------------------
    _rule(Cause.TIMEOUT, Kind.SLOW, "408 504 524"),
    _rule(Cause.REDIRECTED, Kind.ACCOUNT, "300-399", teaches=False),
    _rule(Cause.SERVER, Kind.BUSY, "500-599"),
    _rule(Cause.ODD_SUCCESS, Kind.BROKEN, "100-299"),
    _rule(Cause.UNKNOWN, Kind.BUSY),
)  # fmt: skip
