"""The server of the explorer, which answers requests under its own name only."""

import logging
import socket
from typing import Any

import panel as pn
from tornado.httputil import HTTPServerRequest
from tornado.netutil import is_valid_ip
from tornado.routing import Matcher, Rule
from tornado.web import HTTPError, RequestHandler

from .._internal.compilation_cache import keep_compiled_programs
from .app import Explorer, compile_ahead

LOOPBACK = ("127.0.0.1", "localhost")


class Foreign(Matcher):
    """Matches requests under a host name that is not the server's, and requests by pages of other sites.

    Others may let their own name point to this machine: then the explorer would have the origin of their page (DNS rebinding).
    """

    def __init__(self, address: str) -> None:
        self.beyond = address not in LOOPBACK
        self.names = {*LOOPBACK, *((address.lower(), socket.gethostname().lower()) if self.beyond else ())}

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        origin = request.headers.get("Origin")
        own_page = origin is None or origin.partition("://")[2].lower() == request.host.lower()
        # Nobody else decides where an address of numbers points.
        named = request.host_name in self.names or (self.beyond and is_valid_ip(request.host_name))
        return None if named and own_page else {}


class Refused(RequestHandler):
    """Answers with 403 and the reason."""

    def prepare(self) -> None:
        raise HTTPError(403, reason="The explorer is not served under this name, or not to this page")


def server_of(address: str, port: int, start: tuple[str, bytes, dict[str, Any]] | None) -> Any:
    """A server that listens but does not serve yet. Raises OSError if it cannot listen there."""
    keep_compiled_programs()
    # Tried first, since a server that cannot listen leaves its socket open.
    with socket.create_server((address, port)) as free:
        port = free.getsockname()[1]
    logging.getLogger("bokeh.server.util").setLevel(logging.ERROR)  # it warns of the "*"; origins are checked below
    server = pn.io.server.get_server(
        {"/": lambda: Explorer(start).view()},
        address=address, port=port, title="astrojax explorer", websocket_origin="*", verbose=False,
        show=False, start=False,
    )  # fmt: skip
    server._tornado.default_router.rules.insert(0, Rule(Foreign(address), Refused))
    compile_ahead()
    return server
