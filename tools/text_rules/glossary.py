"""A term of the glossary is used as the glossary gives it, and known wrong translations are not used."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tools.text_rules.languages import Pair, Reading
from tools.text_rules.source import HAN, parse, plain

# what other books say (as patterns), and what this one says
INSTEAD = {
    "隐变量": "潜变量", "潜在变量": "潜变量", "隐空间": "潜空间", "编码本": "码本", "变分下界": "证据下界",
    "后验崩溃": "后验坍缩", "后验崩塌": "后验坍缩", "后验塌陷": "后验坍缩", "后验塌缩": "后验坍缩",
    "模式崩溃": "模式坍缩", "模式崩塌": "模式坍缩", "模式塌陷": "模式坍缩", "模态坍缩": "模式坍缩",
    "重参数技巧": "重参数化技巧", "再参数化": "重参数化", "重新参数化": "重参数化",
    "摊还推断": "摊销推断", "均摊推断": "摊销推断", "变分推理": "变分推断", "自动编码器": "自编码器", "自动编码机": "自编码器",
    "边际似然": "边缘似然", "分数函数估计": "得分函数估计", "评分函数估计": "得分函数估计", "分数匹配": "得分匹配",
    "标准化流(?!程)": "归一化流", "正则化流(?!程)": "归一化流", "规范化流(?!程)": "归一化流", "雅克比": "雅可比", "马尔科夫": "马尔可夫",
    "蒙特卡罗": "蒙特卡洛", "吉布斯抽样": "吉布斯采样", "波尔兹曼": "玻尔兹曼", "玻耳兹曼": "玻尔兹曼", "郎之万": "朗之万",
    "加法法则": "求和法则", "平均一依赖": "平均独依赖",
    "鉴别器": "判别器", "对抗生成网络": "生成对抗网络", "掩膜": "掩码",
}
# the same, where the English has one word and not another: 单元 is a network's unit, 单元格 a notebook's cell
INSTEAD_IF = (("cell", "unit", "(?<!记忆)单元(?!格)", "单元格"), ("responsibility", None, "责任", "响应度"))
# phrases in which a word of the glossary is not the term
NOT_TERMS = ("prior to", "prior work", "score out of", "in evidence", "functional form", "Python generator",
             "random generator", "torch.Generator")


@dataclass(frozen=True)
class Term:
    english: str
    chinese: tuple[str, ...]        # any of these will do
    pattern: re.Pattern


def _alternatives(cell: str) -> list[str]:
    return [part.strip() for part in re.split(r" / |，|, |、", cell) if part.strip()]


def _readings(words: str) -> list[str]:
    """`evidence (marginal likelihood)` has two names; `(differential) entropy` may drop its first word."""
    found = re.search(r"[(（]([^()（）]*)[)）]", words)
    if not found:
        return [words]
    before, inside, after = words[:found.start()].strip(), found[1], words[found.end():].strip()
    space = "" if HAN.search(words) else " "
    if not after:
        return [before, inside]
    return [w.strip() for w in (space.join((before, after)), space.join((before, inside, after)),
                                space.join((inside, after)))]


def _pattern(english: str) -> re.Pattern:
    """Any case, the plural too, a space or hyphen alike, -ise as -ize."""
    words = re.sub(r"i[sz](?=e|ing|ation)", "i[sz]", re.escape(english.lower()))
    words = re.sub(r"(?:\\ |\\-)+", r"[\\s-]", words)
    plural = words[:-1] + "(?:y|ies)" if words.endswith("y") else words + "(?:s|es)?"
    return re.compile(rf"(?<![\w-]){plural}(?![\w-])", re.IGNORECASE)


def terms(rows: list[tuple[str, str]]) -> list[Term]:
    """Terms of the rows (English, 中文), the longest first; equally many alternatives belong one to one."""
    found: dict[str, list[str]] = {}
    for english, chinese in rows:
        left, right = _alternatives(english), _alternatives(chinese)
        one_to_one = len(left) == len(right)
        for i, words in enumerate(left):
            translations = [r for c in ([right[i]] if one_to_one else right) for r in _readings(c)]
            for reading in _readings(words):
                if not reading.isupper():       # an abbreviation may stand in Chinese as it is
                    found.setdefault(reading.lower(), []).extend(translations)
    longest_first = sorted(found, key=len, reverse=True)
    return [Term(words, tuple(dict.fromkeys(found[words])), _pattern(words)) for words in longest_first]


def rows(page: Path) -> list[tuple[str, str]]:
    """The two-column rows of the glossary's tables."""
    cells, out = [], []
    for token in parse(page.read_text("utf-8")) if page.exists() else []:
        if token.type == "tr_open":
            cells = []
        elif token.type == "inline":
            cells.append(plain(token.children).strip())
        elif token.type == "tr_close" and len(cells) == 2 and HAN.search(cells[1]) and not HAN.search(cells[0]):
            if cells[0].lower() != "english":
                out.append((cells[0], cells[1]))
    return out


def _squeezed(words: str) -> str:
    return re.sub(r"\s+", "", words).lower()


def missing(pair: Pair, known: list[Term]) -> list[str]:
    """Terms of the English half whose translation the Chinese half does not have."""
    en, zh, out = plain(pair.en), _squeezed(plain(pair.zh)), []
    for phrase in NOT_TERMS:
        en = re.sub(re.escape(phrase), " ", en, flags=re.IGNORECASE)
    for term in known:
        en, used = term.pattern.subn(" | ", en)     # a longer term hides the shorter ones within it
        if used and not any(_squeezed(chinese) in zh for chinese in term.chinese):
            out.append(f"{pair.place}: {term.english!r} is {' or '.join(term.chinese)} in the glossary, "
                       "but the Chinese does not say so")
    return out


def forbidden(pair: Pair) -> list[str]:
    en, zh = plain(pair.en), _squeezed(plain(pair.zh))
    has = lambda word: word and _pattern(word).search(en)
    wrongs = list(INSTEAD.items()) + [(wrong, right) for word, but, wrong, right in INSTEAD_IF if has(word) and not has(but)]
    return [f"{pair.place}: the book says {right}, not {found[0]}"
            for wrong, right in wrongs if (found := re.search(wrong, zh))]


def problems(reading: Reading, known: list[Term]) -> list[str]:
    return [message for pair in reading.pairs for message in missing(pair, known) + forbidden(pair)]
