"""The app at work: people moving credits all the time, in every kind of transaction."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from uuid import UUID

import psycopg

USERS = 8
SPEND = "select add_credits(%s, %s, 'earned_watching')"


@dataclass
class Seen:
    """What one writer saw, by its own clock (`time.time`, as all of this machine)."""

    began_commit: list[float] = field(default_factory=list)
    committed: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)


class Writers:
    """Autocommit, explicit and REPEATABLE READ writers, started together."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[Seen] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        with psycopg.connect(url, autocommit=True) as connection:
            for number in range(USERS):
                connection.execute("insert into profiles (username) values (%s)", [f"u{number}"])
            rows = connection.execute("select id from profiles order by username").fetchall()
        self.users: list[UUID] = [row[0] for row in rows]

    def start(self) -> None:
        """Begin writing."""
        for number, level in enumerate([None, None, "READ COMMITTED", "REPEATABLE READ"]):
            seen = Seen()
            self.seen.append(seen)
            thread = threading.Thread(target=self._write, args=(number, level, seen), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End all of them."""
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    def committed_after(self, at: float) -> list[float]:
        """Commits that were only begun after a moment: after a pause there must be none."""
        return [began for seen in self.seen for began in seen.began_commit if began > at]

    def refused_after(self, at: float) -> int:
        """How many were turned away after a moment."""
        return sum(refused > at for seen in self.seen for refused in seen.refused)

    def wrong_balances(self) -> list[tuple[object, ...]]:
        """Users whose balance is not the sum of their ledger."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(
                "select username, credits_balance from profiles where credits_balance <> (select "
                "coalesce(sum(amount), 0) from credit_transactions where user_id = profiles.id)"
            ).fetchall()

    def _write(self, number: int, level: str | None, seen: Seen) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            turn = number
            while not self._stop.is_set():
                turn += 1
                user = self.users[(turn * len(self.seen) + number) % USERS]
                try:
                    began = self._transact(connection, level, user)
                    seen.committed.append(time.time())
                    seen.began_commit.append(began)
                except psycopg.Error:
                    seen.refused.append(time.time())
                    connection.execute("rollback")
                    time.sleep(0.005)
                time.sleep(0.001)

    def _transact(
        self, connection: psycopg.Connection[tuple[object, ...]], level: str | None, user: UUID
    ) -> float:
        """One movement of credits; when its commit was sent off."""
        if level is None:
            began = time.time()
            connection.execute(SPEND, [user, 1])
            return began
        connection.execute(f"begin isolation level {level}".encode())
        connection.execute("select 1 from profiles limit 1")  # takes the snapshot
        time.sleep(0.01)
        connection.execute(SPEND, [user, 1])
        time.sleep(0.01)  # the pause may come now, with this transaction still open
        began = time.time()
        connection.execute("commit")
        return began
