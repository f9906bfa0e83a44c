"""The demands of both ends of a connection on each other: TLS 1.3, and exactly the certificate that they know."""

import os
import ssl


def server_context(certificate: str, key: str, client_certificate: str) -> ssl.SSLContext:
    """Return the settings of the end that listens; all arguments are PEM. Raises OSError if one is none."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, certificate, key, client_certificate)
    # No tickets: each connection proves its key anew.
    context.num_tickets = 0
    return context


def client_context(certificate: str, key: str, server_certificate: str) -> ssl.SSLContext:
    """Return the settings of the end that connects; all arguments are PEM. Raises OSError if one is none."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, certificate, key, server_certificate)


def has_certificate(connection: ssl.SSLSocket, certificate: str) -> bool:
    """Return whether the other end of a connection, which has proven its key, has exactly this certificate (PEM)."""
    return connection.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(certificate)


def _context(protocol: int, certificate: str, key: str, others_certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the certificate is known, so its name says nothing
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=others_certificate)
    # Python reads keys from files only; this one is memory without a name that other users could open.
    file = os.memfd_create("joblib-mpi-key", os.MFD_CLOEXEC)
    try:
        with open(file, "w", closefd=False) as stream:
            stream.write(certificate + key)
        context.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.close(file)
    return context
