"""Which space is pinned: by several at once, by liars, and by records that others wrote."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from freerouter_core.catalogue.serving import Space
from freerouter_core.errors import BadRequest, BadSetting
from freerouter_core.runtime.json_cache import write_json
from freerouter_core.runtime.space_records import FILE, KNOWN_TEXT, Records, SpaceRecord
from freerouter_core.wire.vectors import read_vector

from ..embedding_worlds import embedder, of_space, several

RECORD = SpaceRecord(
    space=Space(family="one", dimension=2), known=read_vector([1.0, 0.0]), by="a", why="b"
)
OTHER = SpaceRecord(space=Space(family="two", dimension=2), known=read_vector([0.0, 1.0]))


def test_a_provider_that_lies_from_its_first_answer_on_is_outvoted() -> None:
    models = {
        "alpha": embedder(space="another", first_token=0.01),
        "beta": embedder(),
        "gamma": embedder(),
    }
    texts = [f"text {n}" for n in range(90)]
    with several(models) as world:
        router = world.router(strategy="round_robin")
        embedded = [router.embed(texts[n : n + 30]) for n in (0, 30, 60)]

        vectors = [vector for part in embedded for vector in part.vectors]
        assert of_space(vectors, texts)
        assert world.worlds["alpha"].requests


def test_a_provider_that_takes_one_text_at_a_time_proves_its_space_first() -> None:
    model = embedder("gemini-embedding-2", dimension=3_072, batch=1)
    texts = ["one", "two", "three"]
    with several({"gemini": model}, dialect="gemini") as world:
        router = world.router("gemini")
        vectors = router.embed(texts, model="gemini-embedding-2", dimensions=768).vectors

        prefixed = [f"title: none | text: {text}" for text in texts]
        assert of_space(vectors, prefixed, "gemini-embedding-2", 768)
        assert world.texts_sent("gemini")[0].endswith(KNOWN_TEXT)
        assert len(world.texts_sent("gemini")) == 4


def test_of_two_that_pin_at_once_the_first_counts_and_the_other_keeps_to_it(
    tmp_path: Path,
) -> None:
    mine, yours = Records({}, tmp_path, None), Records({}, tmp_path, None)

    assert mine.first(RECORD) is RECORD
    assert yours.first(OTHER).space == RECORD.space
    assert Records({}, None, None).first(RECORD) is RECORD
    kept: dict[str, SpaceRecord] = {}
    assert Records(kept, None, None).first(RECORD) is Records(kept, None, None).first(OTHER)


def test_a_record_that_another_process_replaces_is_read_again(tmp_path: Path) -> None:
    records = Records({}, tmp_path, None)
    records.write(RECORD)
    assert records.read() is records.read()

    Records({}, tmp_path, None).write(OTHER)

    found = records.read()
    assert found is not None
    assert found.space.family == "two"


@pytest.mark.parametrize(
    "change",
    [
        {"known_text": "another"},
        {"known_vector": "AADAfwAAwH8="},  # NaN
        {"known_vector": "AACAPw=="},  # one number
        {"known_vector": "AAAAAAAAAAA="},  # zeros
    ],
)
def test_a_foreign_record_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    (tmp_path / FILE).write_text(json.dumps(RECORD.as_data() | change))

    with pytest.raises(BadSetting, match="no record of a vector space"):
        Records({}, tmp_path, None).read()


def test_writing_the_first_file_never_replaces_one(tmp_path: Path) -> None:
    path = tmp_path / "x.json"

    assert write_json(path, 1, first=True) is None
    assert write_json(path, 2, first=True) == "FileExistsError"
    assert path.read_text() == "1"
    assert [found.name for found in tmp_path.iterdir()] == ["x.json"]


def test_calls_that_pin_at_once_share_one_space(tmp_path: Path) -> None:
    models: dict[str, Any] = {
        "alpha": embedder(),
        "beta": [embedder(), embedder("acme/other-embed")],
    }
    with several(models) as world:
        router = world.router()

        async def all_at_once() -> list[Any]:
            calls = [router.aembed([f"text {n}"], pin=tmp_path) for n in range(10)]
            return await asyncio.gather(*calls)

        embedded = asyncio.run(all_at_once())

        assert {found.model for found in embedded} == {"tiny-embed"}
        for n, found in enumerate(embedded):
            assert of_space(found.vectors, [f"text {n}"])


def test_a_call_whose_space_was_pinned_otherwise_meanwhile_starts_again(tmp_path: Path) -> None:
    with several({"alpha": [embedder(), embedder("acme/other-embed")]}) as world:
        router = world.router()

        async def race() -> list[Any]:
            calls = [
                router.aembed(["one"], pin=tmp_path, model=name)
                for name in ("tiny-embed", "other-embed")
            ]
            return await asyncio.gather(*calls, return_exceptions=True)

        first, second = asyncio.run(race())

        won, lost = (first, second) if isinstance(second, BadRequest) else (second, first)
        assert isinstance(lost, BadRequest)
        assert f"the index is of {won.model}" in str(lost)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "passage"},
        {"long": "cut"},
        {"dimensions": 0},
        {"dimensions": "3"},
        {"timeout": -1},
        {"lane": "fast"},
        {"model": 3},
    ],
)
def test_arguments_that_make_no_sense_are_refused_before_anything_is_sent(
    wrong: dict[str, Any],
) -> None:
    with several({"alpha": embedder()}) as world:
        with pytest.raises(BadRequest, match=next(iter(wrong))):
            world.router().embed(["one"], **wrong)

        assert not world.worlds["alpha"].requests
