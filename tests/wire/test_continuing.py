"""Joining a continuation: the corners that decide between a repetition and new text."""

from __future__ import annotations

import pytest

from freerouter_core.wire.splice import SEARCHED_CHARACTERS, CannotSplice, Splice, ends_cleanly


def added(before: str, *pieces: str) -> str:
    splice = Splice(before)
    return "".join(splice.feed(piece) for piece in pieces) + splice.close()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("It ended.", True),
        ("It ended. ", True),
        ("Really?", True),
        ('"So."', True),
        ("- item\n", True),
        ("终。", True),
        ("`code`", True),
        ("It was a", False),
        ("one, ", False),
        ("", False),
    ],
)
def test_a_text_may_be_complete_after_a_sentence_a_bracket_or_a_line(
    text: str, clean: bool
) -> None:
    assert ends_cleanly(text) is clean


def test_what_may_be_a_repetition_is_held_back_until_it_is_certain() -> None:
    splice = Splice("The cat sat on the ")

    assert splice.feed("on ") == ""
    assert splice.feed("the") == ""
    assert splice.feed(" mat") == "mat"
    assert splice.feed(" and") == " and"
    assert splice.close() == ""


def test_a_text_of_spaces_has_nothing_to_repeat() -> None:
    splice = Splice(" \n")

    assert splice.feed("Once") == "Once"
    assert splice.close() == ""


@pytest.mark.parametrize(
    ("before", "new", "rest"),
    [
        # digits are no repetition
        ("1 2 3 ", "3 4", "3 4"),
        # a short mark is none, a longer one is
        ("a - ", "- b", "- b"),
        ("a ---- ", "---- b", "b"),
        # two characters of Chinese may coincide, three do not
        ("从前有", "前有猫", "前有猫"),
        ("很久从前有", "从前有猫", "猫"),
        # another word that begins like the last one
        ("the cat ", "cats", "cats"),
        # a short word that is whole
        ("say no ", "no more", "more"),
        # of several, the longest repetition counts
        ("no no no ", "no no more", "more"),
        # the whole text, when it is short
        ("(a)", "(a) b", " b"),
    ],
)
def test_coincidences_and_repetitions(before: str, new: str, rest: str) -> None:
    assert added(before, new) == rest


@pytest.mark.parametrize(
    ("before", "new", "rest"),
    [
        ("we went over those hills", " those hills were far", " those hills were far"),
        ("we went over those vallei", " those vallei were far", " were far"),
        ("we went over mountainsides", " mountainsides were", " mountainsides were"),
    ],
)
def test_after_a_space_a_repetition_is_long_and_of_two_words(
    before: str, new: str, rest: str
) -> None:
    assert added(before, new) == rest


def test_a_repetition_is_looked_for_near_the_end_and_at_the_very_start() -> None:
    far = "Once upon a time, long ago. " + "x " * SEARCHED_CHARACTERS
    middle = "It began. " + "Once upon a time, long ago. " + "x " * SEARCHED_CHARACTERS

    assert added(far, far, "more") == "more"
    assert added(middle, middle.removeprefix("It began. ") + "more").startswith("Once upon")


@pytest.mark.parametrize(
    ("before", "new"),
    [
        ("The answer to this is four because", "The answer to that is five"),
        ("Of course I can help and", "Of course, here"),
        ("I think so", "I think not"),
        ("ab cd ef", "ab cd x"),
    ],
)
def test_a_text_that_begins_like_the_first_and_then_differs_is_a_new_beginning(
    before: str, new: str
) -> None:
    with pytest.raises(CannotSplice):
        added(before, new)


@pytest.mark.parametrize(
    ("before", "new"),
    [
        ("Of course I can help,", "Of course, here"),  # after a pause it may well begin so again
        ("The cat sat on the mat.\n", "The cat sat on the bed."),  # so may a line
        ("- The cat ran\n- The cat sat", "The catch"),  # and what has begun so before
        ("Hm x", "Hm y"),  # one short word tells nothing
        ("abcdef gh", "abcdef x"),  # nor does one longer one
        ("The cat sat; the cat ", "The dog"),
    ],
)
def test_other_texts_may_begin_like_the_first_and_go_on(before: str, new: str) -> None:
    assert added(before, new) == new
