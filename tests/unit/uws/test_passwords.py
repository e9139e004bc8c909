"""Passwords: the same work for each wrong one, and a right one hashed once a minute."""

from __future__ import annotations

import asyncio

import pytest
from argon2.exceptions import VerifyMismatchError

from jobs.errors import LimitError
from uws import passwords
from uws.attempts import FREE, LONGEST, Attempts
from uws.passwords import Passwords, hash_password


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stored hashes with which a password was compared."""
    compared: list[str] = []
    verify = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda stored, given: (compared.append(stored), verify(stored, given))[1])
    return compared


def test_it_is_argon2id_with_a_salt_of_its_own():
    assert hash_password("x").startswith("$argon2id$")
    assert hash_password("x") != hash_password("x")


def test_each_wrong_password_costs_one_hash_with_the_same_parameters(hashed: list[str]):
    stored, checker = hash_password("right"), Passwords()
    assert not asyncio.run(checker.right(stored, "wrong"))
    assert not asyncio.run(checker.right(None, "wrong"))
    assert len(hashed) == 2
    parameters = {entry.rsplit("$", 2)[0] for entry in hashed}
    assert len(parameters) == 1


def test_what_stands_for_no_account_is_compared_as_a_hash_of_ours():
    assert not passwords._hasher.check_needs_rehash(passwords._NOBODY)
    assert [len(part) for part in passwords._NOBODY.split("$")] == [len(part) for part in hash_password("x").split("$")]
    with pytest.raises(VerifyMismatchError):  # and not InvalidHashError, which takes no time
        passwords._hasher.verify(passwords._NOBODY, "wrong")


def test_a_right_one_is_remembered_until_it_is_changed(hashed: list[str]):
    stored, checker = hash_password("right"), Passwords()
    assert not checker.remembers(stored, "right")
    assert asyncio.run(checker.right(stored, "right"))
    assert checker.remembers(stored, "right")
    assert not checker.remembers(stored, "wrong")
    assert not checker.remembers(hash_password("right"), "right"), "set anew, the stored hash is another one"
    assert not checker.remembers(None, "right")
    assert len(hashed) == 1


def test_it_is_remembered_for_a_while_only(monkeypatch: pytest.MonkeyPatch):
    stored, checker = hash_password("right"), Passwords()
    assert asyncio.run(checker.right(stored, "right"))
    later = passwords.time.monotonic() + passwords.REMEMBERED
    monkeypatch.setattr("uws.passwords.time.monotonic", lambda: later)
    assert not checker.remembers(stored, "right")


def test_what_is_remembered_is_neither_the_password_nor_unbounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passwords, "CAPACITY", 2)
    monkeypatch.setattr(passwords, "_verify", lambda *_: True)
    checker = Passwords()
    for number in range(4):
        assert asyncio.run(checker.right("stored", f"password {number}"))
    assert len(checker._right) == 2
    assert checker.remembers("stored", "password 3")
    assert not checker.remembers("stored", "password 0")
    assert not any(b"password" in mark for mark in checker._right)


def test_a_flood_is_refused_and_not_queued_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passwords, "QUEUE", 3)
    monkeypatch.setattr(passwords, "_verify", lambda *_: False)

    async def flood() -> list[object]:
        checker = Passwords()
        return await asyncio.gather(*(checker.right(None, "x") for _ in range(20)), return_exceptions=True)

    answers = asyncio.run(flood())
    assert answers.count(False) == passwords.AT_ONCE + 3
    assert sum(isinstance(answer, LimitError) for answer in answers) == 15


def test_guessing_gets_slower_and_a_right_password_forgives(monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    monkeypatch.setattr("uws.attempts.time.monotonic", lambda: now)
    attempts, pauses = Attempts(), []
    for _ in range(FREE + 10):
        pauses.append(attempts.pause("alice", "192.0.2.1"))
        now += pauses[-1]
        attempts.failed("alice", "192.0.2.1")
    assert pauses[:FREE] == [0.0] * FREE
    assert pauses[FREE : FREE + 3] == [1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST
    assert attempts.pause("alice", "192.0.2.2") == 0.0
    assert attempts.pause("bob", "192.0.2.1") == 0.0
    attempts.succeeded("alice", "192.0.2.1")
    assert attempts.pause("alice", "192.0.2.1") == 0.0


def test_guessers_are_not_kept_without_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("uws.attempts.CAPACITY", 3)
    attempts = Attempts()
    for number in range(10):
        attempts.failed(str(number), "x")
    assert len(attempts._failures) == 3
