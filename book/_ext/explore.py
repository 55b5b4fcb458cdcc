"""Explorable figures on the site: a still picture that says which module moves it stands in for the figure, until
`_static/explore.js` brings it to life. Neither a kernel nor anything of ipywidgets is needed.

The picture comes from a notebook's output or from a Markdown page's ``figure``; `gmlib.explore` made it. Where no
script runs, and on paper, it stays.
"""
from __future__ import annotations

import html
import json
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.fileutil import copy_asset_file

KEY = "explorable"
OPENING = '<div class="explore" data-figure="{figure}" data-state="{state}"><div>\n'


def told(path: Path) -> dict | None:
    """What a picture says of itself: the figure's name and its state, or None."""
    if path.suffix != ".png" or not path.is_file():
        return None
    with Image.open(path) as picture:
        text = picture.info.get(KEY)
    return json.loads(text) if text else None


class Stand(SphinxPostTransform):
    """Put each still of an explorable figure into a frame that names its module."""

    default_priority = 300
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for image in list(self.document.findall(nodes.image)):
            if found := told(Path(self.app.srcdir, image["uri"])):
                state = json.dumps(found["state"], sort_keys=True)
                opening = OPENING.format(figure=html.escape(found["figure"]), state=html.escape(state))
                image.replace_self([nodes.raw("", opening, format="html"), image.deepcopy(),
                                    nodes.raw("", "</div></div>\n", format="html")])


def copy_modules(app: Sphinx) -> None:
    """The modules as they stand in the library; before the pages, so that each address carries the file's hash."""
    if app.builder.format == "html":
        source, target = Path(find_spec("gmlib.explore").origin).parent, Path(app.outdir, "_static", "explore")
        target.mkdir(parents=True, exist_ok=True)
        for file in [*source.glob("*.js"), *source.glob("*.css")]:
            copy_asset_file(file, target)


def load_modules(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    if '<div class="explore"' in context.get("body", ""):
        app.add_js_file("explore.js", type="module")
        app.add_css_file("explore/explore.css")


def setup(app: Sphinx) -> dict:
    app.add_post_transform(Stand)
    app.connect("builder-inited", copy_modules)
    app.connect("html-page-context", load_modules)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
