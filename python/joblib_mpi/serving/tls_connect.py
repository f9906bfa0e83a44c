"""A relay: it joins its stdin and stdout over TLS with a job that listens at an address.

The client of a job starts this program and speaks through it. It imports little, because the client waits for it.
"""

import signal
import socket
import ssl
import sys
from collections.abc import Sequence

from joblib_mpi._core import SessionError
from joblib_mpi.serving import access, addresses, tls_contexts, tls_flow
from joblib_mpi.serving.access import Access
from joblib_mpi.serving.addresses import Address

_USAGE = "usage: python -m joblib_mpi.serving.tls_connect ACCESS_FILE [HOST:PORT]"
#: Below the 30 s that a client waits for its job, so that this program itself says what it has waited for.
_CONNECT_SECONDS = 20.0


def main(arguments: Sequence[str]) -> int:
    """Join stdin and stdout with a job, and return the exit status once the job has ended the connection.

    Parameters
    ----------
    arguments : list of str
        The path of the job's access file, and the address to connect to if it is not that of the file.
    """
    if not 1 <= len(arguments) <= 2:
        return _fail(_USAGE, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client, with which stdin ends
    try:
        with connect(*arguments) as connection:
            tls_flow.join_client(connection, 0, 1)
    except (SessionError, ValueError) as error:
        return _fail(str(error), 1)
    except FileNotFoundError:
        return _fail(f"there is no access file {arguments[0]}; copy it from the host of the job", 1)
    except OSError as error:
        return _fail(f"the connection with the job was cut: {_reason(error)}", 1)
    return 0


def connect(path: str, scheduler_host: str | None = None) -> ssl.SSLSocket:
    """Return a connection with the job of an access file, after both ends have proven their keys.

    Parameters
    ----------
    path : str
        The path of the access file.
    scheduler_host : str, optional
        The address, by default that of the access file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    SessionError
        The file cannot be used, nothing answers at the address, or it is not the job; the text says what to do.
    ValueError
        ``scheduler_host`` is no address.
    """
    job = access.read(path)
    address = addresses.where_to_connect(job)
    if scheduler_host is not None:
        address = addresses.parse(scheduler_host)
    context = _context(path, job)
    return _after_handshake(_connected(address, job), context, address, path, job)


def _context(path: str, job: Access) -> ssl.SSLContext:
    if job.client_certificate is None or job.client_key is None or job.server_certificate is None:
        raise SessionError(f"the access file {path} has an address but no keys; copy it again from the host of the job")
    try:
        return tls_contexts.client_context(job.client_certificate, job.client_key, job.server_certificate)
    except (OSError, ValueError) as error:
        raise SessionError(
            f"the keys in the access file {path} cannot be read ({_reason(error)}); copy it again from the host of "
            "the job"
        ) from error


def _connected(address: Address, job: Access) -> socket.socket:
    try:
        connection = socket.create_connection(address, timeout=_CONNECT_SECONDS)
    except (OSError, UnicodeError) as error:
        raise SessionError(
            f"nothing answers at {address} ({_reason(error)}): the job {job.job} may have ended, or a firewall is "
            f'between; if ssh leads to its host, scheduler_host="ssh:{job.host}/{job.job}" needs no port'
        ) from error
    tls_flow.prepare(connection)
    return connection


def _after_handshake(
    connection: socket.socket, context: ssl.SSLContext, address: Address, path: str, job: Access
) -> ssl.SSLSocket:
    another = (
        f"{address} is not the job {job.job}, whose key is in {path}: another job listens there now, or something "
        "stands between; copy the access file of the job that runs"
    )
    try:
        secured = context.wrap_socket(connection)
    except ssl.SSLCertVerificationError as error:
        connection.close()
        raise SessionError(another) from error
    except (OSError, ValueError) as error:
        connection.close()
        raise SessionError(
            f"{address} does not answer as the job {job.job} with TLS 1.3 ({_reason(error)}): something else listens "
            "there, the job has just ended, or too many others connect; try again"
        ) from error
    if not tls_contexts.has_certificate(secured, job.server_certificate or ""):
        secured.close()
        raise SessionError(another)
    return secured


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error.strerror or error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def _fail(text: str, status: int) -> int:
    print(f"joblib-mpi: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
