"""Descriptors: what is wrong with one is said so that its author can mend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.descriptor import ProductSpec, load, slug
from jobs.errors import DescriptorError, NotFoundError
from jobs.registry import Registry
from jobs.settings import BUILT_IN_SCRIPTS

GOOD = """
title = "Count"
summary = "Counts."
version = "1"
command = ["sh", "count.sh"]
ordered = [["LOW", "HIGH"]]
[[parameters]]
name = "LOW"
type = "real"
description = "The lower end."
[[parameters]]
name = "HIGH"
type = "real"
description = "The upper end."
"""


def write(folder: Path, text: str, *, readme: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / "script.toml").write_text(text)
    if readme:
        (folder / "README.md").write_text("# Count")
    return folder


PRODUCT = '\n[[products]]\nname = "a"\ndescription = "It."\n'

FILE = """
[[parameters]]
name = "TABLE"
type = "file"
description = "A table."
"""


def test_a_parameter_may_be_a_file(tmp_path: Path) -> None:
    script = load(write(tmp_path / "count", GOOD + FILE + 'max_size = 5\ncontent_types = ["text/csv"]\n'))
    spec = script.parameter("table")
    assert spec is not None
    assert (spec.max_size, spec.content_types) == (5, ("text/csv",))


@pytest.mark.parametrize("line", ['default = "x"', 'options = ["x"]', "multiple = true", "max_size = 0"])
def test_a_file_has_one_value_and_no_default(tmp_path: Path, line: str) -> None:
    with pytest.raises(DescriptorError, match=r"parameters\.TABLE"):
        load(write(tmp_path / "count", GOOD + FILE + line))


def test_names_of_the_protocol_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match="PHASE belongs to the protocol"):
        load(write(tmp_path / "count", GOOD.replace("HIGH", "PHASE")))


def test_only_a_file_has_a_size(tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match="max_size"):
        load(write(tmp_path / "count", GOOD + "max_size = 5\n"))


def test_a_good_one(tmp_path: Path) -> None:
    script = load(write(tmp_path / "count", GOOD))
    assert (script.name, script.accepts.region, script.documentation) == ("count", "required", "# Count")
    assert script.parameter("low") is script.parameters[0]
    assert script.parameter("ID") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("title", "titel"), "script.toml: title: is missing; titel: there is no such field"),
        (('"real"', '"float"'), "script.toml: parameters.LOW.type: Input should be 'real', 'integer'"),
        (('name = "LOW"', 'name = "low"'), "parameters.low.name: String should match"),
        (('name = "LOW"', 'name = "POS"'), "the parameter POS is shared by all scripts"),
        (('name = "LOW"', 'name = "HIGH"'), "the parameter HIGH is declared twice"),
        (('["LOW", "HIGH"]', '["LOW", "MIDDLE"]'), "the parameter MIDDLE is named but not declared"),
        (('command = ["sh", "count.sh"]', "command = []"), "command: Tuple should have at least 1 item"),
        (('version = "1"', "version = "), "is not TOML"),
        (
            ('type = "real"', 'type = "real"\nminimum = 3\nmaximum = 2'),
            "parameters.LOW: minimum = 3 is more than maximum",
        ),
        (('type = "real"', 'type = "real"\ndefault = "1"'), "parameters.LOW: default = '1': it is no real"),
        (('type = "real"', 'type = "real"\ndefault = true'), "parameters.LOW: default = True: it is no real"),
        (('type = "real"', 'type = "integer"\ndefault = 1.5'), "default = 1.5: it is no integer"),
        (('type = "real"', 'type = "boolean"\ndefault = 1'), "default = 1: it is no boolean"),
        (('type = "real"', 'type = "text"\ndefault = 1'), "default = 1: it is no text"),
        (('type = "real"', 'type = "real"\nminimum = 3\ndefault = 2'), "it does not lie between minimum and maximum"),
        (('type = "real"', 'type = "text"\noptions = ["a"]\ndefault = "b"'), "it is none of options = ['a']"),
        (('type = "real"', 'type = "region"\ndefault = "auto"'), "it is none of options = []"),
        (('type = "real"', 'type = "interval"\ndefault = "1 2"'), "an interval has none"),
        (('type = "real"', 'type = "real"\nucd = "em energy"'), "parameters.LOW.ucd: String should match"),
        (('"The upper end."', f'"x"{PRODUCT}content_type = "text"'), "products.a.content_type: String should match"),
        (
            ('"The upper end."', f'"x"{PRODUCT}content_type = "a/b\\nX: y"'),
            "products.a.content_type: String should match",
        ),
        (('version = "1"', 'version = "1"\nurl = "x"'), "url: there is no such field"),
    ],
)
def test_a_bad_one_says_where(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    folder = write(tmp_path / "count", GOOD.replace(*change, 1))
    with pytest.raises(DescriptorError) as caught:
        load(folder)
    assert message in str(caught.value)


def test_documentation_is_part_of_a_script(tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match=r"README\.md: is missing"):
        load(write(tmp_path / "count", GOOD, readme=False))


def test_a_broken_script_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path / "count", GOOD)
    write(tmp_path / "broken", "?")
    (tmp_path / "library").mkdir()
    registry = Registry([tmp_path, tmp_path / "nowhere"])
    assert registry.names() == ["count"]
    assert "is not TOML" in registry.broken["broken"]
    assert "does not exist" in registry.broken[str(tmp_path / "nowhere")]
    with pytest.raises(NotFoundError, match="There is no script broken; on offer: count"):
        registry.get("broken")


def test_a_later_folder_replaces(tmp_path: Path) -> None:
    write(tmp_path / "a" / "count", GOOD)
    write(tmp_path / "b" / "count", GOOD.replace('version = "1"', 'version = "2"'))
    assert Registry([tmp_path / "a", tmp_path / "b"]).get("count").version == "2"


def test_the_built_in_scripts_are_all_right() -> None:
    registry = Registry([BUILT_IN_SCRIPTS])
    assert registry.broken == {}
    assert {"image", "probe", "spectrum"} <= set(registry.names())


def test_every_parameter_is_documented_where_users_read() -> None:
    registry = Registry([BUILT_IN_SCRIPTS])
    for name in registry.names():
        script = registry.get(name)
        for spec in script.parameters:
            assert spec.name in script.documentation, f"{name}/README.md does not speak of {spec.name}"


def test_product_names() -> None:
    spec = ProductSpec(name="{dataset}_{task}.fits", content_type="a/b", description="")
    assert spec.file_name("0002970201/M1/S001", 3) == "0002970201_M1_S001_3.fits"
    assert slug(None, 2) == "task_2"
