"""Every mistake in the folder is told where it is and how to mend it, all in one pass."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from responder.playbook.folder import load
from responder.playbook.source import ConfigurationError, Problem
from tests.in_process import DEFAULT_AREAS, SWITCHES, folder
from tests.responder_cli import responder
from tests.service import PLAYBOOKS

HEAD = "playbook: credits\ntitle: Credits\narea: credits\nsteps:\n"  # four lines
HOLD = "  - id: stop\n    action: switch.hold\n    switch: tips\n"  # three lines
RELEASE = "  - id: resume\n    action: switch.release\n    switch: tips\n    approval: {}\n"
GOOD = HEAD + HOLD + RELEASE
QUERY = "  - id: look\n    action: sql.report\n    database: kulti\n"
DATABASES = "databases:\n  kulti:\n    url_from: KULTI_DATABASE_URL\n"


def problems(where: Path) -> list[Problem]:
    with pytest.raises(ConfigurationError) as raised:
        load(where)
    assert str(raised.value) == "\n".join(map(str, raised.value.problems))
    return raised.value.problems


def test_the_folder_the_mistakes_are_put_in_is_right(tmp_path: Path) -> None:
    loaded = load(folder(tmp_path / "p", credits=GOOD, databases=DATABASES))
    assert [step.id for step in loaded.playbooks["credits"].playbook.steps] == ["stop", "resume"]


# The file to write, its text, and where and in which words the one mistake is told.
MISTAKES: dict[str, tuple[str, str, int, int, list[str]]] = {
    "unknown action": (
        "credits",
        HEAD + "  - id: stop\n    action: switch.hodl\n",
        6,
        5,
        ["no action switch.hodl", "switch.hold"],
    ),
    "unknown field": (
        "credits",
        GOOD + "    swich: tips\n",
        12,
        5,
        ["swich: no such field here; check its spelling"],
    ),
    "missing field": (
        "credits",
        HEAD + HOLD + RELEASE + "  - id: announce\n    action: chat.checklist\n",
        12,
        5,
        ["items: is missing"],
    ),
    "unknown switch": (
        "credits",
        HEAD + HOLD.replace("tips", "tipz") + RELEASE.replace("tips", "tipz"),
        7,
        5,
        ["tipz is not in switches.yaml, which has: tips"],
    ),
    "unknown database": (
        "credits",
        GOOD + QUERY + "    query: select 1\n",
        14,
        5,
        ["kulti is not in databases.yaml, which has: none"],
    ),
    "hold without release": (
        "credits",
        HEAD + HOLD,
        5,
        5,
        ["nothing releases tips again", "add a switch.release step with an approval"],
    ),
    "needs an unknown step": (
        "credits",
        GOOD + "    needs: [stopp]\n",
        12,
        5,
        ["step resume needs stopp, which is not a step before it"],
    ),
    "needs a later step": (
        "credits",
        HEAD + HOLD + "    needs: [resume]\n" + RELEASE,
        8,
        5,
        ["step stop needs resume, which is not a step before it"],
    ),
    "needs itself": (
        "credits",
        HEAD + HOLD + "    needs: [stop]\n" + RELEASE,
        8,
        5,
        ["step stop needs stop, which is not a step before it"],
    ),
    "two steps of one id": (
        "credits",
        GOOD + HOLD,
        12,
        5,
        ["two steps are called stop; give each its own id"],
    ),
    "no steps": ("credits", HEAD.replace("steps:", "steps: []"), 4, 1, ["steps: "]),
    "a step that is no step": ("credits", GOOD + "  - stop\n", 12, 5, ["steps.2: "]),
    "a number too large": (
        "credits",
        GOOD + "    retry: { attempts: 100 }\n",
        12,
        14,
        ["retry.attempts", "20"],
    ),
    "a duration that is none": (
        "credits",
        GOOD + "    timeout: soon\n",
        12,
        5,
        ["timeout", "soon"],
    ),
    "unknown area": ("credits", GOOD.replace("area: credits", "area: credit"), 3, 1, ["no area"]),
    "missing file": (
        "credits",
        GOOD + QUERY + "    query: file:sql/nowhere.sql\n",
        15,
        5,
        ["file:sql/nowhere.sql can't be read: there is no such file in this folder"],
    ),
    "a file outside the folder": (
        "credits",
        GOOD + QUERY + "    query: file:../outside.sql\n",
        15,
        5,
        ["file:../outside.sql can't be read: there is no such file in this folder"],
    ),
    "a file by its absolute path": (
        "credits",
        GOOD + QUERY + "    query: file:/etc/passwd\n",
        15,
        5,
        ["file:/etc/passwd can't be read: there is no such file in this folder"],
    ),
    "a file that is not UTF-8": (
        "credits",
        GOOD + QUERY + "    query: file:latin1.sql\n",
        15,
        5,
        ["latin1.sql can't be read", "utf-8"],
    ),
    "a switch that is a list": (
        "credits",
        HEAD + HOLD + RELEASE.replace("switch: tips", "switch: [tips]"),
        10,
        5,
        ["switch: "],
    ),
    "not YAML": ("credits", GOOD + "  - id: [\n", 13, 1, ["not YAML"]),
    "a tab": ("credits", HEAD + "\t- id: stop\n", 5, 1, ["not YAML"]),
    "duplicate keys": ("credits", GOOD + "    switch: other\n", 12, 5, ["not YAML", "duplicate"]),
    "an empty file": ("extra", "", 1, 1, ["expected `key: value` lines"]),
    "a list at top level": ("extra", "- a\n- b\n", 1, 1, ["expected `key: value` lines"]),
    "unknown top-level key": (
        "extra",
        "# which?\nswitch:\n  tips: {}\n",
        2,
        1,
        ["unknown `switch:`", "playbook, areas, switches, databases, contacts"],
    ),
    "areas without default": (
        "areas",
        DEFAULT_AREAS.replace("  default:", "  rest:"),
        2,
        1,
        ["there must be an area `default`"],
    ),
    "unknown driver": (
        "switches",
        SWITCHES.replace("builtin", "magic"),
        5,
        5,
        ["no driver magic; there are: builtin, http, postgres"],
    ),
    "wrong driver option": (
        "switches",
        SWITCHES + "    colour: red\n",
        6,
        5,
        ["colour: no such field here; check its spelling"],
    ),
    "missing driver option": (
        "switches",
        SWITCHES.replace("builtin", "http"),
        3,
        3,
        ["url: is missing"],
    ),
    "a driver's unknown database": (
        "switches",
        SWITCHES.replace("builtin", "postgres\n    database: app\n    guards: [a.b]"),
        6,
        5,
        ["app is not in databases.yaml, which has: none"],
    ),
    "two files with switches": (
        "more",
        "\n" + SWITCHES.strip(),
        2,
        1,
        ["`switches:` stands in", "already; keep one"],
    ),
    "an ignore rule's unknown area": (
        "noise",
        "ignore:\n  network:\n    messages: [NetworkError]\n    areas: [default, hmss]\n",
        4,
        5,
        ["there is no area hmss; there are: credits, default"],
    ),
    "an ignore rule that ignores nothing": (
        "noise",
        "ignore:\n  network:\n    areas: [default]\n",
        2,
        3,
        ["network: say what to ignore"],
    ),
    "an ignore rule that ignores everything": (
        "noise",
        "ignore:\n  network:\n    messages:\n      - NetworkError\n      - '*'\n",
        5,
        9,
        ["network.messages.1: '*' would match everything"],
    ),
    "an expression that is none": (
        "noise",
        "ignore:\n  network:\n    messages:\n      - '/(?=x)y/'\n",
        4,
        9,
        ["network.messages.0: '/(?=x)y/' is no RE2 expression"],
    ),
    "maintenance of an unknown area": (
        "noise",
        "maintenance:\n  m:\n    every: day 02:00\n    for: 1h\n    areas: [hms]\n",
        5,
        5,
        ["there is no area hms; there are: credits, default"],
    ),
    "maintenance in an unknown zone": (
        "noise",
        "maintenance:\n  m:\n    every: day 02:00\n    for: 1h\n    zone: Berlin\n",
        5,
        5,
        ["m.zone: no time zone Berlin; write one such as Europe/Berlin"],
    ),
    "an objective of an unknown area": (
        "objectives",
        "objectives:\n  o:\n    title: O\n    target: < 2s\n    area: hms\n",
        5,
        5,
        ["there is no area hms; there are: credits, default"],
    ),
    "an objective that names no area is one of performance": (
        "objectives",
        "objectives:\n  o:\n    title: O\n    target: < 2s\n",
        2,
        3,
        ["there is no area performance; there are: credits, default"],
    ),
    "an alarm that is no alarm": (
        "objectives",
        "objectives:\n  o:\n    title: O\n    area: default\n    target: < 2s\n    alarm: < 3s\n",
        2,
        3,
        ["`alarm` < 3s holds for figures that meet the target < 2s"],
    ),
    "a contact of an unknown area": (
        "contacts",
        "contacts:\n  - name: HMS\n    reach: x@example.com\n    areas: [hms]\n",
        4,
        5,
        ["there is no area hms; there are: credits, default"],
    ),
    "two areas that claim one path": (
        "areas",
        DEFAULT_AREAS.replace("severity: critical", "severity: medium\n    paths: ['lib/*/a.ts']")
        + "    paths: ['lib/?/a.ts']\n",
        2,
        1,
        ["credits and default both claim lib/x/a", "neither says more"],
    ),
    "two areas of one tag": (
        "areas",
        DEFAULT_AREAS.replace("severity: critical", "severity: critical\n    tags: { a: b }")
        + "    tags: { a: B }\n",
        2,
        1,
        ["credits and default both claim a: B in `tags`"],
    ),
    "two areas of one metric alert": (
        "areas",
        DEFAULT_AREAS.replace("severity: critical", 'severity: critical\n    metric_alerts: ["1"]')
        + '    metric_alerts: ["1"]\n',
        2,
        1,
        ["credits and default both claim 1 in `metric_alerts`"],
    ),
    "a metric alert's id that is a number": (
        "areas",
        DEFAULT_AREAS + "    metric_alerts: [88421]\n",
        12,
        21,
        ["default.metric_alerts.0"],
    ),
    "a database's URL in the file": (
        "databases",
        "databases:\n  kulti:\n    url_from: postgresql://me:secret@db/app\n",
        3,
        5,
        ["kulti.url_from"],
    ),
}


TWICE = {"unknown switch", "a switch that is a list"}  # with a step for each of hold and release


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_once_where_it_is_and_how_to_mend_it(
    mistake: str, tmp_path: Path
) -> None:
    name, text, line, column, words = MISTAKES[mistake]
    where = folder(tmp_path / "p", **{"credits": GOOD, name: text})
    (where / "latin1.sql").write_bytes("select 'caf\xe9'".encode("latin-1"))
    (tmp_path / "outside.sql").write_text("select 1")
    if name != "databases" and "kulti" in text and "unknown" not in mistake:
        (where / "databases.yaml").write_text(DATABASES)
    found = problems(where)
    told = [problem for problem in found if all(word in problem.text for word in words)]
    assert told, found
    assert len(found) == (2 if mistake in TWICE else 1), found
    # Which of two equal files is at fault depends on their names' order.
    file = "switches.yaml" if mistake == "two files with switches" else f"{name}.yaml"
    assert (told[0].file, told[0].line, told[0].column) == (file, line, column)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    where = folder(tmp_path / "p", credits=GOOD)
    (where / "credits.yaml").write_bytes(GOOD.replace("Credits", "Cr\xe9dits").encode("latin-1"))
    (found,) = problems(where)
    assert found.file == "credits.yaml"
    assert "utf-8" in found.text.lower()


def test_two_playbooks_of_one_name(tmp_path: Path) -> None:
    other = GOOD.replace("area: credits", "area: default")
    (found,) = problems(folder(tmp_path / "p", a=GOOD, b=other))
    assert str(found) == "b.yaml:1:1: a.yaml has this name already; rename one"


def test_two_playbooks_for_one_area(tmp_path: Path) -> None:
    other = GOOD.replace("playbook: credits", "playbook: others")
    (found,) = problems(folder(tmp_path / "p", a=GOOD, b=other))
    assert (found.file, found.line, found.column) == ("b.yaml", 3, 1)
    assert "a.yaml answers credits already" in found.text


def test_no_areas_at_all(tmp_path: Path) -> None:
    where = folder(tmp_path / "p", credits=GOOD)
    (where / "areas.yaml").unlink()
    (found,) = problems(where)
    assert "no file has `areas:`" in found.text


def test_no_folder_at_all(tmp_path: Path) -> None:
    (found,) = problems(tmp_path / "nowhere")
    assert "no such folder; set RESPONDER_PLAYBOOKS" in found.text


def test_the_mistakes_of_every_file_and_kind_are_told_in_one_pass(tmp_path: Path) -> None:
    found = problems(
        folder(
            tmp_path / "p",
            areas=DEFAULT_AREAS.replace("severity: medium", "severity: mild"),
            credits=HEAD + HOLD.replace("tips", "tipz") + "    timeout: soon\n",
            hms=GOOD.replace("switch.hold", "switch.hodl").replace(
                "playbook: credits", "playbook: h"
            )
            + "    needs: [nothing]\n",
            switches=SWITCHES.replace("builtin", "magic"),
            zebra="- 1\n",
        )
    )
    assert [problem.file for problem in found] == sorted(problem.file for problem in found)
    assert {(problem.file, problem.line) for problem in found} == {
        ("areas.yaml", 10),
        ("credits.yaml", 8),
        ("hms.yaml", 6),
        ("hms.yaml", 12),
        ("switches.yaml", 5),
        ("zebra.yaml", 1),
    }


def test_what_a_broken_file_may_hold_is_not_reported_as_missing(tmp_path: Path) -> None:
    (found,) = problems(folder(tmp_path / "p", credits=GOOD, switches="switches: [\n"))
    assert found.file == "switches.yaml"


def test_the_shipped_folder_is_all_well() -> None:
    done = responder("check")
    assert done.returncode == 0, done.stderr
    assert "7 playbooks, 7 areas, 1 switches: all well" in done.stdout


def test_check_tells_the_lines_and_ends_with_2(tmp_path: Path) -> None:
    where = tmp_path / "p"
    shutil.copytree(PLAYBOOKS, where)
    with (where / "credit-system-errors.yaml").open("a") as file:
        file.write("    colour: red\n")
    with (where / "databases.yaml").open("a") as file:
        file.write("  other: {}\n")
    done = responder("check", "--playbooks", str(where))
    assert done.returncode == 2
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first.startswith("credit-system-errors.yaml:")
    assert "colour: no such field here" in first
    assert second.startswith("databases.yaml:")
    assert "other.url_from: is missing" in second
