from __future__ import annotations

import pytest

from quadra.accounts.projects import create_project, get_project, list_projects, slug_from
from quadra.core.database import Database
from quadra.core.errors import Conflict, Invalid, NotFound


@pytest.mark.parametrize(
    ("name", "slug"), [("Shop", "shop"), ("  Küche & Bad ", "kuche-bad"), ("商店", "project"), ("x" * 200, "x" * 60)]
)
def test_a_slug_is_made_from_the_name(name: str, slug: str) -> None:
    assert slug_from(name) == slug


def test_a_taken_slug_is_numbered_unless_it_was_asked_for(database: Database) -> None:
    with database.begin() as session:
        slugs = [create_project(session, name="Shop").slug for _ in range(3)]
        assert slugs == ["shop", "shop-2", "shop-3"]
        with pytest.raises(Conflict):
            create_project(session, name="Other", slug="shop")
        assert [project.slug for project in list_projects(session)] == slugs


def test_weeks_start_on_sunday_unless_set_to_monday(database: Database) -> None:
    with database.begin() as session:
        assert create_project(session, name="Shop").week_start == "sunday"
        assert create_project(session, name="Shop", week_start="monday").week_start == "monday"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "  "),
        ("name", "a\x00b"),
        ("slug", "Shop"),
        ("slug", "-shop"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("timezone", "America"),
        ("week_start", "tuesday"),
    ],
)
def test_a_wrong_field_is_named(database: Database, field: str, value: str) -> None:
    with pytest.raises(Invalid) as caught, database.begin() as session:
        create_project(session, **{"name": "Shop", field: value})
    assert list(caught.value.fields) == [field]


@pytest.mark.parametrize("slug", ["nothing", "", "a\x00b"])
def test_an_unknown_project_is_not_found(database: Database, slug: str) -> None:
    with database.read() as session, pytest.raises(NotFound):
        get_project(session, slug)
