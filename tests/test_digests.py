"""SHA-256 from the interpreter's own module equals that of `hashlib`."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepip import digests
from tests import ROOT

pytestmark = pytest.mark.unit


@given(st.binary(max_size=300))
def test_digests_are_those_of_hashlib(content: bytes) -> None:
    """This holds for hexadecimal digits and for bytes, with any content."""
    assert digests.hexadecimal(content) == hashlib.sha256(content).hexdigest()
    assert digests.binary(content) == hashlib.sha256(content).digest()


def test_openssl_is_not_loaded() -> None:
    """Loading it takes longer than linking a package."""
    code = "import sys; import pepip.digests; print({'hashlib', '_hashlib'} & set(sys.modules))"

    output = subprocess.check_output([sys.executable, "-S", "-c", code], text=True, cwd=ROOT)

    assert output == "set()\n"
