"""What Prometheus reads at /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

registry = CollectorRegistry()

DELIVERIES = Counter(
    "responder_deliveries_total",
    "Webhooks by how they were answered.",
    ["answer"],
    registry=registry,
)
ANSWER_SECONDS = Histogram(
    "responder_webhook_answer_seconds",
    "From a webhook's first byte to its answer, which means stored.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
    registry=registry,
)
REFUSALS_DROPPED = Counter(
    "responder_refusals_dropped_total",
    "Refused webhooks that the quarantine did not keep, for too many came at once.",
    registry=registry,
)
POLLS = Counter(
    "responder_sentry_polls_total",
    "Questions for figures put to Sentry's API, by what came of them.",
    ["answer"],
    registry=registry,
)
RECONCILED = Counter(
    "responder_reconciled_total",
    "Deliveries fetched from Sentry's API because no webhook had told of their issue.",
    registry=registry,
)
CATCH_UPS = Counter(
    "responder_catch_ups_total",
    "Looks at what Sentry lists and no webhook told, by how they ended.",
    ["answer"],
    registry=registry,
)
UNDECIDED = Gauge(
    "responder_deliveries_undecided",
    "Stored deliveries nobody has decided yet.",
    registry=registry,
)
OVERDUE = Gauge(
    "responder_deliveries_overdue",
    "Deliveries that wait for a decision for longer than they may.",
    registry=registry,
)
WITHOUT_DECISION = Gauge(
    "responder_deliveries_without_decision",
    "Deliveries marked as decided that have no decision; there should never be one.",
    registry=registry,
)
OPEN_INCIDENTS = Gauge(
    "responder_incidents_open", "Incidents that are not resolved.", registry=registry
)
CHAT_BEHIND = Gauge(
    "responder_chat_messages_behind",
    "Messages chat does not show as they should be.",
    registry=registry,
)
