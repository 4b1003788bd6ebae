"""Sections written as one HTML file that asks the network for nothing.

Charts are drawn by Vega-Lite, which `vl-convert-python` brings along: 0.9 MB in the file, where Bokeh takes 1 MB and
Plotly's wheel has 4.8 MB. It draws SVG, so that a chart prints as sharp as text and takes its colours from the page's
style sheet (light, dark, print), and it writes what each mark shows where screen readers find it; Bokeh draws pixels,
and neither of the two says anything there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from moe_cosim import extras
from moe_cosim.sim.report import palette
from moe_cosim.sim.report.parts import Chart, Drawing, Section
from moe_cosim.version import VERSION

_LIBRARY: Final = "window.vegaEmbed = vegaEmbed;"
_TEXT: Final = {"labelFontSize": 12, "titleFontSize": 12, "labelColor": "var(--ink)", "titleColor": "var(--soft)"}
_THEME: Final[Mapping[str, Any]] = {
    "background": None,
    "font": 'system-ui, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif',
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        **_TEXT,
        "titleFontWeight": "normal",
        "gridColor": "var(--rule)",
        "domainColor": "var(--soft)",
        "tickColor": "var(--soft)",
        "labelLimit": 220,
        "labelOverlap": "greedy",
    },
    "axisQuantitative": {"tickCount": 6},
    "legend": {**_TEXT, "labelLimit": 200, "symbolType": "square", "symbolStrokeWidth": 0, "orient": "bottom"},
    "text": {"fill": "var(--ink)", "fontSize": 12},
    "bar": {"discreteBandSize": {"band": 0.8}},
    "rule": {"color": "var(--soft)"},
}
"""Of all charts: text of at least 12 px, colours by variable."""


def page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """HTML. Raises `InputError` without the extra ``report``."""
    library = extras.load("vl_convert", "report", "report")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=True)
    environment.filters["marked"] = _marked
    versions = library.get_vegalite_versions()
    return environment.from_string(_file("page.html.j2")).render(
        title=title,
        subtitle=subtitle,
        sections=[section for section in sections if section.panels],
        version=VERSION,
        vega=library.get_vega_version(),
        vega_lite=max(versions, key=lambda text: [int(part) for part in text.split(".")]),
        style=Markup(_colours() + _file("page.css")),
        script=Markup(_file("page.js")),
        library=_bundle(),
        patterns=Markup(palette.patterns()),
        theme=_json(_THEME),
        kind_of=lambda part: type(part).__name__,
        json_of=_specification,
        markup_of=_markup,
        number=Markup(' class="number"'),
        warning=Markup(' class="warning"'),
    )


@cache
def _bundle() -> Markup:
    return Markup(extras.load("vl_convert", "report", "report").javascript_bundle(_LIBRARY))


def _colours() -> str:
    """The series' colours, light and dark; paper is light."""
    light, dark = (
        f":root {{ {' '.join(f'{name}: {colour};' for name, colour in palette.variables(dark).items())} }}"
        for dark in (False, True)
    )
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}\n"


def _specification(chart: Chart) -> Markup:
    return _json(
        {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
        | dict(chart.spec)
        | {"description": chart.says}
    )


def _marked(text: str) -> Markup:
    """What stands between backticks as what is typed."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _markup(drawing: Drawing) -> Markup:
    return Markup(drawing.svg)


def _json(value: Any) -> Markup:
    """For a script element, which only ``</script`` could end early."""
    return Markup(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


def _file(name: str) -> str:
    return (files("moe_cosim.templates") / "report" / name).read_text(encoding="utf-8")
