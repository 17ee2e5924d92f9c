"""Signing in: one-time links, server-side sessions, and a token against forged forms.

Only keyed hashes of links and cookies are stored, so that a copy of the database lets
nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from responder.people.roles import Person, Role
from responder.store.tables import SignInLink, WebSession

LINK_LIFE = timedelta(minutes=30)
SESSION_LIFE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser's session. `csrf` must come back with every form."""

    person: Person
    csrf: str


class SignIn:
    """Makes and checks links and sessions. Each method is part of a unit of work."""

    def __init__(self, secret_key: str) -> None:
        self._key = secret_key.encode()

    def new_link(self, session: Session, person: Person, *, now: datetime) -> str:
        """A link token that signs the person in once."""
        token = secrets.token_urlsafe(32)
        session.add(
            SignInLink(
                token_hash=self._hash("link", token),
                person=person.name,
                role=person.role,
                expires_at=now + LINK_LIFE,
            )
        )
        return token

    def use_link(self, session: Session, token: str, *, now: datetime) -> str | None:
        """Trade a link for a session cookie; None if it is unknown, used or too old."""
        link = session.get(SignInLink, self._hash("link", token), with_for_update=True)
        if link is None or link.used_at is not None or link.expires_at <= now:
            return None
        link.used_at = now
        cookie = secrets.token_urlsafe(32)
        session.add(
            WebSession(
                token_hash=self._hash("session", cookie),
                person=link.person,
                role=link.role,
                csrf=secrets.token_urlsafe(24),
                created_at=now,
                expires_at=now + SESSION_LIFE,
            )
        )
        session.add(link)
        return cookie

    def signed_in(self, session: Session, cookie: str, *, now: datetime) -> SignedIn | None:
        """Whose cookie this is; None if nobody's, or no longer."""
        row = session.get(WebSession, self._hash("session", cookie))
        if row is None or row.expires_at <= now:
            return None
        return SignedIn(Person(row.person, Role(row.role), f"web:{row.person}"), row.csrf)

    def sign_out(self, session: Session, cookie: str) -> None:
        """End a session."""
        row = session.get(WebSession, self._hash("session", cookie))
        if row is not None:
            session.delete(row)

    def _hash(self, kind: str, token: str) -> str:
        return hmac.new(self._key, f"{kind}:{token}".encode(), hashlib.sha256).hexdigest()
