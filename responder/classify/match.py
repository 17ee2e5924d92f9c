"""Which area an alert is about, and why.

How `classify` decides, first answer first; within one step the most severe area wins, then the
evidence that came first, then the more specific pattern:

1. A metric rule by its **id**: somebody named exactly this one.
2. A metric rule's **aggregate**. What was measured says most: a slow P95 on a credits route is
   about performance, and no reason to stop credits.
3. **Frames** in a critical area.
4. **Messages** of a critical area. The app logs many failures as messages without a stack, whose
   only place is the route they came in by. `Failed to add credits` under a webhook's route is
   a credit failure, and a critical area missed costs more than one suspected in vain.
5. **Frames** in any other area, the newest leading: it names the code that failed, the older
   ones only the way there.
6. **Tags**, which somebody put there to say what it is.
7. Every **other place** the alert names: source files first (location, culprit), then
   transaction patterns, then what routes, transactions, URLs and metric queries lead to.
8. **Messages** of the other areas.
9. A metric rule's **name or query**.
10. The **project** it comes from.
11. Nothing matched: the area `default`.

An entry route that is critical doesn't outrank a frame elsewhere (3 and 5 come before 7): the
frame knows what failed, the route does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from responder.classify.areas import DEFAULT, Areas
from responder.classify.culprit import Candidate, candidates
from responder.classify.severity import Severity
from responder.classify.wildcards import contains, matches
from responder.receive.alert import Alert, Metric

MOST_PLACES = 20_000  # paths remembered before looking starts anew
NEARLY = 5  # other areas that are told of


@dataclass(frozen=True, slots=True)
class Match:
    """The area an alert is about.

    `found_in` is the part of the alert that decided: a candidate's, "message", "metric", "tag"
    or "project"; "" if there was nothing to go by. `path` is "" when no path decided. `reason`
    is a sentence, and so is each of `nearly`: what spoke for other areas.
    """

    area: str
    path: str
    found_in: str
    reason: str
    nearly: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Hit:
    """One pattern that matched one piece of evidence, put in words by `evidence`."""

    area: str
    severity: Severity
    pattern: str
    found_in: str
    evidence: str
    path: str = ""

    def describe(self) -> str:
        return f"{self.evidence} matched {self.area}: {self.pattern}"


def classify(alert: Alert, areas: Areas, roots: tuple[str, ...] = ()) -> Match:
    """Which area an alert is about, and why. The order is the module's docstring.

    `roots` are folders of a larger repository in which the app lies.
    """
    found = candidates(alert, roots)
    frames = list(_by_path((place for place in found if place.found_in == "frame"), areas))
    named = [place for place in found if place.found_in != "frame"]
    messages = list(_by_message(alert, areas))
    places = [
        *_by_path((place for place in named if place.sure), areas),
        *_by_transaction(alert, areas),
        *_by_path((place for place in named if not place.sure), areas),
    ]
    steps = (
        list(_by_metric_id(alert.metric, areas)),
        list(_by_metric_rule(alert.metric, areas, aggregate=True)),
        _critical(frames),
        _critical(messages),
        frames,
        list(_by_tag(alert, areas)),
        places,
        messages,
        list(_by_metric_rule(alert.metric, areas, aggregate=False)),
        list(_by_project(alert, areas)),
    )
    for hits in steps:
        if hits:
            return _worst(hits, [*frames, *places], [hit for step in steps for hit in step])
    if found:
        return Match(DEFAULT, found[0].path, found[0].found_in, "nothing matched")
    return Match(DEFAULT, "", "", "nothing matched, and the alert names no place in the app")


def _worst(hits: list[_Hit], places: list[_Hit], every: list[_Hit]) -> Match:
    """The most severe hit, the first among equals; says which place it was put before."""
    worst = max(hits, key=lambda hit: hit.severity.rank)
    reason = worst.describe()
    leading = places[0] if places else worst
    if leading.severity.rank < worst.severity.rank:
        reason += (
            f"; being {worst.severity} it goes before {leading.area}, "
            f"which {leading.evidence} matched"
        )
    others: dict[str, str] = {}
    for hit in every:
        if hit.area != worst.area:
            others.setdefault(hit.area, hit.describe())
    nearly = tuple(others.values())[:NEARLY]
    return Match(worst.area, worst.path, worst.found_in, reason, nearly)


def _critical(hits: Iterable[_Hit]) -> list[_Hit]:
    return [hit for hit in hits if hit.severity is Severity.CRITICAL]


def _by_path(places: Iterable[Candidate], areas: Areas) -> Iterator[_Hit]:
    for place in places:
        found = _area_of(place.path, areas)
        if found is not None:
            name, pattern = found
            severity = areas.root[name].severity
            yield _Hit(name, severity, pattern, place.found_in, _in_words(place), place.path)


def _area_of(path: str, areas: Areas) -> tuple[str, str] | None:
    """The area whose pattern is the most specific for a path, and that pattern.

    Remembered, for an app's alerts name the same few places again and again.
    """
    known = areas.places
    if path in known:
        return known[path]
    best: tuple[tuple[int, int], int, tuple[str, str]] | None = None
    for name, area in areas.root.items():
        found = area.path_patterns.best(path)
        if found is None:
            continue
        pattern, specificity = found
        if best is None or (specificity, area.severity.rank) > best[:2]:
            best = specificity, area.severity.rank, (name, pattern)
    if len(known) >= MOST_PLACES:
        known.clear()
    known[path] = best[2] if best else None
    return known[path]


def _in_words(place: Candidate) -> str:
    if place.sure:
        return f"{place.found_in} {place.path}"
    return f"{place.found_in} {place.detail[:200]} ({place.path})"


def _by_transaction(alert: Alert, areas: Areas) -> Iterator[_Hit]:
    for found_in, words in (("transaction", alert.transaction), ("culprit", alert.culprit)):
        _, _, without_method = words.partition(" ")
        for pattern, name, area in areas.longest_first("transactions"):
            if matches(pattern, words) or matches(pattern, without_method):
                yield _Hit(name, area.severity, pattern, found_in, f"{found_in} {words[:200]}")


def _by_message(alert: Alert, areas: Areas) -> Iterator[_Hit]:
    for pattern, name, area in areas.longest_first("messages"):
        for words in (alert.message, alert.title):
            if contains(pattern, words):
                yield _Hit(name, area.severity, pattern, "message", f"message “{words[:200]}”")
                break


def _by_tag(alert: Alert, areas: Areas) -> Iterator[_Hit]:
    for name, area in areas.root.items():
        for key, pattern in area.tags.items():
            value = alert.tags.get(key)
            if value is not None and matches(pattern, value):
                evidence = f"tag {key}: {value}"
                yield _Hit(name, area.severity, f"{key}: {pattern}", "tag", evidence)


def _by_project(alert: Alert, areas: Areas) -> Iterator[_Hit]:
    for project, name, area in areas.longest_first("projects"):
        if alert.project and alert.project == project:
            yield _Hit(name, area.severity, project, "project", f"project {project}")


def _by_metric_id(metric: Metric | None, areas: Areas) -> Iterator[_Hit]:
    for rule_id, name, area in areas.longest_first("metric_alerts") if metric else ():
        if metric and metric.rule_id == rule_id:
            yield _Hit(name, area.severity, rule_id, "metric", f"metric alert {rule_id}")


def _by_metric_rule(metric: Metric | None, areas: Areas, *, aggregate: bool) -> Iterator[_Hit]:
    if metric is None:
        return
    for pattern, name, area in areas.longest_first("metric_rules"):
        for words in (metric.aggregate,) if aggregate else (metric.rule, metric.query):
            if contains(pattern, words):
                evidence = f"metric rule “{metric.rule}” ({words[:200]})"
                yield _Hit(name, area.severity, pattern, "metric", evidence)
