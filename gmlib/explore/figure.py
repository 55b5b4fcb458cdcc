"""What every explorable figure shares: one module for notebook and site, and a still picture for everywhere else."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import anywidget
import traitlets
from matplotlib import rc_context
from matplotlib.figure import Figure

from gmlib import plot

HERE = Path(__file__).parent
KEY = "explorable"  # the text in a still picture that says what moves it


def module(name: str) -> str:
    """The ES module of a figure as one text: in a notebook it has no neighbour to import ``kit.js`` from."""
    own = (HERE / f"{name}.js").read_text("utf-8")
    own, found = re.subn(r'^import [^;]* from "./kit.js";$', "", own, flags=re.MULTILINE)
    if found != 1:
        raise ValueError(f"{name}.js must import kit.js once, in one statement")
    return (HERE / "kit.js").read_text("utf-8") + own


class Explorable(anywidget.AnyWidget):
    """A figure that the reader moves: alive in Jupyter and Colab, and on the site without a kernel.

    A subclass names its module (``name``, and ``_esm = module(name)``), declares what moves as traits tagged
    ``sync=True, state=True``, and draws itself once with Matplotlib (``draw``). That picture is shown by whatever
    runs no widgets: GitHub, a notebook that nobody has run yet, paper. It holds the figure's name and state, and from
    them the site brings it to life; nothing of ipywidgets is loaded there.

    Colab shows widgets like this one only after ``google.colab.output.enable_custom_widget_manager()``; the first
    figure that is made there calls it.

    Args:
        traits: initial values of the traits; ``language`` is ``"both"``, ``"en"`` or ``"zh"``.

    Raises:
        TypeError: on a value that the figure does not have.
        traitlets.TraitError: on a value outside its range, now or later.
    """

    _css = (HERE / "explore.css").read_text("utf-8")
    name = ""
    language = traitlets.Enum(("both", "en", "zh"), "both").tag(sync=True)
    _ipython_display_ = None  # ipywidgets 7, which Colab has, would show the figure by this, without its picture

    def __init__(self, **traits):
        if unknown := [name for name in traits if not self.has_trait(name)]:
            raise TypeError(f"{type(self).__name__} has no value named {unknown[0]!r}")
        super().__init__(**traits)

    def draw(self, figure: Figure) -> None:
        """Draw the present state on an empty Matplotlib figure."""
        raise NotImplementedError

    def state(self) -> dict:
        """The values that the reader moves."""
        return self.trait_values(state=True)

    def still(self) -> bytes:
        """The picture of the present state, as a PNG that says what it shows."""
        with rc_context(plot.STYLE), io.BytesIO() as buffer:
            figure = Figure(figsize=(6.8, 4.4))
            self.draw(figure)
            told = json.dumps({"figure": self.name, "state": self.state()}, sort_keys=True)
            figure.savefig(buffer, format="png", metadata={KEY: told})
            return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Write the picture to a file, which a Markdown page shows as any other figure."""
        Path(path).write_bytes(self.still())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.state().items())})"

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return data | {"image/png": base64.b64encode(self.still()).decode()}, metadata
