"""What an LLM answered, made fit to be kept: the right shape, short, plain text. Junk is an error, never an insight."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from quadra.core.typed import Typed
from quadra.insights.scrub import scrub
from quadra.insights.words import clean

SUMMARY_LENGTH = 600
SENTENCE_LENGTH = 300
PATTERNS, RECOMMENDATIONS = 8, 5
MOST_TEXT = 40_000


class Junk(ValueError):
    """The answer is not what was asked for."""


class Answer(msgspec.Struct):
    """The shape that was asked for."""

    summary: Annotated[str, Meta(min_length=1)]
    confidence: Annotated[float, Meta(ge=0, le=1)]
    patterns: list[str] = []
    recommendations: list[str] = []


_answers = Typed(Answer)


def read(text: str | None) -> Answer:
    """The answer in `text`, also where words or a code fence stand around it. Raises `Junk`."""
    if not text or len(text) > MOST_TEXT:
        raise Junk("The LLM answered nothing." if not text else "The LLM answered more than was asked for.")
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise Junk("The LLM did not answer with a JSON object.")
    try:
        decoded = _answers.decode(text[start : end + 1].encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise Junk(f"The LLM's answer has the wrong shape: {clean(str(error), 200)}") from error
    summary = plain(decoded.summary, SUMMARY_LENGTH)
    if not summary:
        raise Junk("The LLM's summary is empty.")
    return Answer(
        summary=summary,
        confidence=round(decoded.confidence, 3),
        patterns=_sentences(decoded.patterns, PATTERNS),
        recommendations=_sentences(decoded.recommendations, RECOMMENDATIONS),
    )


def plain(text: str, length: int) -> str:
    """Text without markup, links, addresses and keys. It is shown as text, too; this is the second lock on that door."""
    text = TAG.sub(" ", text[: length * 8])
    text = MARKDOWN_LINK.sub(r"\1", text)
    text = LINK.sub("[link]", text)
    return clean(scrub(text), length)


TAG = re.compile(r"<[^<>]{0,400}>|```\w*")
MARKDOWN_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()]{0,2000}\)")
LINK = re.compile(r"(?:\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.|\b(?:javascript|data|mailto):)\S+", re.IGNORECASE)


def _sentences(found: list[str], most: int) -> list[str]:
    return [text for item in found[:most] if (text := plain(item, SENTENCE_LENGTH))]
