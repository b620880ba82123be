"""The controls of models: a slider for each number, and a choice for each part and each other field."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel as pn

from .._internal.own_code import short_name
from .._internal.parameters import QUANTITIES, OneOf, Range
from ..config.sections import MemorySection, Parameter
from ..models import memory_class_of
from .components import STYLED, WIDE, Slider
from .settings import Offer, built_in, parameters_in, spread, values_in, with_values


class Models:
    """The models of a session as they were changed, and the controls of the chosen one, made when they are first needed.

    Models of a configuration (`is_given`) keep their own values; others share those that are set.
    """

    def __init__(self, offer: Offer, is_given: bool, changed: Callable[[], None], refuse: Callable[[str], None]) -> None:
        self._offered = offer.config.models
        self._models = dict(self._offered)
        self._is_given, self._on_change, self._refuse = is_given, changed, refuse
        self._quiet = False
        self.numbers: dict[str, Slider] = {}
        self.options: dict[str, Any] = {}
        self.part = pn.Column(styles={"gap": "8px"}, **WIDE)
        for name in reversed(self._models):
            self._name = name
            self._show()

    @property
    def chosen(self) -> MemorySection:
        return self._models[self._name]

    def choose(self, name: str) -> None:
        """Show another model."""
        self._name = name
        if not self._is_given:
            self._models[name] = with_values(self.chosen, self._values())
        self._show()

    def _changed(self, _: Any) -> None:
        if self._quiet:
            return
        try:
            self._models[self._name] = with_values(self.chosen, self._values())
        except ValueError as error:
            self._refuse(str(error))
        else:
            self._show()
            self._on_change()

    def _values(self) -> dict[str, Any]:
        """Values of the controls; a part that was chosen is as the configuration has it, or has its defaults."""
        model, values = self.chosen, dict[str, Any]()
        numbers, parts, before = model.every_number(), dict(self._offered[self._name]), values_in(model)
        for name, parameter in parameters_in(model).items():
            control = (self.numbers if name in numbers else self.options).get(name)
            if control is None or isinstance(before[name], Path):
                continue
            if parameter.part is None:
                values[name] = float(control.value) if name in numbers else control.value
            elif control.value != before[name].kind:
                is_offered = parts[name].kind == control.value
                values[name] = parts[name] if is_offered else built_in(parameter.part)[str(control.value)]
        return values | dict.fromkeys(model.score_fields if "score" in values else ())  # those are of the earlier score

    def _show(self) -> None:
        """Show the controls of the chosen model and its parts at its values."""
        self._quiet = True
        model, initial = self.chosen, values_in(self._offered[self._name])
        parameters, values, numbers = parameters_in(model), values_in(model), model.every_number()
        needs, shown = memory_class_of(model.build).needs, set[Any]()
        for name, parameter in parameters.items():
            if isinstance(values[name], Path):
                continue  # one number for each neuron or pattern
            if name in numbers:
                known, kind = self.numbers, Slider
                settings = _slider(parameter, spread(parameter, initial.get(name, values[name]), values[name]), values[name])
            else:
                known, (kind, settings) = self.options, _choice(parameter, values[name])
            if kind is None:
                continue
            if name not in known:
                known[name] = kind(**settings, **(WIDE if kind is Slider else STYLED))
                known[name].param.watch(self._changed, "value")
                self.part.append(known[name])
            known[name].param.update(**settings)
            given = {option: getattr(values.get(option), "kind", values.get(option)) for option in needs.get(name, ())}
            known[name].disabled = any(value not in needs[name][option] for option, value in given.items())
            shown.add(known[name])
        for control in [*self.numbers.values(), *self.options.values()]:
            control.visible = control in shown and len(getattr(control, "options", "..")) > 1
        self._quiet = False


def _slider(parameter: Parameter, values: list[float], value: float) -> dict[str, Any]:
    """Settings of the slider of a number."""
    name = parameter.name
    label, meaning = QUANTITIES[name][:2] if name in QUANTITIES else (name, parameter.meaning)
    return {"label": label, "help": meaning, "values": values, "value": value}


def _choice(parameter: Parameter, value: Any) -> tuple[Any, dict[str, Any]]:
    """Widget of a parameter that is no real number, and its settings; `None` for one that is not chosen here."""
    names, limits = parameter.first(OneOf), parameter.first(Range) or Range()
    settings = {"name": parameter.name.replace("_", " ").capitalize(), "value": value}
    if parameter.part:
        kinds = dict.fromkeys([value.kind, *built_in(parameter.part)])
        return pn.widgets.Select, settings | {"options": {short_name(kind): kind for kind in kinds}, "value": value.kind}
    if names and not parameter.takes_numbers:
        return pn.widgets.Select, settings | {"options": list(names.names)}
    if isinstance(value, bool):
        return pn.widgets.Select, settings | {"options": [False, True]}
    if isinstance(value, int):
        return pn.widgets.IntInput, settings | {"start": limits.ge, "end": limits.le, "step": limits.multiple_of or 1}
    return None, {}
