"""What a query asks for is what comes back: held against plain Python over all datasets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.columns import COLUMNS, DATASET, EXTRA
from index.database import Database
from index.errors import QueryError
from index.query import (
    MAX_INTERVALS,
    MAX_PATTERNS,
    MAX_TEXT,
    MAX_VALUES,
    ORDERS,
    RELATIONS,
    AnyOf,
    Mark,
    Numbers,
    Order,
    Query,
    Within,
)
from index.region import Region
from index.service import Index
from index.store import metadata
from tests.unit.index.conftest import Found, make_found

NAMES = [column.name for column in COLUMNS]
HERE = Region.parse("CIRCLE 35 43 0.3")
SMALL = Region.parse("CIRCLE 35 43 0.05")
LARGE = Region.parse("CIRCLE 35 43 3")
CAMERAS = ("M1", "M2", "PN")
TARGETS = ("3C 66B", "3c66b", "M 31", "Sgr A*", "100%_\\", "Ångström", None)


def archive(count: int) -> list[Found]:
    random = np.random.default_rng(4)
    made = []
    for number in range(count):
        one = make_found(
            f"{number:04}", 35 + random.uniform(-1.5, 1.5), 43 + random.uniform(-1, 1), random.uniform(0.05, 0.4), 11
        )
        one.camera = CAMERAS[number % 3]
        one.target_name = TARGETS[number % len(TARGETS)]
        one.t_min = None if number % 11 == 0 else 52000.0 + number // 4
        one.t_max = None if number % 7 == 0 else 52000.5 + number // 4
        one.t_exptime = None if number % 5 == 0 else 1000.0 * (number % 13)
        made.append(one)
    return made


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """More datasets in the region than are read past SQLAlchemy."""
    folder = tmp_path_factory.mktemp("index")
    database = Database(f"sqlite:///{folder / 'amora.db'}")
    metadata.create_all(database.engine)
    index = Index(folder / "index", database, "example.org")
    index.add(archive(300))
    return index


def rows(index: Index, **asked: Any) -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=True)) for row in index.answer(Query(**asked)).rows()]


def truth(index: Index, query: Query) -> list[dict[str, Any]]:
    """Answer in plain Python, from the rows of a region without anything else asked."""

    def fits(row: dict[str, Any]) -> bool:
        if query.ids and row["id"] not in query.ids:
            return False
        if query.relation != "overlaps" and not row[query.relation]:
            return False
        return all(any(one(row, asked) for one in (fit,)) for asked in query.filters)

    def fit(row: dict[str, Any], asked: Any) -> bool:
        if isinstance(asked, AnyOf):
            text = row[asked.column]
            wanted = [word.lower() for word in asked.texts]
            if text is None:
                return False
            if asked.folded:
                return text.lower().replace(" ", "") in [word.replace(" ", "") for word in wanted]
            return text.lower() in wanted
        low, high = row[asked.low], row[asked.high]
        low, high = (high if low is None else low), (low if high is None else high)
        return low is not None and any(high >= a and low <= b for a, b in asked.intervals)

    found = [row for row in rows(index, region=query.region) if fits(row)]
    order = query.ordered
    name = "overlap" if order.by == "overlap" else str(ORDERS[order.by])
    found.sort(key=lambda row: row["id"], reverse=order.by == "id" and order.descending)
    if order.by != "id":
        known = sorted((row for row in found if row[name] is not None), key=lambda row: row[name])
        if order.descending:
            known.sort(key=lambda row: row[name], reverse=True)
        found = known + [row for row in found if row[name] is None]
    return found


FILTERS = st.sampled_from(
    [
        AnyOf("camera", ("m1",)),
        AnyOf("camera", ("M2", "pn")),
        AnyOf("target_name", ("3C66B",), folded=True),
        AnyOf("target_name", ("sgr a",), folded=True),
        AnyOf("target_name", ("m31", "nothing"), folded=True),
        Within("t_min", "t_max", ((52010.0, 52012.0), (52040.0, math.inf))),
        Within("t_exptime", "t_exptime", ((-math.inf, 4000.0),)),
        Within("t_exptime", "t_exptime", ((-math.inf, math.inf),)),
    ]
)
QUERIES = st.builds(
    lambda region, relation, filters, by, descending: Query(
        region,
        relation if region else "overlaps",
        frozenset(),
        tuple(filters),
        Order("id" if region is None and by == "overlap" else by, descending),
    ),
    st.sampled_from([None, HERE, SMALL, LARGE]),
    st.sampled_from(RELATIONS),
    st.lists(FILTERS, max_size=2),
    st.sampled_from([name for name in ORDERS if name != "target"]),
    st.booleans(),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(QUERIES, st.integers(1, 120))
def test_any_query_is_answered_page_by_page_as_in_plain_python(filled: Index, query: Query, limit: int) -> None:
    expected = [row["id"] for row in truth(filled, query)]
    whole = filled.answer(query)
    assert (whole.total, len(whole), whole.more, whole.next) == (len(expected), len(expected), False, None)
    assert [row[0] for row in whole.rows()] == expected
    after, by_mark = None, []
    for page in range(len(expected) // limit + 1):
        asked = {**vars(query), "limit": limit}
        numbered = filled.answer(Query(**{**asked, "offset": page * limit}))
        assert [row[0] for row in numbered.rows()] == expected[page * limit : (page + 1) * limit]
        assert numbered.total == len(expected)
        answer = filled.answer(Query(**{**asked, "after": after}))
        by_mark += [row[0] for row in answer.rows()]
        assert answer.more == (len(by_mark) < len(expected))
        after = Mark.parse(str(answer.next), query.ordered) if answer.next else None
        if after is None:
            break
    assert by_mark == expected


@pytest.mark.parametrize("name", ["target", "-target"])
def test_targets_are_ordered_and_paged_too(filled: Index, name: str) -> None:
    order, after, seen = Order.parse(name), None, []
    while answer := filled.answer(Query(region=LARGE, order=order, limit=37, after=after)):
        seen += [(row[NAMES.index("target_name")], row[0]) for row in answer.rows()]
        if answer.next is None:
            break
        after = Mark.parse(str(answer.next), order)
    assert len(set(seen)) == len(seen) == filled.answer(Query(region=LARGE)).total
    known = [target for target, _ in seen if target is not None]
    assert known == sorted(known, reverse=order.descending)
    assert all(target is None for target, _ in seen[len(known) :])


@pytest.mark.parametrize(
    ("text", "folded", "found"),
    [
        ("3c66b", True, {"3C 66B", "3c66b"}),
        ("3C 66B", False, {"3C 66B"}),
        ("3c*", False, {"3C 66B", "3c66b"}),
        ("*66*", True, {"3C 66B", "3c66b"}),
        ("sgr a*", True, {"Sgr A*"}),
        ("100%_\\", False, {"100%_\\"}),
        ("%*", False, set()),
        ("1__*", False, set()),
        ("*", False, {target for target in TARGETS if target}),
        ("Ångström", False, {"Ångström"}),
        ("'; DROP TABLE dataset; --", False, set()),
    ],
)
def test_texts_are_found_in_either_case_and_by_wildcards(
    filled: Index, text: str, folded: bool, found: set[str]
) -> None:
    asked = rows(filled, filters=(AnyOf("target_name", (text,), folded=folded),))
    assert {row["target_name"] for row in asked} == found


def test_contains_and_inside_are_exact(index: Index) -> None:
    whole = make_found("whole", radius=0.5)
    same = make_found("same")
    same.coverage = HERE.moc()
    index.add([whole, same, make_found("part", ra=35.4, radius=0.2), make_found("small", radius=0.1)])

    def found(relation: str) -> set[str]:
        return {row["obs_id"] for row in rows(index, region=HERE, relation=relation)}

    assert found("overlaps") == {"whole", "same", "part", "small"}
    assert found("contains") == {"whole", "same"}
    assert found("inside") == {"same", "small"}
    flags = {row["obs_id"]: (row["contains"], row["inside"]) for row in rows(index, region=HERE)}
    assert flags == {"whole": (True, False), "same": (True, True), "part": (False, False), "small": (False, True)}
    without = rows(index)[0]
    assert [without[name] for name in NAMES[-6:]] == [None, None, None, None, None, 13]


def test_ids_and_numbers(filled: Index) -> None:
    ids = frozenset({"0001/M2/S001", "ivo://example.org/amora?0002/PN/S001", "none/M1/S1"})
    assert [row["obs_id"] for row in rows(filled, ids=ids)] == ["0001", "0002"]
    assert [row["obs_id"] for row in rows(filled, ids=ids, filters=(AnyOf("camera", ("PN",)),))] == ["0002"]
    assert filled.answer(Query(filters=(Numbers("calib_level", (1, 3)),))).total == 300
    assert filled.answer(Query(filters=(Numbers("calib_level", (2,)),))).total == 0
    assert filled.answer(Query(ids=frozenset(f"{n}/M1/S1" for n in range(40_000)))).total == 0


def test_as_much_as_may_be_asked_is_answered(filled: Index) -> None:
    nothing = (math.inf, math.inf)
    texts = ("3c 66b", *(f"none {n}" for n in range(MAX_VALUES - MAX_PATTERNS - 1)))
    patterns = ("sgr*", *(f"*none {n}*" for n in range(MAX_PATTERNS - 2)), "x" * (MAX_TEXT - 1) + "*")
    intervals = ((-math.inf, math.inf), *(nothing for _ in range(MAX_INTERVALS - 1)))
    filters = (AnyOf("target_name", texts + patterns), Within("t_exptime", "t_exptime", intervals))
    assert {row["target_name"] for row in rows(filled, filters=filters)} == {"3C 66B", "Sgr A*"}


def test_a_page_of_nothing_still_counts(filled: Index) -> None:
    for region in (None, LARGE, SMALL):
        answer = filled.answer(Query(region=region, limit=0))
        assert (len(answer), answer.more, answer.next, list(answer.rows())) == (0, True, None, [])
        assert answer.total > 0
        assert len(filled.answer(Query(region=region, offset=1000))) == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"order": Order("overlap")},
        {"relation": "inside"},
        {"offset": 3, "after": Mark(None, "0001/M1/S001")},
        {"filters": (AnyOf("camera", ("a*",) * MAX_PATTERNS), AnyOf("mode", ("b*",)))},
        {"filters": (AnyOf("camera", ("a" * (MAX_TEXT + 1),)),)},
        {"filters": [Within(name, name, ((0.0, 1.0),) * (MAX_INTERVALS - 50)) for name in ("t_min", "t_exptime")]},
    ],
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(QueryError):
        Query(**asked)


@pytest.mark.parametrize("text", ["", "size", "--time", "time desc", "TIME;"])
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="must be one of overlap, id, time"):
        Order.parse(text)


@pytest.mark.parametrize("text", ["x 1/M1/S1", "nan 1/M1/S1", "inf 1/M1/S1"])
def test_what_is_no_mark_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        Mark.parse(text, Order("time"))


def test_what_a_reader_tells_beyond_is_kept(index: Index) -> None:
    given = make_found()
    extra = {
        column.name: "text" if column.is_text else 2 if column.datatype in ("int", "long") else 0.5
        for column in DATASET
        if column.name in EXTRA
    }
    for name, value in extra.items():
        setattr(given, name, value)
    index.add([given])
    (row,) = rows(index)
    assert {name: row[name] for name in extra} == extra
    dataset = index.get(row["id"])
    assert {name: getattr(dataset, name) for name in extra} == extra


def test_of_what_no_reader_tells_the_least_is_claimed(index: Index) -> None:
    index.add([make_found(radius=0.25)])
    (row,) = rows(index)
    assert row["calib_level"] == 1
    assert row["s_fov"] == pytest.approx(0.5, rel=0.05)
    assert row["s_region"] is None


def test_a_link_is_given_to_each_row(index: Index) -> None:
    index.add([make_found()])
    answer = index.answer(Query())
    (row,) = answer.rows(lambda ivoid: (f"https://x/{ivoid}", "text/plain"))
    told = dict(zip(NAMES, row, strict=True))
    assert told["access_url"] == "https://x/ivo://example.org/amora?0001/M1/S001"
    assert told["access_format"] == "text/plain"


def test_the_widths_hold_each_text(filled: Index) -> None:
    answer = filled.answer(Query())
    widths = answer.widths()
    for row in answer.rows():
        for column, cell in zip(COLUMNS, row, strict=True):
            if isinstance(cell, str):
                assert len(cell) <= widths[column.name]


def test_a_dataset_replaced_between_the_files_and_the_rows_is_read_anew(tmp_path: Path, index: Index) -> None:
    index.add([make_found(radius=0.1)])
    rows(index, region=HERE)  # opens the generation
    other = Index(tmp_path / "index", index._store._database, "example.org")
    other.add([make_found(radius=0.2)])
    (row,) = rows(index, region=HERE)
    assert row["inside"]
    assert row["overlap"] == row["area"] == pytest.approx(math.pi * 0.04, rel=0.1)
