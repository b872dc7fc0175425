"""Buckets and supported tags of interpreters, which need not be installed here."""

from __future__ import annotations

import platform
import sys
import sysconfig

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging import tags as packaging_tags

from pepip.errors import InvalidWheelError
from pepip.uv.interpreter import _platforms, abi_of, tags_of
from pepip.wheel.tags import PURE_BUCKET, bucket, buckets_for, expand, tag_of_file_name

pytestmark = pytest.mark.unit

INTERPRETERS = {
    "3.12": ("cpython", "3.12.9", "cpython-312-x86_64-linux-gnu"),
    "3.14": ("cpython", "3.14.2", "cpython-314-x86_64-linux-gnu"),
    "3.14t": ("cpython", "3.14.2", "cpython-314t-x86_64-linux-gnu"),
    "3.15": ("cpython", "3.15.0", "cpython-315-x86_64-linux-gnu"),
    "3.15t": ("cpython", "3.15.0", "cpython-315t-x86_64-linux-gnu"),
    "3.15td": ("cpython", "3.15.0", "cpython-315td-x86_64-linux-gnu"),
    "PyPy 3.11": ("pypy", "3.11.13", "pypy311-pp73-x86_64-linux-gnu"),
    "GraalPy 3.12": ("graalpy", "3.12.8", "graalpy250-312-native-x86_64-linux"),
}


def _tags(name: str) -> list[str]:
    implementation, version, soabi = INTERPRETERS[name]
    return tags_of(implementation, version, abi_of(implementation, version, soabi), _platforms("", ""))


TAGS = {name: _tags(name) for name in INTERPRETERS}


@pytest.mark.parametrize(
    ("wheel", "tag"),
    [
        ("six-1.17.0-py2.py3-none-any.whl", "py2.py3-none-any"),
        ("six-1.17.0-1-py3-none-any.whl", "py3-none-any"),
        ("six-1.17.0-2024build-cp314-cp314t-linux_x86_64.whl", "cp314-cp314t-linux_x86_64"),
        ("a-1-cp315-abi3.abi3t-manylinux_2_28_x86_64.whl", "cp315-abi3.abi3t-manylinux_2_28_x86_64"),
        ("torch-2.9.0-cp314-cp314-linux_x86_64-cu129.whl", "cp314-cp314-linux_x86_64+cu129"),
        ("torch-2.9.0-1-cp314-cp314-linux_x86_64-null.whl", "cp314-cp314-linux_x86_64+null"),
    ],
)
def test_the_tag_is_read_from_any_file_name_of_a_wheel(wheel: str, tag: str) -> None:
    """A build number begins with a digit. This distinguishes it from the label of a variant (PEP 817)."""
    assert tag_of_file_name(wheel) == tag


@pytest.mark.parametrize(
    "name", ["six-1.17.0.tar.gz", "six.whl", "six-1.0-py3-none.whl", "a-1-1-py3-none-any-x-y.whl"]
)
def test_a_name_that_is_no_wheels_is_refused(name: str) -> None:
    """The error is pepip's own and names the file."""
    with pytest.raises(InvalidWheelError, match="is not the file name of a wheel") as refused:
        tag_of_file_name(name)

    assert name in refused.value.message


@pytest.mark.parametrize("label", ["cu129", "null", "x86_64_v3", "cu.any", "any"])
@pytest.mark.parametrize("name", INTERPRETERS)
def test_no_interpreter_supports_a_wheel_variant(name: str, label: str) -> None:
    """Only uv can rank variants. So no variant is ever chosen by its tag, or found in another wheel's bucket."""
    for plain in (TAGS[name][0], "py3-none-any"):
        variant = tag_of_file_name(f"torch-2.9.0-{plain}-{label}.whl")

        assert not set(expand(variant)) & set(TAGS[name])
        assert bucket(variant) not in buckets_for(TAGS[name])


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("py3-none-any", PURE_BUCKET),
        ("py2.py3-none-any", PURE_BUCKET),
        ("py3.cp314-none-any", PURE_BUCKET),
        ("py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64", "py3-none-linux-x86_64"),
        ("py3-none-win_amd64", "py3-none-windows-x86_64"),
        ("cp314-cp314-manylinux_2_28_x86_64", "cpython-314-linux-x86_64"),
        ("cp314-cp314t-manylinux_2_28_x86_64", "cpython-314t-linux-x86_64"),
        ("cp314-cp314t-musllinux_1_2_aarch64", "cpython-314t-musllinux-aarch64"),
        ("cp315-cp315td-linux_x86_64", "cpython-315td-linux-x86_64"),
        ("cp314-none-manylinux_2_28_x86_64", "cpython-314-none-linux-x86_64"),
        ("cp39-abi3-macosx_11_0_arm64", "abi3-macos-arm64"),
        ("cp315-abi3t-linux_x86_64", "abi3t-linux-x86_64"),
        ("cp315-abi3.abi3t-linux_x86_64", "abi3.abi3t-linux-x86_64"),
        ("cp313.cp314-cp313.cp314-linux_x86_64", "mixed"),
        ("pp311-pypy311_pp73-manylinux_2_28_x86_64", "pypy-311-linux-x86_64"),
    ],
)
def test_each_tag_has_one_bucket(tag: str, expected: str) -> None:
    """Buckets are folders on disk. If a name changed, existing entries could not be found."""
    assert bucket(tag) == expected


