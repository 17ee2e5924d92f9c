"""Asking Sentry's API for figures: how often things fail, and what objectives measure.

What is asked is what the store does not know yet of the last minutes, so a restart or a failed
poll leaves no gap, and replicas share the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, select

from responder import metrics
from responder.classify.areas import Area
from responder.playbook.folder import Configuration
from responder.receive import sentry_figures
from responder.receive.intake import Incoming, Intake, Overloaded
from responder.receive.outcomes import OutcomesSource
from responder.receive.sentry_api import SentryApi, SentryApiError
from responder.receive.sentry_figures import Question, Unreadable
from responder.store.database import Store
from responder.store.tables import Delivery

log = structlog.get_logger()

ORIGIN = "polled"
TOLD_AGAIN = timedelta(hours=1)  # before the same trouble is logged once more
MANY = 400  # keys in one query


class Polling:
    """Puts its questions one at a time, so that a step which talks to Sentry finds a turn free.

    Args:
        configuration: gives the configuration in force.
    """

    def __init__(
        self,
        store: Store,
        sentry: SentryApi,
        intake: Intake,
        configuration: Callable[[], Configuration],
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._sentry = sentry
        self._intake = intake
        self._configuration = configuration
        self._now = now
        self._answered: set[str] = set()  # keys of questions that need not be put again
        self._not_before: datetime | None = None
        self._told: dict[str, datetime] = {}  # by kind of trouble

    async def poll(self) -> None:
        """Ask what is not known yet. Never raises: the next poll asks again."""
        now = self._now()
        if self._not_before is not None and now < self._not_before:
            return
        try:
            await self._ask_all(await self._due(now))
        except asyncio.CancelledError:
            return  # we are stopping; the scheduler would log it as a fault of ours
        except Overloaded:
            self._failed("overloaded", "deliveries wait for the disk; asked again soon")
        except Exception as error:
            self._failed(f"fault {type(error).__name__}", "a fault of responder's", error)

    async def _due(self, now: datetime) -> list[Question]:
        """The questions whose answers are not stored yet, the newest first."""
        questions = {question.key: question for question in _questions(self._configuration(), now)}
        self._answered &= set(questions)
        unknown = [key for key in questions if key not in self._answered]
        self._answered |= await self._store.read(lambda session: _stored(session, unknown))
        due = [questions[key] for key in unknown if key not in self._answered]
        return sorted(due, key=lambda question: question.end, reverse=True)

    async def _ask_all(self, questions: Iterable[Question]) -> None:
        unwell: set[tuple[str, str, str]] = set()  # whose other questions can wait
        for question in questions:
            who = question.about, question.name, question.environment
            if who in unwell:
                continue
            try:
                await self._ask(question)
            except Unreadable as error:
                unwell.add(who)
                self._failed(f"unreadable {who}", str(error), about=question.name)
                self._answered.add(question.key)  # it would read no better
            except SentryApiError as error:
                unwell.add(who)
                bad_query = question.name if error.status == 400 else ""
                self._failed(f"{error.status} {bad_query}", str(error), about=question.name)
                if error.retry_after is not None:
                    self._not_before = self._now() + timedelta(seconds=error.retry_after)
                if error.retry_after is not None or error.status is None:
                    return  # what is asked next would fare no better

    async def _ask(self, question: Question) -> None:
        answer = await self._sentry.events(
            question.dataset,
            question.fields,
            question.query,
            question.start,
            question.end,
            environment=question.environment or None,
            limit=1,
        )
        figures = self._figures(question, answer)
        if figures is not None:
            await self._store_answer(question, figures)
        self._answered.add(question.key)
        metrics.POLLS.labels("nothing" if figures is None else "stored").inc()

    def _figures(self, question: Question, answer: Mapping[str, object]) -> dict[str, float] | None:
        if question.about == "area":
            rate = sentry_figures.rate_of(answer)
            return {"attempts": rate[0], "failures": rate[1]} if rate else None
        (field,) = question.fields
        figure = sentry_figures.value_of(answer, field)
        if figure is None:
            return None
        value = self._configuration().objectives[question.name].read(figure, field)
        return None if value is None else {"value": value}

    async def _store_answer(self, question: Question, figures: Mapping[str, float]) -> None:
        body = question.body(figures)
        described = OutcomesSource().describe({}, body)
        await self._intake.take(
            Incoming(
                source=OutcomesSource.name,
                resource=described.resource,
                action=described.action,
                key=described.key,
                headers={},
                body=body,
                received_at=self._now(),
                origin=ORIGIN,
            )
        )

    def _failed(
        self, kind: str, problem: str, error: Exception | None = None, *, about: str = ""
    ) -> None:
        """Count a trouble, and log it unless it has been told lately."""
        metrics.POLLS.labels("failed").inc()
        now = self._now()
        if kind not in self._told or now - self._told[kind] >= TOLD_AGAIN:
            self._told[kind] = now
            log.warning("sentry.not_polled", about=about, problem=problem, exc_info=error)


def _questions(configuration: Configuration, now: datetime) -> Iterator[Question]:
    areas = configuration.areas.root
    for name, area in areas.items():
        if area.rate_query:
            for environment in environments_of(area):
                for start in sentry_figures.windows(now, sentry_figures.RATE_OVER):
                    yield sentry_figures.rate_question(name, area.rate_query, environment, start)
    for name, objective in configuration.objectives.items():
        if objective.sentry:
            asked = objective.sentry
            for environment in environments_of(areas[objective.area]):
                for start in sentry_figures.windows(now, sentry_figures.VALUE_OVER):
                    yield sentry_figures.value_question(
                        name, asked.dataset, asked.field, asked.query, environment, start
                    )


def environments_of(area: Area) -> tuple[str, ...]:
    """Those that count, each asked for by itself; or "", which is all of them together."""
    return tuple(filter(None, area.environments or ())) or ("",)


def _stored(session: Session, keys: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(keys), MANY):
        some = keys[start : start + MANY]
        found |= set(session.exec(select(Delivery.key).where(col(Delivery.key).in_(some))))
    return found
