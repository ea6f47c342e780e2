"""What an LLM answered becomes short, plain text of the right shape, or junk."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quadra.insights.answer import Junk, plain, read

SOUND: dict[str, Any] = {"summary": "All is well.", "confidence": 0.5, "patterns": ["a"], "recommendations": ["b"]}


def answer(**given: Any) -> Any:
    return read(json.dumps({**SOUND, **given}))


def test_words_and_code_fences_around_it_are_left_out() -> None:
    found = read(f"Here you are:\n```json\n{json.dumps(SOUND)}\n```\nAnything else?")
    assert (found.summary, found.confidence, found.patterns, found.recommendations) == (
        "All is well.",
        0.5,
        ["a"],
        ["b"],
    )


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "All is well.",
        "}{",
        "{",
        "[]",
        "{}",
        json.dumps({**SOUND, "summary": ""}),
        json.dumps({**SOUND, "summary": "<b></b>"}),
        json.dumps({**SOUND, "confidence": 1.01}),
        json.dumps({**SOUND, "confidence": -0.01}),
        json.dumps({**SOUND, "confidence": "high"}),
        json.dumps({**SOUND, "patterns": "one"}),
        "{" * 50_000,
        json.dumps(SOUND) + " " * 40_000,
    ],
)
def test_what_is_no_answer_is_junk(text: str | None) -> None:
    with pytest.raises(Junk):
        read(text)


def test_it_is_cut_to_what_is_shown() -> None:
    long = "word " * 200
    found = answer(summary=long, patterns=[long] * 12, recommendations=[long] * 12)
    assert len(found.summary) <= 600
    assert [len(found.patterns), len(found.recommendations)] == [8, 5]
    assert max(map(len, [*found.patterns, *found.recommendations])) <= 300


def test_sentences_that_are_empty_without_their_markup_are_left_out() -> None:
    assert answer(patterns=["<i></i>", "one", " "]).patterns == ["one"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("see <a href='https://evil.example'>here</a>", "see here"),
        ("<script>alert(1)</script>done", "alert(1) done"),
        ("[here](https://evil.example/x)", "here"),
        ("![](https://evil.example/x.png)", ""),
        ("go to https://evil.example/a?b now", "go to [link] now"),
        ("www.evil.example", "[link]"),
        ("javascript:alert(1)", "[link]"),
        ("write to ada@example.org", "write to [email]"),
        ("from 203.0.113.7", "from [ip]"),
        ("call +49 30 1234567 89", "call [number]"),
        ("the key qk_abcdefghijkl", "the key [key]"),
        ("4 of 100 events", "4 of 100 events"),
    ],
)
def test_markup_links_addresses_and_keys_are_no_part_of_it(said: str, shown: str) -> None:
    assert plain(said, 300) == shown
