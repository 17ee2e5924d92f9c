"""A storm is one incident an area, one run each, exact counts and a handful of messages."""

from __future__ import annotations

from tests.service import Service
from tests.stand_ins.process import SlackStandIn
from tests.story import storm

NUMBER = 500  # `python -m bench.storm` does the same with 20,000


def test_a_storm_of_five_areas(database_url: str, slack: SlackStandIn) -> None:
    with Service(
        database_url,
        RESPONDER_SLACK_BOT_TOKEN=slack.token,
        RESPONDER_SLACK_SIGNING_SECRET=slack.signing_secret,
        RESPONDER_SLACK_API_URL=slack.api_url,
    ) as service:
        bodies = storm.deliveries(NUMBER)
        poured = storm.pour(service, bodies)
        assert set(poured.statuses) == {202}
        storm.check(service, slack, NUMBER, poured.took)
        again = storm.pour(service, bodies[:50])  # as a proxy may, word for word
        assert set(again.statuses) == {200}
        storm.check(service, slack, NUMBER, poured.took + again.took)
