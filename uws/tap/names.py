"""The functions of ADQL that have to do with the sky (ADQL 2.1, section 4.2)."""

from __future__ import annotations

GEOMETRY = ("POINT", "CIRCLE", "BOX", "POLYGON", "REGION", "CENTROID")
"""Functions whose value is a geometry."""
PREDICATES = ("CONTAINS", "INTERSECTS")
OF_GEOMETRY = (*PREDICATES, "DISTANCE", "AREA", "COORD1", "COORD2", "COORDSYS")
