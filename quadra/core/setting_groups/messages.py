"""How people are told: mail, and where messages may go."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Messages(BaseModel):
    smtp_url: str = Field(
        "",
        pattern=r"^(smtps?://(\S+@)?[^\s@/]+/?)?$",
        description="the mail server: `smtp://user:password@host:587` (STARTTLS where it is offered) or `smtps://…`; "
        "empty: no mail",
    )
    mail_from: str = Field("Quadra <quadra@localhost>", description="the sender of mail")
    alerts_allow_private: bool = Field(
        False, description="whether messages may go to loopback and private networks; in development they may"
    )
