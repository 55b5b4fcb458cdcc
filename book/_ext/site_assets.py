"""Everything a page loads comes from this site; the public address comes from `_config.yml`."""
from __future__ import annotations

from importlib.metadata import files
from pathlib import Path
from urllib.parse import urlparse

from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset

UNWANTED = ("thebe", "togglebutton", "togglehint", "toggleopenonprint")
MATHJAX = ["tex-chtml.js", "input/tex/extensions", "output/chtml/fonts/woff-v2"]


def mathjax_folder() -> Path:
    """MathJax 3 as the package `sphinx-mathjax-offline` installs it (its folder cannot be imported by name)."""
    listed = next(f for f in files("sphinx-mathjax-offline") if f.name == "tex-chtml.js")
    return Path(listed.locate()).parent


def copy_mathjax(app: Sphinx, error) -> None:
    if error is None and app.builder.format == "html":
        target = Path(app.outdir, "_static", "mathjax")
        for name in MATHJAX:
            source = mathjax_folder() / name
            copy_asset(source, target / name if source.is_dir() else (target / name).parent)


def drop_unwanted(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Thebe's script comes twice and raises an error; native <details> replace the toggle buttons."""
    for kind in ("script_files", "css_files"):
        context[kind][:] = [asset for asset in context[kind] if not is_unwanted(asset)]


def is_unwanted(asset) -> bool:
    text = f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', {}).get('body', '')}".lower()
    return any(word in text for word in UNWANTED)


def stay_in_this_copy(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """A link of the text to the book's public address leads to that file beside the page: offline too."""
    if "body" in context:
        start = "../" * pagename.count("/")
        context["body"] = context["body"].replace(f'href="{app.config.html_baseurl}', f'href="{start}')


def follow_address(app: Sphinx, config) -> None:
    """The social preview and the 404 page follow `html.baseurl`."""
    config.ogp_site_url = config.html_baseurl
    start = config.notfound_urls_prefix = urlparse(config.html_baseurl).path or "/"
    config.notfound_context["body"] = config.notfound_context["body"].replace("{start}", start)


def setup(app: Sphinx) -> dict:
    app.set_html_assets_policy("always")  # a title with a formula stands in the contents of every page
    app.connect("config-inited", follow_address, priority=100)
    app.connect("html-page-context", drop_unwanted, priority=999)
    app.connect("html-page-context", stay_in_this_copy)
    app.connect("build-finished", copy_mathjax)
    app.setup_extension("site_weight")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
