"""docs/conformance.md speaks of every item, and the tests it names are there."""

from __future__ import annotations

import pytest

from tests import conformance


@pytest.mark.parametrize("item", conformance.ITEMS)
def test_each_item_has_tests_or_a_reason(item: int) -> None:
    section, requirement, note, named = conformance.rows()[item]
    assert section
    assert requirement
    there = conformance.tests()[item]
    assert named == there, "the tests have changed: run .venv/bin/python -m tests.conformance"
    assert note != conformance.NOT_YET or not there
    assert there or note, f"item {item} has neither a test nor a reason why not"
