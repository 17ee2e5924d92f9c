"""Who may do what. Three roles, each with all the rights of the one before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    VIEWER = "viewer"
    RESPONDER = "responder"
    ADMIN = "admin"

    @property
    def one(self) -> str:
        """With its article, for sentences."""
        return f"an {self}" if self is Role.ADMIN else f"a {self}"

    def includes(self, other: Role) -> bool:
        """Whether this role has the rights of the other."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Forbidden(Exception):
    """The person may not do this; the message says who may."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts, as verified by how they came: a session, Slack, a token.

    `name` is what timelines show; names can be chosen and changed. `key` tells people apart
    where two must agree: `web:…`, `slack:…`, or `token` for whoever holds the API token, in
    whosever name it acts. Without one, the name has to do.
    """

    name: str
    role: Role
    key: str = ""

    @property
    def identity(self) -> str:
        """What two-person rules compare."""
        return self.key or f"name:{self.name}"

    def must_be(self, role: Role) -> None:
        """Raise `Forbidden` unless the person has the role's rights."""
        if not self.role.includes(role):
            raise Forbidden(f"{self.name} is {self.role.one}; this takes {role.one}")
