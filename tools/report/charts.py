"""The report's pictures: curves over updates, intervals, gains beside zero, differences per episode, gates of a search."""

import math

from tools.report import gains_text
from tools.report.run_folder import SHARE
from tools.report.svg import PLOT_BOTTOM, PLOT_RIGHT, Frame, brief, escape, line, nice_ticks, picture, tag, text, titled

MOST_POINTS = 400
MOST_COLUMNS = 100
COLOURS = 6  # s1 .. s6 in the page's style


def thinned(points, most=MOST_POINTS):
    """Means of equal groups of neighbours, when there are more than `most`."""
    if len(points) <= most:
        return points
    out = []
    for i in range(most):
        group = points[i * len(points) // most:(i + 1) * len(points) // most]
        out.append((group[-1][0], sum(y for _, y in group) / len(group)))
    return out


def smoothed(points):
    """A running mean that looks back over about a twentieth of the curve, corrected for its start."""
    keep = 1 - 1 / max(3.0, len(points) / 20)
    total = weight = 0.0
    out = []
    for x, y in points:
        total, weight = keep * total + (1 - keep) * y, keep * weight + (1 - keep)
        out.append((x, total / weight))
    return out


def finite(points):
    return [(x, y) for x, y in points if math.isfinite(y)]


def value_range(values, low=None, high=None):
    """Where the curve is, without its most extreme hundredth: one spike shall not flatten all the rest."""
    ordered = sorted(values)
    cut = len(ordered) // 100
    bottom, top = ordered[cut], ordered[-1 - cut]
    margin = 0.06 * (top - bottom or abs(top) or 1)
    return (max(low, bottom - margin) if low is not None else bottom - margin,
            min(high, top + margin) if high is not None else top + margin)


def legend(names):
    if len(names) < 2:
        return ""
    items = "".join(f'<li><span class="key s{colour}"></span>{escape(name)}</li>' for name, colour in names)
    return f'<ul class="legend">{items}</ul>'


def figure(content, caption, names=()):
    return f"<figure><figcaption>{escape(caption)}</figcaption>{legend(names)}{content}</figure>"


def curves(series, caption, x_end, share=False, marks=(), low=None):
    """Curves over updates. series: (name, points) each; smoothed over faint raw points.

    marks: (name, points) drawn as dots with a thin line. share: y is in 0..1 and shown in %. low: where y starts."""
    series = [(name, finite(points)) for name, points in series]
    series = [(name, points) for name, points in series if points]
    marks = [(name, finite(points)) for name, points in marks if finite(points)]
    values = [y for _, points in [*series, *marks] for _, y in points]
    if not values:
        return ""
    last = max([x_end or 0, *(x for _, points in [*series, *marks] for x, _ in points)])
    frame = Frame((0, last), value_range(values, *((0, 1) if share else (None, None))))
    if low is not None:
        frame.y_range = (low, frame.y_range[1])
    parts = [frame.axes("update", (lambda v: f"{100 * v:.0f} %") if share else brief)]
    names = []
    for index, (name, points) in enumerate(series):
        colour = index % COLOURS + 1
        names.append((name, colour))
        parts.append(frame.path(thinned(points), f"raw s{colour}"))
        parts.append(titled(frame.path(thinned(smoothed(points)), f"curve s{colour}"),
                            f"{name}: {points[0][1]:.4g} at first, {points[-1][1]:.4g} at update {points[-1][0]}"))
    for index, (name, points) in enumerate(marks, len(series)):
        colour = index % COLOURS + 1
        names.append((name, colour))
        parts.append(frame.path(points, f"thin s{colour}") if len(points) > 1 else "")
        parts += [titled(frame.dots([point], f"s{colour}"), f"{name} after {point[0]} updates: {point[1]:.4g}")
                  for point in points]
    return figure(picture(frame.width, frame.height, caption, "".join(parts)), caption, names)


def sparkline(points, title, width=110, height=24):
    points = thinned(finite(points), 60)
    if len(points) < 2:
        return ""
    values = [y for _, y in points]
    low, high = min(values), max(values)
    first, last = points[0][0], points[-1][0]
    words = " ".join(f"{2 + (x - first) / (last - first) * (width - 4):.1f},"
                     f"{height - 3 - (y - low) / ((high - low) or 1) * (height - 6):.1f}" for x, y in points)
    return picture(width, height, title, tag("polyline", points=words, class_="curve s1"), "spark")


def gain_bar(row, reach, width=170, height=22):
    """A gain with its interval beside the line of no gain; `reach` is the axis' half width."""
    def x(value):
        return width / 2 + max(-1.0, min(1.0, value / reach)) * (width / 2 - 5)

    middle = height / 2
    kind = {"better": "good", "worse": "bad"}.get(row.verdict, "open")
    parts = [line(width / 2, 0, width / 2, height, "zero"), line(x(row.low), middle, x(row.high), middle, f"whisker {kind}"),
             tag("circle", cx=f"{x(row.gain):.1f}", cy=middle, r=4, class_=f"point {kind}")]
    low, high = (gains_text.difference(edge, row.averaging) for edge in (row.low, row.high))
    unit = " points" if row.averaging == SHARE else ""
    title = f"gain {gains_text.gain(row)}{unit}, 95 % interval {low} to {high}"
    return picture(width, height, title, "".join(parts), "spark")


def interval_chart(rows, caption, metric, share=True, chance=None):
    """Scores with their intervals, one line each. rows: (label, value, low, high, colour). share: as for `curves`."""
    def shown(value):
        return f"{100 * value:.1f}" if share else brief(value)

    width, height, left = 980, 34 * len(rows) + 52, 24 + 7 * max(len(row[0]) for row in rows)
    low = min([row[2] for row in rows] + ([chance] if chance is not None else []))
    high = max(row[3] for row in rows)
    margin = max(0.01, 0.08 * (high - low))
    low, high = (max(0, low - margin), min(1, high + margin)) if share else (low - margin, high + margin)
    frame = Frame((low, high), (0, 1), width, height, left)
    bottom = height - PLOT_BOTTOM
    parts = []
    for tick in nice_ticks(*frame.x_range, about=8):
        parts.append(line(frame.x(tick), 4, frame.x(tick), bottom, "grid"))
        parts.append(text(frame.x(tick), bottom + 16, f"{100 * tick:.0f} %" if share else brief(tick), "tick", "middle"))
    if chance is not None:
        parts.append(line(frame.x(chance), 4, frame.x(chance), bottom, "chance"))
        parts.append(text(frame.x(chance) + 4, 14, "chance", "tick"))
    for index, (label, value, start, end, colour) in enumerate(rows):
        y = 22 + 34 * index
        mark = (line(frame.x(start), y, frame.x(end), y, f"whisker s{colour}")
                + line(frame.x(start), y - 5, frame.x(start), y + 5, f"cap s{colour}")
                + line(frame.x(end), y - 5, frame.x(end), y + 5, f"cap s{colour}")
                + tag("circle", cx=f"{frame.x(value):.1f}", cy=y, r=5, class_=f"dot s{colour}"))
        parts.append(text(left - 12, y + 4, label, "name", "end"))
        unit = " %" if share else ""
        parts.append(titled(mark, f"{label}: {shown(value)}{unit}, 95 % interval {shown(start)} to {shown(end)}{unit}"))
        parts.append(text(frame.x(value), y - 9, shown(value), "value", "middle"))
    parts.append(text((left + width - PLOT_RIGHT) / 2, height - 3, metric, "label", "middle"))
    return figure(picture(width, height, caption, "".join(parts)), caption)


def difference_histogram(row, caption):
    """How many episodes gained or lost how much of a share."""
    places = {}
    step = 0.04
    for value in row.differences:
        places[round(value / step)] = places.get(round(value / step), 0) + 1
    reach = max(2, *(abs(place) for place in places)) * step + step
    frame = Frame((-reach, reach), (0, max(places.values()) * 1.08), 360, 190, 34)
    bottom = frame.height - PLOT_BOTTOM
    parts = [frame.axes(f"difference in {row.metric} of an episode, points", lambda v: f"{v:.0f}" if v == int(v) else "",
                        lambda v: f"{100 * v:+.0f}" if v else "0")]
    for place, count in sorted(places.items()):
        kind = "good" if place > 0 else "bad" if place < 0 else "open"
        left, right = frame.x((place - 0.45) * step), frame.x((place + 0.45) * step)
        bar = tag("rect", x=f"{left:.1f}", y=f"{frame.y(count):.1f}", width=f"{right - left:.1f}",
                  height=f"{bottom - frame.y(count):.1f}", class_=f"bar {kind}")
        parts.append(titled(bar, f"{count} episodes at {100 * place * step:+.0f} points"))
    parts.append(line(frame.x(0), 4, frame.x(0), bottom, "zero"))
    return figure(picture(frame.width, frame.height, caption, "".join(parts)), caption)
