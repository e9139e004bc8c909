"""What a job did with what, as W3C PROV in the words of the IVOA Provenance Data Model 1.0.

The form is PROV-JSON (W3C member submission, 2013). IVOA's classes that W3C has not are written as that model's section
on W3C serialisation has it: a description or a parameter is an entity of a type in the namespace ``voprov``, and the
relations of them are influences of such a type. What only Amora knows is in the namespace ``amora``.

=============================== ==============================================================================
activity ``job:ID``             the job: described by the script, configured by parameters
activity ``job:ID/tasks/N``     a task, started by the job: it used datasets, a region's file or an upload, and software
entity ``dataset:OBS/CAM/EXP``  a dataset, a collection of files with their size and SHA-256
entity ``job:ID/results/NAME``  a product, at its address
entity ``script:NAME``          the script: ActivityDescription and plan, with version and SHA-256 of its folder
agents                          the user (operator), and the service
=============================== ==============================================================================

A job that has ended gives the same bytes each time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from jobs.descriptor import Script
from jobs.models import Job, Parameter, Task
from jobs.phases import FINAL, Phase
from jobs.record import Record
from uws.addresses import Addresses
from uws.times import format_instant

JSON_ID = "provenance.json"
SVG_ID = "provenance.svg"
VOPROV = "http://www.ivoa.net/documents/ProvenanceDM/index.html#"

Value = str | int | float | bool | dict[str, str]
Attributes = dict[str, Value | list[Value] | None]


@dataclass(frozen=True)
class Used:
    """A parameter as a job used it."""

    name: str
    value: str
    given: bool
    """Whether the user gave it; else it is the default."""


@dataclass(frozen=True)
class Provenance:
    """All that the provenance of a job is made of."""

    job: Job
    records: Mapping[int, Record]
    """By the numbers of the tasks."""
    script: Script | None
    """The script in the version that ran, if it is still known."""
    authority: str = "amora.local"
    """Of the ids of datasets."""

    @property
    def complete(self) -> bool:
        """Whether nothing of it will change any more."""
        return has_ended(self.job)

    @property
    def record(self) -> Record | None:
        """The record of the first task that completed."""
        return next((self.records[number] for number in sorted(self.records)), None)

    @property
    def parameters(self) -> list[Used]:
        """The parameters: those that were given, in their order, then the defaults."""
        given = [Used(item.name, _given(item), given=True) for item in self.job.parameters]
        names = {item.name for item in given}
        record = self.record
        rest = record.parameters if record else {}
        return given + [
            Used(name, text(value), given=False)
            for name, value in rest.items()
            if name not in names and value is not None
        ]


def has_ended(job: Job) -> bool:
    """Whether a job has a provenance: it has been started, has ended, and has not been archived."""
    return job.started is not None and job.phase in FINAL and job.phase is not Phase.ARCHIVED


def text(value: object) -> str:
    """Return a value as it stands in a form."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _given(item: Parameter) -> str:
    return item.value if item.upload is None else f"a file of {item.upload.size} bytes"


def as_json(provenance: Provenance, addresses: Addresses) -> bytes:
    """Return the document."""
    document = _Document()
    _Writer(provenance, addresses, document).write()
    return json.dumps(document.content, indent=1, ensure_ascii=False).encode() + b"\n"


@dataclass
class _Document:
    """PROV-JSON under way: a table of records for each kind; relations have no name of their own."""

    content: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, kind: str, name: str, attributes: Attributes) -> str:
        self.content.setdefault(kind, {}).setdefault(name, {}).update(
            {key: value for key, value in attributes.items() if value not in (None, "", [])}
        )
        return name

    def relate(self, kind: str, attributes: Attributes) -> None:
        self.add(kind, f"_:{kind}{len(self.content.get(kind, {})) + 1}", attributes)


def _type(*names: str) -> list[Value]:
    return [{"$": name, "type": "prov:QUALIFIED_NAME"} for name in names]


