"""Accounts and tokens in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

import uws.store
from index.database import Database
from index.errors import DatabaseError
from jobs.errors import NotFoundError, ParameterError
from uws.accounts import PREFIX, Accounts
from uws.store import COARSE, AccountStore
from uws.tables import metadata


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'amora.sqlite'}")
    metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(AccountStore(database))


def test_an_account(accounts: Accounts):
    accounts.add("alice", "correct horse")
    accounts.add("root", None, admin=True)
    alice, root = accounts.list()
    assert (alice.name, alice.admin, alice.tokens) == ("alice", False, 0)
    assert (root.name, root.admin, root.password) == ("root", True, None)
    assert accounts.get("alice") == alice
    assert alice.password is not None
    assert "correct" not in alice.password
    assert alice.password not in repr(alice)
    accounts.set_password("alice", "battery staple")
    changed = accounts.get("alice")
    assert changed is not None
    assert changed.password != alice.password


def test_a_token_is_good_though_its_use_cannot_be_noted(
    accounts: Accounts, database: Database, monkeypatch: pytest.MonkeyPatch
):
    accounts.add("alice", None)
    token = accounts.add_token("alice", 1)

    def full() -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(database, "write", full)
    assert accounts.of_token(token) is not None


@pytest.mark.parametrize("name", ["", "a:b", " alice", "al ice", "-a", "a\n", "é", "x" * 65, "a\0"])
def test_a_name_must_fit_into_a_header(accounts: Accounts, name: str):
    with pytest.raises(ParameterError, match="NAME"):
        accounts.add(name, None)


def test_a_name_is_taken_once_and_a_password_is_not_short(accounts: Accounts):
    accounts.add("alice", None)
    with pytest.raises(ParameterError, match="already"):
        accounts.add("alice", None)
    with pytest.raises(ParameterError, match="at least 8") as refused:
        accounts.set_password("alice", "swordf")
    assert "swordf" not in str(refused.value)


def test_what_is_not_there(accounts: Accounts):
    for act in (accounts.remove, accounts.tokens, accounts.revoke):
        with pytest.raises(NotFoundError, match="nobody"):
            act("nobody")
    with pytest.raises(NotFoundError):
        accounts.add_token("nobody", 1)
    with pytest.raises(NotFoundError):
        accounts.set_password("nobody", "long enough")
    for name in ("nobody", "", "a\0b", "x" * 300):
        assert accounts.get(name) is None


def test_a_token_is_recognisable_long_and_not_kept(accounts: Accounts, database: Database):
    accounts.add("alice", None)
    token = accounts.add_token("alice", 7, "pipeline")
    assert token.startswith(PREFIX)
    assert len(token) >= len(PREFIX) + 43
    assert token != accounts.add_token("alice", 7)
    with database.read() as connection:
        dump = "\n".join(connection.connection.driver_connection.iterdump())
    assert "pipeline" in dump
    assert token not in dump
    assert token.removeprefix(PREFIX) not in dump


def test_a_token_ends_with_its_day_its_revocation_and_its_account(accounts: Accounts, monkeypatch: pytest.MonkeyPatch):
    accounts.add("alice", None, admin=True)
    token, other, third = (accounts.add_token("alice", days) for days in (1, 2, 2))
    account = accounts.of_token(token)
    assert account is not None
    assert (account.name, account.admin) == ("alice", True)
    assert accounts.of_token(token + "x") is None
    tomorrow = uws.store.to_ms(datetime.now(UTC) + timedelta(days=1, seconds=1))
    with monkeypatch.context() as later:
        later.setattr(uws.store, "now", lambda: tomorrow)
        assert accounts.of_token(token) is None
        assert accounts.of_token(other) is not None
    accounts.revoke(list(accounts.tokens("alice"))[1].id)
    left = [accounts.of_token(each) is not None for each in (token, other, third)]
    assert left.count(True) == 2
    accounts.remove("alice")
    assert [accounts.of_token(each) for each in (token, other, third)] == [None] * 3


def test_the_use_of_a_token_is_noted_once_an_hour(
    accounts: Accounts, database: Database, monkeypatch: pytest.MonkeyPatch
):
    accounts.add("alice", None)
    token = accounts.add_token("alice", 2)
    writes: list[str] = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda _c, _u, statement, *_: writes.append(statement) if statement.startswith("UPDATE") else None,
    )
    for _ in range(3):
        accounts.of_token(token)
    assert len(writes) == 1
    later = uws.store.now() + COARSE + 1
    monkeypatch.setattr(uws.store, "now", lambda: later)
    accounts.of_token(token)
    accounts.of_token(token)
    assert len(writes) == 2
    (listed,) = accounts.tokens()
    assert listed.used is not None
    assert uws.store.to_ms(listed.used) == later
