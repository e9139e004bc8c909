"""The columns of an answer: names, types, units, UCDs and utypes, for every face that shows datasets.

What ObsCore 1.1 has (its table 5 and appendix B: all 29 mandatory columns) bears its name and says what it says there;
the other columns are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cell = str | int | float | bool | None
Datatype = Literal["char", "unicodeChar", "short", "int", "long", "float", "double", "boolean"]


@dataclass(frozen=True)
class Column:
    """A column of a table: what VOTable calls a FIELD."""

    name: str
    datatype: Datatype
    description: str
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    xtype: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the cells are texts."""
        return self.datatype in ("char", "unicodeChar")


def _core(name: str, datatype: str, description: str, unit: str, ucd: str, utype: str, xtype: str = "") -> Column:
    return Column(name, datatype, description, unit, ucd, f"obscore:{utype}", xtype)  # type: ignore[arg-type]


_WHERE = "Char.SpatialAxis.Coverage"
_WHEN = "Char.TimeAxis.Coverage"
_LIGHT = "Char.SpectralAxis.Coverage.Bounds.Limits"

DATASET = (
    Column("id", "char", "Short id of the dataset: OBS/CAMERA/EXPOSURE", ucd="meta.id;meta.dataset"),
    _core("obs_publisher_did", "char", "IVOA id of the dataset", "", "meta.ref.ivoid", "Curation.PublisherDID"),
    _core("dataproduct_type", "char", "Kind of data", "", "meta.code.class", "ObsDataset.dataProductType"),
    _core("calib_level", "int", "Calibration level, 0 to 4", "", "meta.code;obs.calib", "ObsDataset.calibLevel"),
    _core("obs_collection", "unicodeChar", "Collection the dataset belongs to", "", "meta.id", "DataID.Collection"),
    _core("obs_id", "char", "Observation", "", "meta.id", "DataID.observationID"),
    Column("camera", "char", "Camera", ucd="meta.id;instr.det"),
    Column("exposure_id", "char", "Exposure of the camera", ucd="meta.id;obs.exposure"),
    _core("target_name", "unicodeChar", "Target", "", "meta.id;src", "Target.Name"),
    _core(
        "s_ra",
        "double",
        "Right ascension of the pointing, ICRS",
        "deg",
        "pos.eq.ra",
        f"{_WHERE}.Location.Coord.Position2D.Value2.C1",
    ),
    _core(
        "s_dec",
        "double",
        "Declination of the pointing, ICRS",
        "deg",
        "pos.eq.dec",
        f"{_WHERE}.Location.Coord.Position2D.Value2.C2",
    ),
    _core(
        "s_fov",
        "double",
        "Diameter of the field, estimated",
        "deg",
        "phys.angSize;instr.fov",
        f"{_WHERE}.Bounds.Extent.diameter",
    ),
    _core(
        "s_region",
        "char",
        "Outline of the coverage, STC-S",
        "",
        "pos.outline;obs.field",
        f"{_WHERE}.Support.Area",
        "adql:REGION",
    ),
    _core(
        "s_resolution",
        "double",
        "Spatial resolution, full width at half maximum",
        "arcsec",
        "pos.angResolution",
        "Char.SpatialAxis.Resolution.Refval.value",
    ),
    _core("s_xel1", "long", "Elements along the first spatial axis", "", "meta.number", "Char.SpatialAxis.numBins1"),
    _core("s_xel2", "long", "Elements along the second spatial axis", "", "meta.number", "Char.SpatialAxis.numBins2"),
    Column("position_angle", "double", "Position angle, east of north", "deg", "pos.posAng"),
    _core("t_min", "double", "Start, MJD", "d", "time.start;obs.exposure", f"{_WHEN}.Bounds.Limits.StartTime"),
    _core("t_max", "double", "End, MJD", "d", "time.end;obs.exposure", f"{_WHEN}.Bounds.Limits.StopTime"),
    _core("t_exptime", "double", "Exposure time", "s", "time.duration;obs.exposure", f"{_WHEN}.Support.Extent"),
    _core("t_resolution", "double", "Time resolution", "s", "time.resolution", "Char.TimeAxis.Resolution.Refval.value"),
    _core("t_xel", "long", "Elements along the time axis", "", "meta.number", "Char.TimeAxis.numBins"),
    _core("em_min", "double", "Shortest wavelength", "m", "em.wl;stat.min", f"{_LIGHT}.LoLimit"),
    _core("em_max", "double", "Longest wavelength", "m", "em.wl;stat.max", f"{_LIGHT}.HiLimit"),
    _core(
        "em_res_power",
        "double",
        "Spectral resolving power",
        "",
        "spect.resolution",
        "Char.SpectralAxis.Resolution.ResolPower.refVal",
    ),
    _core("em_xel", "long", "Elements along the spectral axis", "", "meta.number", "Char.SpectralAxis.numBins"),
    _core("o_ucd", "char", "UCD of what was observed", "", "meta.ucd", "Char.ObservableAxis.ucd"),
    _core(
        "pol_states",
        "char",
        "Polarisation states",
        "",
        "meta.code;phys.polarization",
        "Char.PolarizationAxis.stateList",
    ),
    _core("pol_xel", "long", "Number of polarisation states", "", "meta.number", "Char.PolarizationAxis.numBins"),
    _core("facility_name", "unicodeChar", "Observatory", "", "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name"),
    _core("instrument_name", "unicodeChar", "Instrument", "", "meta.id;instr", "Provenance.ObsConfig.Instrument.name"),
    Column("filter", "unicodeChar", "Filter", ucd="meta.id;instr.filter"),
    Column("mode", "unicodeChar", "Mode of the instrument", ucd="meta.code;instr.setup"),
    _core("access_url", "char", "Where the dataset can be had", "", "meta.ref.url", "Access.Reference"),
    _core("access_format", "char", "Media type of what is there", "", "meta.code.mime", "Access.Format"),
    _core("access_estsize", "long", "Its size, estimated", "kbyte", "phys.size;meta.file", "Access.Size"),
    Column("simulated", "boolean", "Whether the data are simulated", ucd="meta.code"),
    Column("approximate", "boolean", "Whether the coverage is a guess from the pointing", ucd="meta.code"),
    Column("area", "double", "Area of the dataset's coverage", "deg**2", "phys.angArea;obs.field"),
)
"""What is told of a dataset."""

MATCH = (
    Column("overlap", "double", "Area that region and dataset share", "deg**2", "phys.angArea"),
    Column("dataset_fraction", "double", "Part of the dataset inside the region", ucd="stat.value;arith.ratio"),
    Column("region_fraction", "double", "Part of the region the dataset covers", ucd="stat.value;arith.ratio"),
    Column("contains", "boolean", "Whether the dataset covers all of the region", ucd="meta.code"),
    Column("inside", "boolean", "Whether all of the dataset lies in the region", ucd="meta.code"),
    Column("order", "int", "HEALPix order at which the overlap was measured", ucd="meta.number"),
)
"""What is told of a dataset and a region; without a region all are unknown, but the order, which is the dataset's."""

COLUMNS = (*DATASET, *MATCH)

EXTRA = (
    "dataproduct_type",
    "calib_level",
    "s_fov",
    "s_region",
    "s_resolution",
    "s_xel1",
    "s_xel2",
    "t_resolution",
    "t_xel",
    "em_min",
    "em_max",
    "em_res_power",
    "em_xel",
    "o_ucd",
    "pol_states",
    "pol_xel",
    "access_format",
    "access_estsize",
)
"""What a reader may tell of a dataset beyond ``index.dataset.FoundDataset``, as attributes of these names."""
