"""Pages that are light on their way: pictures in fewer bytes and the same pixels, of the icons those that are used.

It runs over the built site, and changes nothing that a reader sees. `tests/site/test_weight.py` holds the limits.
"""
from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from PIL import Image
from sphinx.application import Sphinx

IMAGE = re.compile(r'(<figure\b[^>]*>\s*)?(<img\b[^>]*\bsrc="([^"]*/_images/[^"]+)"[^>]*>)')
WHOLE = "Open the picture by itself · 单独打开图片"
VIEW_BOX = re.compile(r'<svg\b[^>]*\bviewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"')
ICON = re.compile(r"\bfa-[a-z0-9-]+")
ICON_RULE = re.compile(r'((?:\.fa-[a-z0-9-]+:{1,2}before,?)+)\{content:"\\([0-9a-f]+)"\}')
ESCAPED = re.compile(r"\\([ef][0-9a-f]{3})\b")
ICON_FONT = re.compile(r'url\(([^)]*/fa-[\w-]+)\.woff2\) format\("woff2"\),url\([^)]*\) format\("truetype"\)')
# What nearly every page with a formula asks for: a page without any fetches it when it has nothing else to do.
FONTS = ["Zero", "Main-Regular", "Math-Italic", "AMS-Regular", "Calligraphic-Regular",
         "Size1-Regular", "Size2-Regular", "Size3-Regular", "Size4-Regular"]


def pages_of(site: Path) -> list[Path]:
    return [path for path in site.rglob("*.html") if path.relative_to(site).parts[0] not in {"_static", "_sources"}]


def size_of(picture: Path) -> tuple[int, int] | None:
    if picture.suffix != ".svg":
        with Image.open(picture) as image:
            return image.size
    found = VIEW_BOX.search(picture.read_text("utf-8"))
    return found and tuple(round(float(side)) for side in found.groups())


def lighter(picture: Path) -> Path:
    """The same pixels as WebP, if that is smaller; made again where the picture changed."""
    target, time = picture.with_suffix(".webp"), picture.stat().st_mtime_ns
    if picture.suffix == ".png" and not (target.exists() and target.stat().st_mtime_ns == time):
        with Image.open(picture) as image:
            image.save(target, "WEBP", lossless=True, quality=75, method=6)
        os.utime(target, ns=(time, time))
    return min((path for path in (target, picture) if path.exists()), key=lambda path: path.stat().st_size)


def mend_pictures(html: str, folder: Path) -> str:
    """Every picture keeps its place before it is there; those after the first wait until the reader is near. That of a
    figure is a link to its file, where a phone's reader can enlarge it."""
    count = 0

    def mend(found: re.Match) -> str:
        nonlocal count
        figure, tag, source = found.groups()
        picture = folder / source
        if not picture.exists():
            return found[0]
        best, size = lighter(picture), size_of(picture)
        address = f'{source.rpartition("/")[0]}/{best.name}'
        tag = tag.replace(f'"{source}"', f'"{address}"')
        extra = ' decoding="async"' + (' loading="lazy"' if count else "")
        if size and " width=" not in tag:
            extra += f' width="{size[0]}" height="{size[1]}"'
        count += 1
        tag = tag.replace("<img", f"<img{extra}", 1)
        return f'{figure}<a class="picture" href="{address}" title="{WHOLE}">{tag}</a>' if figure else tag

    return IMAGE.sub(mend, html)


def fetch_fonts(html: str, folder: Path, site: Path) -> str:
    fonts = site / "_static/mathjax/output/chtml/fonts/woff-v2"
    start = "../" * len(folder.relative_to(site).parts)
    links = (f'<link rel="prefetch" as="font" crossorigin="" href="{start}{path.relative_to(site)}"/>\n'
             for name in FONTS if (path := fonts / f"MathJax_{name}.woff").exists())
    return html.replace("</head>", "".join(links) + "</head>", 1)


def drop_pictures(folder: Path, used: set[str]) -> None:
    """Those of an earlier build that no page shows any more."""
    for picture in folder.glob("*"):
        if picture.name not in used and (picture.suffix != ".webp" or picture.with_suffix(".png").name not in used):
            picture.unlink()


def keep_icons(site: Path, used: set[str]) -> None:
    """Take the icons that no page has out of the theme's style sheet and its fonts."""
    sheet = site / "_static/styles/pydata-sphinx-theme.css"
    codes = set()

    def keep(found: re.Match) -> str:
        names = used & set(ICON.findall(found[1]))
        codes.update({int(found[2], 16)} if names else ())
        return found[0] if names else ""

    def subset(found: re.Match) -> str:
        font = (sheet.parent / found[1]).with_suffix(".ttf")
        options = Options(flavor="woff", layout_features=[], notdef_outline=True)
        with TTFont(font, recalcTimestamp=False) as whole:
            subsetter = Subsetter(options)
            subsetter.populate(unicodes=codes)
            subsetter.subset(whole)
            whole.flavor = "woff"
            whole.save(font.with_suffix(".woff"))
        return f'url({found[1]}.woff) format("woff")'

    text = ICON_RULE.sub(keep, sheet.read_text("utf-8"))
    others = (path.read_text("utf-8") for path in site.glob("_static/*.css"))
    for written in [text, *others]:  # a sheet's own icons: in the titles of boxes
        codes.update(int(code, 16) for code in ESCAPED.findall(written))
        codes.update(ord(letter) for letter in written if "\ue000" <= letter <= "\uf8ff")
    sheet.write_text(ICON_FONT.sub(subset, text), "utf-8")


def lighten(app: Sphinx, error) -> None:
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    drop_pictures(site / app.builder.imagedir, set(app.builder.images.values()))
    scripts = (site / "_static/scripts").glob("*theme.js")
    used = {name for path in scripts for name in ICON.findall(path.read_text("utf-8"))}
    for path in pages_of(site):
        html = path.read_text("utf-8")
        used.update(ICON.findall(html))
        path.write_text(fetch_fonts(mend_pictures(html, path.parent), path.parent, site), "utf-8")
    keep_icons(site, used)


def setup(app: Sphinx) -> dict:
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells every step
    app.connect("build-finished", lighten, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
