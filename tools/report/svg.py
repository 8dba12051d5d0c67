"""Drawing primitives for charts: scales, axes, marks as SVG text. Colours are CSS classes, so that pictures follow the
page's light or dark theme; every mark that a reader may ask about carries its numbers as a <title>.
"""

import html
import math

PLOT_LEFT, PLOT_TOP, PLOT_RIGHT, PLOT_BOTTOM = 52, 10, 12, 36


def escape(text):
    return html.escape(str(text), quote=True)


def tag(name, content="", **attributes):
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()
                    if value is not None)
    return f"<{name}{words}>{content}</{name}>" if content or name in ("svg", "g", "text") else f"<{name}{words}/>"


def picture(width, height, title, content, kind="chart"):
    """A labelled image that scales with its container, up to its natural width."""
    return tag("svg", tag("title", escape(title)) + content, viewBox=f"0 0 {width} {height}", role="img",
               aria_label=title, class_=kind, style=f"max-width:{width}px")


def text(x, y, content, class_=None, anchor=None):
    return tag("text", escape(content), x=f"{x:.1f}", y=f"{y:.1f}", class_=class_, text_anchor=anchor)


def line(x1, y1, x2, y2, class_):
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=class_)


def titled(content, title):
    return tag("g", tag("title", escape(title)) + content)


def nice_ticks(low, high, about=5):
    """Round numbers from low to high, `about` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, about)
    scale = 10 ** math.floor(math.log10(raw))
    step = next((m * scale for m in (1, 2, 2.5, 5, 10) if m * scale >= raw * 0.999), 10 * scale)
    first = math.ceil(low / step - 1e-9)
    ticks = []
    while first * step <= high + step * 1e-9:
        ticks.append(first * step)
        first += 1
    return ticks


def brief(value):
    """A number as a tick says it: 1200000 -> 1.2M, 0.05 -> 0.05."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}" if abs(value) > 1e-12 else "0"


class Frame:
    """A plot's coordinate system: data to pixels, with axes."""

    def __init__(self, x_range, y_range, width=470, height=250, left=PLOT_LEFT):
        self.width, self.height, self.left = width, height, left
        self.x_range = x_range if x_range[1] > x_range[0] else (x_range[0] - 0.5, x_range[0] + 0.5)
        self.y_range = y_range if y_range[1] > y_range[0] else (y_range[0] - 0.5, y_range[0] + 0.5)

    def x(self, value):
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.width - self.left - PLOT_RIGHT)

    def y(self, value):
        low, high = self.y_range
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return self.height - PLOT_BOTTOM - share * (self.height - PLOT_TOP - PLOT_BOTTOM)

    def axes(self, x_label, y_name=brief, x_name=brief):
        parts = []
        bottom = self.height - PLOT_BOTTOM
        for tick in nice_ticks(*self.y_range, about=4):
            parts.append(line(self.left, self.y(tick), self.width - PLOT_RIGHT, self.y(tick), "grid"))
            parts.append(text(self.left - 6, self.y(tick) + 4, y_name(tick), "tick", "end"))
        for tick in nice_ticks(*self.x_range, about=6):
            parts.append(line(self.x(tick), bottom, self.x(tick), bottom + 4, "axis"))
            parts.append(text(self.x(tick), bottom + 16, x_name(tick), "tick", "middle"))
        parts.append(line(self.left, bottom, self.width - PLOT_RIGHT, bottom, "axis"))
        parts.append(text((self.left + self.width - PLOT_RIGHT) / 2, self.height - 3, x_label, "label", "middle"))
        return "".join(parts)

    def path(self, points, class_):
        words = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        return tag("polyline", points=words, class_=class_) if len(points) > 1 else self.dots(points, class_)

    def dots(self, points, class_, radius=3):
        return "".join(tag("circle", cx=f"{self.x(x):.1f}", cy=f"{self.y(y):.1f}", r=radius, class_=f"dot {class_}")
                       for x, y in points)
