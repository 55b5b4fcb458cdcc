"""Begin a chapter, or one more notebook of a chapter: `python -m tools.new_chapter SLUG "English · 中文" [notebook]`.

Writes what is not there yet: the page, a notebook with its link, setup and settings cells, the package in
`gmlib`, a first test file, the list of planted errors, and the exercises with one example. Says which lines `_toc.yml` needs.
Changes no file that exists.
"""

import argparse

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from tools import new_exercises
from tools.address import current
from tools.common import ROOT
from tools.run_notebooks import made

PAGE = """(ch-{slug})=
# {title}

<div lang="en">

What question does this family answer?

</div>

<div lang="zh">

这一族模型回答什么问题？

</div>
"""
GOALS = """<div lang="en">

After this notebook you will be able to …

</div>

<div lang="zh">

学完本笔记本，你将能够……

</div>"""
SETTINGS = "import torch\n\nDEVICE = \"cuda\" if torch.cuda.is_available() else \"cpu\""
TOC = """
Put into _toc.yml, in its part, or only the last line into a chapter that is there:

      - file: book/{slug}
        sections:
          - file: notebooks/{slug}/{stem}

and under `Reference`, in the order of the chapters, as sections of book/equations and of book/api:

          - file: book/equations/{slug}
          - file: book/api/{slug}

Give each notebook a title of its own, other than the chapter's. Then: make notebooks NB=notebooks/{slug}/{stem}.ipynb"""
TEST = '"""The mathematics of {slug}: each test names the equation that it checks."""\n'
PLANTED = "# Errors that people make, one at a time: `python -m tools.plant {slug}` puts each in and sees that something fails.\n"


def notebook(title, name, address):
    """A notebook that holds what every notebook starts with."""
    link = f"[Open in Colab · 在 Colab 中打开]({address.colab(name)})"
    cells = [
        new_markdown_cell(f"# {title}\n\n{link}"),
        new_markdown_cell(GOALS),
        new_code_cell(address.setup_cell(), metadata={"tags": ["setup"]}),
        new_code_cell(SETTINGS, metadata={"tags": ["settings"]}),
    ]
    return made(cells, name)


def files(slug, title, stem, address):
    """Path below the root, and content, of all that a chapter starts with."""
    name = f"notebooks/{slug}/{stem}.ipynb"
    english, chinese = title.split(" · ")
    return {
        f"book/{slug}.md": PAGE.format(slug=slug, title=title),
        name: nbformat.writes(notebook(title, name, address)) + "\n",
        f"gmlib/{slug}/__init__.py": f'"""{title.split(" · ")[0]}."""\n',
        f"tests/{slug}/test_{slug}.py": TEST.format(slug=slug),
        f"tests/{slug}/planted.toml": PLANTED.format(slug=slug),
        f"book/api/{slug}.md": f"# `gmlib.{slug}`\n\n<!-- modules -->\n",
        f"book/equations/{slug}.md": f"# Equations: {english} · 公式：{chinese}\n\n```{{equation-list}} {slug}\n```\n",
        **new_exercises.files(slug, title, stem, address),
    }


def main(arguments=None, root=ROOT):
    parser = argparse.ArgumentParser(prog="python -m tools.new_chapter", description=__doc__.splitlines()[0])
    parser.add_argument("slug", help="the chapter's one name everywhere: gan")
    parser.add_argument("title", help="English · 中文")
    parser.add_argument("notebook", nargs="?", help="the notebook's name; the slug if left out")
    given = parser.parse_args(arguments)
    if not given.slug.isidentifier() or len(given.title.split(" · ")) != 2:
        parser.error('say it like: python -m tools.new_chapter gan "Generative adversarial networks · 生成对抗网络"')
    stem = given.notebook or given.slug
    for name, content in files(given.slug, given.title, stem, current()).items():
        path = root / name
        print(f"{'is there ' if path.exists() else 'new      '} {name}")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    print(TOC.format(slug=given.slug, title=given.title, stem=stem))


if __name__ == "__main__":
    main()
