"""The schema of each kind of parameter; the document as a whole is tested over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.descriptor import ParameterSpec
from uws.openapi import parameter


@pytest.mark.parametrize(
    ("spec", "schema"),
    [
        (
            {"type": "real", "unit": "keV", "ucd": "em.energy", "minimum": 0.5, "maximum": 32, "default": 1.0},
            {
                "type": "number",
                "minimum": 0.5,
                "maximum": 32.0,
                "default": 1.0,
                "description": "What. In keV.",
                "x-unit": "keV",
                "x-ucd": "em.energy",
            },
        ),
        ({"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 1, "description": "What."}),
        (
            {"type": "text", "options": ("a", "b"), "default": "a"},
            {"type": "string", "enum": ["a", "b"], "default": "a", "description": "What."},
        ),
        (
            {"type": "text", "max_length": 7, "required": True},
            {"type": "string", "maxLength": 7, "description": "What. It must be given before the job runs."},
        ),
        (
            {"type": "integer", "multiple": True},
            {"type": "array", "items": {"type": "integer"}, "description": "What."},
        ),
        (
            {"type": "file"},
            {
                "type": "string",
                "format": "binary",
                "description": "What. A file, sent as a part of a multipart form.",
            },
        ),
        ({"type": "boolean", "default": False}, {"type": "boolean", "default": False, "description": "What."}),
        (
            {"type": "region", "options": ("auto",), "default": "auto"},
            {
                "type": "string",
                "examples": ["CIRCLE 83.633 22.014 0.05"],
                "default": "auto",
                "description": "What. A region, or one of: auto.",
            },
        ),
    ],
)
def test_parameter(spec: dict[str, Any], schema: dict[str, Any]) -> None:
    assert parameter(ParameterSpec.model_validate({"name": "X", "description": "What.", **spec})) == schema
