"""What systemd is told: readiness, a sign of life, a line of status (protocol of sd_notify)."""

import socket

from mape_k.ports import Clock


class Systemd:
    """Speak to the service manager; without an address (not started by it) everything is silent.

    Nothing here raises or waits: a service manager that does not listen must not stop the loop.

    Args:
        address: the value of ``NOTIFY_SOCKET``: a path, or ``@name`` in the abstract namespace.
        clock: for the moment of a reload.
    """

    def __init__(self, address: str | None, *, clock: Clock) -> None:
        self._address = _native(address or "")
        self._clock = clock

    def ready(self, status: str = "") -> bool:
        """Tell that the service is up (again, after a reload); return whether it was told."""
        return self._tell("READY=1", *_status(status))

    def watchdog(self) -> bool:
        """Give a sign of life; only a cycle that ended may, never a timer."""
        return self._tell("WATCHDOG=1")

    def status(self, text: str) -> bool:
        """Show ``text`` in ``systemctl status``; line breaks become spaces."""
        return self._tell(*_status(text))

    def reloading(self) -> bool:
        """Tell that a reload has begun; it ends with :meth:`ready`."""
        return self._tell("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1_000_000)}")

    def stopping(self, status: str = "") -> bool:
        """Tell that the service is about to end."""
        return self._tell("STOPPING=1", *_status(status))

    def _tell(self, *lines: str) -> bool:
        if not self._address or not lines:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as out:
                out.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)
        except OSError:
            return False
        return True


def _native(address: str) -> str:
    if address.startswith("@"):
        return "\0" + address[1:]
    return address if address.startswith("/") else ""


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text.strip() else ()
