"""Values of requests before a door knows them."""

from __future__ import annotations

import pytest

from quadra.core.api.raw_params import RawParams
from quadra.core.errors import Invalid


@pytest.mark.parametrize("found", [[None], [""], ["https://shop.example", None]])
def test_a_list_with_an_empty_name_is_refused(found: list[str | None]) -> None:
    """A key whose origins are [null] is good from everywhere, an alert to [null] reaches nobody."""
    params = RawParams.of_body({"origins": found})
    params.names("origins")
    with pytest.raises(Invalid) as refused:
        params.check()
    assert set(refused.value.fields) == {"origins"}


def test_an_empty_list_names_nothing() -> None:
    params = RawParams.of_body({"origins": [], "to": "a,,b"})
    assert (params.names("origins"), params.names("to"), params.wrong) == ((), ("a", "b"), {})
