"""No chapter's symbol contradicts the table that holds in the whole book, and none stands in a table twice."""
from pathlib import Path

import pytest

from tools.text_rules import notation
from tools.text_rules.notation import letter, rows, written

ROOT = Path(__file__).resolve().parents[2]
HEAD = "| Symbol · 符号 | Meaning (English) | 含义（中文） |\n|---|---|---|\n"
SMALL = f"""\
(notation-everywhere)=
## In the whole book · 全书通用

{HEAD}| $x$, $N$; $D$ | an observation, their number; its dimension | 观测、其个数；其维数 |
| $q$ | an approximation | 近似 |
| $\\epsilon$; $\\mathcal L$ | noise; the bound | 噪声；下界 |

(notation-vae)=
## VAE · 变分自编码器

{HEAD}| $K$, $N_c$ | how many draws, how many of $x$ | 抽样数、$x$ 的个数 |
| $q(z)$ | here: the aggregate | 本章：聚合 |

(notation-gan)=
## GAN · 生成对抗网络

{HEAD}| $D(x)$ | here, the discriminator | 本章指判别器 |
| $K$, $p_\\theta(x)$ | a constant, a law | 常数、分布 |
"""


def problems(folder, page):
    (folder / "book").mkdir()
    (folder / "book" / "notation.md").write_text(page, "utf-8")
    return notation.problems(folder)


def test_the_page_keeps_the_rule():
    assert notation.problems(ROOT) == []
    found = rows((ROOT / "book" / "notation.md").read_text("utf-8"))
    written_chapters = {"overview", "vae"}
    assert written_chapters | {"everywhere"} <= {row.table for row in found}
    assert all(sum(row.table == table for row in found) > 10 for table in written_chapters)


def test_an_honest_page_passes(tmp_path):
    assert problems(tmp_path, SMALL) == []


PLANTED = {
    "twice in a row": ("$K$, $N_c$", "$K$, $K$", "vae: $K$ stands in this table twice"),
    "twice in a table": ("$q(z)$", "$N_c$", "vae: $N_c$ stands in this table twice"),
    "twice in the first": ("$q$ | an", "$N$ | an", "everywhere: $N$ stands in this table twice"),
    "another meaning": ("$K$, $N_c$", "$x$, $N_c$", "vae: $x$ stands in the first table too"),
    "spelled otherwise": ("$K$, $N_c$", "$\\varepsilon$", "vae: $\\epsilon$ stands in the first table too"),
    "written otherwise": ("$K$, $N_c$", "$\\mathcal{L}$", "vae: $\\mathcal{L}$ stands in the first table too"),
    "with an argument": ("here, the discriminator", "the discriminator", "gan: $D(x)$ stands in the first table too"),
    "marked in one language": ("本章：聚合", "聚合", "vae: $q(z)$ stands in the first table too"),
    "no Chinese": ("| 近似 |", "| |", "everywhere: $q$ needs its meaning in English and in Chinese"),
    "no English": ("a constant, a law", "常数", "gan: $K$ needs its meaning in English and in Chinese"),
    "out of order": ("(notation-vae)=", "(notation-diffusion)=", "the tables must be everywhere, gan, diffusion"),
    "no such chapter": ("(notation-vae)=", "(notation-vea)=", "the tables must be everywhere, gan"),
    "not the first": ("(notation-everywhere)=", "(notation-flows)=", "the tables must be vae, gan, flows"),
}


@pytest.mark.parametrize("old, new, message", PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_named(tmp_path, old, new, message):
    assert SMALL.count(old) == 1
    found = problems(tmp_path, SMALL.replace(old, new))
    assert any(message in fault for fault in found), found


def test_a_symbol_is_known_however_it_is_spelled():
    assert written(r"\mathcal L") == written(r"\mathcal{L}") != written("L")
    assert written(r"q\,(z \mid x)") == written(r"q(z\mid x)")
    assert [letter(written(s)) for s in ("D(x)", r"\mathcal L(q)", "I_q(n; z)", r"\rho(z)", "x_n")] == [
        "D", r"\mathcal{L}", "I_q(n;z)", r"\rho", "x_n"]
