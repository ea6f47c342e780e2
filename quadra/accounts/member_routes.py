"""Who may see a project, and as what. For its admins: those of the installation, and those who are one here alone."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, structs
from sqlalchemy.orm import Session

from quadra.accounts.access import require_project
from quadra.accounts.answers import Done, Email, Name, User, UserId, user_shown
from quadra.accounts.members import ProjectMember, Source, get_member, list_members, remove_member, set_member
from quadra.accounts.noting import note
from quadra.accounts.password_links import PasswordLink, link_to
from quadra.accounts.passwords import hash_password, random_password
from quadra.accounts.tables import Project, Role
from quadra.accounts.users import create_user, find_user, look_for_user, normalise_email
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params
from quadra.core.web.http import runtime

doors = Doors("members", __name__)

PATH = "/api/projects/{slug}/people"
SLUG = {"slug": Param(name="slug", shape=str, example="shop")}
ONE = SLUG | {"user_id": Param(name="user_id", shape=UserId, example=2)}
MOST = "Admins of the installation are admins of every project."


class Person(Struct, kw_only=True):
    id: UserId
    email: Email
    name: Name
    role: Annotated[Role, Meta(description="In this project.", examples=["editor"])]
    source: Annotated[Source, Meta(description="Where that was given.", examples=["project"])]
    disabled: Annotated[bool, Meta(examples=[False])]


class People(Struct, kw_only=True):
    people: list[Person]


class NewPerson(Struct, kw_only=True):
    email: Email
    name: Annotated[Name, Meta(description="For a new account.")] = ""
    role: Annotated[Role, Meta(examples=["editor"])] = "viewer"


class NewRole(Struct, kw_only=True):
    role: Annotated[Role, Meta(examples=["editor"])]


class Added(Struct, kw_only=True):
    person: Person
    link: Annotated[PasswordLink | None, Meta(description="For a new account; shown only now.")]


class ThePerson(Struct, kw_only=True):
    person: Person


@doors(
    "GET",
    PATH,
    title="List the people of a project",
    says="Everybody who may see it, whether by a role in it or by one on the installation.",
    needs="admin",
    named=SLUG,
    answers=People,
    answer_says="By address.",
    refuses=(404,),
)
def show_people(slug: str) -> People:
    project = require_project(slug, "admin")
    with runtime().database.read() as session:
        return People(people=[_shown(one) for one in list_members(session, project)])


@doors(
    "POST",
    PATH,
    title="Let somebody into a project",
    says="Who has an account gets the role. For who has none an account is made that sees this project alone, and a link by "
    f"which its owner chooses a password within a week. 409 for an admin of the installation. {MOST}",
    needs="admin",
    named=SLUG,
    asks=Params(NewPerson),
    answers=Added,
    answer_says="They have the role.",
    status=201,
    refuses=(404, 409),
)
def add_person(asked: NewPerson, slug: str) -> Added:
    project = require_project(slug, "admin")
    email = normalise_email(asked.email)
    with runtime().database.read() as session:
        known = look_for_user(session, email) is not None
    # before the transaction: see passwords.py
    hashed = None if known else hash_password(random_password(), email=email, name=asked.name)
    with runtime().database.begin() as session:
        if hashed is None:
            user = find_user(session, email)
        else:
            user = create_user(session, email=email, password=hashed, role="none", name=asked.name)
        member = set_member(session, project, user, asked.role)
        _note(session, "added", project, member)
        return Added(person=_shown(member), link=None if hashed is None else link_to(user))


@doors(
    "PATCH",
    f"{PATH}/{{user_id}}",
    title="Change somebody's role in a project",
    says=f"It counts here instead of the role on the installation. {MOST}",
    needs="admin",
    named=ONE,
    asks=Params(NewRole),
    answers=ThePerson,
    answer_says="It is changed; open pages follow within half a minute.",
    refuses=(404, 409),
)
def change_person(asked: NewRole, slug: str, user_id: int) -> ThePerson:
    project = require_project(slug, "admin")
    with runtime().database.begin() as session:
        # only of who sees the project already: ids of other people are no way to their addresses
        member = set_member(session, project, get_member(session, project, user_id).user, asked.role)
        _note(session, "changed", project, member)
        return ThePerson(person=_shown(member))


@doors(
    "DELETE",
    f"{PATH}/{{user_id}}",
    title="Take somebody's role in a project away",
    says="The role on the installation counts again; who has none there does not see the project any more.",
    needs="admin",
    named=ONE,
    answers=Done,
    answer_says="It is gone; open pages follow within half a minute.",
    refuses=(404,),
)
def remove_person(slug: str, user_id: int) -> Done:
    project = require_project(slug, "admin")
    with runtime().database.begin() as session:
        member = get_member(session, project, user_id)
        remove_member(session, project, member.user)
        _note(session, "removed", project, member)
    return Done(success=True)


def _shown(member: ProjectMember) -> Person:
    shown: User = user_shown(member.user)
    return Person(
        **structs.asdict(shown) | {"role": member.role},
        source=member.source,
        disabled=member.user.disabled_at is not None,
    )


def _note(session: Session, verb: str, project: Project, member: ProjectMember) -> None:
    note(
        session,
        f"accounts.member.{verb}",
        subject=member.user.email,
        project_id=project.id,
        details={"role": member.role},
    )
