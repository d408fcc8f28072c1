"""A continuation is joined to the text shown so far: nothing twice, nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from freerouter_core.wire.splice import CannotSplice, Splice


def joined(before: str, new: str, size: int) -> str:
    splice = Splice(before)
    shown = "".join(splice.feed(new[n : n + size]) for n in range(0, len(new), size))
    return before + shown + splice.close()


SEAMS = [
    ("Once upon a ", "time there", "exactly on"),
    ("Once upon a ", " time there", "with the space that was handed over without"),
    ("Once upon a tim", "e there", "inside a word"),
    ("Once upon a tim", "time there", "the unfinished word again"),
    ("Once upon a ", "upon a time there", "the last words again"),
    ("Once upon a ", "Once upon a time there", "all of it again"),
    ("  Once upon a ", "Once upon a time there", "all of it again, without the space before"),
    ("", "Once upon a time there", "from nothing"),
]


@pytest.mark.parametrize("size", [1, 2, 5, 99])
@pytest.mark.parametrize(("before", "new", "how"), SEAMS, ids=[how for *_, how in SEAMS])
def test_a_continuation_is_joined_however_it_begins(
    before: str, new: str, how: str, size: int
) -> None:
    assert joined(before, new, size).strip() == "Once upon a time there"


@pytest.mark.parametrize(
    ("before", "new", "whole"),
    [
        ("bal", "loon", "balloon"),  # a letter that coincides is no repetition
        ("I", "I am", "I am"),
        ("No, ", "no, no", "No, no, no"),
        ("```py\nx = 1\n", "y = 2", "```py\nx = 1\ny = 2"),
        ("第一章。从前有", "从前有一只猫", "第一章。从前有一只猫"),
        ("It ended.", "", "It ended."),
        ("It ended.", "It ended.", "It ended."),
    ],
)
def test_short_coincidences_are_not_repetitions(before: str, new: str, whole: str) -> None:
    assert joined(before, new, 3) == whole


@pytest.mark.parametrize("new", ["Once upon a midnight dreary", "Once upon a times of old"])
def test_another_beginning_cannot_be_joined(new: str) -> None:
    with pytest.raises(CannotSplice):
        joined("Once upon a time there was", new, 4)


WORDS = st.lists(
    st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "and", "then", "naively"]),
    min_size=4,
    max_size=30,
)


@given(terms=WORDS, cut=st.integers(1, 80), back=st.integers(0, 80), size=st.integers(1, 9))
@example(terms=["the", "cat", "sat", "on"], cut=7, back=7, size=1)
def test_a_repeated_end_leaves_no_trace(terms: list[str], cut: int, back: int, size: int) -> None:
    """Numbered words, so that every word of a repetition tells where it is from."""
    text = " ".join(f"{word}{n}" for n, word in enumerate(terms))
    cut = min(cut, len(text) - 1)
    start = max(0, text.rfind(" ", 0, max(0, cut - back)) + 1)
    if 0 < cut - start < 4 and start:
        start = cut

    assert joined(text[:cut], text[start:], size) == text
