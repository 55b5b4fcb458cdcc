"""On the site a Chinese sentence has no space but where its author wants one."""

import sys

import pytest
from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.utils import new_document

from tools.common import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))

import bilingual  # noqa: E402


def joined(*parts):
    """What remains of a paragraph of texts and **bold** words."""
    children = [nodes.strong("", part[2:-2]) if part[:2] == "**" else nodes.Text(part) for part in parts]
    paragraph = nodes.paragraph("", "", *children)
    document = new_document("page", get_default_settings())
    document += paragraph
    bilingual.JoinChineseLines(document).apply()
    return paragraph.astext()


@pytest.mark.parametrize("parts, text", [
    (["**问题。**", " 给机器看"], "问题。给机器看"),
    (["下界\n取等号"], "下界取等号"),
    (["见\n", "**下界**"], "见下界"),
    (["用 KL 散度"], "用 KL 散度"),
    (["**Question.**", " Show it"], "Question. Show it"),
    (["one\ntwo"], "one\ntwo"),
    (["甲。", "** b**"], "甲。 b"),  # a neighbour's own space, and no letter less
    (["**a**", " ", "**甲。**", " ", "**乙**"], "a 甲。乙"),  # two texts alike, of which one goes
    (["**甲。**", " ", "**b**", " ", "**c**"], "甲。b c"),
])  # fmt: skip
def test_a_space_goes_after_chinese_punctuation_and_nowhere_else(parts, text):
    assert joined(*parts) == text
