"""The bound: the curve operations that a wrap cannot do without, alone, as fast as this machine's library does them.

libsecp256k1 as shipped in the `secp256k1` wheel, called through its cffi binding in a tight loop on one thread. Of the
honest loops this is the fastest, so that no ratio flatters us: points, key pairs and buffers are made beforehand, and
nothing is parsed, serialised, allocated or compared inside. ECDH ends in the library's own hash, in C; our own code
has to have the bare x coordinate (NIP-44), which costs it a call back into Python.
"""

from __future__ import annotations

from collections.abc import Callable

from secp256k1 import ffi, lib
from secp256k1 import secp256k1_ctx as _context

from bench.rounds import Work, in_turn, rate
from client.entropy import SystemEntropy, draw_key

OPENING = "bound: 2 ECDH + 2 verify"
WRAPPING = "bound: 2 ECDH + 2 sign"
OPENING_KNOWN = "bound: 1 ECDH + 2 verify"
WRAPPING_KNOWN = "bound: 1 ECDH + 2 sign"
BOTH = "both bounds, summed"

_ENTROPY = SystemEntropy()


def opening(*, ecdh: int = 2, verify: int = 2) -> Work:
    """Return the least that opening one wrap costs; one ECDH less where its author is known."""
    return _both(_ecdh(), ecdh, _verification(), verify)


def wrapping(*, ecdh: int = 2, sign: int = 2) -> Work:
    """Return the least that making one wrap costs; one ECDH less where its recipient is known."""
    return _both(_ecdh(), ecdh, _signature(), sign)


def both() -> Callable[[float], float]:
    """Return what measures for so many seconds how often one wrap can be opened and another made."""
    opened, wrapped = opening(), wrapping()
    return lambda seconds: in_turn(rate(opened, seconds / 2), rate(wrapped, seconds / 2))


def _both(first: Callable[[int], None], firsts: int, second: Callable[[int], None], seconds: int) -> Work:
    def work(times: int) -> int:
        first(firsts * times)
        second(seconds * times)
        return times

    return work


def _ecdh() -> Callable[[int], None]:
    point, compressed = ffi.new("secp256k1_pubkey *"), bytes.fromhex("02" + draw_key(_ENTROPY).public_key)
    assert lib.secp256k1_ec_pubkey_parse(_context, point, compressed, len(compressed))
    output, secret = ffi.new("unsigned char[32]"), ffi.new("unsigned char[32]", draw_key(_ENTROPY).reveal())
    ecdh, context, default = lib.secp256k1_ecdh, _context, ffi.NULL

    def work(times: int) -> None:
        for _ in range(times):
            ecdh(context, output, point, secret, default, default)

    return work


def _signature() -> Callable[[int], None]:
    keypair, signature, message, aux = _signed()
    sign, context = lib.secp256k1_schnorrsig_sign, _context

    def work(times: int) -> None:
        for _ in range(times):
            sign(context, signature, message, keypair, aux)

    return work


def _verification() -> Callable[[int], None]:
    keypair, signature, message, _ = _signed()
    point = ffi.new("secp256k1_xonly_pubkey *")
    assert lib.secp256k1_keypair_xonly_pub(_context, point, ffi.NULL, keypair)
    verify, context = lib.secp256k1_schnorrsig_verify, _context
    assert verify(context, signature, message, 32, point)

    def work(times: int) -> None:
        for _ in range(times):
            verify(context, signature, message, 32, point)

    return work


def _signed() -> tuple[object, object, object, object]:
    keypair, signature = ffi.new("secp256k1_keypair *"), ffi.new("unsigned char[64]")
    message, aux = (ffi.new("unsigned char[32]", _ENTROPY.draw(32)) for _ in range(2))
    assert lib.secp256k1_keypair_create(_context, keypair, draw_key(_ENTROPY).reveal())
    assert lib.secp256k1_schnorrsig_sign(_context, signature, message, keypair, aux)
    return keypair, signature, message, aux
