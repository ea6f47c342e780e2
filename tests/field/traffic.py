"""Made-up traffic whose mix is never quite the same, and which may have a fifth of something else in it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from quadra.field.features import Sight

MIX = {"page": 50, "click": 18, "search": 10, "cart": 8, "checkout": 5, "purchase": 4, "signup": 2, "error": 3}
OTHER = {"page": 5, "click": 5, "search": 5, "cart": 15, "checkout": 20, "purchase": 20, "signup": 15, "error": 15}
SHIFT = 0.2


def batch(source: random.Random, start_s: float, *, size: int = 150, shifted: bool = False) -> list[Sight]:
    # weights that vary from batch to batch, as hours and campaigns have it: half of all by 4 %, a fiftieth by 22 %
    weights = {name: source.gammavariate(10 * share, 1) for name, share in MIX.items()}
    found, at = [], start_s
    for _ in range(size):
        at += source.expovariate(1 / 3)
        mix = OTHER if shifted and source.random() < SHIFT else weights
        name = source.choices(list(mix), list(mix.values()))[0]
        page = f"https://shop.example/{'p' if name != 'error' else 'e'}{int(source.paretovariate(1)) % 30}?q={source.random()}"
        found.append(Sight(name, page, f"s{source.randrange(size // 6)}", int(at * 1e6)))
    return found


def auc(shifted: Sequence[float], clean: Sequence[float]) -> float:
    """How likely a shifted batch is told from a clean one."""
    wins = sum((one > other) + 0.5 * (one == other) for one in shifted for other in clean)
    return wins / (len(shifted) * len(clean))
