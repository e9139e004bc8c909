"""Finds out what is wrong with an installation, and says how to mend it: ``amora check``.

Each check looks at one thing, changes nothing and yields what it found. One that cannot be made because an earlier one
failed (no database, no index) is left out: the earlier finding says what to mend first.
"""

from __future__ import annotations

import difflib
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError

from index.database import Database
from index.errors import CoverageError, DatabaseError
from jobs.database import newest, present
from jobs.errors import StorageError
from jobs.queue import open_queue
from jobs.registry import Registry
from jobs.sandbox import Sandbox
from jobs.storage import open_storage
from uws.settings import Settings

if TYPE_CHECKING:
    from jobs.engine import Engine

Level = Literal["ok", "warning", "problem"]

SAMPLE = 50
"""How many products and datasets are looked at."""
SKEW = 2.0
"""Seconds that two clocks may differ."""
OPEN_FILES = 4096
"""Fewer than this limits how many clients can wait at once."""
NETWORKED = ("nfs", "cifs", "smb", "fuse.sshfs", "ceph", "glusterfs", "lustre", "9p")
OLDEST_POSTGRESQL = 13
OLDEST_REDIS = 5


@dataclass(frozen=True)
class Finding:
    """What one look found."""

    level: Level
    what: str
    message: str
    cure: str = ""


def ok(what: str, message: str) -> Finding:
    """Return that something is well."""
    return Finding("ok", what, message)


def settings_and_all() -> Iterator[Finding]:
    """Read the settings, and look at everything if they can be used."""
    try:
        settings = Settings()
    except ValidationError as error:
        for wrong in error.errors():
            yield unusable(wrong["type"], str(wrong["loc"][0]), wrong.get("input"), wrong["msg"])
        yield from (finding for finding in stray_variables() if finding.level != "ok")
    except ValueError as error:  # the decoding of TOML, or of its characters
        yield Finding("problem", "settings", f"amora.toml cannot be read: {error}.", "Correct the file.")
    else:
        yield from examine(settings)


