"""Which SECRET_KEY production takes. Whoever guesses it signs a cookie for any user, and guesses are tried offline."""

from __future__ import annotations

import hashlib
from functools import cache

from quadra.core.guessable import count_runs, is_listed, is_repetition, without

SHORTEST_BYTES = 32
FEWEST_CHARACTERS = 8
"""Different ones. Of 32 random hexadecimal digits fewer occur once in ten million."""
FEWEST_LEFT = 20
"""Characters beside known words: 80 bits where they are hexadecimal digits."""
WORDS = (
    *(
        "secret",
        "geheim",
        "password",
        "passwort",
        "passwd",
        "passphrase",
        "private",
        "session",
        "cookie",
        "token",
        "signing",
    ),
    *(
        "key",
        "quadra",
        "flask",
        "django",
        "admin",
        "root",
        "user",
        "default",
        "example",
        "sample",
        "dummy",
        "placeholder",
    ),
    *(
        "change",
        "changeme",
        "replace",
        "insert",
        "please",
        "random",
        "string",
        "value",
        "here",
        "with",
        "your",
        "this",
        "that",
    ),
    *(
        "must",
        "should",
        "not",
        "dont",
        "the",
        "and",
        "for",
        "use",
        "used",
        "only",
        "very",
        "long",
        "super",
        "strong",
        "safe",
    ),
    *(
        "secure",
        "insecure",
        "unsafe",
        "hard",
        "guess",
        "enough",
        "least",
        "bytes",
        "characters",
        "test",
        "testing",
        "local",
    ),
    *(
        "development",
        "production",
        "staging",
        "environment",
        "server",
        "application",
        "company",
        "analytics",
        "dashboard",
    ),
    *("lorem", "ipsum", "dolor", "hello", "world", "foobar", "qwerty", "letmein", "thirty", "two"),
)
"""What stands in secrets that somebody made up or forgot to replace."""
BETWEEN_WORDS = dict.fromkeys(map(ord, " \t-_.,;:!?"))
PUBLISHED = {"192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf"}
"""In the documentation of Flask."""
SECRET_ACCEPTED = (
    f"In production it has at least {SHORTEST_BYTES} random bytes, the same on every replica. "
    "Next: set it to the output of `openssl rand -hex 32`"
)


def why_guessable(secret: str) -> str:
    """What is wrong with it, behind "it"; empty where it is good."""
    size = len(secret.encode())
    if not secret:
        return "is empty"
    if size < SHORTEST_BYTES:
        return f"has {size} bytes"
    if is_repetition(secret) or len(set(secret)) < FEWEST_CHARACTERS:
        return "says the same again and again"
    if count_runs(secret) < len(secret) // 3:
        return "is a sequence"
    if len(without(secret, WORDS).translate(BETWEEN_WORDS)) < FEWEST_LEFT or is_listed(secret):
        return "consists of words that are guessed first"
    if secret.lower() in PUBLISHED or secret.lower() in _digests():
        return "is known to everybody"
    return ""


@cache
def _digests() -> frozenset[str]:
    """Of nothing and of known words: they look random, and are in everybody's lists."""
    names = ("md5", "sha1", "sha256", "sha512")
    words = ("", *WORDS)
    return frozenset(
        hashlib.new(name, word.encode(), usedforsecurity=False).hexdigest() for name in names for word in words
    )
