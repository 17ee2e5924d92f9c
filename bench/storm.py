"""A storm of 20,000 signed deliveries of five areas, on embedded SQLite with chat beside it.

Cost is what the service's process used of a processor, which other load on the machine does
not change much. The storm is poured a thousand at a time: does the last cost what the first did?
"""

from __future__ import annotations

import tempfile

from bench.figures import HEAD, line
from tests.service import Service
from tests.stand_ins.process import SlackStandIn
from tests.story import storm

NUMBER, THOUSAND = 20_000, 1000


def main() -> None:
    """Measure, check and print."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SlackStandIn() as slack,
        Service(
            f"sqlite:///{folder}/r.db",
            RESPONDER_SLACK_BOT_TOKEN=slack.token,
            RESPONDER_SLACK_SIGNING_SECRET=slack.signing_secret,
            RESPONDER_SLACK_API_URL=slack.api_url,
        ) as service,
    ):
        bodies = storm.deliveries(NUMBER)
        parts = [
            storm.pour(service, bodies[start : start + THOUSAND])
            for start in range(0, NUMBER, THOUSAND)
        ]
        took = sum(part.took for part in parts)
        assert all(status == 202 for part in parts for status in part.statuses)
        storm.check(service, slack, NUMBER, took)
        print(f"\nA storm: {NUMBER:,} signed deliveries of 5 areas, {storm.CONNECTIONS} at a time")
        print(HEAD)
        print(line("webhook sent to its 202", [one for part in parts for one in part.seconds]))
        print(f"decided, all: {took:.1f} s, {NUMBER / took:.0f} a second")
        print(f"chat calls: {len(slack.calls())}")
        costs = [part.cpu / THOUSAND * 1000 for part in parts]
        shown = " ".join(f"{cost:.2f}" for cost in costs)
        print(f"milliseconds of processor a delivery, by the thousand: {shown}")
        print(f"the last thousand against the first: {costs[-1] / costs[0]:.2f}")


if __name__ == "__main__":
    main()
