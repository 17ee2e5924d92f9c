"""The JSON API answers as /openapi.json says, for what is right, missing, wrong and forbidden."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.service import Service, until
from tests.story.test_credit_failure import SWITCH, credit_failure

INCIDENT_KEYS = {
    *("id", "area", "severity", "state", "title", "environment", "alerts"),
    *("opened_at", "acknowledged_at", "acknowledged_by", "resolved_at", "run", "timeline"),
}
STEP_KEYS = {"id", "action", "state", "attempts", "started_at", "finished_at", "error"}
HUGE = 2**70


class Contract:
    """A service with something in it, and its own description."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.document: dict[str, Any] = service.http.get("/openapi.json").json()
        first = service.send("event_alert", credit_failure()).json()["id"]
        self.delivery: int = first
        self.incident: int = service.decision(first)["incident_id"]
        self.review: int = service.step_in(self.incident, "review", "waiting")["step_id"]
        self.check: int = service.step_in(self.incident, "balances", "failed")["step_id"]
        settled = until(
            lambda: service.get(f"/incidents/{self.incident}"),
            lambda found: found["run"]["state"] == "blocked",
        )
        other = credit_failure()
        other["data"]["event"]["environment"] = "staging"
        other["data"]["event"]["tags"] = [["environment", "staging"]]
        self.resolved: int = service.decision(service.send("event_alert", other).json()["id"])[
            "incident_id"
        ]
        assert self.resolved != self.incident
        service.step_in(self.resolved, "stop", "succeeded")
        release = {"reason": "a drill", "incident": self.resolved}
        service.post(f"/switches/{SWITCH}/release", **release).raise_for_status()
        service.post(f"/incidents/{self.resolved}/resolve").raise_for_status()
        self.post_mortem: int = service.get(f"/incidents/{self.resolved}")["post_mortem"]
        forged = {"Sentry-Hook-Signature": "f" * 64}
        assert service.send("event_alert", credit_failure(), **forged).status_code == 401
        refusals = until(lambda: service.get("/refusals")["items"], bool)
        self.refusal: int = refusals[0]["id"]
        self.steps = {step["id"]: step["step_id"] for step in settled["run"]["steps"]}

    def check_answer(self, path: str, method: str, status: int, answer: Any) -> None:
        """The answer has the shape documented for this status."""
        described = self.document["paths"][path][method.lower()]["responses"]
        assert str(status) in described, f"{method} {path} answered {status}, not documented"
        content = described[str(status)].get("content")
        if content is None:
            return
        ((_, body),) = content.items()
        conforms(answer, body["schema"], self.document["components"]["schemas"], path)


def conforms(value: Any, schema: dict[str, Any], known: dict[str, Any], where: str) -> None:
    """As much of JSON Schema as the document uses; objects have no keys that are not described."""
    if "$ref" in schema:
        conforms(value, known[schema["$ref"].rpartition("/")[2]], known, where)
        return
    if "anyOf" in schema:
        failures = []
        for one in schema["anyOf"]:
            try:
                conforms(value, one, known, where)
            except AssertionError as error:
                failures.append(str(error))
            else:
                return
        raise AssertionError(f"{where}: none of {failures}")
    if "enum" in schema:
        assert value in schema["enum"], where
    kinds: dict[str, Any] = {
        "null": type(None),
        "string": str,
        "integer": int,
        "number": int | float,
        "boolean": bool,
        "array": list,
        "object": dict,
    }
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]]), (
            f"{where}: {value!r} is no {schema['type']}"
        )
        assert schema["type"] == "boolean" or not isinstance(value, bool), where
    if isinstance(value, list):
        for number, item in enumerate(value):
            conforms(item, schema["items"], known, f"{where}[{number}]")
    if isinstance(value, dict) and "properties" in schema:
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, f"{where}: lacks {missing}"
        extra = set(value) - set(schema["properties"])
        assert not extra, f"{where}: has {extra}, which nobody described"
        for key, item in value.items():
            conforms(item, schema["properties"][key], known, f"{where}.{key}")


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contract]:
    folder = tmp_path_factory.mktemp("contract")
    with Service(f"sqlite:///{folder / 'r.db'}") as service:
        yield Contract(service)


