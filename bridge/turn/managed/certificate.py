"""The files of a TLS certificate: whether they belong together, and whether they were replaced."""

from __future__ import annotations

import logging
import ssl

from bridge.turn.managed.configuration import Certificate

log = logging.getLogger(__name__)

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


class CertificateWatch:
    """Tells when new files can be used."""

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._used = self._judged = self._stamp()

    def is_renewed(self) -> bool:
        """Tell whether there are other files than at the last time, and whether they belong together.

        A certificate and its key are replaced one after the other, so a pair that does not fit may soon.
        """
        stamp = self._stamp()
        if stamp in (self._used, self._judged):
            return False
        self._judged = stamp
        trouble = trouble_with_certificate(self._certificate)
        if trouble is not None:
            log.warning("new certificate not used", extra={"facts": {"problem": trouble}})
            return False
        self._used = stamp
        return True

    def _stamp(self) -> Stamp | None:
        try:
            found = (path.stat() for path in (self._certificate.certificate, self._certificate.key))
            return tuple((status.st_mtime_ns, status.st_size, status.st_ino) for status in found)
        except OSError:
            return None
