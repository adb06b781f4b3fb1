"""Names from outside: counted within bounds, and fit to be shown."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.words import REST, NameCounts, add_names, most_frequent, shown, unknown_types_text

WORDS = st.text(min_size=1, max_size=60)


@given(WORDS)
def test_what_is_shown_is_short_and_prints(word: str) -> None:
    assert shown(word).isprintable()
    assert len(shown(word)) <= 40
    assert shown(shown(word)) == shown(word)


@pytest.mark.parametrize("word", ["begin_checkout", "Ölwechsel gebucht", "購入", "number 42"])
def test_a_word_that_prints_is_shown_as_it_is(word: str) -> None:
    assert shown(word) == word


@pytest.mark.parametrize("word", ["\x1b[31mred", "a\nb", "a\u202eb", "a\0b"])
def test_a_word_cannot_steer_a_terminal(word: str) -> None:
    assert not {"\x1b", "\n", "\u202e", "\0"} & set(shown(word))


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60), st.integers(0, 8))
def test_the_first_names_are_told_apart_and_nothing_is_lost(words: list[str], names_max: int) -> None:
    counted = NameCounts(names_max)
    for word in words:
        counted(word)
    first = list(dict.fromkeys(words))[:names_max]
    expected = {name: words.count(name) for name in first}
    if rest := len(words) - sum(expected.values()):
        expected[REST] = rest
    assert counted.counts == expected
    assert counted.total == len(words)
    assert counted.take() == expected
    assert counted.counts == {}


@given(st.lists(st.sampled_from("abcdefgh"), max_size=30), st.sampled_from("abcdefgh"), st.integers(0, 8))
def test_what_is_taken_back_is_as_if_it_had_not_been(words: list[str], last: str, names_max: int) -> None:
    counted, without = NameCounts(names_max), NameCounts(names_max)
    for word in words:
        counted(word)
        without(word)
    counted(last)
    counted.uncount(last)
    assert counted.counts == without.counts


@given(st.lists(st.sampled_from("abcdef"), max_size=40), st.data())
def test_blocks_add_up_to_the_same_wherever_they_are_cut(words: list[str], data: st.DataObject) -> None:
    whole: dict[str, int] = {}
    parts: dict[str, int] = {}
    cut = data.draw(st.integers(0, len(words)))
    add_names(whole, Counter(words), 3)
    for part in (words[:cut], words[cut:]):
        add_names(parts, Counter(part), 3)
    assert parts == whole


def test_the_most_frequent_are_named_and_the_others_together() -> None:
    counts = {name: number for number, name in enumerate("abcdefg", 1)} | {REST: 100}
    assert most_frequent(counts) == "'g' 7, 'f' 6, 'e' 5, 'd' 4, 'c' 3, others 103"
    assert unknown_types_text({}) == ""
