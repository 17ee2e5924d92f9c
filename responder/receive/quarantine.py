"""The quarantine: webhooks that were refused, kept for a person to see why, and to let in.

Whoever can reach us can fill it, so it is bounded in rows, bytes, memory and commits, and what
one client sends pushes out only that client's.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlmodel import Session, col, delete, func, select

from responder import metrics
from responder.receive.alert import Alert
from responder.receive.intake import Incoming, Receipt, store
from responder.receive.sentry import looks_like_plugin
from responder.receive.source import NotUnderstood, Source, json_object
from responder.receive.verify import sentry_signature_ok
from responder.store.database import Store, insert_into
from responder.store.tables import Refusal

log = structlog.get_logger()

MOST = 200
MOST_BYTES = 32 * 1024 * 1024
MOST_OF_A_CLIENT = 50  # with a signature, and as many without
LARGEST = 1024 * 1024  # of larger bodies only the size is kept
LARGEST_UNSIGNED = 64 * 1024
WAITING, WAITING_BYTES = 256, 4 * 1024 * 1024
BATCH_BYTES = 1024 * 1024
PACE = 0.5  # seconds between commits

RESOURCE = "sentry-hook-resource"
SIGNATURES = ("sentry-hook-signature", "sentry-app-signature")
PLUGIN_HINT = (
    "it looks like Sentry's legacy WebHooks plugin, which signs nothing: add an internal "
    "integration instead, or set RESPONDER_SENTRY_PLUGIN_TOKEN and use the plugin's own address"
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A webhook that was turned away. `body` is None where it was not read or is too large."""

    at: datetime
    why: str
    client: str
    headers: dict[str, str]
    body: bytes | None
    size: int

    @property
    def digest(self) -> str:
        """The same for the same bytes under the same signature, however often they come."""
        known = f"{self.why}\n{signature_of(self.headers)}\n"
        if self.body is None:
            known += f"{self.client}\n{resource_of(self.headers)}\n{self.size}\n"
        return hashlib.sha256(known.encode() + (self.body or b"")).hexdigest()


def resource_of(headers: Mapping[str, str]) -> str:
    """What the sender called it."""
    return headers.get(RESOURCE, "")[:60]


def signature_of(headers: Mapping[str, str]) -> str | None:
    """The signature that came with it."""
    return next((headers[name] for name in SIGNATURES if name in headers), None)


