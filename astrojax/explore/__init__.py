"""The explorer: a page that shows one retrieval and computes it again as settings change. `astrojax explore` serves it."""

import os
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._internal.checks import InputError, at_least, needing, shown

if TYPE_CHECKING:
    from .settings import Offer


def serve(
    *,
    address: str = "127.0.0.1",
    port: int = 5006,
    show: bool = True,
    patterns: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    trust: bool = False,
    array: str | None = None,
    threshold: float | None = None,
    scaling: str | None = None,
    max_duplicates: int = 0,
) -> None:
    """Serve the explorer until it is interrupted (Ctrl-C).

    Sessions are independent, and share compiled programs. Nothing is loaded from another host.

    Arguments:
        address: host name or IPv4 address of this machine to listen on, or 0.0.0.0 for all of them. At the default only this
            machine can reach the page; at any other, whoever reaches the address can use it.
        port: to listen on; 0 takes a free one. The page's address is printed.
        show: open the page in a browser.
        patterns, array, threshold, scaling, max_duplicates: a pattern file to start with, as `load_patterns` takes it.
        config: the configuration of a run, `example:NAME` or a run folder, whose models, patterns and corruption are
            explored. trust: whether code that it names may run.

    Raises:
        InputError (a ValueError): if Panel is not installed, if the port or the address cannot be used, for a file that
            `load_patterns` refuses or that is too large, and for a configuration that cannot be run.
    """
    if not address or ":" in address:  # Bokeh takes no IPv6 address
        raise InputError(f"address must be a host name or an IPv4 address, such as '127.0.0.1'; got {shown(address)}")
    at_least("port", port, 0, 65535)
    reading = {"array": array, "threshold": threshold, "scaling": scaling, "max_duplicates": max_duplicates}
    if config is not None and (patterns is not None or reading != dict.fromkeys(reading) | {"max_duplicates": 0}):
        raise InputError(f"config names its patterns: patterns, {', '.join(reading)} cannot be given with it")
    start = None if patterns is None else _read(Path(patterns), reading)
    with needing("the explorer needs Panel", "astrojax-memory[explore]"):
        import panel  # noqa: F401
    offer = None if config is None else _offer(Path(config), trust)
    from .app import LOOPBACK, server_of

    try:
        server = server_of(address, port, start, offer)
    except (OSError, UnicodeError) as error:  # the second for an invalid name
        text = f"cannot listen on address {shown(address)}, port {port}: {getattr(error, 'strerror', error)}"
        raise InputError(f"{text}; choose another of this machine's addresses, another port, or 0 for any free one") from error
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


def _offer(path: Path, trust: bool) -> "Offer":
    """What a configuration offers, once it can be run."""
    from ..config.files import CONFIG, located, run_folder
    from ..config.validation import read_config
    from ..runs.build import build
    from ..storage.provenance import read_record, refuse_changed_code
    from .settings import offer_of

    if path.is_dir():
        folder = run_folder(path)
        refuse_changed_code(folder, read_record(folder))
        path = folder / CONFIG
    config = read_config(path, trust=trust)
    build(config)
    return offer_of(config, located(path).parent)


def _read(path: Path, reading: dict[str, Any]) -> tuple[str, bytes, dict[str, Any]]:
    """The file to start with, once it can be used."""
    from .compute import LARGEST_UPLOAD, read_upload

    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise InputError(f"pattern file {path} is not a file")
        with path.open("rb") as file:
            data = file.read(LARGEST_UPLOAD + 1)
        read_upload(str(path), data, **reading, size=path.stat().st_size)
    except OSError as error:
        raise InputError(f"pattern file {path} cannot be read: {error.strerror}") from error
    return str(path.resolve()), data, reading