def calls(contract: Contract) -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    """For each operation a path and a body that can be carried out, in an order that works."""
    incident = f"/incidents/{contract.incident}"
    items = [item["id"] for item in contract.service.step(contract.incident, "review")["checklist"]]
    return {
        ("GET", "/incidents"): ("/incidents?state=open&area=credits", {}),
        ("GET", "/incidents/{id}"): (incident, {}),
        ("POST", "/incidents/{id}/acknowledge"): (f"{incident}/acknowledge", {"by": "ann"}),
        ("POST", "/incidents/{id}/escalate"): (f"{incident}/escalate", {"reason": "r"}),
        ("POST", "/steps/{id}/tick"): (
            f"/steps/{contract.review}/tick",
            {"shown": items, "done": items[:1]},
        ),
        ("POST", "/steps/{id}/retry"): (f"/steps/{contract.check}/retry", {}),
        ("POST", "/steps/{id}/skip"): (
            f"/steps/{contract.steps['totals']}/skip",
            {"reason": "no database here"},
        ),
        ("POST", "/steps/{id}/decide"): ("", {}),  # carried out on its own below
        ("GET", "/switches"): ("/switches", {}),
        ("GET", "/objectives"): ("/objectives", {}),
        ("GET", "/switches/{name}"): (f"/switches/{SWITCH}", {}),
        ("POST", "/switches/{name}/hold"): (f"/switches/{SWITCH}/hold", {"reason": "odd"}),
        ("POST", "/switches/{name}/release"): (f"/switches/{SWITCH}/release", {"reason": "even"}),
        ("GET", "/deliveries"): ("/deliveries", {}),
        ("GET", "/deliveries/{id}"): (f"/deliveries/{contract.delivery}", {}),
        ("POST", "/deliveries/{id}/replay"): (f"/deliveries/{contract.delivery}/replay", {}),
        ("GET", "/refusals"): ("/refusals", {}),
        ("POST", "/refusals/{id}/let-in"): (f"/refusals/{contract.refusal}/let-in", {"by": "ann"}),
        ("POST", "/outcomes"): (
            "/outcomes",
            {"items": [{"area": "webhooks", "attempts": 1, "failures": 0}]},
        ),
        ("GET", "/noise"): ("/noise", {}),
        ("POST", "/snoozes"): (
            "/snoozes",
            {"area": "default", "for": "1h", "reason": "a drill"},
        ),
        ("POST", "/snoozes/{id}/end"): ("/snoozes/1/end", {"by": "ann"}),
        ("GET", "/post-mortems"): ("/post-mortems", {}),
        ("GET", "/post-mortems/{id}"): (f"/post-mortems/{contract.post_mortem}", {}),
        ("POST", "/incidents/{id}/resolve"): ("", {}),  # done while setting up
    }


def test_every_operation_answers_as_documented(contract: Contract) -> None:
    described = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in contract.document["paths"].items()
        for method in methods
    }
    ready = calls(contract)
    assert described == set(ready)
    for (method, path), (address, body) in ready.items():
        if not address:
            continue
        options = {"json": body} if method == "POST" else {}
        answer = contract.service.api(method, address, **options)
        assert answer.status_code == 200, f"{method} {address}: {answer.text}"
        contract.check_answer(f"/api/v1{path}", method, 200, answer.json())


