"""The explorer: a page that shows one retrieval and computes it again as settings change. `astrojax explore` serves it."""

import errno
import math
import os
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._internal.checks import InputError, at_least, shown

if TYPE_CHECKING:
    from .compute import Start


def serve(
    *,
    address: str = "127.0.0.1",
    port: int = 5006,
    show: bool = True,
    patterns: str | os.PathLike[str] | None = None,
    array: str | None = None,
    threshold: float | None = None,
    max_duplicates: int = 0,
) -> None:
    """Serve the explorer until it is interrupted (Ctrl-C).

    Sessions are independent, and share compiled programs. Nothing is loaded from another host.

    Arguments:
        address: host name or IPv4 address of this machine to listen on, or 0.0.0.0 for all of them. At the default only this
            machine can reach the page; at any other, whoever reaches the address can use it.
        port: to listen on; 0 takes a free one. The page's address is printed.
        show: open the page in a browser.
        patterns, array, threshold, max_duplicates: a pattern file to start with, as `load_patterns` takes it.

    Raises:
        InputError (a ValueError): if Panel is not installed, if the port or the address cannot be used, or for a file that
            `load_patterns` refuses or that is too large.
    """
    _check(address, port, patterns)
    if threshold is not None and not math.isfinite(threshold):
        raise InputError(f"threshold must be a finite number; got {shown(threshold)}")
    reading = {"array": array, "threshold": threshold, "max_duplicates": max_duplicates}
    start = None if patterns is None else _read(Path(patterns), reading)
    try:
        import panel  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"the explorer needs Panel ({error}); install it with: pip install 'astrojax-memory[explore]'"
        ) from error
    from .server import LOOPBACK, server_of

    try:
        server = server_of(address, port, start)
    except (OSError, UnicodeError) as error:  # the second for an invalid name
        reasons: dict[Any, str] = {errno.EADDRINUSE: "is in use", errno.EACCES: "may not be used by you"}
        if reason := reasons.get(getattr(error, "errno", None)):
            raise InputError(f"port {port} {reason}; choose another, or 0 for any free one") from error
        said = getattr(error, "strerror", error)
        raise InputError(f"address {shown(address)} is not one that this machine can listen on: {said}") from error
    everywhere = address == "0.0.0.0"
    if address not in LOOPBACK:
        print(f"Anyone who can reach {'this machine' if everywhere else address} can use the explorer.", flush=True)
    page = f"http://{LOOPBACK[0] if everywhere else address}:{server.port}/"
    print(f"The explorer is at {page} (stop it with Ctrl-C)", flush=True)
    if show:
        server.io_loop.add_callback(webbrowser.open, page)
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        print()
    finally:
        server.stop()


def _check(address: object, port: object, patterns: object) -> None:
    if not isinstance(address, str) or not address or ":" in address:  # Bokeh takes no IPv6 address
        raise InputError(f"address must be a host name or an IPv4 address, such as '127.0.0.1'; got {shown(address)}")
    at_least("port", port, 0, 65535)
    if patterns is not None and not isinstance(patterns, str | os.PathLike):
        raise InputError(f"patterns must be the path of a pattern file, or None; got {shown(patterns)}")


def _read(path: Path, reading: dict[str, Any]) -> "Start":
    from .compute import LARGEST_UPLOAD, Start, read_upload, too_large

    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise InputError(f"pattern file {path} is not a file")
        if path.stat().st_size > LARGEST_UPLOAD:
            raise InputError(too_large(str(path), path.stat().st_size))
        start = Start(str(path.resolve()), path.read_bytes(), reading)
    except OSError as error:
        raise InputError(f"pattern file {path} cannot be read: {error.strerror}") from error
    read_upload(start.name, start.data, **reading)
    return start
