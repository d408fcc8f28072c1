"""A refused picture, file or tool: what is said of one of them, and what is said of a model."""

from __future__ import annotations

import itertools
import json

import pytest

from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import read_rejection


def judged(message: str, status: int = 400) -> Fault:
    body = json.dumps({"error": {"message": message}}).encode()
    return judge_rejection(read_rejection(status, {}, body), 0.0)


NOUNS = {"image": ["image", "images", "image input"], "audio": ["audio", "audio input"],
         "file": ["file", "files", "PDF", "document"], "video": ["video", "videos"],
         "tools": ["tools", "tool calls", "function calling"]}  # fmt: skip
OF_MODEL = [
    "This model does not support {noun}",
    "{noun} is not supported by this model",
    "This model doesn't support {noun}. To learn more, read the documentation",
    "{noun} is not enabled",
]
OF_ONE = [
    "does not support {noun} larger than 20MB",
    "This model does not support {noun} with transparency",
    "does not support {noun} of more than 128 parts, too many parts",
    "{noun} is not supported: the data is corrupt",
    "{noun} is not supported: application/x-strange",
    "{noun} is not supported together with thinking",
    "{noun} is not available in your current plan",
    "{noun} is not supported: unknown format",
    "does not support {noun} when the last message is from the assistant",
    "{noun} is not supported if it is encrypted",
]
FOR_NOW = [
    "{noun} is not available right now, try again",
    "{noun} is not supported at the moment, please retry in a minute",
    "{noun} is not available: temporarily disabled",
]
HELD_OUT = [
    ("Could not process image", "image"),
    ("Unable to process image: the data is damaged", "image"),
    ("Cannot handle image of 1x1 pixels: too small", "image"),
    ("image input is not a valid image", "image"),
    ("Unsupported content type: image/tiff", "image"),
    ("image_url: image is not supported (unsupported image format: tiff)", "image"),
    ("does not support images larger than 20MB", "image"),
    ("This model does not support image URLs with redirects", "image"),
    ("Image input is not allowed for users under 18", "image"),
    ("Unable to process audio: corrupt wav", "audio"),
    ("Audio input is not valid", "audio"),
    ("Unable to process file: it is password protected", "file"),
    ("Cannot process PDF: encrypted documents are not supported", "file"),
    ("Too many tools: more than 128 tools are not supported", "tools"),
    ("This model does not support tools with more than 64 parameters", "tools"),
    ("Does not support function names longer than 32 characters", "tools"),
    ("Function calling is not supported for this schema", "tools"),
    ("tools are not allowed when the last message is from assistant", "tools"),
]
"""Refusals as servers wrote them."""


def said(words: list[str]) -> list[tuple[str, str]]:
    return [
        (sentence.format(noun=noun), word)
        for (word, nouns), sentence in itertools.product(NOUNS.items(), words)
        for noun in nouns
    ]


@pytest.mark.parametrize(("message", "word"), said(OF_MODEL))
def test_words_about_a_model_teach_what_it_lacks(message: str, word: str) -> None:
    fault = judged(message)

    assert word in fault.lacks
    assert fault.cause is not Cause.BAD_PART


@pytest.mark.parametrize(("message", "word"), [*said(OF_ONE), *HELD_OUT])
def test_words_about_one_part_are_no_proof_of_what_a_model_lacks(message: str, word: str) -> None:
    fault = judged(message)

    assert (fault.kind, fault.cause, fault.teaches) == (Kind.UNFIT, Cause.BAD_PART, False)
    assert word in fault.lacks, "in case that it comes again"


@pytest.mark.parametrize(("message", "word"), said(FOR_NOW))
def test_what_is_over_soon_teaches_nothing(message: str, word: str) -> None:
    fault = judged(message)

    assert fault.kind is Kind.BUSY
    assert not fault.lacks, word
