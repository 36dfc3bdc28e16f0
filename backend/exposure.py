"""Who can reach this server, and what people without a password may do to it: decided from the command line."""

import io
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

import psutil
import segno

from backend.errors import Forbidden
from backend.flags import Flags
from backend.setting_table import OWNERS

ALL_ADDRESSES = ("0.0.0.0", "::")
PAGE_PORT, API_PORT = 7860, 7861  # A1111's API without a page has a port of its own
REFUSAL = "Anyone in the network can reach this page. To {what}, start with --gradio-auth name:password, or allow it to everyone with --enable-insecure-access."
EXTENSIONS = "Other machines can reach this page, and extensions are programs. To {what}, start without --listen, or with --enable-insecure-extension-access."


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """open: other machines reach the page, or the API where it is alone, and no password is asked. changes: visitors may change settings, upload and delete.

    extensions: they may install programs of strangers; as in A1111 a password is not enough for it.
    """

    open: bool = False
    changes: bool = True
    extensions: bool = True

    @classmethod
    def of(cls, flags: Flags) -> "Exposure":
        locked = flags.gradio_auth or flags.gradio_auth_path or (flags.nowebui and flags.api_auth)
        is_open = not is_local(flags) and not locked
        return cls(open=is_open, changes=not is_open or flags.enable_insecure_access, extensions=is_local(flags) or flags.enable_insecure_extension_access)

    def check(self, what: str) -> None:
        """what: "change settings". Raises Forbidden with a sentence."""
        if not self.changes:
            raise Forbidden(REFUSAL.format(what=what))

    def check_extensions(self, what: str) -> None:
        """what: "install extensions". Raises Forbidden with a sentence."""
        if not self.extensions:
            raise Forbidden(EXTENSIONS.format(what=what))

    def check_settings(self, values: Mapping[str, object]) -> None:
        """What programs of visitors, and single pictures, may not set. Raises Forbidden."""
        if owners := next((key for key in values if key in OWNERS), ""):
            self.check(f"change the setting {owners}")


def address(flags: Flags) -> tuple[str, int]:
    """Host and port to listen on."""
    host = flags.server_name or (ALL_ADDRESSES[0] if flags.listen else "127.0.0.1")
    return host, flags.port or (API_PORT if flags.nowebui else PAGE_PORT)


def is_local(flags: Flags) -> bool:
    """Only this machine reaches it."""
    return address(flags)[0] in ("127.0.0.1", "::1", "localhost")


def urls(flags: Flags) -> tuple[str, ...]:
    """Where the page is, the address for this machine first, then those for others in the network."""
    host, port = address(flags)
    hosts = ["127.0.0.1", *_network_addresses()] if host in ALL_ADDRESSES else [host]
    path = f"/{flags.subpath.strip('/')}" if flags.subpath else ""
    return tuple(f"{'https' if flags.tls_certfile else 'http'}://{f'[{name}]' if ':' in name else name}:{port}{path}" for name in hosts)


def qr_code(url: str) -> str:
    """To be read off a terminal by a phone's camera."""
    text = io.StringIO()
    segno.make(url, micro=False).terminal(text, compact=True)
    return text.getvalue()


def _network_addresses() -> Iterator[str]:
    """IPv4 addresses of the interfaces that are up, private ones first."""
    states = psutil.net_if_stats()
    found = [
        ip_address(one.address)
        for name, addresses in psutil.net_if_addrs().items()
        for one in addresses
        if one.family == socket.AF_INET and states.get(name) and states[name].isup
    ]
    usable = [one for one in found if not one.is_loopback and not one.is_link_local]
    yield from map(str, sorted(usable, key=lambda one: not one.is_private))