def test_deciding_and_resolving_answer_as_documented(contract: Contract) -> None:
    service = contract.service
    other = credit_failure()
    other["data"]["event"]["environment"] = "preview"
    other["data"]["event"]["tags"] = [["environment", "preview"]]
    incident = service.decision(service.send("event_alert", other).json()["id"])["incident_id"]
    until(
        lambda: service.get(f"/incidents/{incident}"),
        lambda found: found["run"]["state"] == "blocked",
    )
    for step in service.get(f"/incidents/{incident}")["run"]["steps"]:
        if step["state"] in ("failed", "waiting"):
            service.post(f"/steps/{step['step_id']}/skip", reason="none").raise_for_status()
    resume = service.step_in(incident, "resume", "waiting")
    assert resume["asks_approval"]
    answer = service.post(f"/steps/{resume['step_id']}/decide", approve=True, by="ann")
    contract.check_answer("/api/v1/steps/{id}/decide", "POST", answer.status_code, answer.json())
    assert answer.status_code == 200
    service.step_in(incident, "resume", "succeeded")
    answer = service.post(f"/incidents/{incident}/resolve", by="ann")
    contract.check_answer(
        "/api/v1/incidents/{id}/resolve", "POST", answer.status_code, answer.json()
    )
    assert answer.status_code == 200
    timeline = service.get(f"/incidents/{incident}")["timeline"]
    assert ("ann (api)", "resolved") in {(entry["actor"], entry["kind"]) for entry in timeline}


def test_without_the_token_nothing_is_told_or_done(contract: Contract) -> None:
    before = contract.service.get(f"/incidents/{contract.incident}")
    for (method, path), (address, body) in calls(contract).items():
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Bearer"},
            {"Authorization": "Basic the-test-token"},
            {"Authorization": "the-test-token"},
        ):
            answer = contract.service.http.request(
                method,
                f"/api/v1{address or '/incidents/1/resolve'}",
                headers=headers,
                json=body if method == "POST" else None,
            )
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            is_problem(answer.headers["content-type"], answer.json(), 401)
            contract.check_answer(f"/api/v1{path}", method, 401, answer.json())
    assert contract.service.get(f"/incidents/{contract.incident}") == before


def is_problem(content_type: str, body: Any, status: int) -> None:
    assert content_type == "application/problem+json"
    assert body["status"] == status
    assert body["title"]
    assert len(body["detail"]) > 5


