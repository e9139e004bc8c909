"""The product list and the VOTables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from astropy.io.votable import parse_single_table, validate
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from jobs.errors import NotFoundError
from jobs.models import Job
from jobs.phases import Phase
from tests.schemas import valid
from uws import votable
from uws.addresses import Addresses
from uws.results import COLUMNS, logged_task, product_list, results

AT = Addresses("http://amora.example")


def test_a_row_for_each_product_and_each_task_without_one(make_job: Callable[..., Job], shared: Path):
    job = make_job()
    failed = replace(job.tasks[1], phase=Phase.ERROR, message="No events <in> the region")
    job = replace(job, tasks=(job.tasks[0], failed), products=job.products[:1])
    content = product_list(job, AT)
    valid(content, shared, "VOTable1.4.xsd")
    table = parse_single_table(BytesIO(content)).to_table()
    assert list(table["status"]) == ["COMPLETED", "ERROR"]
    assert list(table["message"]) == ["", "No events <in> the region"]
    assert list(table["address"]) == ["http://amora.example/scripts/image/async/j1/results/image%201.fits", ""]
    assert table["content_length"][0] == 2880
    assert table["content_length"].mask[1]


def test_no_results_before_the_start(make_job: Callable[..., Job]):
    job = make_job(started=None)
    assert results(job) == []
    with pytest.raises(NotFoundError, match="j1"):
        product_list(job, AT)


def test_a_log_is_found_by_its_id(make_job: Callable[..., Job]):
    job = make_job()
    assert logged_task(job, "0002970201_M2_S002.log") is job.tasks[1]
    assert logged_task(job, "0002970201_M3_S002.log") is None


def test_astropy_finds_nothing_wrong(make_job: Callable[..., Job]):
    assert validate(BytesIO(product_list(make_job(), AT)))
    assert validate(BytesIO(votable.error("Why <not>?")))


@given(st.text())
def test_an_error_can_say_anything_that_xml_can_carry(message: str):
    info = next(etree.fromstring(votable.error(message)).iter("{*}INFO"))
    assert info.get("value") == "ERROR"
    assert len(info.text or "") == len(message)


def test_names_are_unique():
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)


def test_cells(shared: Path):
    columns = [votable.Column(kind, kind, kind) for kind in ("char", "unicodeChar", "int", "long", "double", "boolean")]
    rows = [["a", "é<", 1, 2**40, 0.1, True], [None] * 6]
    content = votable.table("t", "d", columns, rows)
    valid(content, shared, "VOTable1.4.xsd")
    table = parse_single_table(BytesIO(content)).to_table()
    assert list(table[0]) == rows[0]
    assert table["int"].mask[1]
