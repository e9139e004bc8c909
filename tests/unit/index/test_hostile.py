"""Nothing that is given as a region panics, aborts, leaves the sky or is silently empty; and nothing takes long.

The first test has the rows of inputs on which mocpy 0.21 does one of these; the others are fuzzers, one a form.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.errors import RegionError
from index.healpix import MAX_ORDER, SKY_AREA, ranges_of
from index.region import Region


def covered(text: str) -> float | None:
    """Give the area of the cells, None for an error, and make sure of all that must hold for them."""
    try:
        region = Region.parse(text)
        ranges = ranges_of(region.moc())
    except RegionError:
        return None
    assert len(ranges) > 0
    assert 0 <= ranges.min() < ranges.max() <= 12 * 4**MAX_ORDER
    assert region.moc().max_order == region.order
    assert len(ranges) < 400_000
    assert Region.parse(region.text) == region
    json.dumps(region.as_dict(), allow_nan=False)
    return float(region.moc().sky_fraction) * SKY_AREA


def ring(n: int, dec: float) -> str:
    return " ".join(f"{360 * k / n} {dec}" for k in range(n))


@pytest.mark.parametrize(
    ("text", "area"),
    [
        # across RA 0, both ways of writing it
        ("POLYGON -2 -2 2 -2 2 2 -2 2", 16.0),
        ("POLYGON 358 -2 362 -2 362 2 358 2", 16.0),
        # either way round
        ("POLYGON 0 0 0 4 4 4 4 0", 16.0),
        ("POLYGON 0 0 4 0 4 4 0 4", 16.0),
        # a pole inside, a pole for a vertex
        (f"POLYGON {ring(4, 80)}", 200.0),
        ("POLYGON 0 90 0 80 20 80", 17.0),
        # more than half of the sky
        (f"POLYGON {ring(360, 10)} {ring(360, -10)}", None),
        ("POLYGON 0 0 120 0 240 0", None),
        # sides of 180 degrees
        ("POLYGON 0 0 180 0 90 45", None),
        # crossing itself
        ("POLYGON 0 0 2 2 2 0 0 2", None),
        ("POLYGON 0 10 6 -8 -10 3 10 3 -6 -8", None),
        # one, two, equal and collinear vertices
        ("POLYGON 1 1", None),
        ("POLYGON 1 1 2 2", None),
        ("POLYGON 1 1 1 1 1 1", None),
        ("POLYGON 1 0 2 0 3 0", None),
        # duplicate and closing vertex
        ("POLYGON 0 0 4 0 4 0 4 4 0 4 0 0", 16.0),
        # none
        ("POLYGON", None),
        ("Polygon ICRS", None),
        # not finite
        ("POLYGON nan 0 4 0 4 4", None),
        ("POLYGON inf 0 4 0 4 4", None),
        ("POLYGON 0 nan 4 0 4 4", None),
        ("CIRCLE 1 nan 1", None),
        ("CIRCLE nan 1 1", None),
        ("POINT('ICRS', nan, 1)", None),
        ("icrs;circle(nan,1,1)", None),
        # a zone upside down
        ("RANGE 1 2 5 -5", None),
        ("PositionInterval ICRS 1 5 2 -5", None),
        # off the sky
        ("CIRCLE 1 95 1", None),
        ("CIRCLE 1 1 -1", None),
        ("CIRCLE 1 1 200", None),
        ("CIRCLE 1 1 0", None),
        ("CIRCLE 1 1 180", SKY_AREA),
        # STC-S: the box, the frames, the odd one, the deep one, the long one
        ("Box ICRS 10 20 2 1", 2.0),
        ("Position ICRS 10 20", 0.0),
        ("Convex ICRS 1 2 3", None),
        ("Circle GALACTIC 10 20 1", math.pi),
        ("Circle ICRS 600 1200 60 unit arcmin", math.pi),
        ("Circle UNKNOWNFrame 10 20 1", None),
        ("Polygon ICRS 1 1 2 2", None),
        ("Polygon ICRS 0 0 4 0 4 4 0", None),
        ("Not (" * 10_000 + "Circle 1 1 1" + ")" * 10_000, None),
        ("Union (" + "Circle 1 1 1 " * 3000 + ")", None),
        (f"Polygon ICRS {ring(3000, 80)}", None),
        # DS9: garbage, nothing, no frame, exclusion, an ellipse that is a circle
        ("DS9 garbage", None),
        ("DS9", None),
        ("DS9 circle(1,2,3)", None),
        ("icrs;-circle(10,20,1)", SKY_AREA - math.pi),
        ("icrs;circle(10,20)", None),
        ("icrs;ellipse(10,20,1,1,0)", math.pi),
        ("icrs;box(10,20,1,1,0)", 1.0),
        # MOC off the sky, or nothing at all
        ("3/768", None),
        ("30/1", None),
        ("3/4-1", None),
        ('{"3":[768]}', None),
        ('{"3":[-1]}', None),
        ('{"3":[1.5]}', None),
        ('{"30":[1]}', None),
        ('{"a":[1]}', None),
        ('{"3":1}', None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_row_is_right_or_an_error(text: str, area: float | None) -> None:
    found = covered(text)
    assert (found is None) == (area is None)
    if area is not None:
        assert found == pytest.approx(area, rel=0.06, abs=1e-9)


@pytest.mark.parametrize("order", range(0, 30, 3))
@pytest.mark.parametrize("text", ["CIRCLE 10 20 10", "Box ICRS 10 20 10 10", "icrs;annulus(10,20,5,10)"])
def test_any_order_is_affordable_or_refused(text: str, order: int) -> None:
    region = Region.parse(text)
    if order > region.finest_order:
        with pytest.raises(RegionError, match=f"at most, not {order}"):
            region.moc(order)
    else:
        assert len(region.moc(order).to_depth29_ranges) < 400_000


@pytest.mark.parametrize("order", [-1, 30, 99, 255])
def test_what_is_no_order_is_refused(order: int) -> None:
    for text in ("CIRCLE 1 2 3", "3/5", "Not (Circle 1 2 3)"):
        with pytest.raises(RegionError, match="must be from 0 to 29"):
            Region.parse(text).moc(order)


@pytest.mark.parametrize(
    "text",
    [
        "CIRCLE " + "1" * 49_000 + "x 2 3",
        "1:2:3 4:5:6 1" + " " * 49_000 + "x",
        "TARGET a 1" + "\t" * 49_000 + "x",
        "CIRCLE 1 2 3" + " " * 49_000 + "x",
        "CIRCLE(" + "POINT(" * 8000,
        "fk5;circle" + "(" * 49_000,
        "fk5" + ";" * 49_000,
        "Union " + "(" * 49_000,
        "3/1" + "," * 49_000 + "x",
        "{" * 49_000,
    ],
    ids=lambda text: text[:20],
)
@pytest.mark.timeout(20)  # quadratic in the length, each would take minutes
def test_long_nonsense_is_refused_at_once(text: str) -> None:
    with pytest.raises(RegionError):
        Region.parse(text)


def test_the_dearest_compounds_are_affordable() -> None:
    random = np.random.default_rng(3)

    def many(form: Callable[..., str], *limits: tuple[float, float]) -> str:
        return " ".join(form(*(random.uniform(*limit) for limit in limits)) for _ in range(290))

    sky = ((0, 360), (-89, 89))
    parts = (
        many("Circle {:.2f} {:.2f} {:.2f}".format, *sky, (85, 120)),
        many("Ellipse {:.2f} {:.2f} {:.2f} {:.2f} {:.1f}".format, *sky, (1, 60), (0.01, 1), (0, 180)),
        many("Box {:.2f} {:.2f} {:.2f} {:.4f}".format, *sky, (1, 60), (0.001, 1)),
    )
    for inner in parts:
        for operation in ("Union", "Intersection"):
            covered(f"{operation} ICRS ({inner})")


NUMBERS = (
    st.floats(-100, 400).map(repr)
    | st.floats(-1, 1).map(repr)
    | st.sampled_from(
        ["0", "90", "-90", "180", "360", "1e-300", "nan", "Inf", "1e300", "5e-324", "-0.0", "45", "1e", ""]
    )
)
STC_WORDS = st.sampled_from(
    [
        *(
            "Circle",
            "Ellipse",
            "Box",
            "Polygon",
            "Position",
            "PositionInterval",
            "AllSky",
            "Union",
            "Intersection",
            "Not",
        ),
        *(
            "Difference",
            "(",
            ")",
            "ICRS",
            "FK5",
            "GALACTIC",
            "J2000",
            "FK4",
            "UNKNOWNFrame",
            "TOPOCENTER",
            "SPHER2",
            "unit",
        ),
        *("deg", "arcmin", "fillfactor", "Error", "Resolution"),
    ]
)
DS9_NAMES = st.sampled_from(
    ["circle", "ellipse", "box", "polygon", "annulus", "point", "line", "-circle", "-box", "+circle"]
)


def shape_of_stc(depth: int) -> st.SearchStrategy[str]:
    arity = {"Circle": 3, "Ellipse": 5, "Box": 4, "Position": 2, "PositionInterval": 4, "Polygon": 8}
    plain = st.sampled_from(sorted(arity)).flatmap(
        lambda name: st.lists(NUMBERS, min_size=arity[name], max_size=arity[name]).map(
            lambda numbers: f"{name} {' '.join(numbers)}"
        )
    )
    if depth == 0:
        return plain
    inner = st.lists(shape_of_stc(depth - 1), min_size=1, max_size=3)
    operations = st.sampled_from(["Union", "Intersection", "Difference", "Not"])
    return plain | st.tuples(operations, inner).map(lambda pair: f"{pair[0]} ({' '.join(pair[1])})")


@settings(deadline=None, max_examples=200)
@given(shape_of_stc(2) | st.lists(STC_WORDS | NUMBERS, max_size=15).map(" ".join).map("STC {}".format))
@example("Box 0.0 0.0 1e-300 1e-300")
def test_any_stcs(text: str) -> None:
    covered(text)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(["CIRCLE", "BOX", "POLYGON", "POINT", "REGION", "ELLIPSE"]),
    st.sampled_from(["", "'ICRS',", "'',", "'GALACTIC',", "'FK4',", "ICRS,", "POINT(", "'Circle "]),
    st.lists(NUMBERS, max_size=9).map(",".join),
    st.sampled_from([")", "", "))", ",1)", "')"]),
)
def test_any_adql(name: str, frame: str, numbers: str, end: str) -> None:
    covered(f"ADQL {name}({frame}{numbers}{end}")


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["fk5", "icrs", "galactic", "image", "", "fk5;icrs", "global color=red"]),
    st.lists(
        st.tuples(
            DS9_NAMES,
            st.lists(
                st.tuples(NUMBERS, st.sampled_from(["", '"', "'", "d", "r", "p"])).map("".join)
                | st.sampled_from(["2:23:11", "+43:02:08", "2h23m", "61:61:61"]),
                max_size=8,
            ).map(",".join),
            st.sampled_from([")", "", ") # text={x}", ") ||"]),
        ).map(lambda three: f"{three[0]}({three[1]}{three[2]}"),
        max_size=4,
    ),
    st.sampled_from(["\n", ";", "\r\n"]),
)
def test_any_ds9(frame: str, shapes: list[str], between: str) -> None:
    covered("DS9 " + between.join([frame, *shapes]))


@settings(deadline=None, max_examples=150)
@given(
    st.text("0123456789/-, ts.", max_size=30)
    | st.lists(
        st.tuples(st.integers(-1, 31), st.lists(st.integers(-1, 4**30), max_size=4)).map(
            lambda pair: f"{pair[0]}/{' '.join(map(str, pair[1]))}"
        ),
        max_size=4,
    ).map(" ".join)
)
def test_any_ascii_moc(text: str) -> None:
    covered(f"MOC {text}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 4**30) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("0123a", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(
    st.dictionaries(st.integers(0, 31).map(str), st.lists(st.integers(-1, 5000), max_size=4) | JSON, max_size=4).map(
        json.dumps
    )
    | JSON.map(json.dumps)
    | st.text('{}[]":,0123', max_size=20)
)
def test_any_json_moc(text: str) -> None:
    covered(f"MOC {text}")


@settings(deadline=None, max_examples=100)
@given(
    st.text("0123456789:hmsd+-. ", max_size=20),
    st.text("0123456789:hmsd+-. ", max_size=20),
    st.text("0123456789.'\"degarcmin ", max_size=10),
)
def test_any_coordinates(ra: str, dec: str, radius: str) -> None:
    covered(f"{ra} {dec} {radius}")


@settings(deadline=None, max_examples=200)
@given(
    st.text(max_size=60) | st.lists(STC_WORDS | NUMBERS | DS9_NAMES | st.sampled_from(["MOC", "TARGET"])).map(" ".join)
)
def test_any_text(text: str) -> None:
    covered(text)
