"""The forms of regions: what each means, and what of it is refused and why."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from mocpy import MOC

from index.errors import RegionError
from index.healpix import SKY_AREA
from index.region import Region


def area(moc: MOC) -> float:
    return float(moc.sky_fraction) * SKY_AREA


def holds(region: Region, ra: float, dec: float) -> bool:
    return bool(region.moc().contains_lonlat(lon=[ra] * units.deg, lat=[dec] * units.deg)[0])


@pytest.mark.parametrize(
    ("text", "same"),
    [
        # STC-S
        ("Circle ICRS 10 20 1", "CIRCLE 10 20 1"),
        ("STC Circle 10 20 1", "CIRCLE 10 20 1"),
        ("CIRCLE ICRS TOPOCENTER SPHER2 10 20 1 unit deg", "CIRCLE 10 20 1"),
        ("Circle fillfactor 1.0 ICRS GEOCENTER 10 20 1", "CIRCLE 10 20 1"),
        ("Circle ICRS 10 20 1 Position 10 20 Error 0.1 0.1 Resolution 0.2 Size 1 1 PixSize 0.1 0.1", "CIRCLE 10 20 1"),
        ("Circle ICRS 600 1200 60 unit arcmin", "CIRCLE 10 20 1"),
        ("STC-S Polygon ICRS 1 1 2 1 2 2", "POLYGON 1 1 2 1 2 2"),
        ("PositionInterval ICRS 350 -5 10 5", "RANGE 350 10 -5 5"),
        ("AllSky", "RANGE -Inf +Inf -Inf +Inf"),
        ("AllSky ICRS", "RANGE 0 360 -90 90"),
        ("Union ICRS (Circle 10 20 1)", "CIRCLE 10 20 1"),
        ("Intersection (Circle ICRS 10 20 1)", "CIRCLE 10 20 1"),
        ("Ellipse ICRS 10 20 1 1 40", "CIRCLE 10 20 1"),
        ("Box ICRS 10 0 2 2", "Polygon 11 -0.99984771 11 0.99984771 9 0.99984771 9 -0.99984771"),
        # ADQL
        ("CIRCLE('ICRS', 10, 20, 1)", "CIRCLE 10 20 1"),
        ("circle ( 'icrs geocenter' ,10,20,1 )", "CIRCLE 10 20 1"),
        ("CIRCLE('', 10, 20, 1)", "CIRCLE 10 20 1"),
        ("CIRCLE(10, 20, 1)", "CIRCLE 10 20 1"),
        ("CIRCLE(POINT('ICRS', 10, 20), 1)", "CIRCLE 10 20 1"),
        ("ADQL POLYGON('ICRS', 1, 1, 2, 1, 2, 2)", "POLYGON 1 1 2 1 2 2"),
        ("POLYGON(POINT(1, 1), POINT(2, 1), POINT(2, 2))", "POLYGON 1 1 2 1 2 2"),
        ("BOX('ICRS', 10, 20, 2, 1)", "Box ICRS 10 20 2 1"),
        ("POINT('ICRS', 10, 20)", "Position ICRS 10 20"),
        ("REGION('Circle ICRS 10 20 1')", "CIRCLE 10 20 1"),
        ("CIRCLE('GALACTIC', 10, 20, 1)", "Circle GALACTIC 10 20 1"),
        # DS9
        ("icrs;circle(10,20,1)", "CIRCLE 10 20 1"),
        ('icrs\ncircle(10,20,3600") # color=red text={a;b}', "CIRCLE 10 20 1"),
        ("DS9 icrs; circle(10, 20, 60')", "CIRCLE 10 20 1"),
        ("icrs;circle 0:40:00.0 +20:00:00.0 1d", "CIRCLE 10 20 1"),
        ("icrs;circle(0h40m00s,+20d00m00s,1)", "CIRCLE 10 20 1"),
        ("icrs;+circle(10,20,1)", "CIRCLE 10 20 1"),
        ("icrs;ellipse(10,20,2,1,0)", "Ellipse ICRS 10 20 2 1 90"),
        ("icrs;ellipse(10,20,2,1,30)", "Ellipse ICRS 10 20 2 1 120"),
        ("icrs;box(10,20,2,1)", "Box ICRS 10 20 2 1"),
        ("icrs;box(10,20,2,1,90)", "Box ICRS 10 20 1 2"),
        ("icrs;polygon(1,1,2,1,2,2)", "POLYGON 1 1 2 1 2 2"),
        ("icrs;point(10,20)", "Position ICRS 10 20"),
        ("icrs;annulus(10,20,0,1)", "CIRCLE 10 20 1"),
        ("galactic;circle(10,20,1)", "Circle GALACTIC 10 20 1"),
        ("j2000\ncircle(10,20,1)", "Circle FK5 10 20 1"),
        ("icrs;circle(10,20,1)\ncircle(13,20,1)", "Union ICRS (Circle 10 20 1 Circle 13 20 1)"),
        (
            "# Region file format: DS9 version 4.1\nglobal color=green dashlist=8 3\nicrs\ncircle(10,20,1)\n"
            "-circle(10,20,0.5)\n",
            "Difference ICRS (Circle 10 20 1 Circle 10 20 0.5)",
        ),
        ("icrs;-circle(10,20,1)", "Not (Circle ICRS 10 20 1)"),
        ("icrs;annulus(10,20,0.5,1)", "Difference ICRS (Circle 10 20 1 Circle 10 20 0.5)"),
        # coordinates
        ("00:40:00 +20:00:00 1", "CIRCLE 10 20 1"),
        ("0h40m +20d00m 60'", "CIRCLE 10 20 1"),
        ("0:40:00.00 20 3600 arcsec", "CIRCLE 10 20 1"),
        # MOC
        ("MOC 3/1 4", '{"3": [1, 4]}'),
        ("3/1-3,5 4/ 29/", "MOC 3/1-3 5 29/"),
        ("s3/1-3 5", "3/5 1 2 3"),
    ],
)
def test_a_form_means_the_same_as_another(text: str, same: str) -> None:
    one, other = Region.parse(text), Region.parse(same)
    assert area(one.moc()) == pytest.approx(area(other.moc()), rel=1e-3)
    assert area(one.moc().symmetric_difference(other.moc())) <= 0.02 * area(one.moc())
    assert Region.parse(one.text) == one
    assert "\n" not in one.text
    json.dumps(one.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # STC-S
        ("Circle FK4 10 20 1", "the frame must be one of ICRS, FK5 .J2000. and GALACTIC, not 'FK4'"),
        ("Circle UNKNOWNFrame 10 20 1", "the frame must be one of .* not 'UNKNOWNFrame'"),
        ("Circle ICRS 10 20", "Circle takes 3 numbers, not 2"),
        ("Circle ICRS 10 20 1 2", "Circle takes 3 numbers, not 4"),
        ("Circle ICRS 10 20 nan", "must be a finite number of degrees, not 'nan'"),
        ("Circle ICRS 10 20 1 unit parsec", "the unit must be deg, arcmin, arcsec or rad, not 'parsec'"),
        ("Circle ICRS 10 20 1 Circle 1 2 3", "nothing can follow the region, and 'Circle' does"),
        ("Circle GALACTIC 10 95 1", "declination must be a number of degrees from -90 to 90"),
        ("Circle fillfactor 2 ICRS 10 20 1", "fillfactor must be larger than 0"),
        ("Polygon ICRS 1 2 3 4", "for at least 3 points, not 4"),
        ("Polygon ICRS 1 1 2 1 2 2 3", "an even number of numbers, for at least 3 points, not 7"),
        ("Polygon ICRS 0 0 2 2 2 0 0 2", "must not cross"),
        ("Convex ICRS 1 2 3", "must begin with"),
        ("STC Convex ICRS 1 2 3", "must begin with one of Circle, .* not 'Convex'"),
        ("Box ICRS 10 20 0 1", "a side of a box must be a number of degrees larger than 0 and at most 170, not 0"),
        ("Ellipse ICRS 10 20 90 1 0", "a semi-axis must be .* at most 85, not 90"),
        ("Ellipse ICRS 10 20 1 1e-20 0", "the ellipse is too thin or too small"),
        ("Ellipse ICRS 10 20 2 1 1e9", "an angle must be a number of degrees from -720 to 720, not 1000000000"),
        ("PositionInterval GALACTIC 1 2 3 4", "is taken in ICRS only"),
        ("Union ICRS (Circle 1 2 3", "the parenthesis after Union is not closed"),
        ("Union ICRS Circle 1 2 3", "takes its regions in parentheses, not 'Circle'"),
        ("Union ICRS ()", "Union takes at least one region, not 0"),
        ("Difference (Circle 1 2 3)", "Difference takes two regions, not 1"),
        ("Not (Circle 1 2 3 Circle 2 3 4)", "Not takes one region, not 2"),
        ("Not " * 40 + "Circle 1 2 3", "at most 32 deep"),
        ("Not (" * 9000, "at most 32 deep"),
        ("Union (" + "Circle 1 2 3 " * 301 + ")", "at most 300 shapes"),
        ("Union (" + ("Union (" + "Circle 1 2 3 " * 200 + ")") * 2 + ")", "at most 300 shapes, not 400"),
        ("STC", "must begin with one of"),
        # ADQL
        ("CIRCLE('FK4', 1, 2, 3)", "not 'FK4'"),
        ("CIRCLE('ICRS, 1, 2, 3)", "the frame must be in single quotes"),
        ("CIRCLE(1, 2)", "ADQL: CIRCLE takes 3 numbers, not 2"),
        ("CIRCLE(1, 2, 3", "with its values in parentheses"),
        ("CIRCLE()", "must be a finite number of degrees, not ''"),
        ("CIRCLE(POINT(1), 3)", "POINT takes 2 numbers, not 1"),
        ("CIRCLE(a, b, 3)", "not 'a'"),
        ("POLYGON(POINT('ICRS',1,1), POINT('FK5',2,1), POINT(2,2))", "must be in one frame"),
        ("POLYGON(1, 1, 2, 1, 2)", "for at least 3 points, not 5"),
        ("REGION(Circle 1 2 3)", "in single quotes"),
        ("ADQL ELLIPSE(1,2,3,4,5)", "must be one of POINT, CIRCLE, BOX, POLYGON, REGION"),
        # DS9
        ("DS9 circle(10,20,1)", "the circle has no frame"),
        ("# nothing\n", "the file has no shape"),
        ("DS9", "the file has no shape"),
        ("DS9 garbage", "a frame or a shape is wanted, not 'garbage'"),
        ("image;circle(10,20,1)", "pixels of an image"),
        ("physical\ncircle(10,20,1)", "pixels of an image"),
        ("fk4;circle(10,20,1)", "not 'fk4'"),
        ("fk5;circle(10,20)", "circle takes 3 values, not 2"),
        ("fk5;circle(nan,20,1)", "not 'nan'"),
        ("fk5;circle(10,20,1p)", "a length must be a number of degrees"),
        ("fk5;circle(10,20,1i)", "a length must be a number of degrees"),
        ("fk5;circle(25:00:00,20,1)", "must be less than 24 hours"),
        ("fk5;circle(2:61:00,20,1)", "less than 60 minutes"),
        ("fk5;circle(2:01:00,5h20m,1)", "in degrees, not in hours"),
        ("fk5;line(1,2,3,4)", "one of circle, ellipse, box, polygon, annulus, point, not 'line'"),
        ("fk5;panda(1,2,0,90,4,0.1,0.2,4)", "not 'panda'"),
        ("fk5;annulus(1,2,3,2)", "radii of an annulus must grow"),
        ("fk5;annulus(1,2,3)", "annulus takes at least 4 values, not 3"),
        ("fk5;box(1,2,3,4,5,6,7)", "box takes 4 or 5 values, not 7"),
        ("fk5;polygon(1,2,3,4)", "for at least 3 points, not 4"),
        ("fk5\n" + "circle(1,2,3)\n" * 301, "at most 300 shapes"),
        # coordinates and targets
        ("02:23:11.4 +43:02:08", "coordinates take a radius"),
        ("02:23:11.4 +43:02:08 6 parsec", "a length must be a number"),
        ("02:23:11.4 +93:02:08 6'", "from -90 to 90"),
        ("02:23:61 +43:02:08 6'", "less than 60 minutes and seconds"),
        ("02:23:11.4 +43:02:08 0", "larger than 0"),
        ("TARGET 3C66B 1", "cannot be used here"),
        ("TARGET 3C66B", "takes a name and a radius"),
        ("Not AllSky", "covers nothing"),
        ("Intersection ICRS (Circle 10 20 1 Circle 50 20 1)", "covers nothing"),
    ],
)
def test_what_is_no_region_is_explained(text: str, message: str) -> None:
    with pytest.raises(RegionError, match=message) as caught:
        Region.parse(text).moc()
    assert len(str(caught.value)) < 260


@pytest.mark.parametrize(("frame", "name"), [("fk5", "FK5"), ("galactic", "GALACTIC"), ("fk5", "J2000")])
@pytest.mark.parametrize("place", [(10.0, 20.0), (266.4, -28.9), (0.0, 89.9), (359.9, -60.0)])
def test_frames_are_those_of_astropy(frame: str, name: str, place: tuple[float, float]) -> None:
    region = Region.parse(f"Circle {name} {place[0]} {place[1]} 0.5").as_dict()
    truth = SkyCoord(*place, unit="deg", frame=frame).icrs
    there = SkyCoord(region["ra"], region["dec"], unit="deg")
    assert float(there.separation(truth).arcsec) < 1e-6


@pytest.mark.parametrize("frame", ["FK5", "GALACTIC"])
@pytest.mark.parametrize("angle", [0.0, 30.0, 75.0])
def test_an_angle_is_turned_with_its_frame(frame: str, angle: float) -> None:
    region = Region.parse(f"Ellipse {frame} 100 30 1 0.2 {angle}")
    centre = SkyCoord(100, 30, unit="deg", frame="fk5" if frame == "FK5" else "galactic")
    tip = centre.directional_offset_by(angle * units.deg, 0.95 * units.deg).icrs
    side = centre.directional_offset_by((angle + 90) * units.deg, 0.5 * units.deg).icrs
    assert holds(region, tip.ra.deg, tip.dec.deg)
    assert not holds(region, side.ra.deg, side.dec.deg)


@pytest.mark.parametrize("angle", [20, 45, 90, 135])
def test_an_ellipse_is_that_of_mocpy(angle: float) -> None:
    """STC-S of mocpy, which is right on ellipses that are small and not circles."""
    text = f"Ellipse ICRS 150 40 1 0.4 {angle}"
    mine = Region.parse(text).moc()
    theirs = MOC.from_stcs(text, max_depth=mine.max_order)
    assert area(mine.symmetric_difference(theirs)) < 0.05 * area(theirs)


@pytest.mark.parametrize(
    "text",
    [
        "Circle ICRS 147.6 69.9 0.4",
        "Polygon ICRS 1 1 5 1 5 5",
        "Union ICRS (Circle 180 10 2 Circle 181 11 2)",
        "Intersection ICRS (Circle 180 10 2 Circle 181 11 2)",
        "Union ICRS (Circle 180 10 2 Intersection (Circle 170 10 4 Not (Circle 170 10 2)))",
    ],
)
def test_stcs_agrees_with_mocpy_where_that_is_right(text: str) -> None:
    mine = Region.parse(text).moc()
    theirs = MOC.from_stcs(text, max_depth=mine.max_order)
    assert area(mine.symmetric_difference(theirs)) < 0.01 * area(theirs)


def test_a_difference_is_one_without_the_other() -> None:
    """That of mocpy 0.21 is what either has alone."""
    text = "Circle ICRS 180 10 2", "Circle ICRS 181 11 1"
    first, second = (Region.parse(part).moc() for part in text)
    mine = Region.parse(f"Difference ICRS ({' '.join(text)})").moc()
    assert area(mine.symmetric_difference(first.difference(second))) < 0.01 * area(mine)


def test_a_box_has_the_sides_of_adql() -> None:
    """Great circles at right angles to the arms of a cross at their ends."""
    region = Region.parse("Box ICRS 40 60 6 4")
    centre = SkyCoord(40, 60, unit="deg")
    for direction, half in ((90, 3), (270, 3), (0, 2), (180, 2)):
        inside = centre.directional_offset_by(direction * units.deg, (half - 0.05) * units.deg)
        outside = centre.directional_offset_by(direction * units.deg, (half + 0.05) * units.deg)
        assert holds(region, inside.ra.deg, inside.dec.deg)
        assert not holds(region, outside.ra.deg, outside.dec.deg)
    assert region.shape == "polygon"


def test_an_annulus_has_its_hole_however_thin() -> None:
    region = Region.parse("icrs;annulus(10,20,59.8',60')")
    assert area(region.moc()) == pytest.approx(np.pi * (1 - (59.8 / 60) ** 2), rel=0.15)
    assert not holds(region, 10, 20)
    assert holds(region, 10, 20.9984)


def test_what_remains_of_large_shapes_has_fine_cells() -> None:
    lens = Region.parse("Intersection ICRS (Circle 10 20 1 Circle 12.12 20 1)")
    assert lens.order > Region.parse("CIRCLE 10 20 1").order
    assert len(lens.moc().to_depth29_ranges) > 20


def test_a_small_shape_beside_a_large_one_is_not_coarse() -> None:
    both = Region.parse("Union ICRS (Circle 10 20 3 Circle 60 20 0.001)")
    small = Region.parse("CIRCLE 60 20 0.001").moc()
    assert area(both.moc().intersection(Region.parse("CIRCLE 60 20 1").moc())) == pytest.approx(area(small), rel=1e-9)


def test_a_compound_tells_its_parts() -> None:
    told = Region.parse("Difference ICRS (Circle 10 20 1 Box 10 20 0.5 0.5)").as_dict()
    assert (told["shape"], told["operation"]) == ("compound", "difference")
    assert [part["shape"] for part in told["parts"]] == ["circle", "polygon"]
    assert told["parts"][0] == {"shape": "circle", "ra": 10.0, "dec": 20.0, "radius": 1.0}


def test_a_compound_can_be_had_at_a_coarser_order() -> None:
    region = Region.parse("Union ICRS (Circle 10 20 3 Circle 60 20 0.001)")
    assert region.moc(8).max_order == 8
    with pytest.raises(RegionError, match="can be cut into cells of order"):
        region.moc(region.finest_order + 1 if region.finest_order + 1 != region.order else region.finest_order + 2)


def test_a_point_is_one_cell() -> None:
    region = Region.parse("POINT('ICRS', 10, 20)")
    assert region.order == 29
    assert np.diff(region.moc().to_depth29_ranges).tolist() == [[1]]
    assert region.as_dict() == {"text": "POINT('ICRS', 10, 20)", "shape": "point", "ra": 10.0, "dec": 20.0}


def test_targets_are_found_by_name() -> None:
    places = {
        "3C 66B": [(35.8, 43.0), (35.82, 42.98)],
        "Field": [(10.0, 20.0), (12.0, 20.0)],
        "all": [(0, 0), (180, 0)],
    }
    region = Region.parse("TARGET  3C 66B 6'", lambda name: places.get(name, []))
    assert region.as_dict() == {
        "text": "TARGET  3C 66B 6'",
        "shape": "circle",
        "ra": pytest.approx(35.81, abs=1e-4),
        "dec": pytest.approx(42.99, abs=1e-4),
        "radius": 0.1,
    }
    for name in ("Field", "all"):
        with pytest.raises(RegionError, match=r"2 pointings towards .* lie too far apart"):
            Region.parse(f"TARGET {name} 1", lambda name: places[name])
    with pytest.raises(RegionError, match="no dataset has the target 'M 31'"):
        Region.parse("TARGET M 31 1", lambda _name: [])
