"""Render self-contained HTML pages from a package's templates, in a common style.

    text = render_page(Path(__file__).parent / "templates", "report.html", title="A run")

A template can include the shared `templates` of this package: `style.css` for every page. A report of a run
extends `report-page.html`, which brings `report.css`, the verdict, and `charts.js`, which draws its Plotly charts; the
macros of its parts are in `report-parts.html`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = ["Filters", "render_page"]

Filters = Mapping[str, Callable[..., object]]

_SHARED = Path(__file__).parent / "templates"
_NO_FILTERS: Filters = MappingProxyType({})


def render_page(templates: Path, template: str, *, filters: Filters = _NO_FILTERS, **values: object) -> str:
    """Render a template; values are escaped, an unknown name is an error.

    Args:
        templates: The folder of the caller's templates.
        template: Name of one of them.
        filters: The caller's own filters, by the name that its templates use.
        values: The template's variables, by name.
    """
    environment = Environment(
        loader=FileSystemLoader([templates, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(template).render(values)
