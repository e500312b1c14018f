"""Certificates as an authority makes them that only these tests believe."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client.clock import SystemClock


class Authority:
    """Vouches for names."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority for tests")])
        self._certificate = self._sign(self._name, self._key.public_key(), x509.BasicConstraints(True, None))

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client believes who believes this authority alone."""
        pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def issue(self, host: str, certificate: Path, key: Path, *, password: bytes | None = None) -> int:
        """Write a certificate for a host name and its key, under a password if there is one; return its number."""
        own = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        alternative = x509.SubjectAlternativeName([x509.DNSName(host)])
        issued = self._sign(name, own.public_key(), alternative)
        hiding = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        pem = serialization.Encoding.PEM
        key.write_bytes(own.private_bytes(pem, serialization.PrivateFormat.PKCS8, hiding))
        certificate.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
        return issued.serial_number

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.fromtimestamp(SystemClock().now(), UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        )
        return builder.sign(self._key, hashes.SHA256())
