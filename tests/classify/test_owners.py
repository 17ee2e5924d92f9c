"""Who owns a path: the last line that fits decides, as on GitHub."""

from __future__ import annotations

from pathlib import Path

import pytest

from responder.classify.owners import parse_owners
from responder.playbook.folder import load
from responder.playbook.source import ConfigurationError
from tests.in_process import folder

FILE = """\
# everybody's
*                      @kulti/all

/lib/                  @kulti/core   # a comment
lib/credits/**         @kulti/money ann@example.com
lib/credits/legacy/
docs/*                 @kulti/docs
*.sql                  @kulti/dba
app/session/[id]/      @kulti/video
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("README.md", "@kulti/all"),
        ("some/deep/folder/x.ts", "@kulti/all"),
        ("lib/auth/session.ts", "@kulti/core"),
        ("other/lib/auth/session.ts", "@kulti/all"),  # anchored by its slash
        ("lib/credits/service.ts", "@kulti/money ann@example.com"),
        ("lib/credits/service", "@kulti/money ann@example.com"),  # a module has no extension
        ("src/lib/credits/service.ts", "@kulti/money ann@example.com"),
        ("lib/credits/legacy/old.ts", ""),  # a line without owners takes them away
        ("docs/start.md", "@kulti/docs"),
        ("docs/build/trouble.md", "@kulti/all"),  # `docs/*` is only what is in it itself
        ("app/session/[id]/page.tsx", "@kulti/video"),
        ("app/session/i/page.tsx", "@kulti/all"),
        ("", ""),
    ],
)
def test_the_last_line_that_fits_decides(path: str, owners: str) -> None:
    assert parse_owners(FILE).of(path) == owners


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("lib/a.js", "@js"),
        ("lib/a.ts", "@ts"),
        ("lib/a.tsx", "@all"),
        ("lib/a.sql", "@all"),
        ("middleware.ts", "@edge"),
        ("lib/middleware", "@edge"),  # a module, which has none
    ],
)
def test_an_extension_is_what_a_line_may_be_about(path: str, owners: str) -> None:
    assert parse_owners("* @all\n*.js @js\n*.ts @ts\nmiddleware.ts @edge").of(path) == owners


def test_the_order_of_the_file_counts_and_not_how_much_a_line_says() -> None:
    assert parse_owners("lib/credits/** @a\nlib/** @b\n").of("lib/credits/x.ts") == "@b"
    assert parse_owners("lib/** @b\nlib/credits/** @a\n").of("lib/credits/x.ts") == "@a"


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "   # nothing @a\n", "\t#\n"])
def test_a_file_that_names_nobody(text: str) -> None:
    assert parse_owners(text).of("lib/x.ts") == ""


def test_comments_may_follow_a_tab_and_a_hash_may_be_in_a_name() -> None:
    assert parse_owners("lib/**\t@a\t# @b").of("lib/x.ts") == "@a"
    assert parse_owners("lib/c#/** @a").of("lib/c#/x.ts") == "@a"
    assert parse_owners("\ufefflib/** @a\r\n").of("lib/x.ts") == "@a"


@pytest.mark.parametrize(
    ("line", "says"), [("/ @a", "no path pattern"), ("!lib/** @a", "has no `!`")]
)
def test_a_line_that_can_t_be_read_is_named(line: str, says: str, tmp_path: Path) -> None:
    text = f"* @all\n\n{line}\n"
    with pytest.raises(ValueError, match=r"^line 3: ") as caught:
        parse_owners(text)
    assert says in str(caught.value)
    where = folder(tmp_path / "p")
    (where / "CODEOWNERS").write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load(where)
    (problem,) = refused.value.problems
    assert problem.file == "CODEOWNERS"
    assert says in problem.text


def test_the_folder_s_file_is_used(tmp_path: Path) -> None:
    where = folder(tmp_path / "p")
    assert load(where).owners.of("lib/x.ts") == ""
    (where / "CODEOWNERS").write_text("lib/** @a\n")
    assert load(where).owners.of("lib/x.ts") == "@a"
