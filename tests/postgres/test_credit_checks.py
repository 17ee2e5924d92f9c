"""Each credit check finds the fault it is for, and nothing in credits that are right."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.postgres.app import ADD, App
from tests.postgres.conftest import PLAYBOOKS

CHECKS = (
    "balance-equals-ledger",
    "latest-balance",
    "earned-minus-spent",
    "no-negative-balance",
    "tips-paired",
    "milestones-once",
    "known-types",
)


def found(app: App, check: str) -> list[dict[str, Any]]:
    """The check's rows, run as responder runs it: reading only."""
    query = (PLAYBOOKS / "sql" / f"{check}.sql").read_bytes()
    with psycopg.connect(app.url, row_factory=dict_row) as connection:
        connection.read_only = True
        return connection.execute(query).fetchall()


def tip(app: App, sender: UUID, recipient: UUID, amount: int, *, arrives: bool = True) -> None:
    """As the app does it: two calls, the second of which may be lost. Ten minutes ago."""
    app.add(sender, -amount, "spent_tipping", recipientId=str(recipient))
    if arrives:
        app.add(recipient, amount, "received_tip", fromUserId=str(sender))
    app.query("update credit_transactions set created_at = now() - interval '10 minutes'")


@pytest.fixture
def users(app: App) -> tuple[UUID, UUID]:
    """Two users with a life behind them: awards, a purchase, milestones, tips both ways."""
    ada, grace = app.user("ada"), app.user("grace")
    for user in (ada, grace):
        app.add(user, 100)
        app.add(user, 100)
        app.add(user, -30, "spent_feature")
        app.query("select award_milestone(%s, 'hours_watched_10', 50)", user)
        app.query("select award_milestone(%s, 'hours_watched_10', 50)", user)
        app.query("select award_milestone(%s, 'first_stream', 20)", user)
    tip(app, ada, grace, 10)
    tip(app, ada, grace, 10)
    tip(app, grace, ada, 10)
    return ada, grace


def a_balance_out_of_thin_air(app: App, ada: UUID, grace: UUID) -> dict[str, Any]:
    app.query("update profiles set credits_balance = credits_balance + 7 where id = %s", ada)
    app.query(
        "update profiles set total_credits_earned = total_credits_earned + 7 where id = %s", ada
    )
    return {"user_id": ada, "balance": 237, "ledger_total": 230, "difference": 7}


def a_wrong_balance_after(app: App, ada: UUID, grace: UUID) -> dict[str, Any]:
    app.add(ada, 5)
    app.query(
        "update credit_transactions set balance_after = balance_after + 100"
        " where user_id = %s and amount = 5",
        ada,
    )
    return {"user_id": ada, "balance": 235, "leads_to": [230, 335], "goes_on_from": [235, 330]}


def a_wrong_total(app: App, ada: UUID, grace: UUID) -> dict[str, Any]:
    app.query(
        "update profiles set total_credits_spent = total_credits_spent + 3 where id = %s", ada
    )
    return {"user_id": ada, "balance": 230, "difference": 3}


def less_than_nothing(app: App, ada: UUID, grace: UUID) -> dict[str, Any]:
    app.query("alter table profiles drop constraint profiles_credits_balance_check")
    app.query(
        "alter table credit_transactions drop constraint credit_transactions_balance_after_check"
    )
    app.add(ada, -1000, "spent_feature")
    return {"user_id": ada, "balance": -770}


def a_lost_tip(app: App, ada: UUID, grace: UUID) -> dict[str, Any]:
    tip(app, ada, grace, 10, arrives=False)
    return {
        "user_id": str(ada),
        "recipient_id": str(grace),
        "amount": 10,
        "sent": 3,
        "received": 2,
        "missing": 10,
    }


