"""A picture in the making, measured in the pixels of a browser: boxes, lines and texts in Grafana's dark theme."""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from PIL import Image

# Pixels of a browser, and how many of the picture are one of them.
WIDTH, SCALE = 1200, 1.5
POINTS = 72 / 100  # of a pixel
# Of a picture, which is a quarter as large for it; and of those that it has most of, so many as they are.
COLOURS, FREQUENT = 256, 100
# https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/themes/createColors.ts
PAGE, PANEL, EDGE, GRID = "#111217", "#181b1f", "#25282d", "#2a2d33"
TEXT, FAINT, WHITE = "#ccccdc", "#8e8e99", "#ffffff"
# https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/themes/createVisualizationColors.ts
PALETTE = (
    *("#73bf69", "#fade2a", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#37872d", "#e0b400", "#1f60c4", "#fa6400"),
    *("#c4162a", "#8f3bb8", "#c8f2c2", "#fff899", "#c0d8ff", "#ffcb7d", "#ffa6b0", "#deb6f2"),
)
NAMED = dict(zip(("green", "yellow", "blue", "orange", "red", "purple"), PALETTE, strict=False))
SMALL, NORMAL = 10, 12
SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"  # which matplotlib brings along
Picture = Image.Image
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture, from its upper left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def middle(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2

    def inner(self, left: float, top: float, right: float, bottom: float) -> "Box":
        """What these margins leave of it."""
        return Box(self.left + left, self.top + top, self.width - left - right, self.height - top - bottom)


class Page:
    """What is drawn on."""

    def __init__(self, height: float) -> None:
        figure = Figure(figsize=(WIDTH / 100, height / 100), dpi=100 * SCALE, facecolor=PAGE)
        self._canvas = FigureCanvasAgg(figure)
        self._axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        self._axes.set_axis_off()
        self._layers = count()  # what is drawn later is above

    def box(self, box: Box, colour: str, *, edge: str = "none") -> None:
        """A filled box."""
        style, at = "round,pad=0,rounding_size=2", (box.left, box.top)
        patch = FancyBboxPatch(at, box.width, box.height, style, fc=colour, ec=edge, lw=POINTS, zorder=self._layer())
        self._axes.add_patch(patch)

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: str, width: float = 1, style: Any = "-") -> None:
        """A line through points; it is broken where one is not a number."""
        how: dict[str, Any] = {"color": colour, "lw": width * POINTS, "ls": style, "solid_joinstyle": "round"}
        self._axes.add_line(Line2D(xs, ys, **how, zorder=self._layer()))

    def area(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str, share: float) -> None:
        """What lies between two lines, so much of it to be seen."""
        self._axes.fill_between(xs, low, high, color=colour, alpha=share, lw=0, zorder=self._layer())

    def text(
        self,
        at: tuple[float, float],
        text: str,
        *,
        size: float = NORMAL,
        colour: str = TEXT,
        align: str = "left",
        bold: bool = False,
        font: str = SANS,
        room: float = math.inf,
    ) -> float:
        """A text whose middle is at this height, as much of it as there is room for; how wide it is."""
        how = FontProperties(family=font, size=size * POINTS, weight="bold" if bold else "normal")
        said = self._shortened(text.expandtabs(1), how, room)
        place: dict[str, Any] = {"ha": align, "va": "center_baseline", "zorder": self._layer()}
        self._axes.text(*at, said, color=colour, fontproperties=how, parse_math=False, **place)
        return self._width(said, how)

    def width(self, text: str, size: float) -> float:
        """How wide a text would be."""
        return self._width(text, FontProperties(family=SANS, size=size * POINTS))

    def picture(self) -> Picture:
        """All of it."""
        self._canvas.draw()
        size = self._canvas.get_width_height()
        return Image.frombytes("RGBA", size, bytes(self._canvas.buffer_rgba())).convert("RGB")

    def _layer(self) -> int:
        return next(self._layers)

    def _width(self, text: str, how: FontProperties) -> float:
        width = self._canvas.get_renderer().get_text_width_height_descent(text, how, ismath=False)[0]
        return float(width) / SCALE

    def _shortened(self, text: str, how: FontProperties, room: float) -> str:
        if self._width(text, how) <= room:
            return text
        fits, misses = 0, len(text)
        while misses - fits > 1:
            middle = (fits + misses) // 2
            short = self._width(f"{text[:middle]}…", how) <= room
            fits, misses = (middle, misses) if short else (fits, middle)
        return f"{text[:fits].rstrip()}…"


@contextmanager
def page(height: float) -> Iterator[Page]:
    """One to draw on, whatever somebody's own settings of matplotlib say."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["text.hinting"] = "none"
        yield Page(height)


def png(picture: Picture) -> bytes:
    """The file: of few colours, among them all of the theme, and without a word about when or by whom it was made."""
    counted: Any = picture.getcolors(picture.width * picture.height)
    there: list[Colour] = [colour for _, colour in sorted(counted, reverse=True)]
    kept = list(dict.fromkeys([*_theme(), *there[:FREQUENT]]))
    others = sorted(set(there) - set(kept)) or kept
    rest = Image.new("RGB", (len(others), 1))
    rest.putdata(others)
    few = rest.quantize(COLOURS - len(kept)).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(part for colour in kept for part in colour), *few])
    out = io.BytesIO()
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _theme() -> Iterator[Colour]:
    """The colours of curves, also as their edges are."""
    ground = to_rgb(PANEL)
    for colour in PALETTE:
        for share in (1, 0.75, 0.5, 0.25):
            red, green, blue = (
                round(255 * (share * own + (1 - share) * behind))
                for own, behind in zip(to_rgb(colour), ground, strict=True)
            )
            yield red, green, blue
