"""Keys on secp256k1: BIP-340 signatures and x-only ECDH, through libsecp256k1.

The library trusts its caller with lengths: it reads 64 bytes of any signature and 32 of any key. Every length is
therefore checked here, and nothing else imports the library.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import Any, Final, NewType

from secp256k1 import ffi, lib
from secp256k1 import secp256k1_ctx as _context

from nips.errors import InvalidKey

PublicKey = NewType("PublicKey", str)
"""32-byte x-only public key, lower-case hex (BIP-340). The form is checked, the curve is not until it is used."""

_HEX_64 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def parse_public_key(value: object) -> PublicKey:
    """Return a public key from its 64 lower-case hex digits, or raise `InvalidKey`."""
    if not isinstance(value, str) or not _HEX_64.fullmatch(value):
        raise InvalidKey("a public key is 64 lower-case hex digits")
    return PublicKey(value)


@lru_cache(maxsize=256)
def _points(x_only: bytes) -> tuple[Any, Any] | None:
    """Return a key for ECDH and the same key for signatures; None off the curve.

    Finding y takes a square root. Who is verified is soon decrypted from or answered, so a few are remembered; they are
    public, and how long one takes tells only how lately it was used.
    """
    # An x-only key stands for the point with even y (BIP-340), hence the prefix 02.
    point, even = ffi.new("secp256k1_pubkey *"), ffi.new("secp256k1_xonly_pubkey *")
    if not lib.secp256k1_ec_pubkey_parse(_context, point, b"\x02" + x_only, 33):
        return None
    lib.secp256k1_xonly_pubkey_from_pubkey(_context, even, ffi.NULL, point)
    return point, even


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Check a BIP-340 signature over a message; malformed keys and signatures are simply not valid."""
    if len(public_key) != 32 or len(signature) != 64 or (points := _points(public_key)) is None:
        return False
    return bool(lib.secp256k1_schnorrsig_verify(_context, signature, message, len(message), points[1]))


@ffi.callback("int(unsigned char *, const unsigned char *, const unsigned char *, void *)")  # type: ignore[untyped-decorator]
def _copy_x(output: Any, x32: Any, _y32: Any, _data: Any) -> int:
    # NIP-44 wants the unhashed x coordinate; the library's default would return its SHA-256.
    ffi.memmove(output, x32, 32)
    return 1


class SecretKey:
    """A secret key. It has no text form, so it cannot slip into a log."""

    __slots__ = ("_keypair", "_raw", "public_key")

    public_key: Final[PublicKey]

    def __init__(self, raw: bytes) -> None:
        """Take 32 bytes; raise `InvalidKey` unless they are a number between 1 and the group order less 1."""
        if len(raw) != 32:
            raise InvalidKey("a secret key is 32 bytes")
        keypair = ffi.new("secp256k1_keypair *")
        if not lib.secp256k1_keypair_create(_context, keypair, raw):
            raise InvalidKey("a secret key is a number below the group order, not zero")
        point = ffi.new("secp256k1_xonly_pubkey *")
        lib.secp256k1_keypair_xonly_pub(_context, point, ffi.NULL, keypair)
        output = ffi.new("unsigned char[32]")
        lib.secp256k1_xonly_pubkey_serialize(_context, output, point)
        self._raw = raw
        self._keypair = keypair
        self.public_key = PublicKey(bytes(ffi.buffer(output, 32)).hex())

    def __repr__(self) -> str:
        return "SecretKey(hidden)"

    def __reduce__(self) -> Any:
        raise TypeError("a secret key is not pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretKey) and hmac.compare_digest(self._raw, other._raw)

    def __hash__(self) -> int:
        return hash(self.public_key)

    def reveal(self) -> bytes:
        """Return the 32 bytes, for storage under encryption only."""
        return self._raw

    def sign(self, message: bytes, aux: bytes) -> bytes:
        """Sign a 32-byte message (BIP-340); `aux` is 32 fresh random bytes."""
        if len(message) != 32 or len(aux) != 32:
            raise ValueError("message and auxiliary randomness are 32 bytes each")
        signature = ffi.new("unsigned char[64]")
        if not lib.secp256k1_schnorrsig_sign(_context, signature, message, self._keypair, aux):
            raise RuntimeError("signing failed")
        return bytes(ffi.buffer(signature, 64))

    def shared_x(self, public_key: PublicKey) -> bytes:
        """Return the unhashed 32-byte x of ECDH in constant time (NIP-44); raise `InvalidKey` off the curve."""
        points = _points(bytes.fromhex(parse_public_key(public_key)))
        if points is None:
            raise InvalidKey("a public key is not on the curve")
        output = ffi.new("unsigned char[32]")
        if not lib.secp256k1_ecdh(_context, output, points[0], self._raw, _copy_x, ffi.NULL):
            raise RuntimeError("ECDH failed")
        return bytes(ffi.buffer(output, 32))
