"""A picture from an address in the internet, for whoever gives the address: never from this machine or its network, never by a detour."""

import http.client
import socket
import ssl
import time
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import Timer
from urllib.parse import SplitResult, quote, urlsplit

from backend.errors import WebUIError

MOST_BYTES = 32 << 20
TIMEOUT = 10.0  # seconds of silence
DEADLINE = 30.0  # seconds for the whole
_PIECE = 1 << 16
_LONGEST_SHOWN = 120
_NAT64 = IPv6Network("64:ff9b::/96")
_KEPT = "/%:=&?~+!$,;'@()*[]"  # of an address, beside letters and digits

Address = IPv4Address | IPv6Address


def fetch(url: str, agent: str = "") -> bytes:
    """agent: the User-Agent header; "" = none. Redirects are not followed. Raises WebUIError."""
    try:
        parts = urlsplit(url.strip())
        return _fetch(parts, agent)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", "") or str(error) or type(error).__name__
        raise WebUIError(f"The picture at {url.strip()[:_LONGEST_SHOWN]} cannot be fetched: {reason}.") from error


def is_public(address: Address) -> bool:
    """Whether it is out in the internet, also behind the ways in which IPv6 wraps an IPv4 address."""
    if isinstance(address, IPv6Address) and (wrapped := _wrapped(address)) is not None:
        return is_public(wrapped)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _fetch(url: SplitResult, agent: str) -> bytes:
    if not url.hostname or url.username is not None:
        raise ValueError("this is no address of a picture")
    port = url.port or (443 if url.scheme == "https" else 80)
    connection = http.client.HTTPConnection(url.hostname, port, timeout=TIMEOUT)
    if url.port is None:
        connection.default_port = port  # else the Host header would name it
    connection.sock = _connected(url.hostname, port, tls=url.scheme == "https")
    hang_up = Timer(DEADLINE, _hang_up, (connection.sock,))
    hang_up.daemon = True
    hang_up.start()
    try:
        target = quote(url.path or "/", safe=_KEPT) + (f"?{quote(url.query, safe=_KEPT)}" if url.query else "")
        connection.request("GET", target, headers={"Accept": "image/*", **({"User-Agent": agent} if agent else {})})
        return _body(connection.getresponse())
    finally:
        hang_up.cancel()
        connection.close()


def _connected(host: str, port: int, *, tls: bool) -> socket.socket:
    """To an address that was looked up once and checked: a name that answers otherwise the next time changes nothing."""
    sock = socket.create_connection((_checked_address(host, port), port), TIMEOUT)
    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host) if tls else sock
    except BaseException:
        sock.close()
        raise


def _checked_address(host: str, port: int) -> str:
    found = [ip_address(str(row[4][0]).partition("%")[0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not found or not all(map(is_public, found)):
        raise ValueError("it is an address of this machine or of its network, and nothing is fetched from there")
    return str(found[0])


def _body(answer: http.client.HTTPResponse) -> bytes:
    if 300 <= answer.status < 400:
        raise ValueError("it sends on to another address, which is not followed")
    if answer.status != 200:
        raise ValueError(f"the answer was {answer.status}")
    if (answer.length or 0) > MOST_BYTES:
        raise ValueError(_too_large())
    began, data = time.monotonic(), bytearray()
    while piece := answer.read(_PIECE):
        data += piece
        if len(data) > MOST_BYTES:
            raise ValueError(_too_large())
        if time.monotonic() - began > DEADLINE:
            raise TimeoutError("it took too long")
    if answer.length:
        raise ValueError("it ended in the middle")
    return bytes(data)


def _too_large() -> str:
    return f"it has more than {MOST_BYTES >> 20} MB"


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself
