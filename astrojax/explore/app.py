"""The page of a session: controls, pictures and figures; and its server, which answers requests under its own name only."""

import base64
import functools
import html
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, DataRange1d, Range1d
from bokeh.models.annotations import Span
from bokeh.plotting import figure
from tornado.httputil import HTTPServerRequest
from tornado.netutil import is_valid_ip
from tornado.routing import Matcher, Rule
from tornado.web import ErrorHandler

from .._internal.checks import InputError
from .._internal.compilation_cache import keep_compiled_programs
from .._internal.parameters import QUANTITIES
from ..config.run import level_of
from ..config.sections import section_of
from ..problems.patterns import SCALINGS
from .components import COPY, HERE, STYLED, WIDE, Pictures, Slider, Upload, button, fit, markup, side_by_side
from .compute import MOST_ENTRIES, NUM_SHOWN, Answer, Problem, answer, make_problem, program, read_upload, workers
from .controls import Models
from .presentation import COLORS, course_of, explain, legend, pictures_of, readout
from .settings import HORIZON, NUM_NEURONS, Offer, Settings, everything, spread, task_of, with_values

LOOPBACK = ("127.0.0.1", "localhost")

COMPILING = (
    '<div role="status"><strong>Compiling</strong> the program of this memory and size: it takes some seconds, once.</div>'
)

NO_ANSWER = "No answer"
"""Beginning of the message about a failure, which the next answer removes."""

_logger = logging.getLogger(__name__)


