"""The layers that a store names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepip.errors import UsageError
from pepip.store import layers

pytestmark = pytest.mark.unit


def test_a_file_of_layers_that_is_too_long_names_none(tmp_path: Path) -> None:
    """A path that is cut at the limit would name another folder as a layer."""
    (tmp_path / "layers").write_text("".join(f"/site/{number:08}/a/long/path/of/a/layer\n" for number in range(2000)))

    assert layers.named({}, str(tmp_path)) == ()


def test_further_names_of_a_layer_or_of_the_store_are_left_out(tmp_path: Path) -> None:
    """Such as links, dots and slashes: each entry would be listed and counted once for each name."""
    for name in ("site", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / f"link-to-{name}").symlink_to(tmp_path / name)
    words = ["link-to-site", "site", "site/", "./site/../site", "link-to-own", "own", "site"]

    found = layers.named({"PEPIP_LAYERS": ":".join(f"{tmp_path}/{word}" for word in words)}, f"{tmp_path}/own")

    assert found == (f"{tmp_path}/link-to-site",)


def test_a_file_of_layers_is_read_whole(tmp_path: Path) -> None:
    """All lines up to the limit count, in their order."""
    wanted = [f"/site/{number:08}/layer" for number in range(2000)]
    (tmp_path / "layers").write_text("\n".join(wanted))

    assert layers.named({}, str(tmp_path)) == tuple(wanted)


@pytest.mark.parametrize(
    ("own", "words", "inner", "outer"),
    [
        ("site/packages/mine", ["site"], "site/packages/mine", "site"),
        ("own", ["site", "own/packages/a/b"], "own/packages/a/b", "own"),
        ("own", ["link/packages/b", "site"], "link/packages/b", "site"),
    ],
    ids=["one's own in a layer", "a layer in one's own", "a layer in a layer"],
)
def test_a_store_among_the_entries_of_another_is_refused(
    tmp_path: Path, own: str, words: list[str], inner: str, outer: str
) -> None:
    """The paths of its entries would be those of entries of the other. Other folders in a store are fine."""
    (tmp_path / "site" / "packages").mkdir(parents=True)
    (tmp_path / "link").symlink_to("site")
    variables = {"PEPIP_LAYERS": ":".join(f"{tmp_path}/{word}" for word in words)}

    with pytest.raises(UsageError) as caught:
        layers.named(variables, f"{tmp_path}/{own}")

    said = f"the store {tmp_path}/{inner} lies among the entries of the store {tmp_path}/{outer}"
    assert caught.value.message == said
    assert caught.value.hint == f"name another folder in {'PEPIP_HOME' if 'site' in own else 'PEPIP_LAYERS'}"
    variables = {"PEPIP_LAYERS": f"{tmp_path}/site:{tmp_path}/own/layer"}
    assert layers.named(variables, f"{tmp_path}/own") == (f"{tmp_path}/site", f"{tmp_path}/own/layer")


def test_a_layer_that_is_no_store_is_told_from_one_that_is_away(tmp_path: Path) -> None:
    """An empty folder may be where a layer is mounted."""
    (tmp_path / "store" / "packages").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "other" / "things").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    roots = [f"{tmp_path}/{name}" for name in ("store", "empty", "other", "file", "missing")]

    assert layers.away(roots) == {
        f"{tmp_path}/empty": "is not there",
        f"{tmp_path}/other": "is no store: it has no `packages` folder",
        f"{tmp_path}/file": "is not there",
        f"{tmp_path}/missing": "is not there",
    }
