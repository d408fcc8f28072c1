"""What a request is about, and which models are said to be good at that.

The rules are data: words that tell a task, names and parameters that tell an aptitude. A task is a
hint for ranking and never excludes a model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from ..catalogue.model import Model

LONG_PROMPT = 16_000
"""Tokens from which on a prompt counts as long, whatever its words."""
MAX_TEXT = 20_000
"""Characters of a text that are searched for words."""
FAMILY_POINTS = 1.5
"""Points of quality (0 to 10) for a model whose name says that it is made for a task."""
PARAMETER_POINTS = 1.0
"""Points of quality for a model whose parameters, inputs or context say so."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A kind of work, and how to recognise it.

    Attributes:
        name: its name.
        keywords: a pattern of what a text about it says.
        families: a pattern of names of models that are made for it; empty: nobody's.
        takes: parameters or inputs of models that are good at it.
        capabilities: what a model must have to do it at all.
        context: the context window that it wants, tokens.
    """

    name: str
    keywords: str
    families: str = ""
    takes: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    context: int = 0

    # Compiled at first use: everybody imports the names of the tasks, and few use the patterns.

    @cached_property
    def words(self) -> re.Pattern[str]:
        """`keywords`, compiled."""
        return re.compile(self.keywords, re.IGNORECASE)

    @cached_property
    def names(self) -> re.Pattern[str] | None:
        """`families`, compiled; None: there are none."""
        return re.compile(self.families, re.IGNORECASE) if self.families else None


def _pattern(*parts: str) -> str:
    return "".join(parts)


_TASKS = (
    Task(
        name="code",
        keywords=_pattern(
            r"\b(?:cod(?:e|es|ing)|program(?:me|ming|s)?|python|javascript|typescript|java|rust|",
            r"golang|c\+\+|sql|regex|function|class|bugs?|debug|refactor|unit tests?|api|script|",
            r"compil(?:e|er)|algorithm|stack trace|pytest|html|css|bash|docker)\b",
            r"|```|\bdef \w+\(",
        ),
        families=_pattern(
            r"cod(?:er|ex)|codestral|devstral|starcoder|deepcoder|kimi-dev|laguna|swe-"
        ),
    ),
    Task(
        name="reasoning",
        keywords=_pattern(
            r"\b(?:prove|proof|theorem|equations?|maths?|solve|calculat\w+|logic\w*|puzzles?|",
            r"step[- ]by[- ]step|reason(?:s|ing)?|deduc\w+|probabilit\w+|integrals?|",
            r"derivatives?)\b",
        ),
        families=_pattern(r"(?:^|[-/])r1\b|qwq|think|reason|magistral|gpt-oss|nemotron"),
        takes=("reasoning",),
    ),
    Task(
        name="creative",
        keywords=_pattern(
            r"\b(?:poems?|poetry|haikus?|stor(?:y|ies)|novels?|lyrics|songs?|fiction|creative|",
            r"slogans?|screenplays?|role-?play|limericks?|brainstorm\w*|tagline)\b",
        ),
        families=_pattern(r"venice|dolphin|hermes|mytho|rocinante|gemma|mistral-small"),
    ),
    Task(
        name="data",
        keywords=_pattern(
            r"\b(?:data ?(?:set|frame|analysis|science)?s?|csv|spreadsheets?|pandas|",
            r"statistics?|charts?|plots?|regression|correlat\w+|neural networks?|",
            r"machine learning|excel|json|extract\w*|tables?)\b",
        ),
        takes=("structured_outputs",),
    ),
    Task(
        name="long_context",
        keywords=_pattern(
            r"\b(?:whole (?:book|repository|codebase)|entire (?:document|book|codebase)|",
            r"long (?:document|context|report)|summar(?:y|ise|ize)\w*|transcripts?|",
            r"hundreds of pages|all of the files)\b",
        ),
        context=128_000,
    ),
    Task(
        name="vision",
        keywords=_pattern(
            r"\b(?:images?|pictures?|photos?|screenshots?|diagrams?|ocr|visual(?:ly)?|",
            r"what do you see|scans?)\b",
        ),
        families=_pattern(r"-vl\b|vision|pixtral|llava|omni"),
        takes=("image",),
        capabilities=("vision",),
    ),
    Task(
        name="tools",
        keywords=_pattern(
            r"\b(?:tools?|function calls?|agents?|browse|search the web|",
            r"call(?:ing)? (?:an? )?api|workflow|automat\w+)\b",
        ),
        takes=("tools",),
        capabilities=("tools",),
    ),
    Task(
        name="multilingual",
        keywords=_pattern(
            r"\b(?:translat\w+|in (?:german|french|spanish|italian|chinese|japanese|korean|",
            r"arabic|hindi|portuguese|russian|turkish|polish|dutch)|multilingual|",
            r"übersetz\w+|tradu[icz]\w+)\b",
            r"|[\u0400-\u04ff\u0590-\u06ff\u0900-\u097f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]",
        ),
        families=_pattern(r"qwen|gemma|aya|command|mistral|glm|tower"),
    ),
)
TASKS: dict[str, Task] = {task.name: task for task in _TASKS}
"""All tasks, by name."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a text asks for.

    `matches`: the tasks it may be, the likeliest first, each with the words that tell it.
    `capabilities`: what a model must have. `context`: the window that it wants, tokens.
    """

    matches: tuple[tuple[str, tuple[str, ...]], ...] = ()
    capabilities: frozenset[str] = frozenset()
    context: int = 0

    @property
    def task(self) -> str | None:
        """The likeliest task; None: no word tells any."""
        return self.matches[0][0] if self.matches else None


def analyse(text: str, tokens: int = 0) -> Analysis:
    """What `text` asks for, as far as its words tell. `tokens`: the size of the whole request."""
    matches = []
    for task in TASKS.values():
        hits = (match.group().strip().lower() for match in task.words.finditer(text[:MAX_TEXT]))
        unique = tuple(dict.fromkeys(hits))
        if unique or (task.name == "long_context" and tokens >= LONG_PROMPT):
            matches.append((task.name, unique))
    matches.sort(key=lambda match: -len(match[1]))  # stable: of equals the earlier task
    tasks = [TASKS[name] for name, _ in matches]
    return Analysis(
        matches=tuple(matches),
        capabilities=frozenset(word for task in tasks for word in task.capabilities),
        context=max([tokens, *(task.context for task in tasks)]),
    )


def aptitude(model: Model, task: str | None) -> float:
    """Points of quality that a model gains at a task."""
    rule = TASKS.get(task or "")
    if rule is None:
        return 0.0
    points = 0.0
    if rule.names is not None and rule.names.search(model.wire_name):
        points += FAMILY_POINTS
    if any(word in model.parameters or word in model.inputs for word in rule.takes):
        points += PARAMETER_POINTS
    if rule.context and model.context >= rule.context:
        points += PARAMETER_POINTS
    return points
