"""A result as text for people: the summary in a run's folder, and what a notebook shows."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, StrictUndefined

from moe_cosim.escape import markdown
from moe_cosim.quantity import format_quantity
from moe_cosim.sim.results.first_lines import answer, bound, not_varied

if TYPE_CHECKING:
    from moe_cosim.sim.results.result import Result

_PATH_ROWS: Final = 8


def summary(result: Result) -> str:
    """Markdown."""
    return _render("summary.md.j2", result, is_html=False)


def notebook(result: Result) -> str:
    """HTML: headline, the longest parts of the critical path, units, memories and links."""
    return _render("notebook.html.j2", result, is_html=True, path=result.critical_path[:_PATH_ROWS])


def _render(template: str, result: Result, is_html: bool, **more: Any) -> str:
    text = (files("moe_cosim.templates") / "report" / template).read_text(encoding="utf-8")
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=is_html,
    )
    environment.filters |= {
        "markdown": markdown,
        "time": lambda seconds: format_quantity(seconds * 1e12, "ps"),
        "rate": lambda rate: format_quantity(rate, "bytes/s"),
        "joules": lambda joules: format_quantity(joules, "J"),
        "watts": lambda watts: format_quantity(watts, "W"),
        "percent": lambda share: f"{100 * share:.1f} %",
    }
    first = {"answer": answer(result), "bound by": bound(result), "moved most by": not_varied(result)}
    return environment.from_string(text).render(result=result, first=first, **more)
