"""A backup of an installation while it runs, and its restoration on this machine or another one.

::

    BACKUP/amora.json    what it is: the form of the tables, when it was made, how much is in it
    BACKUP/tables/       the rows of all tables, as they were at one moment
    BACKUP/index/        the coverages that belong to these rows
    BACKUP/jobs/         products, uploads and logs of these jobs, where they are in a folder
    BACKUP/registry.json since when each record of the registry is as it is

The rows come first: each file that they name was there before they were. A job that is deleted while its files are
copied is left out of what is restored. Whoever changes the index waits until its rows and files are copied; nobody else
waits for anything.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from alembic import command

from index.copying import dump, is_empty, load
from index.database import Database
from jobs.database import config, newest, present, upgrade
from jobs.engine import Engine
from jobs.errors import AmoraError
from jobs.settings import Settings
from jobs.store import JobStore

FORMAT = 1
MANIFEST = "amora.json"
PASSING = ("worker", "office")
"""Tables that tell of running processes alone."""
RECORDS = "registry.json"
"""What else in the home folder cannot be made again. The maps of the sky can: ``amora index hips``."""


class BackupError(AmoraError):
    """The backup cannot be made, or cannot be restored here; the message says why."""


@dataclass(frozen=True)
class Copied:
    """What is in a backup."""

    jobs: int
    datasets: int
    files: int
    bytes: int
    missing: tuple[str, ...] = ()
    """Files that the database names and that are not there."""


def back_up(engine: Engine, target: Path, *, with_files: bool = True) -> Copied:
    """Make a backup in a folder that is not there yet.

    :param with_files: whether products, uploads and logs are copied; those in a bucket never are.
    :raises BackupError: the folder is there already.
    """
    if target.exists():
        raise BackupError(f"{target} is there already; name a folder that is not.")
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with engine.index.unchanged():
        counts = dump(engine.database, part / "tables", PASSING)
        source = engine.settings.folder / "index"
        if source.is_dir():
            shutil.copytree(source, part / "index", ignore=shutil.ignore_patterns("lock"))
    _copy(engine.settings.folder / RECORDS, part / RECORDS)
    store = JobStore(engine.database)
    folder = engine.jobs.files_folder if with_files else None
    files, size, gone, missing = 0, 0, set(), []
    if folder is not None:
        for job_id, key in store.kept_files():
            copied = _copy(folder / key, part / "jobs" / key)
            if copied is not None:
                files, size = files + 1, size + copied
            elif job_id in store.versions([job_id]):
                missing.append(key)
        gone = _copy_logs(folder, part, store)
    manifest = {
        "format": FORMAT,
        "amora": version("amora"),
        "form": present(engine.database),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": counts,
        "files": files if folder is not None else None,
        "bytes": size,
        "gone": sorted(gone),
    }
    (part / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    part.rename(target)  # what has no end is no backup
    return Copied(counts.get("job", 0), counts.get("dataset", 0), files, size, tuple(missing))


def _copy(source: Path, target: Path) -> int | None:
    """Copy a file and return its size; None if it is not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        return None
    return target.stat().st_size


def _copy_logs(folder: Path, part: Path, store: JobStore) -> set[str]:
    """Copy the logs of the jobs; return the jobs that have been deleted since the rows were read."""
    ids = [path.name for path in folder.iterdir()]
    existing = store.versions(ids)
    for job_id in existing:
        for log in (folder / job_id).glob("*.log"):
            _copy(log, part / "jobs" / job_id / log.name)
    copied = [path.name for path in (part / "jobs").iterdir()] if (part / "jobs").is_dir() else []
    return {job_id for job_id in copied if job_id not in store.versions([job_id])}


def restore(settings: Settings, source: Path) -> Copied:
    """Restore a backup into an installation that has no jobs and no datasets.

    The rows become visible all at once, at the end; killed before that, it can be begun again.

    :raises BackupError: it is no backup, of a newer version, or the installation is not empty.
    """
    try:
        manifest = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        written_as, form = manifest["format"], manifest["form"]
    except FileNotFoundError as error:
        raise BackupError(f"{source} is no backup: it has no {MANIFEST}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{source / MANIFEST} is damaged: {error}") from error
    database = Database(settings.database)
    try:
        database.check()
        if written_as != FORMAT or form > newest():
            raise BackupError(f"{source} was made by a newer version of Amora ({manifest.get('amora')}).")
        if not is_empty(database, PASSING):
            raise BackupError(
                f"the database {database.url} is not empty, and a backup is restored into an empty one: name "
                "another by AMORA_DATABASE_URL, or, without it, another AMORA_HOME."
            )
        for name, target in (("index", settings.folder / "index"), ("jobs", settings.folder / "jobs")):
            if (source / name).is_dir():
                shutil.copytree(source / name, target, dirs_exist_ok=True)
        _copy(source / RECORDS, settings.folder / RECORDS)
        if (here := present(database)) is not None and here > form:
            command.downgrade(config(database), form)
        command.upgrade(config(database), form)
        try:
            load(database, source / "tables")
        except (ValueError, EOFError, OSError) as error:
            raise BackupError(f"the backup is damaged: {error}") from error
        upgrade(database)
        store = JobStore(database)
        for job_id in manifest["gone"]:
            store.delete(job_id)
    finally:
        database.close()
    rows = manifest["rows"]
    return Copied(rows.get("job", 0) - len(manifest["gone"]), rows.get("dataset", 0), manifest["files"] or 0, 0)