class _Writer:
    def __init__(self, provenance: Provenance, addresses: Addresses, document: _Document) -> None:
        self.given = provenance
        self.job = provenance.job
        self.document = document
        self.job_id = f"job:{self.job.id}"
        self.script_id = f"script:{self.job.script}"
        self.addresses = addresses
        base = addresses.base
        document.content["prefix"] = {
            "voprov": VOPROV,
            "amora": f"{base}/provenance#",
            "job": f"{addresses.jobs(self.job.script)}/",
            "script": f"{base}/scripts/",
            "dataset": f"ivo://{provenance.authority}/amora?",
        }

    def write(self) -> None:
        service = self._agents()
        self._script()
        self._job(service)
        for parameter in self.given.parameters:
            self._parameter(parameter)
        for task in self.job.tasks:
            self._task(task, service)
        for item in self.job.parameters:
            if item.upload is not None:
                self._upload(item)

    # ------------------------------------------------------------------ what things are

    def _agents(self) -> str:
        record = self.given.record
        service = self.document.add(
            "agent",
            "amora:service",
            {
                "prov:type": _type("prov:SoftwareAgent"),
                "prov:label": "Amora",
                "voprov:name": "Amora",
                "voprov:type": "SoftwareAgent",
                "voprov:url": self.addresses.base,
                "amora:version": record.software.get("Amora") if record else None,
            },
        )
        if self.job.owner is not None:
            user = self.document.add(
                "agent",
                f"amora:users/{quote(self.job.owner, safe='')}",
                {
                    "prov:type": _type("prov:Person"),
                    "prov:label": self.job.owner,
                    "voprov:name": self.job.owner,
                    "voprov:type": "Person",
                },
            )
            self.document.relate(
                "actedOnBehalfOf", {"prov:delegate": service, "prov:responsible": user, "prov:activity": self.job_id}
            )
            self._associated(self.job_id, user, "operator")
        return service

    def _script(self) -> None:
        script, record = self.given.script, self.given.record
        self.document.add(
            "entity",
            self.script_id,
            {
                "prov:type": _type("voprov:ActivityDescription", "prov:Plan"),
                "prov:label": script.title if script else self.job.script,
                "voprov:name": self.job.script,
                "voprov:version": record.version if record else None,
                "voprov:description": script.summary if script else None,
                "voprov:docurl": self.addresses.script(self.job.script),
                "amora:sha256": record.checksum if record else None,
            },
        )
        for spec in script.parameters if script else ():
            described = self.document.add(
                "entity",
                f"{self.script_id}/parameters/{spec.name}",
                {
                    "prov:type": _type("voprov:ParameterDescription"),
                    "prov:label": spec.name,
                    "voprov:name": spec.name,
                    "voprov:description": spec.description,
                    "voprov:valueType": spec.type,
                    "voprov:unit": spec.unit,
                    "voprov:ucd": spec.ucd,
                    "voprov:min": spec.minimum,
                    "voprov:max": spec.maximum,
                    "voprov:options": ", ".join(spec.options),
                    "voprov:default": None if spec.default is None else text(spec.default),
                },
            )
            self._influenced(described, self.script_id, "RelatedToRelation")

    def _job(self, service: str) -> None:
        self.document.add(
            "activity",
            self.job_id,
            {
                "prov:startTime": format_instant(self.job.started),
                "prov:endTime": format_instant(self.job.ended),
                "prov:label": f"{self.job.script} {self.job.id}",
                "voprov:name": f"{self.job.script} {self.job.id}",
                "voprov:comment": self.job.error,
                "amora:creationTime": format_instant(self.job.created),
                "amora:phase": str(self.job.phase),
                "amora:session": self.job.run_id,
            },
        )
        self._influenced(self.job_id, self.script_id, "DescriptionRelation")
        self._associated(self.job_id, service, "provider")

    def _parameter(self, parameter: Used) -> None:
        same = [item.name for item in self.given.parameters if item.name == parameter.name]
        name = f"{self.job_id}/parameters/{quote(parameter.name, safe='')}"
        if len(same) > 1:  # a repeated parameter is one of several values
            there = [key for key in self.document.content.get("entity", {}) if key.startswith(f"{name}/")]
            name = f"{name}/{len(there) + 1}"
        self.document.add(
            "entity",
            name,
            {
                "prov:type": _type("voprov:Parameter"),
                "prov:label": parameter.name,
                "voprov:name": parameter.name,
                "prov:value": parameter.value,
                "amora:given": parameter.given,
            },
        )
        self._influenced(self.job_id, name, "ConfigurationRelation")
        if self.given.script and self.given.script.parameter(parameter.name):
            self._influenced(name, f"{self.script_id}/parameters/{parameter.name}", "DescriptionRelation")

    def _task(self, task: Task, service: str) -> None:
        started, ended = format_instant(task.started), format_instant(task.ended)
        name = self.document.add(
            "activity",
            f"{self.job_id}/tasks/{task.number}",
            {
                "prov:startTime": started,
                "prov:endTime": ended,
                "prov:label": f"task {task.number}",
                "voprov:name": f"task {task.number} of {self.job.script} {self.job.id}",
                "voprov:comment": task.message,
                "amora:phase": str(task.phase),
                "amora:attempt": task.attempt,
                "amora:cpuSeconds": task.usage.cpu,
                "amora:peakMemory": task.usage.memory,
            },
        )
        self.document.relate("wasStartedBy", {"prov:activity": name, "prov:starter": self.job_id, "prov:time": started})
        self._influenced(name, self.script_id, "DescriptionRelation")
        self._associated(name, service, "provider")
        record = self.given.records.get(task.number)
        for dataset in task.datasets:
            self._dataset(dataset, record)
            self._used(name, f"dataset:{dataset}", "dataset", started)
        if record is not None and record.software:
            self._used(name, self._software(record), "software", started)
        for product in self.job.products:
            if product.task == task.number:
                made = self.document.add(
                    "entity",
                    f"{self.job_id}/results/{quote(product.name, safe='')}",
                    {
                        "prov:type": _type("voprov:DatasetEntity"),
                        "prov:label": product.name,
                        "prov:location": self.addresses.result(self.job.script, self.job.id, product.name),
                        "voprov:name": product.name,
                        "voprov:comment": product.description,
                        "voprov:generatedAtTime": ended,
                        "voprov:contentType": product.content_type,
                        "amora:size": product.size,
                        "amora:sha256": product.checksum,
                    },
                )
                self.document.relate(
                    "wasGeneratedBy",
                    {"prov:entity": made, "prov:activity": name, "prov:time": ended, "prov:role": "product"},
                )
                if task.dataset is not None:
                    derived: Attributes = {
                        "prov:generatedEntity": made,
                        "prov:usedEntity": f"dataset:{task.dataset}",
                        "prov:activity": name,
                    }
                    self.document.relate("wasDerivedFrom", derived)

    def _dataset(self, dataset: str, record: Record | None) -> None:
        name = f"dataset:{dataset}"
        known = name in self.document.content.get("entity", {})
        kinds = _type("voprov:DatasetEntity", "prov:Collection")
        self.document.add("entity", name, {"prov:type": kinds, "prov:label": dataset, "voprov:name": dataset})
        for file in record.files if record and not known else ():
            if file.dataset == dataset:
                member = self.document.add(
                    "entity",
                    f"{name}/{quote(file.name, safe='')}",
                    {
                        "prov:type": _type("voprov:DatasetEntity"),
                        "prov:label": file.name,
                        "voprov:name": file.name,
                        "amora:kind": file.kind,
                        "amora:size": file.size,
                        "amora:sha256": file.checksum,
                    },
                )
                self.document.relate("hadMember", {"prov:collection": name, "prov:entity": member})

    def _software(self, record: Record) -> str:
        """Return the entity of a set of versions; tasks that ran on the same have the same."""
        versions = [f"{name} {version}" for name, version in sorted(record.software.items())]
        same = self.document.content.setdefault("entity", {})
        number = 1
        while (name := f"{self.job_id}/software/{number}") in same and same[name]["amora:software"] != versions:
            number += 1
        software: Sequence[Value] = versions
        return self.document.add(
            "entity",
            name,
            {"prov:type": _type("amora:Software"), "prov:label": ", ".join(versions), "amora:software": [*software]},
        )

    def _upload(self, item: Parameter) -> None:
        assert item.upload is not None  # noqa: S101 - for the type checker
        name = f"{self.job_id}/parameters/{quote(item.name, safe='')}"
        self.document.add(
            "entity",
            name,
            {
                "voprov:contentType": item.upload.content_type,
                "amora:size": item.upload.size,
                "amora:sha256": item.upload.checksum,
            },
        )
        for task in self.job.tasks:
            self._used(f"{self.job_id}/tasks/{task.number}", name, item.name, format_instant(task.started))

    # ------------------------------------------------------------------ how things belong together

    def _used(self, activity: str, entity: str, role: str, at: str) -> None:
        attributes: Attributes = {"prov:activity": activity, "prov:entity": entity, "prov:time": at, "prov:role": role}
        self.document.relate("used", attributes)

    def _associated(self, activity: str, agent: str, role: str) -> None:
        self.document.relate(
            "wasAssociatedWith",
            {"prov:activity": activity, "prov:agent": agent, "prov:plan": self.script_id, "prov:role": role},
        )

    def _influenced(self, influencee: str, influencer: str, relation: str) -> None:
        self.document.relate(
            "wasInfluencedBy",
            {
                "prov:influencee": influencee,
                "prov:influencer": influencer,
                "prov:type": _type(f"voprov:{relation}"),
            },
        )
