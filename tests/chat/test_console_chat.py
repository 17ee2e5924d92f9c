"""The console shows messages in full once, then only what changed."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from responder.chat.base import ChecklistItem, StepLine
from responder.chat.console import ConsoleChat
from tests.chat.messages import AT, approval, card, checklist, note


class Shown:
    """A console chat whose output can be read, piece by piece."""

    def __init__(self) -> None:
        self._out = io.StringIO()
        self.chat = ConsoleChat(Console(file=self._out, width=60))

    def take(self) -> list[str]:
        lines = self._out.getvalue().splitlines()
        self._out.seek(0)
        self._out.truncate()
        return lines


async def test_a_card_is_printed_in_full_once() -> None:
    shown = Shown()
    ref = await shown.chat.post("card:3", card(), None)
    assert shown.take() == [
        "◆ CRITICAL credits: Balance mismatch after refund",
        "  incident 3, open, production, alerts: 12, users: 4",
        "  culprit: src/app/api/credits/refund/route.ts "
        "(credits: src/app/api/credits in the stack)",
        "  paused: credit-transactions since 14:02:04 UTC",
        "  waiting for somebody to acknowledge",
        "  https://responder.example/incidents/3",
    ]
    await shown.chat.update(ref, card())
    assert shown.take() == []


async def test_refs_tell_messages_apart() -> None:
    shown = Shown()
    first = await shown.chat.post("card:3", card(), None)
    second = await shown.chat.post("card:4", card(incident_id=4), first)
    assert [first, second] == [{"console": 1}, {"console": 2}]


async def test_an_update_prints_only_what_changed() -> None:
    shown = Shown()
    ref = await shown.chat.post("card:3", card(), None)
    shown.take()
    taken = card(
        state="acknowledged", acknowledged_by="Ann", acknowledged_at=AT, waiting_for="", alerts=99
    )
    await shown.chat.update(ref, taken)
    assert shown.take() == ["incident 3 acknowledged by Ann"]
    checked = StepLine("balances", "Check balances", "failed", "3 rows")
    await shown.chat.update(ref, replace(taken, steps=(taken.steps[0], checked, taken.steps[2])))
    assert shown.take() == ["incident 3: ✗ failed · Check balances: 3 rows"]


async def test_pausing_confirming_and_resuming_read_well() -> None:
    shown = Shown()
    ref = await shown.chat.post("card:3", card(paused=()), None)
    shown.take()
    await shown.chat.update(ref, card(paused=("credits, NOT YET CONFIRMED",)))
    assert shown.take() == ["incident 3: paused: credits, NOT YET CONFIRMED"]
    await shown.chat.update(ref, card(paused=("credits since 14:02 UTC",)))
    assert shown.take() == ["incident 3: paused: credits since 14:02 UTC"]
    await shown.chat.update(ref, card(paused=()))
    assert shown.take() == ["incident 3: no longer paused: credits"]


async def test_ticks_and_decisions_are_one_line() -> None:
    shown = Shown()
    ref = await shown.chat.post("checklist:7", checklist(ChecklistItem(1, "Check logs")), None)
    shown.take()
    await shown.chat.update(ref, checklist(ChecklistItem(1, "Check logs", "Ann", AT)))
    assert shown.take() == ["incident 3: ☑ Check logs by Ann"]
    ref = await shown.chat.post("approval:9:0", approval(), None)
    assert shown.take()[:2] == [
        "incident 3, Resume credit transactions: asks for approval",
        "  on approval: lift the hold on credit-transactions",
    ]
    await shown.chat.update(ref, approval(state="approved", decided_by="Ann", decided_at=AT))
    assert shown.take() == ["incident 3, Resume credit transactions: approved by Ann"]


async def test_after_a_restart_an_update_is_printed_in_full() -> None:
    shown = Shown()
    await shown.chat.update({"console": 8}, note("Escalated"))
    assert shown.take() == ["incident 3: Escalated"]


async def test_text_from_outside_does_not_drive_the_terminal() -> None:
    shown = Shown()
    await shown.chat.post("note", note("a [red]b[/red] \x1b[2J :fire:\nc"), None)
    assert shown.take() == ["incident 3: a [red]b[/red] [2J :fire: c"]


async def test_nothing_can_be_found_again() -> None:
    shown = Shown()
    await shown.chat.post("card:3", card(), None)
    assert await shown.chat.find("card:3", AT) is None
    assert "console" in await shown.chat.check()