def unusable(kind: str, name: str, given: object, message: str) -> Finding:
    """Return what is wrong with a setting; its value is told only where it cannot be a secret."""
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        return Finding(
            "problem",
            "settings",
            f"amora.toml: there is no setting {name}.",
            f"Did you mean {near[0]}?" if near else "Remove it; docs/settings.md lists the settings.",
        )
    variable = f"AMORA_{name.upper()}"
    where = variable if variable in os.environ else f"amora.toml: {name}"
    reason = message.removeprefix("Value error, ").replace("Input should", "it should")
    shown = "" if name.endswith(("token", "url")) else f"{given!r} was given; "
    return Finding("problem", "settings", f"{where}: {shown}{reason}.", "Correct it; docs/settings.md describes it.")


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything."""
    yield from stray_variables()
    yield from home(settings)
    yield from machine()
    yield from scripts(settings)
    yield from sandbox(settings)
    yield from broker(settings)
    database = None
    try:
        database = Database(settings.database)
        database.check()
    except (DatabaseError, OSError) as error:
        yield Finding(
            "problem",
            "database",
            f"{error}.",
            "Start it, or correct AMORA_DATABASE_URL (user, password, host, port, name of the database).",
        )
        return
    finally:
        if database is not None:
            database.close()
    try:
        yield from tables(settings)
    except DatabaseError as error:
        yield Finding(
            "problem", "database", f"{error}.", "See what its own log says; if it is damaged: `amora db restore`."
        )


def stray_variables() -> Iterator[Finding]:
    """Find AMORA_* variables that no setting has: a typing error keeps a default without a word."""
    known = {f"AMORA_{name.upper()}" for name in Settings.model_fields}
    stray = sorted(name for name in os.environ if name.startswith("AMORA_") and name.upper() not in known)
    for name in stray:
        near = difflib.get_close_matches(name.upper(), known, 1)
        yield Finding(
            "warning",
            "settings",
            f"{name} is no setting and has no effect.",
            f"Did you mean {near[0]}?" if near else "Remove it; docs/settings.md lists the settings.",
        )
    if not stray:
        yield ok("settings", "All can be used, and no AMORA_* variable is misspelt.")


def home(settings: Settings) -> Iterator[Finding]:
    """Look at the home folder: whether files can be made there, how much room there is, on what disk it is."""
    folder = settings.folder
    where = f"{folder} or {settings.storage_url}" if settings.storage_url else str(folder)
    try:
        free = open_storage(folder, settings.storage_url).check()
    except StorageError as error:
        yield Finding("problem", "storage", f"{error}.", "Correct AMORA_STORAGE_URL and the AWS_* variables.")
        return
    except OSError as error:
        yield Finding(
            "problem",
            "home folder",
            f"Nothing can be written in {where}: {error.strerror}.",
            "Make it writable for the user the service runs as, or set AMORA_HOME or AMORA_STORAGE_URL to what is.",
        )
        return
    yield ok("home folder", f"{folder} can be written.")
    yield from room(free, settings.min_free)
    if settings.database_url is None and (kind := _file_system(folder)).startswith(NETWORKED):
        yield Finding(
            "problem",
            "home folder",
            f"{folder} is on a file system of the network ({kind}), on which SQLite loses data.",
            "Use a local disk, or PostgreSQL by AMORA_DATABASE_URL.",
        )


def room(free: int, watermark: int) -> Iterator[Finding]:
    """Compare the free disk with the watermark."""
    told = f"{free / 2**30:.1f} GiB are free; below {watermark / 2**30:.1f} GiB no job is accepted."
    if free < watermark:
        yield Finding("problem", "disk", told, "Make room, shorten AMORA_RETENTION, or lower AMORA_MIN_FREE.")
    elif free < max(3 * watermark, 2**30):
        yield Finding("warning", "disk", told, "Make room before it is needed, or shorten AMORA_RETENTION.")
    else:
        yield ok("disk", told)


def machine() -> Iterator[Finding]:
    """Look at what the system lets this process have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        yield Finding(
            "warning",
            "open files",
            f"A process may have {hard} open files, so few clients can wait at once.",
            "Raise the limit: LimitNOFILE=65536 in the systemd unit, ulimits in docker-compose.yml, or ulimit -n.",
        )
    else:
        yield ok("open files", "The limit is high enough.")
    if os.geteuid() == 0:
        yield Finding(
            "warning",
            "user",
            "This runs as root, and so would the scripts.",
            "Run the service as a user of its own, as the systemd units and the Dockerfile do.",
        )
    else:
        yield ok("user", "It does not run as root.")


def scripts(settings: Settings) -> Iterator[Finding]:
    """Load all scripts."""
    registry = Registry(settings.script_folders)
    for reason in registry.broken.values():
        yield Finding("problem", "scripts", reason, "Mend the script (`amora scripts check`) or take its folder away.")
    if registry.names():
        yield ok("scripts", f"On offer: {', '.join(registry.names())}.")
    else:
        yield Finding("problem", "scripts", "None can be offered.", "Set AMORA_SCRIPTS to a folder of scripts.")


def sandbox(settings: Settings) -> Iterator[Finding]:
    """Look at what keeps scripts away from the rest of this machine."""
    protection = Sandbox(settings.sandbox, settings.folder).protection
    if protection.sandboxed:
        yield ok("sandbox", protection.message)
        return
    yield Finding(
        "problem" if protection.wanted else "warning",
        "sandbox",
        f"{protection.message} They can use the network and read what the service's user can read.",
        "Set AMORA_SANDBOX=auto."
        if settings.sandbox == "off"
        else "Install bubblewrap (apt-get install bubblewrap) and let the service's user make user namespaces. A "
        "container without leave to do so, a systemd unit that hides parts of /proc or forbids AF_NETLINK, and "
        "kernel.apparmor_restrict_unprivileged_userns=1 forbid it.",
    )


