"""Figures as a source: how often something was tried and failed, or an objective's value.

They are deliveries like any other, so that what they lead to can be explained, replayed and
backtested.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from responder.receive.alert import Alert, Measure, Signal
from responder.receive.fields import instant, text, whole
from responder.receive.source import Description, json_object

NAME = 200


class OutcomesSource:
    """Reads what `POST /api/v1/outcomes` and the polling of Sentry's API store."""

    name = "outcomes"

    def describe(self, headers: Mapping[str, str], body: bytes) -> Description:
        """Say what it is; the same figures under the same `id` are the same delivery.

        Raises:
            NotUnderstood: the body is not a JSON object.
        """
        payload = json_object(body)
        about = "objective" if "objective" in payload else "area"
        key = text(payload.get("id"))[:150] or hashlib.sha256(body).hexdigest()
        return Description(about, "measured", f"{self.name}:{key}")

    def normalise(self, resource: str, payload: Mapping[str, object]) -> Alert:
        """Say it in our words; never raises."""
        value = payload.get("value")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        measure = Measure(
            area=text(payload.get("area"))[:NAME],
            attempts=whole(payload.get("attempts")) or 0,
            failures=whole(payload.get("failures")) or 0,
            objective=text(payload.get("objective"))[:NAME],
            value=float(value) if number else 0.0,  # type: ignore[arg-type]
        )
        return Alert(
            source=self.name,
            resource=resource,
            action="measured",
            # An objective without a figure measures nothing; 0 would be one.
            signal=Signal.UNKNOWN if measure.objective and not number else Signal.MEASURED,
            title=f"{measure.objective or measure.area} measured",
            environment=text(payload.get("environment"))[:NAME],
            occurred_at=instant(payload.get("at")),
            measure=measure,
        )
