"""The commands ``amora users``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from uws.accounts import PREFIX
from uws.cli import amora


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMORA_HOME", str(tmp_path / "home"))


def _users(*words: str, line: str = "") -> Result:
    return CliRunner().invoke(amora, ["users", *words], input=line)


def test_an_account_from_its_making_to_its_end():
    assert _users("add", "alice", line="correct horse\n").output == "The account alice is added.\n"
    assert _users("add", "carol", "--admin", "--no-password").exit_code == 0
    assert _users("passwd", "carol", line="battery staple\n").exit_code == 0
    made = _users("token", "add", "alice", "--label", "nightly")
    assert re.fullmatch(PREFIX + r"[\w-]{43}\n", made.stdout), "the token alone is on standard output"
    header, alice, carol = _users("list").output.splitlines()
    assert header.split() == ["NAME", "ADMIN", "PASSWORD", "TOKENS", "CREATED"]
    assert alice.split()[:3] == ["alice", "yes", "1"]
    assert carol.split()[:4] == ["carol", "yes", "yes", "0"]
    listed = _users("token", "list").output
    assert made.stdout.strip() not in listed
    id_ = listed.splitlines()[1].split()[0]
    assert "nightly" in listed
    assert _users("token", "revoke", id_).exit_code == 0
    assert id_ not in _users("token", "list", "alice").output
    assert _users("remove", "alice").exit_code == 0
    assert "alice" not in _users("list").output


def test_limits_of_one_user():
    set_ = _users("limits", "alice", "--running", "2", "--disk", "1.5")
    assert [line.split() for line in set_.output.splitlines()] == [
        ["NAME", "RUNNING", "QUEUED", "DISK", "(GB)"],
        ["alice", "2", "1.5"],
    ]
    assert _users("limits", "alice", "--queued", "0").output.split()[5:] == ["alice", "2", "any", "1.5"]
    assert _users("limits", "", "--running", "1").output.split()[5:7] == ["(anonymous)", "1"]
    assert _users("limits").output.split()[7:] == ["alice", "2", "any", "1.5"]
    assert _users("limits", "alice", "--reset", "--running", "3").output.splitlines()[-1].split() == ["alice", "3"]
    assert "alice" not in _users("limits", "alice", "--reset").output


@pytest.mark.parametrize(
    ("words", "line", "says"),
    [
        (("add", "a b"), "long enough\n", "a b"),
        (("add", "alice"), "short\n", "at least 8"),
        (("add", "alice"), "", "at least 8"),
        (("passwd", "nobody"), "long enough\n", "nobody"),
        (("remove", "nobody"), "", "nobody"),
        (("token", "add", "nobody"), "", "nobody"),
        (("token", "list", "nobody"), "", "nobody"),
        (("token", "revoke", "nothing"), "", "nothing"),
        (("token", "add", "alice", "--days", "0"), "", "--days"),
        (("limits", "--running", "1"), "", "whose limits"),
        (("limits", "alice", "--running", "-1"), "", "--running"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], line: str, says: str):
    done = _users(*words, line=line)
    assert done.exit_code == 2
    assert says in done.stderr
    assert "short\n" not in done.stderr
