"""The pages show what is going on, and their forms carry an incident to its end."""

from __future__ import annotations

from tests.service import until
from tests.web.site import LEDGER, Site, forms, text_of

SWITCH = "credit-transactions"


def test_an_empty_service_says_what_to_do_next(site: Site) -> None:
    visitor = site.visitor()
    home = visitor.get("/", follow_redirects=True)
    assert home.url.path == "/incidents"
    assert f"{site.url}/webhooks/sentry" in text_of(home)
    assert "responder demo" in text_of(home)
    assert "Nothing has arrived yet" in text_of(visitor.get("/deliveries"))
    assert "There is none yet" in text_of(visitor.get("/post-mortems"))
    assert "running" in text_of(visitor.get("/switches"))


def test_an_incident_from_alert_to_post_mortem(site: Site) -> None:
    incident = site.incident()
    steps = {step["id"]: step["step_id"] for step in site.settled(incident)["run"]["steps"]}
    visitor, here = site.visitor(), f"/incidents/{incident}"

    listed = text_of(visitor.get("/incidents"))
    assert LEDGER in listed
    assert "critical" in listed.lower()
    assert "Credit transactions: paused" in listed

    page = visitor.get(here)
    words = text_of(page)
    assert "Credit transactions: paused" in words
    assert site.get(here)["culprit"] in words
    assert "Nobody has acknowledged it yet" in words
    assert f"{here}/resolve" not in forms(page), "it keeps a hold"

    assert visitor.press(here, f"{here}/acknowledge").headers["location"] == here
    page = visitor.get(here)
    assert "acknowledged by Rosa Okafor" in text_of(page)
    assert f"{here}/acknowledge" not in forms(page)

    assert visitor.press(here, f"{here}/escalate", reason="I need a second pair").is_redirect
    assert "I need a second pair" in text_of(visitor.get(here))

    # No database of the app is configured, so the checks can't run: a person goes without.
    failed = [
        step
        for step in site.get(here)["run"]["steps"]
        if step["state"] == "failed" and step["id"] != "recent"
    ]
    assert failed
    retried = visitor.press(here, f"/steps/{failed[0]['step_id']}/retry")
    assert retried.headers["location"] == f"{here}#step-{failed[0]['step_id']}"
    site.step_in(incident, failed[0]["id"], "failed")
    for step in failed:
        skip = f"/steps/{step['step_id']}/skip"
        empty = visitor.press(here, skip, reason="  ")
        assert empty.status_code == 409
        assert "say why" in text_of(empty).lower()
        assert visitor.press(here, skip, reason="checked in psql").is_redirect
    assert "checked in psql" in text_of(visitor.get(here))

    tick = f"/steps/{steps['review']}/tick"
    boxes = forms(visitor.get(here))[tick].boxes
    assert visitor.press(here, tick, done=boxes[:1]).is_redirect
    assert forms(visitor.get(here))[tick].fields["done"] == boxes[:1]
    assert visitor.press(here, tick, done=boxes).is_redirect

    resume = f"/steps/{steps['resume']}/decide"
    until(lambda: forms(visitor.get(here)), lambda found: resume in found)
    assert "On approval: Release this incident&#39;s hold on credit-transactions" in text_of(
        visitor.get(here)
    )
    assert visitor.press(here, resume, decision="approve", reason="all checked").is_redirect
    site.step_in(incident, "resume", "succeeded")

    page = visitor.get(here)
    assert "paused" not in text_of(page).split("Timeline")[0].split("Facts")[0].split("Stop")[0]
    assert visitor.press(here, f"{here}/resolve").is_redirect
    page = visitor.get(here)
    assert list(forms(page)) == ["/sign-out"], "a resolved incident has no buttons"
    assert 'href="/post-mortems/1"' in page.text

    record = visitor.get("/post-mortems/1")
    assert f"<h1>{LEDGER}</h1>" in record.text
    assert "<table>" in record.text
    assert "I need a second pair" in text_of(record)
    assert LEDGER in text_of(visitor.get("/post-mortems"))


