"""HTML pages that need no other file: templates of one package, in the one style that all pages share.

    text = render_page(Path(__file__).parent / "templates", "report.html", title="A run")

A template includes by name what is in `templates` of this package: `style.css` for every page. A report of a run
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
    """Fill a template; everything in `values` is escaped, an unknown name is an error.

    Args:
        templates: The folder of the caller's templates.
        template: Name of one of them.
        filters: The caller's own filters, by the name that its templates use.
        values: What the template speaks of, by name.
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
