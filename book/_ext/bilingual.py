"""Two languages on one page: the Sphinx side of the book's English / 中文 switch.

Authors write ``<div lang="en">`` and ``<div lang="zh">`` blocks and ``English · 中文`` headings, captions and
alternative texts.  Every page passes through `site_pages.finish` as the template engine hands it over, so the
HTML is right before any script runs.  ``_static/bilingual.js`` only chooses what is shown.
"""
from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.transforms import SphinxTransform

import site_pages

CJK_OR_PUNCTUATION = r"[\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
NO_SPACE = re.compile(rf"(?<={CJK_OR_PUNCTUATION})\n(?={CJK_OR_PUNCTUATION})|(?<=[、。！，：；？]) ")
VERBATIM = (nodes.literal_block, nodes.literal, nodes.raw, nodes.math, nodes.math_block)


class BilingualTemplates(BuiltinTemplateLoader):
    """Sphinx's own templates; whole pages are finished on the way out."""

    def init(self, builder, *arguments) -> None:
        super().init(builder, *arguments)
        self.doctreedir = builder.doctreedir

    def render(self, template: str, context: dict) -> str:
        html = super().render(template, context)
        return site_pages.finish(html, self.doctreedir, context["pagename"]) if "<html" in html[:2000] else html


class JoinChineseLines(SphinxTransform):
    """A line break between two Chinese characters is not a space, nor is the one that Markdown wants after **this.** word."""

    default_priority = 400

    def apply(self, **kwargs) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, VERBATIM):
                # not index(), which takes an equal text for it
                i = next(i for i, sibling in enumerate(text.parent.children) if sibling is text)
                text.parent[i] = nodes.Text(joined(text.parent.children, i))


def joined(siblings: list[nodes.Node], i: int) -> str:
    """A text without those line breaks and spaces; what stands before and after them may be a neighbour's."""
    before = siblings[i - 1].astext()[-1:] if i else ""
    after = siblings[i + 1].astext()[:1].strip() if i + 1 < len(siblings) else ""
    text = NO_SPACE.sub("", before + siblings[i] + after)
    return text[len(before):len(text) - len(after)]


def use_bilingual_templates(app: Sphinx, config) -> None:
    config.template_bridge = "bilingual.BilingualTemplates"


def setup(app: Sphinx) -> dict:
    app.setup_extension("site_pages")
    app.add_transform(JoinChineseLines)
    app.connect("config-inited", use_bilingual_templates)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