TROUBLES: dict[str, tuple[str, str, Any, int, str]] = {
    "no incident": ("GET", "/incidents/999", None, 404, "there is no incident 999"),
    "acting on no incident": ("POST", "/incidents/999/acknowledge", {}, 404, "no incident 999"),
    "no step": ("POST", "/steps/999/retry", {}, 404, "there is no step 999"),
    "no delivery": ("GET", "/deliveries/999", None, 404, "there is no delivery 999"),
    "replaying none": ("POST", "/deliveries/999/replay", {}, 404, "there is no delivery 999"),
    "no refusal": ("POST", "/refusals/999/let-in", {}, 404, "there is no refusal 999"),
    "no figures": ("POST", "/outcomes", {}, 422, "items: Field required"),
    "no post-mortem": ("GET", "/post-mortems/999", None, 404, "there is no post-mortem 999"),
    "no switch": ("GET", "/switches/lamp", None, 404, "there is no switch lamp; there are: cred"),
    "holding none": ("POST", "/switches/lamp/hold", {"reason": "r"}, 404, "there is no switch"),
    "releasing for no incident": (
        "POST",
        f"/switches/{SWITCH}/release",
        {"reason": "r", "incident": 999},
        404,
        "there is no incident 999",
    ),
    "a number too large": ("GET", f"/incidents/{HUGE}", None, 404, ""),
    "a number of 5,000 digits": ("GET", "/incidents/" + "9" * 5000, None, 404, ""),
    "a word for a number": ("GET", "/incidents/first", None, 404, ""),
    "no such path": ("GET", "/nothing", None, 404, ""),
    "another method": ("DELETE", "/incidents/1", None, 405, ""),
    "a cursor that is none": ("GET", "/incidents?cursor=x", None, 422, "cursor: pass on"),
    "a negative cursor": ("GET", "/deliveries?cursor=-1", None, 422, "cursor: pass on"),
    "a cursor too large": ("GET", f"/deliveries?cursor={HUGE}", None, 422, "cursor: pass on"),
    "a cursor of 5,000 digits": ("GET", f"/incidents?cursor={'9' * 5000}", None, 422, "cursor"),
    "a cursor in other digits": ("GET", "/incidents?cursor=%D9%A3", None, 422, "cursor: pass on"),
    "a NUL in a query": ("GET", "/incidents?area=%00", None, 422, "area: "),
    "not JSON": ("POST", "/incidents/1/acknowledge", b"{", 422, "the body is not JSON"),
    "not UTF-8": ("POST", "/incidents/1/acknowledge", b'{"by":"\xff"}', 422, "not JSON"),
    "nested too deeply": ("POST", "/incidents/1/acknowledge", b"[" * 90_000, 422, "not JSON"),
    "an array": ("POST", "/incidents/1/acknowledge", [], 422, "body: "),
    "unknown field": ("POST", "/incidents/1/acknowledge", {"bye": 1}, 422, "bye: "),
    "wrong type": ("POST", "/incidents/1/acknowledge", {"by": 7}, 422, "by: "),
    "too long a name": ("POST", "/incidents/1/acknowledge", {"by": "x" * 101}, 422, "by: "),
    "half a character": (
        "POST",
        "/incidents/1/escalate",
        b'{"reason":"\\ud800"}',
        422,
        "reason: ",
    ),
    "a NUL": ("POST", "/incidents/1/escalate", {"reason": "a\x00b"}, 422, "reason: "),
    "no reason to hold": ("POST", f"/switches/{SWITCH}/hold", {}, 422, "reason: Field required"),
    "a blank reason to hold": ("POST", f"/switches/{SWITCH}/hold", {"reason": ""}, 422, "reason: "),
    "an incident too large": (
        "POST",
        f"/switches/{SWITCH}/release",
        {"reason": "r", "incident": HUGE},
        422,
        "incident: ",
    ),
    "no ticks": ("POST", "/steps/1/tick", {}, 422, "shown: Field required"),
    "too large a body": (
        "POST",
        "/incidents/1/acknowledge",
        b" " * 300_000,
        422,
        "larger than 262144 bytes",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_can_not_be_done_is_a_problem_with_a_way_out(trouble: str, contract: Contract) -> None:
    method, address, body, status, words = TROUBLES[trouble]
    options = (
        {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
    )
    answer = contract.service.api(method, address, **options)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert words in answer.json()["detail"]
    path = contract.document["paths"].get("/api/v1" + generic(address), {})
    if method.lower() in path:
        contract.check_answer("/api/v1" + generic(address), method, status, answer.json())


def generic(address: str) -> str:
    """The documented path of an address."""
    address = address.partition("?")[0]
    address = re.sub(r"^/switches/[^/]+", "/switches/{name}", address)
    return re.sub(r"/\d+", "/{id}", address)


def test_what_does_not_fit_the_state_is_a_conflict(contract: Contract) -> None:
    stop, resume = contract.steps["stop"], contract.steps["resume"]
    for path, body, words in (
        (f"/incidents/{contract.incident}/resolve", {}, "is still paused for this incident"),
        (f"/incidents/{contract.resolved}/resolve", {}, "resolved already"),
        (f"/incidents/{contract.resolved}/acknowledge", {}, "resolved already"),
        (f"/steps/{resume}/decide", {"approve": True}, "does not wait for an approval"),
        (f"/steps/{stop}/retry", {}, "only a failed step is retried"),
        (f"/steps/{stop}/skip", {"reason": "r"}, "can't be skipped"),
        (f"/steps/{stop}/tick", {"shown": [], "done": []}, "has no checklist"),
        (f"/steps/{contract.review}/skip", {"reason": "  "}, "say why"),
    ):
        answer = contract.service.post(path, **body)
        assert answer.status_code == 409, answer.text
        is_problem(answer.headers["content-type"], answer.json(), 409)
        assert words in answer.json()["detail"]
        contract.check_answer("/api/v1" + generic(path), "POST", 409, answer.json())


def test_a_switch_is_polled_with_its_tag(contract: Contract) -> None:
    service, path = contract.service, f"/api/v1/switches/{SWITCH}"
    token = {"Authorization": "Bearer the-test-token"}
    first = service.http.get(path, headers=token)
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]+"', tag)
    assert first.headers["cache-control"] == "no-cache"
    for condition in (tag, f'"other", {tag}'):
        same = service.http.get(path, headers=token | {"If-None-Match": condition})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert service.http.get(path, headers=token | {"If-None-Match": '"other"'}).status_code == 200
    assert service.http.get(path, headers={"If-None-Match": tag}).status_code == 401
    service.post(f"/switches/{SWITCH}/hold", reason="for its tag").raise_for_status()
    changed = service.http.get(path, headers=token | {"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    service.post(f"/switches/{SWITCH}/release", reason="enough").raise_for_status()


def test_the_shape_of_a_switch(contract: Contract) -> None:
    service = contract.service
    service.post(f"/switches/{SWITCH}/hold", reason="by hand", by="ann").raise_for_status()
    switch = service.get(f"/switches/{SWITCH}")
    assert set(switch) >= {"name", "state", "verified_at", "holds"}
    assert (switch["name"], switch["state"], switch["confirmed"]) == (SWITCH, "paused", True)
    by_hand = next(hold for hold in switch["holds"] if hold["incident"] is None)
    assert (by_hand["by"], by_hand["reason"]) == ("ann (api)", "by hand")
    ours = next(hold for hold in switch["holds"] if hold["incident"] == contract.incident)
    assert ours["by"] == "responder"
    answer = service.post(f"/switches/{SWITCH}/release", reason="enough").json()
    assert [hold["incident"] for hold in answer["holds"] if hold["incident"] is None] == []
    assert answer["state"] == "paused"  # the incident's hold stands


def test_the_shape_of_an_incident(contract: Contract) -> None:
    incident = contract.service.get(f"/incidents/{contract.incident}")
    assert set(incident) >= INCIDENT_KEYS
    assert set(incident["run"]) >= {"playbook", "state", "steps"}
    for step in incident["run"]["steps"]:
        assert set(step) >= STEP_KEYS
    for entry in incident["timeline"]:
        assert set(entry) >= {"at", "actor", "kind", "text"}
    times = [entry["at"] for entry in incident["timeline"]]
    assert times == sorted(times)


def test_times_are_in_utc_as_rfc_3339_says(contract: Contract) -> None:
    found: list[str] = []

    def walk(value: Any, key: str = "") -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                walk(item, name)
        elif isinstance(value, list):
            for item in value:
                walk(item, key)
        elif isinstance(value, str) and (key in ("at", "since") or key.endswith("_at")):
            found.append(value)

    for path in (
        f"/incidents/{contract.resolved}",
        f"/switches/{SWITCH}",
        "/deliveries",
        f"/post-mortems/{contract.post_mortem}",
    ):
        before = len(found)
        walk(contract.service.get(path))
        assert len(found) > before
    shape = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
    assert [time for time in found if not shape.fullmatch(time)] == []


def test_cursors_lead_through_everything_once(contract: Contract) -> None:
    service = contract.service
    for _ in range(60):
        service.post(f"/deliveries/{contract.delivery}/replay").raise_for_status()
    seen: list[int] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        page = service.get("/deliveries", cursor=cursor)
        assert set(page) == {"items", "next"}
        seen += [item["id"] for item in page["items"]]
        cursor, pages = page["next"], pages + 1
    assert pages > 1
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) == seen[0]


def test_incidents_are_found_by_state_and_area(contract: Contract) -> None:
    def ids(**query: str) -> set[int]:
        return {item["id"] for item in contract.service.get("/incidents", **query)["items"]}

    assert contract.resolved in ids(state="resolved")
    assert contract.resolved not in ids(state="open")
    assert contract.incident in ids(area="credits")
    assert ids(area="hms") == ids(state="nonsense") == set()


def test_what_machines_look_at_needs_no_token(contract: Contract) -> None:
    http = contract.service.http
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ready"}
    figures = http.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain")
    assert re.search(r"^responder_\w+ \d", figures.text, re.MULTILINE)
    assert "the-test" not in figures.text
    assert contract.document["openapi"].startswith("3.1")
    for methods in contract.document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
    ids = [op["operationId"] for ms in contract.document["paths"].values() for op in ms.values()]
    assert len(ids) == len(set(ids))
