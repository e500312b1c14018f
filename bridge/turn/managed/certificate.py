"""The files of a TLS certificate: whether they belong together, and whether they were replaced."""

from __future__ import annotations

import logging
import ssl

from cryptography import x509

from bridge.turn.managed.configuration import Certificate

log = logging.getLogger(__name__)

SOON_SECONDS = 3 * 86400
"""A certificate that ends within that time should have been renewed long ago."""

Stamp = tuple[tuple[int, int, int], ...]


def trouble_with_certificate(certificate: Certificate) -> str | None:
    """Return why coturn could not use the files; None when it can."""
    for path in (certificate.certificate, certificate.key):
        try:
            path.open("rb").close()
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"
    try:
        # A password would be asked for on the terminal; no one gives the empty one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            certificate.certificate, certificate.key, password=lambda: ""
        )
    except (OSError, ValueError):
        return (
            f"{certificate.certificate} and {certificate.key} are no certificate (PEM, with its chain) and the key "
            "that belongs to it (PEM, without a password)"
        )
    return None


def _end_of(certificate: Certificate) -> int | None:
    try:
        read = x509.load_pem_x509_certificate(certificate.certificate.read_bytes())
    except (OSError, ValueError):
        return None
    return int(read.not_valid_after_utc.timestamp())


class CertificateWatch:
    """Tells when new files can be used."""

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._used = self._judged = self._stamp()
        self._trouble = trouble_with_certificate(certificate)
        self._ends = None if self._trouble else _end_of(certificate)

    @property
    def is_usable(self) -> bool:
        """Tell whether the files, as they were judged last, belong together."""
        return self._trouble is None

    def problem(self, now: int) -> str | None:
        """Return what is wrong with the files as they were judged last; `now` in seconds since the epoch."""
        if self._trouble is not None:
            return f"turn.managed.certificate_file and certificate_key_file: {self._trouble}"
        if self._ends is None or self._ends - now > SOON_SECONDS:
            return None
        when = "has ended" if self._ends <= now else "ends within three days"
        return f"{self._certificate.certificate} {when}: renew it, and coturn reads it by itself"

    def is_renewed(self) -> bool:
        """Tell whether there are other files than at the last time, and whether they belong together.

        A certificate and its key are replaced one after the other, so a pair that does not fit may soon.
        """
        stamp = self._stamp()
        if stamp == self._judged:
            return False
        self._judged = stamp
        self._trouble = trouble_with_certificate(self._certificate)
        if self._trouble is not None:
            log.warning("new certificate not used", extra={"facts": {"problem": self._trouble}})
            return False
        self._ends = _end_of(self._certificate)
        is_other, self._used = stamp != self._used, stamp
        return is_other

    def _stamp(self) -> Stamp | None:
        try:
            found = (path.stat() for path in (self._certificate.certificate, self._certificate.key))
            return tuple((status.st_mtime_ns, status.st_size, status.st_ino) for status in found)
        except OSError:
            return None