def broker(settings: Settings) -> Iterator[Finding]:
    """Ask Redis, where there is to be one."""
    if settings.redis_url is None:
        yield ok("queue", "It is in memory; the service does the tasks itself.")
        if settings.database_url is not None and settings.database_url.startswith("postgres"):
            yield Finding(
                "warning",
                "queue",
                "With PostgreSQL and without Redis, each service does tasks itself, and no `amora worker` can help.",
                "Set AMORA_REDIS_URL.",
            )
        return
    queue = open_queue(lambda _: None, settings.redis_url)
    try:
        told = queue.describe()
    except OSError as error:
        yield Finding(
            "problem",
            "queue",
            f"Redis does not answer: {error}.",
            "Start it, or correct AMORA_REDIS_URL. Nothing is lost: jobs wait until it is back.",
        )
        return
    finally:
        queue.stop(0)
    version = told.get("redis_version", "")
    if int(version.partition(".")[0] or OLDEST_REDIS) < OLDEST_REDIS:
        yield Finding("problem", "queue", f"Redis is version {version}.", f"Use version {OLDEST_REDIS} or newer.")
    else:
        # What it holds are calls, which the sweeper makes again: it needs neither persistence nor a policy of eviction.
        yield ok("queue", f"Redis {version} answers; what it holds may be lost at any time without harm.")


def tables(settings: Settings) -> Iterator[Finding]:
    """Look at the database, and at all that can be seen only with its help."""
    from jobs.engine import Engine  # noqa: PLC0415 - it cannot be made without a database

    database = Database(settings.database)
    try:
        here, head = present(database), newest()
        if here != head:
            yield outdated(here, head)
            return
        yield ok("tables", f"The database has the form of this version, {head}.")
        yield from server(database)
    finally:
        database.close()
    engine = Engine(settings)
    try:
        yield from files(engine)
        yield from index(engine)
        yield from workers(engine, settings)
    finally:
        engine.stop()
    yield from registered(settings)
    yield from address(settings)


def outdated(here: str | None, head: str) -> Finding:
    """Return what is to be done about a database of another form than this version needs."""
    if here is not None and here > head:
        return Finding(
            "problem",
            "tables",
            f"The database has the form {here}, and this version needs {head}: it belongs to a newer version.",
            "Install that version.",
        )
    return Finding(
        "problem",
        "tables",
        f"The database has the form {here}, and this version needs {head}." if here else "It has no tables yet.",
        "Make a backup (`amora db backup`), then run `amora db upgrade`." if here else "Run `amora db upgrade`.",
    )


def server(database: Database) -> Iterator[Finding]:
    """Look at version, connections and clock of the database's server."""
    told = database.describe()
    if told.trouble:
        yield Finding("problem", "database", told.trouble, "Restore a backup: `amora db restore`.")
    elif told.major is not None and told.major < OLDEST_POSTGRESQL:
        yield Finding(
            "problem", "database", f"It is {told.name}.", f"Use PostgreSQL {OLDEST_POSTGRESQL} or a newer one."
        )
    else:
        yield ok("database", f"{told.name} answers.")
    if told.connections is not None:
        used, most = told.connections
        if most - used < told.wanted:
            yield Finding(
                "warning",
                "connections",
                f"{used} of {most} connections are in use, and each process may want {told.wanted}.",
                "Raise max_connections of PostgreSQL, or run fewer processes.",
            )
        else:
            yield ok("connections", f"{used} of {most} connections to the database are in use.")
    skew = abs(told.clock - told.asked)
    if skew > SKEW:
        yield Finding(
            "problem" if skew > 5 * SKEW else "warning",
            "clock",
            f"The clocks of this machine and of the database differ by {skew:.1f} s.",
            "Keep the clocks of all machines by NTP (chrony, systemd-timesyncd).",
        )
    elif told.connections is not None:
        yield ok("clock", "This machine's clock agrees with the database's.")


