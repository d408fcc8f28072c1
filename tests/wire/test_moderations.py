"""OpenAI's moderations, from the server's side."""

from __future__ import annotations

import pytest
from openai.types import ModerationCreateResponse

from freerouter_core import errors
from freerouter_core.wire.moderations import Judged, read_moderation, write_moderation


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("x", ("x",)),
        (["x", "y"], ("x", "y")),
        ([{"type": "text", "text": "x"}, {"type": "text", "text": "y"}], ("xy",)),
    ],
)
def test_texts_to_judge(given: object, texts: tuple[str, ...]) -> None:
    assert read_moderation({"input": given}) == texts


@pytest.mark.parametrize(
    "body",
    [[], {}, {"input": []}, {"input": 7}, {"input": [7]}, {"input": ["x"] * 33},
     {"input": [{"type": "image_url", "image_url": {"url": "https://x.test"}}]}],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(body: object) -> None:
    with pytest.raises(errors.BadRequest):
        read_moderation(body)


@pytest.mark.parametrize(
    ("reason", "named"),
    [
        ("S1", {"violence"}),
        ("S10,S11", {"hate", "self-harm"}),
        ("S4", {"sexual", "sexual/minors"}),
        ("Guns and Illegal Weapons", {"illicit", "illicit/violent"}),
        ("unsafe", set()),
    ],
)
def test_categories_are_told_as_the_classifier_names_them(reason: str, named: set[str]) -> None:
    body = write_moderation("modr-1", "m", [Judged(False, reason), Judged(True, "S1")])
    flagged, fine = ModerationCreateResponse.model_validate(body, by_alias=True).results

    assert (flagged.flagged, fine.flagged) == (True, False)
    found = body["results"][0]["categories"]
    assert {name for name, value in found.items() if value} == named
    assert not any(body["results"][1]["categories"].values())
