"""Letting in what was refused, once somebody has seen why, and perhaps set the secret right."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from responder.incident.lifecycle import NotAllowed
from responder.people.roles import Person, Role
from responder.receive import quarantine
from responder.receive.intake import Receipt
from responder.receive.source import NotUnderstood, Source
from responder.store.database import Store
from responder.store.tables import Refusal


class Admission:
    """Turns refusals into deliveries.

    Args:
        secrets: those that sign webhooks at present.
        changed: wakes whoever looks at deliveries.
    """

    def __init__(
        self,
        store: Store,
        source: Source,
        secrets: Sequence[str],
        *,
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._source = source
        self._secrets = secrets
        self._changed = changed

    async def let_in(self, refusal_id: int, person: Person) -> Receipt:
        """Store a refusal as a delivery, received when it was refused.

        What one of the present secrets has signed takes a responder, and acts as it would have
        then. Anything else takes an admin, and its playbook asks before each effect.

        Raises:
            LookupError: there is none of that id.
            Forbidden: the person may not.
            NotAllowed: it was let in already, or there is nothing to let in.
        """
        person.must_be(Role.RESPONDER)
        try:
            receipt = await self._store.write(lambda s: self._let_in(s, refusal_id, person))
        except IntegrityError:  # it came in by itself meanwhile: now it is known
            receipt = await self._store.write(lambda s: self._let_in(s, refusal_id, person))
        self._changed()
        return receipt

    def _let_in(self, session: Session, refusal_id: int, person: Person) -> Receipt:
        row = session.get(Refusal, refusal_id, with_for_update=True)
        if row is None:
            raise LookupError(f"there is no refusal {refusal_id}; the oldest ones make room")
        if row.delivery_id is not None:
            raise NotAllowed(
                f"{row.let_in_by} has let it in already; it is delivery {row.delivery_id}"
            )
        if row.body is None:
            raise NotAllowed("its body was not kept, so there is nothing to let in")
        verified = quarantine.verifies(row, self._secrets)
        if not verified:
            person.must_be(Role.ADMIN)
        try:
            return quarantine.let_in(session, row, self._source, by=person.name, verified=verified)
        except NotUnderstood as error:
            raise NotAllowed(f"nobody can read it: {error}") from None
