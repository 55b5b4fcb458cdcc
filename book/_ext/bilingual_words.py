"""The words that the theme and the extensions put on a page, in both languages."""
from __future__ import annotations

import re

WORDS = {
    # navigation
    "Search": "搜索", "Contents": "本页目录", "On this page": "本页目录", "previous": "上一页", "next": "下一页",
    "previous page": "上一页", "next page": "下一页", "Back to top": "回到顶部",
    "Skip to main content": "跳到正文", "Main": "主导航", "Page": "本页", "Site navigation": "全书导航",
    "Toggle primary sidebar": "显示或隐藏全书目录", "Toggle secondary sidebar": "显示或隐藏本页目录",
    "Permalink to this heading": "本节链接", "Link to this heading": "本节链接",
    "Link to this image": "本图链接", "Link to this table": "本表链接", "Link to this equation": "本式链接",
    "Link to this code": "本段代码链接", "Link to this definition": "本条定义链接",
    "Link to this toctree": "本目录链接", "Link to this term": "本术语链接",
    # header buttons
    "Color mode": "明暗模式", "Light": "浅色", "Dark": "深色", "System Settings": "跟随系统",
    "Fullscreen mode": "全屏", "Download this page": "下载本页", "Download notebook file": "下载笔记本",
    "Download source file": "下载源文件", "Print to PDF": "打印为 PDF", "Launch interactive content": "在线运行",
    "Toggle hidden content": "展开或收起", "Colab logo": "Colab 标志",
    "Launch on Colab": "在 Colab 中运行", "Source repositories": "源代码仓库", "Source repository": "源代码仓库",
    "Repository": "仓库", "Suggest edit": "修改建议", "Suggest edits": "修改建议", "Open issue": "提交问题",
    "Open an issue": "提交问题", "Show source": "查看源文件", "Table of contents": "目录",
    # blocks
    "Note": "注", "Tip": "提示", "Hint": "提示", "Warning": "警告", "Caution": "当心", "Danger": "危险",
    "Attention": "注意", "Important": "要点", "See also": "另见", "Error": "错误", "Todo": "待办",
    "Exercise": "练习", "Solution": "解答", "Theorem": "定理", "Lemma": "引理", "Proposition": "命题",
    "Corollary": "推论", "Definition": "定义", "Algorithm": "算法", "Example": "例", "Examples": "例",
    "Remark": "注记", "Property": "性质", "Assumption": "假设", "Axiom": "公理", "Conjecture": "猜想",
    "Criterion": "准则", "Observation": "观察", "Notation": "记号", "Proof": "证明", "Proof.": "证明。",
    "Solution to": "解答：", "Fig.": "图", "Table": "表", "Listing": "代码", "Section": "节", "Show": "展开",
    # programming interface
    "Parameters": "参数", "Returns": "返回", "Return type": "返回类型", "Raises": "抛出", "Yields": "产出",
    "Attributes": "属性", "References": "参考文献", "Equations": "公式", "Bases:": "基类：", "[source]": "[源代码]",
    "Other Parameters": "其他参数", "Notes": "说明", "Warnings": "警告",
    "Page not found": "页面不存在",
}

# A word of the table, then a number ("Fig. 1.2"), a colon or an opening bracket ("Exercise 3 (").
WORD = re.compile(r"(\s*)(" + "|".join(sorted(map(re.escape, WORDS), key=len, reverse=True))
                  + r")((?:\s+[\d.]*\d)?\s*[:(]?\s*)", re.DOTALL)
TOGGLE = re.compile(r"Toggle navigation of (.*)", re.DOTALL)


def match(text: str) -> tuple[str, str, str, str] | None:
    """(space before, English, 中文, number and space after) of a theme's word, or None."""
    if not (found := WORD.fullmatch(text)):
        return None
    before, word, after = found.groups()
    return before, word, WORDS[word], after


def attribute(text: str) -> str:
    """An attribute's value in both languages, `English · 中文`; others come back unchanged."""
    if found := match(text):
        return f"{found[1]} · {found[2]}"
    if found := TOGGLE.fullmatch(text):
        english, _, chinese = found[1].partition(" · ")
        return f"Show or hide {english} · 展开或收起{chinese or english}"
    return text