@pytest.mark.parametrize(("without_gil", "usual"), [("3.14t", "3.14"), ("3.15t", "3.15")])
def test_builds_with_and_without_a_gil_share_no_bucket_of_extensions(without_gil: str, usual: str) -> None:
    """Neither can import the other's extension modules. Buckets that both search hold nothing for a single ABI."""
    own, others = buckets_for(TAGS[without_gil]), buckets_for(TAGS[usual])

    assert own[0] not in others
    assert others[0] not in own
    assert not any(name.startswith("abi3-") for name in own)
    assert not any(name.startswith("abi3t-") for name in others)
    shared = {name for name in set(own) & set(others) if "none" not in name and not name.startswith("abi3.abi3t-")}
    assert shared == {"mixed"}


@pytest.mark.skipif(sys.platform != "linux", reason="the names of platforms are those of Linux")
@pytest.mark.parametrize(
    ("soabi", "implementation", "version", "expected"),
    [
        ("cpython-314t-x86_64-linux-gnu", "cpython", "3.14.0", "cp314t"),
        ("cpython-37m-x86_64-linux-gnu", "cpython", "3.7.17", "cp37m"),
        ("", "cpython", "3.14.0", "cp314"),
        ("pypy311-pp73", "pypy", "3.11.13", "pypy311_pp73"),
        ("pypy311-pp73-x86_64-linux-gnu", "pypy", "3.11.13", "pypy311_pp73"),
        ("graalpy250-312-native-x86_64-linux", "graalpy", "3.12.8", "graalpy250_312_native"),
        ("", "pypy", "3.11.13", "none"),
    ],
)
def test_the_abi_is_read_from_the_name_of_extension_modules(
    soabi: str, implementation: str, version: str, expected: str
) -> None:
    """For some interpreters the name ends with the platform, for others not."""
    assert abi_of(implementation, version, soabi) == expected


def test_a_free_threaded_build_is_known_without_a_name_of_extension_modules() -> None:
    """On Windows there is no such name before Python 3.13."""
    assert abi_of("cpython", "3.14.0", "", is_free_threaded=True) == "cp314t"


def test_a_debug_build_supports_the_usual_extensions_too() -> None:
    """Its own extensions come first (Python 3.8 and newer)."""
    own, usual = "cp315-cp315td-linux_x86_64", "cp315-cp315t-linux_x86_64"

    assert TAGS["3.15td"].index(own) < TAGS["3.15td"].index(usual)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="compares CPython's tags")
def test_the_tags_of_this_interpreter_are_those_that_packaging_gives() -> None:
    """The order is the same, except that uv ranks a plain `linux` tag after all others of the same Python and ABI."""
    version = ".".join(map(str, sys.version_info[:3]))
    abi = abi_of("cpython", version, sysconfig.get_config_var("SOABI"))

    found, theirs = (
        tags_of("cpython", version, abi, _platforms("", "")),
        [str(tag) for tag in packaging_tags.sys_tags()],
    )
    plain = [tag for tag in found if "-linux_" in tag]

    assert set(found) == set(theirs)
    assert [tag for tag in found if tag not in plain] == [tag for tag in theirs if tag not in plain]
    for tag in plain:
        kind = tag.rpartition("-")[0] + "-"
        like = [other for other in found if other.startswith(kind) and not other.endswith("-any")]
        assert like[-1] == tag


SINGLE_TAGS = st.sampled_from(sorted({tag for tags in TAGS.values() for tag in tags}))


@given(st.lists(SINGLE_TAGS, min_size=1, max_size=3), st.sampled_from(sorted(TAGS)))
def test_an_interpreter_finds_the_bucket_of_every_tag_that_it_supports(chosen: list[str], name: str) -> None:
    """This includes compressed tags, which name several interpreters, ABIs or platforms."""
    parts = zip(*(tag.split("-") for tag in chosen), strict=True)
    compressed = "-".join(".".join(dict.fromkeys(part)) for part in parts)

    if set(expand(compressed)) & set(TAGS[name]):
        assert bucket(compressed) in buckets_for(TAGS[name])


def test_the_tags_are_those_of_the_interpreter_not_of_pepip(monkeypatch: pytest.MonkeyPatch) -> None:
    """On one machine there may be interpreters for several processors: by Rosetta, or for 32 bits on Windows."""
    monkeypatch.setattr(platform, "mac_ver", lambda: ("14.5", ("", "", ""), "arm64"))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "macosx_14_0_x86_64" in _platforms("", "x86_64")
    assert "macosx_14_0_arm64" not in _platforms("", "x86_64")
    assert "macosx_14_0_arm64" in _platforms("", "arm64")

    monkeypatch.setattr(sys, "platform", "win32")
    assert _platforms("win-amd64", "") == ["win_amd64"]
    assert _platforms("win32", "") == ["win32"]
