"""The commands ``amora check`` and ``amora db``: what an operator does for the health of an installation."""

# ruff: noqa: PLC0415 - a command imports what it needs, so that `amora --help` answers at once

from __future__ import annotations

from pathlib import Path

import click

from uws.terminal import FAILED, engine_of, mistakes, plural, read_settings


@click.command()
def check() -> None:
    """Find out what is wrong here, and how to mend it.

    Run it as the service's user, with the service's settings, on each machine. It changes nothing. Each line is ok, a
    warning or a problem; with a problem the exit code is 1.

    \b
    Example:
      amora check
    """
    from uws import installation

    problems = 0
    for finding in installation.settings_and_all():
        problems += finding.level == "problem"
        click.echo(f"{finding.level:8}  {finding.what}: {finding.message}")
        if finding.cure:
            click.echo(f"{'':10}{finding.cure}")
    if problems:
        raise click.exceptions.Exit(FAILED)


@click.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade", short_help="Bring the database to the tables of this version.")
def db_upgrade() -> None:
    """Bring the database to the tables of this version; with SQLite the service does so by itself.

    \b
    Example:
      AMORA_DATABASE_URL=postgresql://amora@db/amora amora db upgrade
    """
    with mistakes():
        from index.database import Database
        from jobs.database import upgrade

        upgrade(Database(read_settings().database))
        click.echo("The database is up to date.")


@db.command("current", short_help="Show the form of the database's tables.")
def db_current() -> None:
    """Show which form the tables have, and which this version needs; exit 1 if these differ.

    \b
    Example:
      amora db current
    """
    with mistakes():
        from index.database import Database
        from jobs.database import newest, present

        database = Database(read_settings().database)
        database.check()
        here, head = present(database), newest()
        database.close()
        click.echo(f"The database has {f'the form {here}' if here else 'no tables yet'}; this version needs {head}.")
    if here != head:
        raise click.exceptions.Exit(FAILED)


@db.command("backup", short_help="Back up database, index and files while the service runs.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--rows-only", is_flag=True, help="Leave out products, uploads and logs.")
def db_backup(folder: Path, rows_only: bool) -> None:
    """Back up database, index, products, uploads and logs into a new FOLDER, while the service runs.

    Files in a bucket are left where they are. Exits 1 if a file that the database names is not there; the backup has
    all others.

    \b
    Example:
      amora db backup /backup/amora-$(date +%F)
    """
    with mistakes():
        from jobs.backup import back_up

        with engine_of(read_settings()) as engine:
            copied = back_up(engine, folder, with_files=not rows_only)
        click.echo(
            f"{copied.jobs} job{plural(copied.jobs)}, {copied.datasets} dataset{plural(copied.datasets)} and "
            f"{copied.files} file{plural(copied.files)} ({copied.bytes / 2**20:.1f} MiB) are in {folder}."
        )
        for key in copied.missing[:20]:
            click.echo(f"not there: {key}", err=True)
    if copied.missing:
        raise click.exceptions.Exit(FAILED)


@db.command("restore", short_help="Restore a backup into an empty installation.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def db_restore(folder: Path) -> None:
    """Restore the backup in FOLDER into an installation that has nothing yet, of this or an older version.

    It may have another kind of database than the backup came from: so an embedded service moves to PostgreSQL. Start
    the service afterwards; jobs that had not ended go on.

    \b
    Example:
      AMORA_HOME=/srv/amora amora db restore /backup/amora-2026-03-01
    """
    with mistakes():
        from jobs.backup import restore

        copied = restore(read_settings(), folder)
        click.echo(
            f"{copied.jobs} job{plural(copied.jobs)}, {copied.datasets} dataset{plural(copied.datasets)} and "
            f"{copied.files} file{plural(copied.files)} are restored; `amora check` looks at what it has become."
        )
