"""Keys and certificates of one job, made anew for each."""

import datetime
from typing import NamedTuple

from joblib_mpi._core import SessionError

#: Both ends compare certificates byte by byte, and keys end with their job: dates protect nothing, and clocks differ.
_ANY_TIME = (
    datetime.datetime(1970, 1, 2, tzinfo=datetime.timezone.utc),  # noqa: UP017
    datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc),  # noqa: UP017
)


class Keys(NamedTuple):
    """The certificates and private keys of the two ends, each in PEM.

    Parameters
    ----------
    server_certificate, server_key : str
        Those of the job.
    client_certificate, client_key : str
        Those of its clients.
    """

    server_certificate: str
    server_key: str
    client_certificate: str
    client_key: str


def make_keys() -> Keys:
    """Return new keys; raises SessionError if the package that makes them, or Python's ssl, is missing."""
    try:
        import ssl  # noqa: F401
    except ImportError as error:
        raise SessionError(
            f"--listen needs Python's module ssl, which this Python was built without ({error}); use another Python"
        ) from error
    try:
        import cryptography.x509  # noqa: F401
    except ImportError as error:
        raise SessionError(
            "--listen needs the package cryptography, which makes its keys and is missing here; install it with "
            '"pip install joblib-mpi[listen]"'
        ) from error
    return Keys(*_pair("joblib-mpi job", is_server=True), *_pair("joblib-mpi client", is_server=False))


def _pair(name: str, *, is_server: bool) -> tuple[str, str]:
    """Return a certificate that is signed by its own key, and the key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_ANY_TIME[0])
        .not_valid_after(_ANY_TIME[1])
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )
