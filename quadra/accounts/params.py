"""What doors of many rooms ask for alike: of which project."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from quadra.core.api.params import Params, says

OF_KEY = says("Left out: the project of the key that asks, the only one that you may see, else `default`.")


class OfProject(Struct, kw_only=True):
    project: Annotated[str | None, OF_KEY] = None


OF_PROJECT = Params(OfProject)
