"""Every check of health: each function that `@check(…)` stands over, in any file here. A new file is found by itself.

A function gets the `CheckContext`, blocks as long as it likes (it is ended after `seconds`), and answers with `healthy(…)`,
`degraded(…)`, `unhealthy(…)`, or None where there is nothing to check. `docs/health.md` says of each what to do.
"""

import importlib
import pkgutil

from quadra.health.verdict import PARTS, Check, checks

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

CHECKS: tuple[Check, ...] = tuple(sorted(checks, key=lambda one: tuple(PARTS).index(one.part)))
"""By the part that a customer knows them as."""
