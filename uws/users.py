"""The commands ``amora users``: accounts, limits and tokens."""

# ruff: noqa: PLC0415 - a command imports what it needs, so that `amora --help` answers at once

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from uws.terminal import Mistake, mistakes, plural, read_settings, table

if TYPE_CHECKING:
    from index.database import Database
    from uws.accounts import Accounts


@click.group(short_help="Accounts, limits of users, tokens for programs.")
def users() -> None:
    """Say who has an account and how much each may have, and make tokens for programs."""


@users.command("add")
@click.argument("name")
@click.option("--admin", is_flag=True, help="May see and change the jobs of everybody.")
@click.option("--no-password", is_flag=True, help="Comes in by tokens, by OpenID Connect or by the proxy alone.")
def users_add(name: str, admin: bool, no_password: bool) -> None:
    """Add an account called NAME. The password is asked for, or read from standard input.

    \b
    Examples:
      amora users add alice
      amora users add carol --admin --no-password
    """
    with _accounts() as accounts:
        accounts.add(name, None if no_password else _password(), admin=admin)
        click.echo(f"The account {name} is added.")


@users.command("list")
def users_list() -> None:
    """List the accounts.

    \b
    Example:
      amora users list
    """
    from uws.times import format_instant

    with _accounts() as accounts:
        table(
            ("NAME", "ADMIN", "PASSWORD", "TOKENS", "CREATED"),
            (
                (
                    account.name,
                    "yes" if account.admin else "",
                    "yes" if account.password else "",
                    str(account.tokens),
                    format_instant(account.created),
                )
                for account in accounts.list()
            ),
        )


@users.command("passwd")
@click.argument("name")
def users_passwd(name: str) -> None:
    """Change the password of NAME. It is asked for, or read from standard input; the old one is refused at once.

    \b
    Example:
      amora users passwd alice
    """
    with _accounts() as accounts:
        if accounts.get(name) is None:
            raise Mistake(f"there is no account {name}; `amora users list` shows them")
        accounts.set_password(name, _password())
        click.echo(f"The password of {name} is changed.")


@users.command("admin", short_help="Make somebody an administrator, or no more.")
@click.argument("name")
@click.option("--revoke", is_flag=True, help="Take it back.")
def users_admin(name: str, revoke: bool) -> None:
    """Make NAME an administrator, who may see and change the jobs of everybody and use the desk at /admin.

    \b
    Examples:
      amora users admin alice
      amora users admin alice --revoke
    """
    with _accounts() as accounts:
        accounts.set_admin(name, admin=not revoke)
        click.echo(f"The account {name} is {'no more' if revoke else 'now'} one of an administrator.")


@users.command("remove")
@click.argument("name")
def users_remove(name: str) -> None:
    """Remove the account NAME and its tokens, which are refused at once.

    Its jobs stay until their destruction, and are of whoever is called NAME by then.

    \b
    Example:
      amora users remove alice
    """
    with _accounts() as accounts:
        accounts.remove(name)
        click.echo(f"The account {name} is removed.")


@users.command("limits", short_help="Show or set the limits of single users.")
@click.argument("name", required=False)
@click.option("--running", type=click.IntRange(0, 999_999_999), help="Tasks that may run at once.")
@click.option("--queued", type=click.IntRange(0, 999_999_999), help="Tasks that may wait.")
@click.option("--disk", type=click.FloatRange(0, 999_999_999), help="GB with which more jobs may still be run.")
@click.option("--reset", is_flag=True, help="Take back first what is set: as for everybody.")
def users_limits(name: str | None, running: int | None, queued: int | None, disk: float | None, reset: bool) -> None:
    """Set the limits of NAME, where those of everybody (AMORA_USER_RUNNING and so on) are not to hold; show all.

    0 stands for any number, the NAME '' for all anonymous users together. What runs or waits already is left alone.

    \b
    Examples:
      amora users limits
      amora users limits alice --running 8 --disk 500
      amora users limits alice --reset
    """
    with _database() as database:
        from jobs.store.desk import DeskStore, Quota

        desk = DeskStore(database)
        given = {"running": running, "queued": queued, "disk": None if disk is None else round(disk * 10**9)}
        given = {what: most for what, most in given.items() if most is not None}
        if name is not None:
            before = Quota() if reset else desk.quotas().get(name, Quota())
            desk.set_quota(name, replace(before, **given))
        elif given or reset:
            raise Mistake("say whose limits are meant; '' for those of all anonymous users")
        table(
            ("NAME", "RUNNING", "QUEUED", "DISK (GB)"),
            (
                (owner or "(anonymous)", _limit(quota.running), _limit(quota.queued), _limit(quota.disk, 10**9))
                for owner, quota in sorted(desk.quotas().items())
            ),
        )


def _limit(most: int | None, unit: int = 1) -> str:
    return "" if most is None else f"{most / unit:.10g}" if most else "any"


@users.group("token")
def token() -> None:
    """Make, list and revoke tokens, with which programs come in."""


@token.command("add")
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="How long it is good.")
@click.option("--label", default="", help="What it is for.")
def token_add(name: str, days: int, label: str) -> None:
    """Make a token for NAME and print it. It is shown this once; only its hash is kept.

    \b
    Example:
      amora users token add alice --days 30 --label "nightly pipeline"
    """
    with _accounts() as accounts:
        made = accounts.add_token(name, days, label)
        click.echo(f"A token of {name}, good for {days} day{plural(days)}:", err=True)
        click.echo(made)


@token.command("list")
@click.argument("name", required=False)
def token_list(name: str | None) -> None:
    """List the tokens, or those of NAME.

    \b
    Example:
      amora users token list alice
    """
    from uws.times import format_instant

    with _accounts() as accounts:
        table(
            ("TOKEN", "NAME", "EXPIRES", "LAST USED", "LABEL"),
            (
                (
                    listed.id,
                    listed.account,
                    format_instant(listed.expires),
                    format_instant(listed.used)[:13],
                    listed.label,
                )
                for listed in accounts.tokens(name)
            ),
        )


@token.command("revoke")
@click.argument("id_", metavar="TOKEN")
def token_revoke(id_: str) -> None:
    """Revoke TOKEN, named as in the list; it is refused at once.

    \b
    Example:
      amora users token revoke 1f3a9c20
    """
    with _accounts() as accounts:
        accounts.revoke(id_)
        click.echo(f"The token {id_} is revoked.")


@contextmanager
def _database() -> Iterator[Database]:
    """Give the database of the settings."""
    with mistakes():
        from index.database import Database
        from jobs.database import upgrade

        database = Database(read_settings().database)
        try:
            upgrade(database)
            yield database
        finally:
            database.close()


@contextmanager
def _accounts() -> Iterator[Accounts]:
    """Give the accounts in it."""
    with _database() as database:
        from uws.accounts import Accounts
        from uws.store import AccountStore

        yield Accounts(AccountStore(database))


def _password() -> str:
    """Ask for a password, twice; where nobody can be asked, read one line."""
    if sys.stdin.isatty():
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    return sys.stdin.readline().rstrip("\r\n")
