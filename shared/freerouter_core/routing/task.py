"""What a request is about, and which models are said to be good at that. The rules are data: words that tell a task, names and
parameters that tell an aptitude. An analysis says which words it went by; it is a hint for ranking and never shuts a model out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..catalogue.model import Model

TOKENS_A_LONG_PROMPT = 16_000
FAMILY_POINTS, PARAMETER_POINTS = 1.5, 1.0
"""Points of quality (0-10) for a model whose name, and one whose parameters or inputs, say that it is made for a task."""


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of work. `says`: words that tell it; `families`: names of models made for it; `takes`: a request parameter or an input that
    such a model has; `capabilities`: what a model must have to do it at all; `context`: tokens it is likely to want."""

    name: str
    says: re.Pattern[str]
    families: re.Pattern[str] | None = None
    takes: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    context: int = 0


def _task(
    name: str,
    says: str,
    families: str = "",
    takes: str = "",
    capabilities: str = "",
    context: int = 0,
) -> Task:
    made_for = re.compile(families, re.IGNORECASE) if families else None
    words = re.compile(says, re.IGNORECASE)
    return Task(name, words, made_for, tuple(takes.split()), tuple(capabilities.split()), context)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _task(
            "code",
            r"\b(?:cod(?:e|es|ing)|program(?:me|ming|s)?|python|javascript|typescript|java|rust|golang|c\+\+|sql|regex|function|class|"
            r"bugs?|debug|refactor|unit tests?|api|script|compil(?:e|er)|algorithm|stack trace|pytest|html|css|bash|docker)\b|```|\bdef \w+\(",
            r"cod(?:er|ex)|codestral|devstral|starcoder|deepcoder|kimi-dev|laguna|swe-",
        ),
        _task(
            "reasoning",
            r"\b(?:prove|proof|theorem|equations?|maths?|solve|calculat\w+|logic\w*|puzzles?|step[- ]by[- ]step|reason(?:s|ing)?|deduc\w+|probabilit\w+|integrals?|derivatives?)\b",
            r"(?:^|[-/])r1\b|qwq|think|reason|magistral|gpt-oss|nemotron",
            takes="reasoning",
        ),
        _task(
            "creative",
            r"\b(?:poems?|poetry|haikus?|stor(?:y|ies)|novels?|lyrics|songs?|fiction|creative|slogans?|screenplays?|role-?play|limericks?|brainstorm\w*|tagline)\b",
            r"venice|dolphin|hermes|mytho|rocinante|gemma|mistral-small",
        ),
        _task(
            "data",
            r"\b(?:data ?(?:set|frame|analysis|science)?s?|csv|spreadsheets?|pandas|statistics?|charts?|plots?|regression|correlat\w+|neural networks?|machine learning|excel|json|extract\w*|tables?)\b",
            takes="structured_outputs",
        ),
        _task(
            "long_context",
            r"\b(?:whole (?:book|repository|codebase)|entire (?:document|book|codebase)|long (?:document|context|report)|summar(?:y|ise|ize)\w*|transcripts?|hundreds of pages|all of the files)\b",
            context=128_000,
        ),
        _task(
            "vision",
            r"\b(?:images?|pictures?|photos?|screenshots?|diagrams?|ocr|visual(?:ly)?|what do you see|scans?)\b",
            r"-vl\b|vision|pixtral|llava|omni",
            takes="image",
            capabilities="vision",
        ),
        _task(
            "tools",
            r"\b(?:tools?|function calls?|agents?|browse|search the web|call(?:ing)? (?:an? )?api|workflow|automat\w+)\b",
            takes="tools",
            capabilities="tools",
        ),
        _task(
            "multilingual",
            r"\b(?:translat\w+|in (?:german|french|spanish|italian|chinese|japanese|korean|arabic|hindi|portuguese|russian|turkish|polish|dutch)|multilingual|übersetz\w+|tradu[icz]\w+)\b"
            r"|[\u0400-\u04ff\u0590-\u06ff\u0900-\u097f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]",
            r"qwen|gemma|aya|command|mistral|glm|tower",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Analysis:
    """The tasks found, the likeliest first, each with the words it was told by; what a model must have; tokens of context it wants."""

    found: tuple[tuple[str, tuple[str, ...]], ...] = ()
    capabilities: frozenset[str] = frozenset()
    context: int = 0

    @property
    def task(self) -> str | None:
        """The likeliest."""
        return self.found[0][0] if self.found else None


def analyse(text: str, tokens: int = 0) -> Analysis:
    """What `text` asks for, as far as words tell. `tokens`: the size of the whole request."""
    found = []
    for task in TASKS.values():
        words = tuple(
            dict.fromkeys(
                match.group().strip().lower() for match in task.says.finditer(text[:20_000])
            )
        )
        if words or (task.name == "long_context" and tokens >= TOKENS_A_LONG_PROMPT):
            found.append((task.name, words))
    found.sort(key=lambda item: -len(item[1]))  # stable: of equals the earlier row
    wanted = frozenset(word for name, _ in found for word in TASKS[name].capabilities)
    return Analysis(
        tuple(found), wanted, max([tokens, *(TASKS[name].context for name, _ in found)])
    )


def aptitude(model: Model, task: str | None) -> float:
    """Points of quality that a model gains at a task."""
    rule = TASKS.get(task or "")
    if rule is None:
        return 0.0
    points = (
        FAMILY_POINTS
        if rule.families is not None and rule.families.search(model.wire_name)
        else 0.0
    )
    if any(word in model.parameters or word in model.inputs for word in rule.takes):
        points += PARAMETER_POINTS
    if rule.context and model.context >= rule.context:
        points += PARAMETER_POINTS
    return points