def test_an_act_that_is_too_late_says_so_on_the_page(site: Site) -> None:
    incident = site.incident()
    site.settled(incident)
    here = f"/incidents/{incident}"
    slow, quick = site.visitor("Slow"), site.visitor("Quick")
    stale = forms(slow.get(here))
    step = next(action for action in stale if action.endswith("/skip"))
    assert quick.press(here, step, reason="looked at it").is_redirect
    late = slow.post(step, data=stale[step].fields | {"reason": ["me too"]})
    assert late.status_code == 409
    assert 'role="alert"' in late.text
    assert "can&#39;t be skipped" in late.text
    assert LEDGER in text_of(late), "the page it was done on is shown again"


def test_denying_leaves_the_switch_paused(site: Site) -> None:
    incident = site.incident()
    site.settled(incident)
    visitor, here = site.visitor(), f"/incidents/{incident}"
    for step in site.get(here)["run"]["steps"]:
        if step["state"] == "failed":
            visitor.press(here, f"/steps/{step['step_id']}/skip", reason="not needed")
    tick = next(action for action in forms(visitor.get(here)) if action.endswith("/tick"))
    visitor.press(here, tick, done=forms(visitor.get(here))[tick].boxes)
    step = site.step_in(incident, "resume", "waiting")
    decide = f"/steps/{step['step_id']}/decide"
    assert visitor.press(here, decide, decision="deny", reason="the cause is unknown").is_redirect
    page = text_of(visitor.get(here))
    assert "denied by Rosa Okafor: the cause is unknown" in page
    assert "Credit transactions: paused" in page


def test_a_switch_is_held_and_released_by_hand(site: Site) -> None:
    visitor = site.visitor()
    held = visitor.press("/switches", f"/switches/{SWITCH}/hold", reason="odd balances")
    assert held.headers["location"] == f"/switches#switch-{SWITCH}"
    page = text_of(visitor.get("/switches"))
    assert "odd balances" in page
    assert "by Rosa Okafor" in page
    assert "1 hold" in page
    assert "Credit transactions: paused" in text_of(visitor.get("/incidents"))
    assert site.get(f"/switches/{SWITCH}")["state"] == "paused"
    released = visitor.press("/switches", f"/switches/{SWITCH}/release", reason="they add up")
    assert released.is_redirect
    assert site.get(f"/switches/{SWITCH}")["state"] == "running"
    assert "odd balances" not in visitor.get("/switches").text


def test_deliveries_tell_what_was_decided_and_can_be_replayed(site: Site) -> None:
    incident = site.incident()
    visitor = site.visitor()
    page = visitor.get("/deliveries")
    assert f'href="/incidents/{incident}"' in page.text
    assert "opened" in text_of(page)
    replayed = visitor.press("/deliveries", "/deliveries/1/replay")
    assert replayed.headers["location"] == "/deliveries#delivery-2"
    site.decision(2)
    assert 'href="#delivery-1"' in visitor.get("/deliveries").text


def test_lists_go_on_with_older_ones_and_filter_by_state(site: Site) -> None:
    sent = [site.send("installation", {"action": "created", "data": {"n": n}}) for n in range(51)]
    assert {answer.status_code for answer in sent} == {202}
    visitor = site.visitor()
    first = visitor.get("/deliveries")
    assert 'id="delivery-51"' in first.text
    assert 'id="delivery-1"' not in first.text
    second = visitor.get("/deliveries?cursor=2")
    assert 'href="?cursor=2"' in first.text
    assert 'id="delivery-1"' in second.text

    site.incident()
    assert LEDGER in visitor.get("/incidents?state=open").text
    resolved = visitor.get("/incidents?state=resolved")
    assert LEDGER not in resolved.text
    assert "No incident is resolved now" in text_of(resolved)


def test_static_files_change_their_address_with_their_content(quiet_site: Site) -> None:
    page = quiet_site.visitor().get("/incidents")
    href = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    style = quiet_site.stranger().get(href)
    assert style.headers["content-type"].startswith("text/css")
    assert "?v=" in href