class Explorer:
    """The explorer of one session.

    It may start with a file of patterns, given by its path, bytes, and other arguments of `load_patterns`, or offer what a
    configuration has.
    """

    def __init__(self, start: tuple[str, bytes, dict[str, Any]] | None = None, offer: Offer | None = None) -> None:
        self.offer = offer or everything()
        self._is_given = offer is not None
        self._document = pn.state.curdoc
        self._lock = threading.Lock()
        self._offered: dict[str, Any] = {}
        self._uploaded: np.ndarray | None = None
        self._of_file: dict[str, Any] = {}
        self._drawn: str | None = None
        self._strokes = 0
        self._wanted: tuple[Settings, np.ndarray | None, str | None, int] | None = None
        self._busy = self._quiet = False
        self._build_controls()
        self._build_results()
        if start is not None:
            name, data, reading = start
            self._offered = {"name": name, "data": data}
            for argument, value in reading.items():
                self.reading[argument].value = value
            self.source.value = "file"
            self._read()
        else:
            self._source_changed()
        pn.state.on_session_destroyed(lambda _: setattr(self, "_document", None))

    # Controls

    def _build_controls(self) -> None:
        begin, loads = Settings(), self.offer.config.axes.values()["num_patterns"]
        select: Any = functools.partial(pn.widgets.Select, **STYLED)
        sources = [*self.offer.patterns, *([] if self._is_given else ["file"])]
        self.source = select(name="Source", options=sources)
        self.neurons = select(name="N: neurons", options=list(NUM_NEURONS), value=64)
        self.upload = Upload(**WIDE)
        none, array = "none: entries are ±1", {"name": "Array of an .npz file", "placeholder": "needed where it holds several"}
        threshold = {"name": "Threshold: larger entries become +1", "placeholder": none}
        self.reading: dict[str, Any] = {
            "threshold": pn.widgets.FloatInput(**threshold, value=None, **STYLED),
            "scaling": select(name="Scaling of real numbers", options={none: None} | {name: name for name in SCALINGS}),
            "array": pn.widgets.TextInput(**array, **STYLED),
            "max_duplicates": pn.widgets.IntInput(name="Rows that may repeat an earlier one", value=0, start=0, **STYLED),
        }
        load, target = "memory load: patterns stored", "number of the pattern to recall"
        self.load = Slider(label="K", help=load, first=1, last=self.offer.capacity, value=loads[0], **WIDE)
        self.target = Slider(label="Target", help=target, last=loads[0] - 1, value=begin.target, **WIDE)
        self.corruption = select(name="Corruption of the query", options=list(self.offer.corruptions))
        self.level = Slider(**WIDE)
        self.memory = select(name="Memory", options=list(self.offer.config.models))
        horizon = self.offer.config.retrieval.t1
        values = {"values": spread(HORIZON, horizon), "value": horizon}
        self.horizon = Slider(label=QUANTITIES["t1"].symbol, help=HORIZON.meaning, **values, **WIDE)
        self.models = Models(self.offer, self._is_given, self._changed, self._refuse)
        self.redraw = button("New patterns", "Draw other patterns")
        fresh = button("New query", "Corrupt the target in another way")
        self.clear = button("Clear", "Make every entry of the query −1, to draw on")
        following = button("Next target", "Recall the next pattern")

        self.seeds: dict[str, Any] = {"seed": 0, "query_seed": 0}
        self.redraw.on_click(lambda _: self._renew("seed"))
        fresh.on_click(lambda _: self._renew("query_seed"))
        self.clear.on_click(lambda _: self._draw("-" * self._size()[0]))
        following.on_click(lambda _: setattr(self.target, "value", (self.target.value + 1) % self.load.value))
        self.upload.param.watch(self._received, "file")
        watched: dict[Callable[..., None], list[Any]] = {
            self._source_changed: [self.source, self.neurons, self.corruption],
            self._read: [*self.reading.values()],
            self._corrupt: [self.target, self.level],
            self._changed: [self.load, self.horizon],
            self._model_chosen: [self.memory],
        }
        for react, controls in watched.items():
            for control in controls:
                control.param.watch(react, "value")
        self.from_file = pn.Column(self.upload, *self.reading.values(), styles={"gap": "8px"}, **WIDE)
        buttons = pn.Row(fresh, self.clear, following, styles={"gap": "6px"}, **WIDE)
        groups = {
            "Patterns": [self.source, self.neurons, self.from_file, self.load, self.redraw],
            "Query": [self.target, self.corruption, self.level, buttons],
            "Memory": [self.memory, self.models.part, self.horizon],
        }
        parts = [part for title, group in groups.items() for part in (markup(f"<h2>{title}</h2>"), *group)]
        self.controls = pn.Column(*parts, styles={"gap": "8px"}, **WIDE)

    # Results

    def _build_results(self) -> None:
        self.verdict = markup("", css_classes=["verdict"])
        self.message = markup("", css_classes=["message"])
        self.pictures = Pictures(**WIDE)
        self.pictures.param.watch(lambda event: self._draw(**event.new), "drawn")
        columns = [f"{kind}{place}" for kind in ("gain", "overlap") for place in range(NUM_SHOWN)]
        self.course = ColumnDataSource(dict.fromkeys(("t", *columns, "energy"), ()))
        self.now = now = Span(dimension="height", line_color=COLORS[-1], line_dash="dashed")
        self.pictures.jscallback(frame="now.location = course.data.t[cb_obj.frame]", args={"now": now, "course": self.course})
        gains = self._figure("gain p", [f"gain{place}" for place in range(NUM_SHOWN)], now, (-0.03, 1.03))
        overlaps = self._figure("overlap ⟨ξ, φ(x)⟩/N", [f"overlap{place}" for place in range(NUM_SHOWN)], now, (-1.05, 1.05))
        self.overlaps = overlaps.y_range
        energy = self._figure("energy E", ["energy"], now, None)
        self.legend = markup("", css_classes=["legend"])
        panes = [pn.pane.Bokeh(plot, height=220, **WIDE) for plot in (gains, overlaps, energy)]
        self.figures = pn.Column(self.legend, pn.Row(*panes, styles=side_by_side(250), **WIDE), **WIDE)
        area = functools.partial(pn.widgets.TextAreaInput, rows=26, max_length=100_000, **STYLED)
        self.yaml, self.python = (area(name=name) for name in ("YAML, for astrojax run", "Python"))
        self.texts = pn.Row(self._copied(self.yaml), self._copied(self.python), styles=side_by_side(300), **WIDE)

    def _figure(self, label: str, names: list[str], now: Span, limits: tuple[float, float] | None) -> figure:
        plot = figure(
            x_axis_type="log", x_axis_label="time t", y_axis_label=label, height=220, sizing_mode="stretch_width",
            toolbar_location=None, tools="", x_range=DataRange1d(range_padding=0),
            y_range=DataRange1d() if limits is None else Range1d(start=limits[0], end=limits[1]),
        )  # fmt: skip
        plot.grid.grid_line_alpha = 0.4
        plot.axis.axis_label_text_font_style = "normal"
        for place, name in reversed(list(enumerate(names))):  # the target is drawn last, above the others
            color, width = COLORS[place] if len(names) > 1 else "#3a9d7e", 2.2 if place < 2 else 1.1
            plot.line("t", name, source=self.course, color=color, line_width=width)
        plot.add_layout(now)
        return plot

    def _copied(self, area: Any) -> pn.Column:
        copy = button("Copy", f"Copy the {area.name.split(',')[0]} text")
        copy.js_on_click(args={"area": area, "button": copy}, code=COPY)
        return pn.Column(area, copy, styles={"gap": "6px", "min-width": "0"}, **WIDE)

    def view(self) -> pn.Template:
        """The page."""
        template = pn.Template((HERE / "page.html").read_text(encoding="utf-8"))
        template.add_variable("style", (HERE / "page.css").read_text(encoding="utf-8"))
        results = pn.Column(self.message, self.verdict, **WIDE)
        parts = {"verdict": results, "pictures": self.pictures, "controls": self.controls}
        for name, part in (parts | {"figures": self.figures, "texts": self.texts}).items():
            template.add_panel(name, part)
        return template

    # What happens

    def settings(self) -> Settings:
        """The chosen settings."""
        corruption, is_file = self.offer.corruptions[self.corruption.value], self.source.value == "file" and not self._is_given
        patterns: Any = section_of("patterns", "file")(kind="file", **self._of_file) if is_file else self._patterns()
        level = self.level.value
        return Settings(
            offer=self.offer,
            patterns=patterns,
            is_uploaded=is_file,
            capacity=self._size()[1],
            num_patterns=int(self.load.value),
            target=int(self.target.value),
            corruption=corruption,
            level=int(level) if corruption.build.is_count else float(level),
            name=self.memory.value,
            model=self.models.chosen,
            t1=float(self.horizon.value),
            **self.seeds,
        )

    def _patterns(self) -> Any:
        """The patterns to draw, of the chosen size where that can be chosen."""
        patterns = self.offer.patterns[self.source.value]
        return with_values(patterns, {"num_neurons": self.neurons.value}) if self.neurons.visible else patterns

    def _size(self) -> tuple[int, int]:
        """Numbers of neurons, and of patterns that can be stored."""
        if self.from_file.visible:
            return self._uploaded.shape if self._uploaded is not None else (0, 0)
        task, num_neurons, _ = task_of(self._patterns(), self.offer.corruptions[self.corruption.value])
        most = min(self.offer.capacity, max(MOST_ENTRIES // num_neurons, 1))
        return num_neurons, min(most, task.pool_size or most)

    def _source_changed(self, *_: Any) -> None:
        self.from_file.visible = self.source.value == "file" and not self._is_given
        drawn = self.offer.patterns.get(self.source.value)
        self.neurons.visible = not self._is_given and "num_neurons" in dict(drawn or ())
        self.redraw.visible = drawn is not None
        self._refuse("")
        num_neurons, capacity = self._size()
        if capacity:
            self._quiet = True
            fit(self.load, 1, capacity)
            self._fit_level(num_neurons)
            self._quiet = False
            self._corrupt()
        else:
            self._clear()
            self.verdict.object = '<div role="status">Choose a pattern file.</div>'

    def _fit_level(self, num_neurons: int) -> None:
        """Give the level the range of its corruption, and an eighth of that if it is new or the level is outside."""
        section = self.offer.corruptions[self.corruption.value]
        corruption, given = section.build, self.offer.config.axes.values().get(level_of(section), []) if self._is_given else []
        high = max(corruption.level_range.le or 4.0, *given, 0)
        values = list(range(num_neurons + 1)) if corruption.is_count else [high * part / 80 for part in range(81)]
        values = sorted({*values, *given})
        is_kept = self.level.label == corruption.level_name and self.level.value <= values[-1]
        level = self.level.value if is_kept else given[0] if given else values[len(values) // 8]
        self.level.param.update(label=corruption.level_name, help=corruption.level_meaning, values=values, value=level)

    def _model_chosen(self, _: Any) -> None:
        self.models.choose(self.memory.value)
        self._changed()

    def _corrupt(self, *_: Any) -> None:
        """Take the corruption in place of what was drawn by hand."""
        self._drawn = None
        self._changed()

    def _renew(self, name: str) -> None:
        self.seeds[name] += 1
        self._corrupt()

    def _draw(self, signs: str, strokes: int | None = None) -> None:
        """Take a query that was drawn by hand."""
        self._strokes = self._strokes if strokes is None else strokes
        self._drawn = signs
        self._changed()

    def _changed(self, *_: Any) -> None:
        if self._quiet:
            return
        self._quiet = True
        fit(self.target, 0, int(self.load.value) - 1)
        self._quiet = False
        if not self._size()[0]:
            return
        with self._lock:
            self._wanted = self.settings(), self._uploaded, self._drawn, self._strokes
            if self._busy:
                return
            self._busy = True
        workers.submit(self._work)

    def _received(self, _: Any) -> None:
        file = self.upload.file
        self._offered = {"name": file["name"], "data": base64.b64decode(file["data"]), "size": file["size"]}
        self._read()

    def _read(self, *_: Any) -> None:
        """Read the patterns of the file that is offered; if they cannot be used, say why, and show nothing."""
        if not self._offered:
            return
        reading = {name: control.value for name, control in self.reading.items() if control.value not in (None, "")}
        try:
            self._uploaded = read_upload(**self._offered, **reading)
        except InputError as error:
            self._uploaded = None
            if self.source.value == "file":
                self._clear()
            self._refuse(str(error))
        else:
            self._of_file = {"path": self._offered["name"], **reading}
            self._source_changed()

    def _clear(self) -> None:
        """Show no results: there are none for what is chosen."""
        self.verdict.object = ""
        nothing = dict.fromkeys(self.course.data, ())
        self._later(lambda: setattr(self.course, "data", nothing))  # Bokeh's models change in its own thread only
        self._mark_results("empty")

    def _mark_results(self, *classes: str) -> None:
        """Set the classes of the results: `empty` ones are not displayed, and neither are their sections."""
        for part in (self.pictures, self.figures, self.texts):
            part.css_classes = list(classes)

    def _refuse(self, text: str) -> None:
        self.message.object = f'<div role="alert">{html.escape(text)}</div>' if text else ""

    def _work(self) -> None:
        """Compute what is wanted until nothing is: of several changes meanwhile only the last is computed."""
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
                if wanted is None:
                    self._busy = False
                    return
            try:
                self._answer(*wanted)
            except Exception as error:  # the page goes on, and says what happened
                self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, InputError):
            _logger.error("no answer", exc_info=error)
        self._later(functools.partial(self._refuse, f"{NO_ANSWER}: {error}"))
        self._later(lambda: setattr(self.verdict, "object", ""))

    def _answer(self, settings: Settings, uploaded: np.ndarray | None, drawn: str | None, strokes: int) -> None:
        problem = make_problem(settings, uploaded)
        if drawn is not None and len(drawn) == len(problem.target) and settings.is_binary:
            pairs = zip(drawn, problem.target, strict=True)
            flipped = tuple(place for place, (own, sign) in enumerate(pairs) if (own == "+") != (sign > 0))
            settings = replace(settings, flipped=flipped)
            problem = make_problem(settings, uploaded)
        compiling = program(settings, problem)
        if not compiling.done():  # meanwhile other programs can be used
            self._later(lambda: setattr(self.verdict, "object", COMPILING))
            compiling.add_done_callback(self._compiled)
            return
        found = answer(settings, problem)
        why = explain(settings, problem, found, lambda changed: answer(changed, problem))
        self._later(functools.partial(self._show, settings, problem, found, why, strokes))

    def _compiled(self, compiling: Future[Answer]) -> None:
        """Compute what is wanted by now."""
        if error := compiling.exception():
            self._fail(error)
        else:
            self._later(self._changed)

    def _later(self, show: Callable[[], None]) -> None:
        if self._document is not None:
            self._document.add_next_tick_callback(show)

    def _show(self, settings: Settings, problem: Problem, found: Answer, why: str, strokes: int) -> None:
        if not self._size()[0]:  # an answer to what was chosen before
            return
        with pn.io.hold():
            self._mark_results()
            if NO_ANSWER in self.message.object:
                self._refuse("")
            self.course.data = course_of(found)
            reach = 1.05 * float(np.max(np.abs(found.overlaps), initial=1, where=np.isfinite(found.overlaps)))
            self.overlaps.update(start=-reach, end=reach)
            self.clear.disabled = not settings.is_binary
            self.now.location = float(found.times[self.pictures.frame])
            self.pictures.param.update(
                **pictures_of(settings, problem, found), strokes=strokes, version=self.pictures.version + 1
            )
            self.verdict.object = readout(settings, problem, found, why)
            self.legend.object = legend(found)
            self.yaml.value, self.python.value = settings.yaml(), settings.python(problem.classes)


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


def server_of(address: str, port: int, start: tuple[str, bytes, dict[str, Any]] | None, offer: Offer | None = None) -> Any:
    """A server that listens but does not serve yet. Raises OSError if it cannot listen there."""
    keep_compiled_programs()
    # Tried first, since a server that cannot listen leaves its socket open.
    with socket.create_server((address, port)) as free:
        port = free.getsockname()[1]
    logging.getLogger("bokeh.server.util").setLevel(logging.ERROR)  # it warns of the "*"; origins are checked below
    server = pn.io.server.get_server(
        {"/": lambda: Explorer(start, offer).view()},
        address=address, port=port, title="astrojax explorer", websocket_origin="*", verbose=False,
        show=False, start=False,
    )  # fmt: skip
    server._tornado.default_router.rules.insert(0, Rule(Foreign(address), ErrorHandler, {"status_code": 403}))
    return server
