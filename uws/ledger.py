"""Since when each record of the registry is as it is, and which are gone: ``AMORA_HOME/registry.json``.

Harvesters ask for what has changed since they last came. So the date of a record is that of the request at which its
content was first seen to be another one; all of it is kept, also of records that are no more. The file is replaced as
a whole, by one process at a time; without it, all records count as new.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """What is known of a record; instants are ISO 8601 in whole seconds, with Z."""

    created: str
    updated: str
    digest: str
    deleted: bool = False


def keep(folder: Path, contents: Mapping[str, bytes]) -> dict[str, Entry]:
    """Compare records with what is known of them, keep what has changed, and return all entries by id."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "registry.json"
    with (folder / "registry.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _read(path)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        entries = {name: _seen(known.get(name), content, now) for name, content in contents.items()}
        for name, entry in known.items():
            if name not in entries:
                entries[name] = entry if entry.deleted else Entry(entry.created, now, "", deleted=True)
        if entries != known:
            new = path.with_name("registry.json.new")
            new.write_text(json.dumps({name: asdict(entry) for name, entry in entries.items()}, indent=1))
            new.replace(path)
    return dict(sorted(entries.items()))


def _seen(known: Entry | None, content: bytes, now: str) -> Entry:
    digest = hashlib.sha256(content).hexdigest()
    if known is None:
        return Entry(now, now, digest)
    return known if known.digest == digest else Entry(known.created, now, digest)


def _read(path: Path) -> dict[str, Entry]:
    try:
        return {name: Entry(**told) for name, told in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):  # it is not there, or no such file
        return {}
