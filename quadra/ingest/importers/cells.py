"""What cells of a table are: a column decides as a whole, and only what cannot be anything else is a number or a truth
value. Codes stay the text that they are: `NO`, `12E5`, `007`, version 1.10, account numbers longer than a float is exact.
"""

from __future__ import annotations

import re
from typing import Any

NUMBER = re.compile(r"-?(0|[1-9]\d*)(?:\.(\d+))?", re.ASCII)
DIGITS_MOST = 15
"""So many a float keeps exactly."""
SAID_NUMBER = re.compile(r"[-+]?\d{1,300}(\.\d{0,300})?([eE][+-]?\d{1,3})?", re.ASCII)
TRUE, FALSE = ("true", "yes", "t", "y", "1"), ("false", "no", "f", "n", "0")


class Column:
    """What the cells of one column have in common, told by `add` for each."""

    def __init__(self) -> None:
        self._numbers = True
        self._booleans = True
        self._decimals: set[int] = set()
        self._padded = False
        self._any = False

    @property
    def is_text(self) -> bool:
        """No further cell changes that."""
        return not (self._numbers or self._booleans)

    def add(self, cell: str) -> None:
        if cell == "" or self.is_text:
            return
        self._any = True
        self._booleans = self._booleans and cell.lower() in ("true", "false")
        found = NUMBER.fullmatch(cell) if self._numbers else None
        # the pattern allows a sign and a point beside digits
        self._numbers = (
            found is not None and cell != "-0" and len(cell) - cell.count("-") - cell.count(".") <= DIGITS_MOST
        )
        if found is not None and (decimals := found[2]):
            self._decimals.add(len(decimals))
            self._padded = self._padded or decimals.endswith("0")

    def value(self, cell: str) -> Any:
        """The cell as the column has it. One that came after the column was looked at may still be text."""
        if not self._any or self.is_text:
            return cell
        if self._booleans and cell.lower() in ("true", "false"):
            return cell.lower() == "true"
        # 19.90 among prices is 19.9; 1.10 beside 1.9 is a version
        if self._numbers and not (self._padded and len(self._decimals) > 1) and NUMBER.fullmatch(cell):
            return float(cell) if "." in cell else int(cell)
        return cell


def read_cell(cell: str, type_: Any) -> Any:
    """A cell of a field of ours, whose type is known; what does not fit stays text, and is refused by name later."""
    low = cell.strip().lower()
    if type_ is bool:
        return True if low in TRUE else False if low in FALSE else cell
    if SAID_NUMBER.fullmatch(low):
        number = float(low)
        return int(number) if "." not in low and abs(number) <= 2**53 else number
    return cell
