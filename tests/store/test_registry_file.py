"""Files of the registry with entries of layers, which older pepips must be able to read."""

from __future__ import annotations

import json

import pytest

from pepip.store import registry_file
from pepip.store.registry_file import Registration

pytestmark = pytest.mark.unit

LAYERED = "/shared/pepip/packages/py3-none-any/horn-1.0"
KNOWN = Registration(
    file="x.json",
    environment="/home/app/.venv",
    project="/home/app",
    device=1,
    mount_point="/",
    entries=(LAYERED, "py3-none-any/drum-1.0"),
    named="/home/app/.venv",
)


def test_entries_of_layers_have_a_field_of_their_own() -> None:
    """An older pepip reads `entries`, which has only ids that it knows."""
    content = registry_file.dump(KNOWN)

    assert json.loads(content)["entries"] == ["py3-none-any/drum-1.0"]
    assert json.loads(content)["layered"] == [LAYERED]
    assert registry_file.load(content, "x.json") == KNOWN


def test_a_file_of_an_older_pepip_has_no_layers() -> None:
    """Whether it names entries or not."""
    document = json.loads(registry_file.dump(KNOWN))
    del document["layered"]

    assert registry_file.load(json.dumps(document).encode(), "x").entries == ("py3-none-any/drum-1.0",)
    del document["entries"]
    assert registry_file.load(json.dumps(document).encode(), "x").entries is None


def test_a_path_that_is_no_entry_of_a_layer_is_damage() -> None:
    """It could lead anywhere."""
    document = {**json.loads(registry_file.dump(KNOWN)), "layered": ["/shared/pepip/packages/../../etc"]}

    with pytest.raises(ValueError, match="layered"):
        registry_file.load(json.dumps(document).encode(), "x")