class Quarantine:
    """Takes in what was refused, without keeping anybody waiting."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, tuple[Refused, int]] = {}  # and how often it came
        self._bytes = 0
        self._woken = asyncio.Event()

    def keep(self, refused: Refused) -> None:
        """Have it written soon. While too many wait it is only counted."""
        if refused.body is not None and len(refused.body) > LARGEST:
            refused = replace(refused, body=None)
        digest = refused.digest
        first, times = self._waiting.get(digest, (refused, 0))
        size = len(refused.body or b"") if times == 0 else 0
        if times == 0 and (len(self._waiting) >= WAITING or self._bytes + size > WAITING_BYTES):
            metrics.REFUSALS_DROPPED.inc()
            return
        self._waiting[digest] = first, times + 1
        self._bytes += size
        self._woken.set()

    async def run(self) -> None:
        """Write for ever, at a pace that leaves the disk to those who are let in."""
        try:
            while True:
                await self._woken.wait()
                await asyncio.shield(self._write(self._batch()))
                await asyncio.sleep(PACE)
        finally:
            while self._waiting:
                await self._write(self._batch())

    def _batch(self) -> list[tuple[str, Refused, int]]:
        batch: list[tuple[str, Refused, int]] = []
        size = 0
        for digest, (refused, times) in self._waiting.items():
            size += len(refused.body or b"")
            if batch and size > BATCH_BYTES:
                break
            batch.append((digest, refused, times))
        for digest, refused, _ in batch:
            del self._waiting[digest]
            self._bytes -= len(refused.body or b"")
        if not self._waiting:
            self._woken.clear()
        return batch

    async def _write(self, batch: list[tuple[str, Refused, int]]) -> None:
        try:
            await self._store.write(lambda session: keep(session, batch))
        except Exception:  # nobody was promised that it is kept
            log.exception("quarantine.not_kept", refusals=len(batch))
            metrics.REFUSALS_DROPPED.inc(sum(times for _, _, times in batch))


def keep(session: Session, batch: Sequence[tuple[str, Refused, int]]) -> None:
    """Write refusals with their digests and how often they came; what is too much goes."""
    for digest, refused, times in batch:
        row = insert_into(session, Refusal).values(
            at=refused.at,
            why=_why(refused),
            resource=resource_of(refused.headers),
            client=refused.client,
            headers=refused.headers,
            body=refused.body,
            size=refused.size,
            digest=digest,
            times=times,
        )
        session.execute(
            row.on_conflict_do_update(
                index_elements=["digest"], set_={"times": col(Refusal.times) + times}
            )
        )
    session.flush()
    ids = too_many(_held(session))
    if ids:
        session.execute(delete(Refusal).where(col(Refusal.id).in_(ids)))


def _why(refused: Refused) -> str:
    """Why, with what its body tells about it; looked at here, for the sender must not wait."""
    if refused.body is None or signature_of(refused.headers) is not None:
        return refused.why
    try:
        payload = json_object(refused.body)
    except NotUnderstood as error:
        return f"{refused.why}; and {error}"
    return f"{refused.why}; {PLUGIN_HINT}" if looks_like_plugin(payload) else refused.why


@dataclass(frozen=True, slots=True)
class Held:
    """A refusal as far as its place in the quarantine goes."""

    id: int
    client: str
    signed: bool
    size: int


def _held(session: Session) -> list[Held]:
    rows = session.exec(
        select(Refusal.id, Refusal.client, Refusal.headers, func.length(Refusal.body))
    )
    return [
        Held(id_ or 0, client, signature_of(headers) is not None, size or 0)
        for id_, client, headers, size in rows
    ]


def too_many(held: Sequence[Held]) -> list[int]:
    """The ids of what must go: of each client, and then of all, the oldest."""
    going, left, size = [], 0, 0
    of_client: Counter[tuple[str, bool]] = Counter()
    for one in sorted(held, key=lambda one: one.id, reverse=True):
        group = _network(one.client), one.signed
        fits = left < MOST and size + one.size <= MOST_BYTES
        if not fits or of_client[group] >= MOST_OF_A_CLIENT:
            going.append(one.id)
            continue
        of_client[group] += 1
        left, size = left + 1, size + one.size
    return going


def _network(client: str) -> str:
    """The client; with IPv6, where one may have 2⁶⁴ addresses, its network."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    return client if address.version == 4 else str(ipaddress.ip_network((address, 64), False))


def waiting(session: Session) -> int:
    """How many there are that nobody has let in."""
    query = select(func.count()).select_from(Refusal).where(col(Refusal.delivery_id).is_(None))
    return session.exec(query).one()


def verifies(row: Refusal, secrets: Sequence[str]) -> bool:
    """Whether one of the present secrets has signed it."""
    return row.body is not None and sentry_signature_ok(
        row.body, signature_of(row.headers), secrets
    )


def preview(row: Refusal, source: Source) -> Alert | None:
    """What it says, without personal data and secrets; None if nobody can read it."""
    if row.body is None:
        return None
    try:
        described = source.describe(row.headers, row.body)
        return source.normalise(described.resource, json_object(row.body))
    except NotUnderstood:
        return None


def let_in(session: Session, row: Refusal, source: Source, *, by: str, verified: bool) -> Receipt:
    """Store it as a delivery that came when it was refused.

    What is not verified gets a key of its own and no digest: it must never pass for what
    Sentry may yet send.

    Raises:
        NotUnderstood: it is not JSON.
    """
    assert row.body is not None
    described = source.describe(row.headers, row.body)
    incoming = Incoming(
        source=source.name,
        resource=described.resource,
        action=described.action,
        key=described.key if verified else f"let_in:{row.id}",
        headers={name: text for name, text in row.headers.items() if name not in SIGNATURES},
        body=row.body,
        received_at=row.at,
        origin="let_in" if verified else "let_in_unverified",
        repeats=described.repeats or not verified,
    )
    (receipt,) = store(session, [incoming])
    row.delivery_id, row.let_in_by = receipt.id, by
    session.add(row)
    return receipt
