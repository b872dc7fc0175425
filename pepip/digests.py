"""SHA-256 of small content: names, keys, launchers.

It comes from the interpreter's own module. `hashlib` loads OpenSSL first, which takes longer than linking an entry.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # Python 3.12 and newer
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256


def hexadecimal(content: bytes) -> str:
    """Return the SHA-256 digest of `content` in hexadecimal digits."""
    return str(sha256(content).hexdigest())


def binary(content: bytes) -> bytes:
    """Return the SHA-256 digest of `content`, 32 bytes."""
    return bytes(sha256(content).digest())