def a_milestone_paid_twice(app: App, ada: UUID, grace: UUID) -> dict[str, Any]:
    app.add(ada, 20, "bonus_first_session", milestone="first_stream")
    return {
        "user_id": ada,
        "milestone": "first_stream",
        "awarded_in": "ledger",
        "times": 2,
        "credits": 40,
    }


def a_milestone_entered_twice(app: App, ada: UUID, grace: UUID) -> dict[str, Any]:
    app.query("alter table credit_milestones drop constraint credit_milestones_once")
    app.query(
        "insert into credit_milestones (user_id, milestone_type, credits_awarded)"
        " values (%s, 'first_stream', 20)",
        ada,
    )
    return {
        "user_id": ada,
        "milestone": "first_stream",
        "awarded_in": "credit_milestones",
        "times": 2,
        "credits": 40,
    }


def a_type_nobody_knows(app: App, ada: UUID, grace: UUID) -> dict[str, Any]:
    app.query("alter table credit_transactions drop constraint credit_transactions_type_check")
    app.add(ada, 5, "found_in_the_street")
    return {"user_id": ada, "type": "found_in_the_street", "transactions": 1, "credits": 5}


FAULTS: list[tuple[Callable[[App, UUID, UUID], dict[str, Any]], set[str]]] = [
    (a_balance_out_of_thin_air, {"balance-equals-ledger", "latest-balance"}),
    (a_wrong_balance_after, {"latest-balance"}),
    (a_wrong_total, {"earned-minus-spent"}),
    (less_than_nothing, {"no-negative-balance"}),
    (a_lost_tip, {"tips-paired"}),
    (a_milestone_paid_twice, {"milestones-once"}),
    (a_milestone_entered_twice, {"milestones-once"}),
    (a_type_nobody_knows, {"known-types"}),
]


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_finds_nothing_in_credits_that_are_right(
    app: App, users: tuple[UUID, UUID], check: str
) -> None:
    assert found(app, check) == []


@pytest.mark.parametrize(("plant", "finders"), FAULTS)
def test_a_fault_is_found_once_and_by_the_check_that_is_for_it(
    app: App,
    users: tuple[UUID, UUID],
    plant: Callable[[App, UUID, UUID], dict[str, Any]],
    finders: set[str],
) -> None:
    expected = plant(app, *users)
    rows = {check: found(app, check) for check in CHECKS}
    assert {check for check, found_rows in rows.items() if found_rows} == finders
    first = next(check for check in CHECKS if check in finders)
    [row] = rows[first]
    assert {key: row[key] for key in expected} == expected


async def test_transactions_that_began_in_one_order_and_committed_in_another_are_right(
    app: App, users: tuple[UUID, UUID]
) -> None:
    ada, _ = users
    async with await app.connect(autocommit=False) as slow:
        await slow.execute("select 1")  # its created_at is now
        await asyncio.sleep(0.01)
        app.add(ada, 5)
        await slow.execute(ADD, [ada, 6])
        await slow.commit()
    newest = app.query("select amount from credit_transactions order by created_at desc limit 1")
    assert newest == [(5,)]
    assert found(app, "latest-balance") == []


def test_a_tip_still_on_its_way_is_not_lost(app: App, users: tuple[UUID, UUID]) -> None:
    ada, grace = users
    app.add(ada, -1, "spent_tipping", recipientId=str(grace))
    assert found(app, "tips-paired") == []


def test_the_report_shows_the_newest_of_the_last_hour(app: App, users: tuple[UUID, UUID]) -> None:
    ada, grace = users
    app.query("update credit_transactions set created_at = now() - interval '2 hours'")
    assert found(app, "recent-credit-transactions") == []
    for amount in range(1, 53):
        app.add(ada, amount)
    app.add(ada, -1, "spent_tipping", recipientId=str(grace))
    rows = found(app, "recent-credit-transactions")
    assert [row["amount"] for row in rows] == [-1, *range(52, 3, -1)]
    assert rows[0]["counterpart"] == str(grace)
    assert {row["username"] for row in rows} == {"ada"}
