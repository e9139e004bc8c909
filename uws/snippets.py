"""A job as commands: how to make it once more with curl, and with pyvo."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pprint import pformat

from jobs.models import Job
from uws.addresses import Addresses


@dataclass(frozen=True)
class Snippets:
    """Commands that make a job."""

    curl: str
    python: str


def of_job(job: Job, addresses: Addresses) -> Snippets:
    """Return the commands that make a job like this one; files are named as if they lay in the working folder."""
    place = addresses.jobs(job.script)
    given = [(item.name, item.value) for item in job.parameters if item.upload is None]
    files = [item.name for item in job.parameters if item.upload]
    return Snippets(_curl(place, given, files), _python(place, given, files))


def _curl(place: str, given: list[tuple[str, str]], files: list[str]) -> str:
    if files:
        # curl would take a value that begins with @ or < for the name of a file, but for --form-string.
        words = [f"--form-string {shlex.quote(f'{name}={value}')}" for name, value in given]
        words += [f"--form {shlex.quote(f'{name}=@{name.lower()}')}" for name in files]
        words.append("--form-string PHASE=RUN")
    else:
        words = [f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in given]
        words.append("--data PHASE=RUN")
    return " \\\n  ".join([f"curl -si {shlex.quote(place)}", *words])


def _python(place: str, given: list[tuple[str, str]], files: list[str]) -> str:
    values: dict[str, str | list[str]] = {}
    for name, value in given:
        before = values.get(name)
        values[name] = value if before is None else [*([before] if isinstance(before, str) else before), value]
    sent = ", files={" + ", ".join(f'{name!r}: open({name.lower()!r}, "rb")' for name in files) + "}" if files else ""
    return f"""import pyvo, requests

parameters = {pformat(values, width=100, sort_dicts=False)}
made = requests.post({place!r}, data=parameters{sent}, allow_redirects=False)
job = pyvo.dal.AsyncTAPJob(made.headers["Location"])
job.run().wait()
for product in job.fetch_result():
    print(product["name"], product["address"])
"""
