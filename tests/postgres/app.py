"""The app's side of the tests: users, and writers that move their credits."""

from __future__ import annotations

from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

ADD = "select add_credits(%s, %s, 'earned_watching')"
REFUSED = "PT503"
IMPATIENT = "-c statement_timeout=10s"  # a test that waits for ever says nothing
Connection = psycopg.AsyncConnection[tuple[object, ...]]


class App:
    """What the app does to its database, and what can be seen in it."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def connect(self, name: str = "the-app", *, autocommit: bool = True) -> Connection:
        return await psycopg.AsyncConnection.connect(
            self.url, autocommit=autocommit, application_name=name, options=IMPATIENT
        )

    def query(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True, options=IMPATIENT) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def user(self, name: str = "ada") -> UUID:
        [(user,)] = self.query("insert into profiles (username) values (%s) returning id", name)
        assert isinstance(user, UUID)
        return user

    def add(
        self, user: UUID, amount: int, kind: str = "earned_watching", **metadata: object
    ) -> None:
        query = "select add_credits(%s, %s, %s, null, %s)"
        self.query(query, user, amount, kind, Jsonb(metadata))

    def ledger(self) -> set[object]:
        """Every committed entry."""
        return {entry for (entry,) in self.query("select id from credit_transactions")}
