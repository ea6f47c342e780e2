"""What people change of their own account: name, sessions, second factor. Keys have none of these."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts import audit, second_factor, sessions
from quadra.accounts.access import person
from quadra.accounts.answers import Done, LoggedIn, Name, TheUser, user_shown
from quadra.accounts.csrf import csrf_token
from quadra.accounts.logging_in import try_password
from quadra.accounts.login_routes import TRIES
from quadra.accounts.passwords import Password
from quadra.accounts.sessions import Member
from quadra.accounts.users import end_sessions, rename
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param, Time
from quadra.core.api.params import Params
from quadra.core.errors import NotFound
from quadra.core.web.http import runtime
from quadra.core.web.limits import client_address

doors = Doors("me", __name__)

SessionId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", examples=["9f86d081884c7d659a2feaa0c55ad015"])]
Code = Annotated[str, Meta(min_length=1, max_length=64, examples=["492039"])]
FIELD_PASSWORD = Annotated[Password, Meta(examples=["correct horse battery"])]


class NewName(Struct, kw_only=True):
    name: Name


class YourSession(Struct, kw_only=True):
    id: SessionId
    began_at: Time
    seen_at: Annotated[Time, Meta(description="Noted once an hour.")]
    address: Annotated[str, Meta(examples=["203.0.113.7"])]
    agent: Annotated[str, Meta(description="As the browser called itself.", examples=["Mozilla/5.0"])]
    current: Annotated[bool, Meta(description="Whether it is the one that asks.")]


class YourSessions(Struct, kw_only=True):
    sessions: list[YourSession]


class SecondFactor(Struct, kw_only=True):
    enabled: bool
    confirmed_at: Annotated[Time | None, Meta(description="Since when.")]
    recovery_codes_left: Annotated[int, Meta(ge=0, le=second_factor.RECOVERY_CODES, examples=[10])]


class WithPassword(Struct, kw_only=True):
    current_password: FIELD_PASSWORD


class WithBoth(WithPassword, kw_only=True):
    code: Code


class FirstCode(Struct, kw_only=True):
    code: Code


class BegunFactor(Struct, kw_only=True):
    secret: Annotated[str, Meta(description="To type into the app.", examples=["JBSWY3DPEHPK3PXP"])]
    uri: Annotated[str, Meta(description="What a QR code of it says.", examples=["otpauth://totp/…"])]
    qr: Annotated[list[str], Meta(description="The rows of that code; 1 is dark.", examples=[["1011", "0110"]])]


class RecoveryCodes(Struct, kw_only=True):
    recovery_codes: Annotated[
        list[str], Meta(description="Shown here and never again.", examples=[["abcd-efgh-ijkl-mnop"]])
    ]


@doors(
    "POST",
    "/api/auth/me",
    title="Change your name",
    needs="viewer",
    gated=False,
    first=person,
    asks=Params(NewName),
    answers=TheUser,
    answer_says="It is changed.",
)
def change_name(asked: NewName) -> TheUser:
    member = person()
    with runtime().database.begin() as session:
        user = rename(session, user_id=member.id, name=asked.name)
        _record(session, member, "accounts.user.renamed")
        return TheUser(user=user_shown(user))


@doors(
    "GET",
    "/api/auth/sessions",
    title="List your sessions",
    says="Those that go on. A session that began before Quadra noted them is not listed; ending all of them ends it too.",
    needs="viewer",
    gated=False,
    first=person,
    answers=YourSessions,
    answer_says="The one that was used last first.",
)
def show_sessions() -> YourSessions:
    member = person()
    with runtime().database.read() as session:
        return YourSessions(
            sessions=[
                YourSession(
                    id=one.id,
                    began_at=clock.iso(one.began_at),
                    seen_at=clock.iso(one.seen_at),
                    address=one.address,
                    agent=one.agent,
                    current=one.id == member.session,
                )
                for one in sessions.list_sessions(session, user=member)
            ]
        )


@doors(
    "DELETE",
    "/api/auth/sessions/{session_id}",
    title="End a session of yours",
    needs="viewer",
    gated=False,
    first=person,
    named={"session_id": Param(name="session_id", shape=SessionId, example="9f86d081884c7d659a2feaa0c55ad015")},
    answers=Done,
    answer_says="Its cookie opens nothing any more.",
    refuses=(404,),
)
def end_session(session_id: str) -> Done:
    member = person()
    with runtime().database.begin() as session:
        if session_id not in {one.id for one in sessions.list_sessions(session, user=member)}:
            raise NotFound("You have no such session; it may have ended.")
        sessions.end(session, session_id)
        _record(session, member, "accounts.session.ended")
    return Done(success=True)


@doors(
    "DELETE",
    "/api/auth/sessions",
    title="End all your other sessions",
    needs="viewer",
    gated=False,
    first=person,
    answers=LoggedIn,
    answer_says="This one goes on; here is a new token.",
)
def end_other_sessions() -> LoggedIn:
    member = person()
    with runtime().database.begin() as session:
        user = end_sessions(session, user_id=member.id)
        _record(session, member, "accounts.session.others_ended")
        named = sessions.record_session(session, user)
    sessions.sign_in(user, named)
    return LoggedIn(user=user_shown(user), csrf_token=csrf_token())


@doors(
    "GET",
    "/api/auth/second-factor",
    title="Whether you have a second factor",
    needs="viewer",
    gated=False,
    first=person,
    answers=SecondFactor,
)
def show_factor() -> SecondFactor:
    member = person()
    with runtime().database.read() as session:
        found = second_factor.find(session, member.id)
        left = second_factor.count_recovery_codes(session, member.id)
    at = None if found is None else found.confirmed_at
    return SecondFactor(enabled=at is not None, confirmed_at=clock.iso_or_none(at), recovery_codes_left=left)


@doors(
    "POST",
    "/api/auth/second-factor",
    title="Begin a second factor",
    says=f"It counts once its first code is confirmed. {TRIES}",
    needs="viewer",
    gated=False,
    first=person,
    asks=Params(WithPassword),
    answers=BegunFactor,
    answer_says="Give this to an authenticator app.",
    refuses=(409, 429),
)
def begin_factor(asked: WithPassword) -> BegunFactor:
    member = person()
    try_password(member.email, asked.current_password, known=True)
    with runtime().database.begin() as session:
        secret = second_factor.begin(session, user_id=member.id, key=second_factor.key())
        _record(session, member, "accounts.second_factor.begun")
    uri = second_factor.uri(secret, member.email)
    return BegunFactor(secret=second_factor.typed(secret), uri=uri, qr=second_factor.qr(uri))


@doors(
    "POST",
    "/api/auth/second-factor/confirm",
    title="Confirm the second factor",
    says="From now on a login asks for a code.",
    needs="viewer",
    gated=False,
    first=person,
    asks=Params(FirstCode),
    answers=RecoveryCodes,
    answer_says="It counts. Each recovery code logs in once without the app.",
    refuses=(409,),
)
def confirm_factor(asked: FirstCode) -> RecoveryCodes:
    member = person()
    with runtime().database.begin() as session:
        codes = second_factor.confirm(session, user_id=member.id, code=asked.code, key=second_factor.key())
        _record(session, member, "accounts.second_factor.confirmed")
    return RecoveryCodes(recovery_codes=codes)


@doors(
    "POST",
    "/api/auth/second-factor/recovery-codes",
    title="Make new recovery codes",
    says=f"Those of before open nothing any more. {TRIES}",
    needs="viewer",
    gated=False,
    first=person,
    asks=Params(WithBoth),
    answers=RecoveryCodes,
    answer_says="They are shown only now.",
    refuses=(409, 429),
)
def renew_codes(asked: WithBoth) -> RecoveryCodes:
    member = person()
    try_password(member.email, asked.current_password, known=True)
    with runtime().database.begin() as session:
        second_factor.demand(session, user_id=member.id, code=asked.code, key=second_factor.key())
        codes = second_factor.renew_recovery_codes(session, user_id=member.id)
        _record(session, member, "accounts.second_factor.codes_renewed")
    return RecoveryCodes(recovery_codes=codes)


@doors(
    "POST",
    "/api/auth/second-factor/remove",
    title="Turn the second factor off",
    says=f"The password is enough again. {TRIES}",
    needs="viewer",
    gated=False,
    first=person,
    asks=Params(WithBoth),
    answers=Done,
    answer_says="It is gone, and so are its recovery codes.",
    refuses=(409, 429),
)
def remove_factor(asked: WithBoth) -> Done:
    member = person()
    try_password(member.email, asked.current_password, known=True)
    with runtime().database.begin() as session:
        second_factor.demand(session, user_id=member.id, code=asked.code, key=second_factor.key())
        second_factor.remove(session, user_id=member.id)
        _record(session, member, "accounts.second_factor.removed")
    return Done(success=True)


def _record(session: Session, member: Member, action: str) -> None:
    audit.record(session, actor=f"user:{member.email}", action=action, subject=member.email, address=client_address())
