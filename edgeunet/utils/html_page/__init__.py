"""The style of pages that open offline: one HTML file, light and dark, wide and narrow, and for paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeunet.utils.dependencies import needed

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(templates: Path) -> Environment:
    """Renders the templates of a folder, which extend "page.html.j2"; raises MissingDependencyError without Jinja2."""
    with needed("jinja2"):
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    loader = FileSystemLoader([templates, Path(__file__).parent])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