def files(engine: Engine) -> Iterator[Finding]:
    """Look whether some of the newest products are where the database says."""
    lost, seen = engine.jobs.lost_products(SAMPLE)
    if lost:
        yield Finding(
            "problem",
            "products",
            f"{len(lost)} of the {seen} newest products are not there, e.g. {lost[0]}.",
            "The machines do not share one home folder or storage: set the same AMORA_HOME or AMORA_STORAGE_URL "
            "for all of them, or restore the files of the backup that the database came from.",
        )
    else:
        yield ok("products", f"The {seen} newest products are there." if seen else "There are none yet.")


def index(engine: Engine) -> Iterator[Finding]:
    """Read the whole index, and look whether the files of some datasets can be read here."""
    try:
        engine.index.verify()
    except (CoverageError, OSError) as error:
        yield Finding("problem", "index", f"It is damaged: {error}.", "Run `amora index rebuild`.")
        return
    count = engine.index.count()
    if not count:
        yield Finding("warning", "index", "It is empty.", "Add observations: `amora index add FOLDER`.")
        return
    yield ok("index", f"All its checksums are right; it has {count} datasets.")
    step = max(1, count // SAMPLE)
    unreadable = [
        str(file.path)
        for dataset in islice(engine.index.datasets(), 0, None, step)
        for file in dataset.files
        if file.address is None and not os.access(file.path, os.R_OK)
    ]
    if unreadable:
        yield Finding(
            "problem",
            "observations",
            f"Files of the observations cannot be read here, e.g. {unreadable[0]}.",
            "Mount the archive at the same place on every machine, readable for the service's user.",
        )
    else:
        yield ok("observations", "Their files can be read here.")


def workers(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """Look who does tasks."""
    slots = engine.jobs.slots()
    if slots:
        yield ok("workers", f"{slots} tasks can be done at once.")
    elif settings.redis_url is not None:
        yield Finding(
            "problem",
            "workers",
            "No worker runs, so jobs stay QUEUED.",
            "Start `amora worker` (systemctl start amora-worker@1) with the same settings as the service.",
        )
    else:
        yield Finding("warning", "workers", "The service does not run.", "Start it: `amora serve`.")


def address(settings: Settings) -> Iterator[Finding]:
    """Ask the service by the address that clients get to see."""
    import httpx  # noqa: PLC0415 - only here

    base = settings.base
    if settings.public_url is None and settings.host not in ("127.0.0.1", "::1", "localhost"):
        yield Finding(
            "warning",
            "address",
            f"The service listens on {settings.host}, and clients are told {base}.",
            "Set AMORA_PUBLIC_URL to the address that clients use.",
        )
    if urlsplit(base).port == 0:
        return
    try:
        answer = httpx.get(f"{base}/capabilities", timeout=10, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield Finding(
            "warning",
            "address",
            f"Nobody answers at {base}: {error}.",
            "Start the service, or correct AMORA_PUBLIC_URL and what is in front of it.",
        )
        return
    if answer.status_code != 200 or f'"{base}/' not in answer.text.replace(">", '"') or "VOSI" not in answer.text:
        yield Finding(
            "problem",
            "address",
            f"What answers at {base} (status {answer.status_code}) does not hand out that address.",
            "Set AMORA_PUBLIC_URL of the running service to it, and have the proxy pass the path on unchanged.",
        )
    else:
        yield ok("address", f"The service answers at {base}.")


def registered(settings: Settings) -> Iterator[Finding]:
    """Look whether the records of the publishing registry are fit to be harvested."""
    from uws.registry import is_example, lacking  # noqa: PLC0415 - only here

    found = lacking(settings)
    told = f"Not ready to be registered: {'; '.join(found)}."
    if not found:
        yield ok("registry", f"The records of {settings.authority} can be harvested at {settings.base}/oai.")
    elif is_example(settings.authority):  # nobody means to
        yield ok("registry", f"{told} That matters only if it shall be found in the Virtual Observatory.")
    else:
        yield Finding("warning", "registry", told, "Set what is missing; docs/registry.md says how to register.")


def _file_system(folder: Path) -> str:
    """Return the kind of the file system that a folder is on; "" where that is not told."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    found = ("", "")
    for line in lines:
        _, point, kind, *_ = line.split()
        point = point.replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1]
