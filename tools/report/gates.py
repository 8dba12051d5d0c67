"""The gates of a layer search as a heat map, layers x updates, with the layers that are chosen at each update."""

from tools.report.charts import MOST_COLUMNS, figure
from tools.report.svg import brief, line, nice_ticks, picture, tag, text, titled

ROW, LEFT, RIGHT, TOP, BOTTOM, WIDTH = 22, 118, 118, 8, 56, 980


def searched(gates):
    """The gates up to the last update that changed one of them: what comes after is no search."""
    last = max((i for i in range(1, len(gates)) if gates[i][1] != gates[i - 1][1]), default=len(gates) - 1)
    return gates[:last + 1]


def columns(entries):
    """At most MOST_COLUMNS of them, the first and the last among them."""
    if len(entries) <= MOST_COLUMNS:
        return entries
    return [entries[round(i * (len(entries) - 1) / (MOST_COLUMNS - 1))] for i in range(MOST_COLUMNS)]


def chosen_at(selected, step):
    """The layers that `selected` last named at or before `step`."""
    layers = []
    for at, values in selected:
        if at > step:
            break
        layers = [int(value) for value in values]
    return layers


def layer_name(layer, count):
    if layer == 0:
        return "0 (embeddings)"
    return f"{layer} (reference)" if layer == count - 1 else str(layer)


def cells(shown, selected, count, reach, cell):
    parts = []
    for column, (step, values) in enumerate(shown):
        chosen = chosen_at(selected, step)
        x = LEFT + column * cell
        for layer in range(count):
            value = values[layer]
            y = TOP + (count - 1 - layer) * ROW
            box = tag("rect", x=f"{x:.2f}", y=y, width=f"{cell + 0.15:.2f}", height=ROW - 2,
                      class_="open-gate" if value >= 0.5 else "closed-gate",
                      fill_opacity=f"{0.04 + 0.96 * min(1, abs(value - 0.5) / reach):.2f}")
            if layer in chosen:
                box += line(x, y + ROW - 4, x + cell + 0.15, y + ROW - 4, "chosen")
            parts.append(titled(box, f"layer {layer}, update {step}: gate {value:.3f}"
                                     f"{', among the largest' if layer in chosen else ''}"))
    return "".join(parts)


def scale(reach, y):
    """The colour key: from closed over the start to open."""
    parts = []
    for i in range(-10, 11):
        parts.append(tag("rect", x=LEFT + (i + 10) * 8, y=y, width=8.2, height=10,
                         class_="open-gate" if i >= 0 else "closed-gate", fill_opacity=f"{0.04 + 0.096 * abs(i):.2f}"))
    for place, value in ((0, 0.5 - reach), (10, 0.5), (20, 0.5 + reach)):
        parts.append(text(LEFT + place * 8 + 4, y + 22, f"{value:.2f}", "tick", "middle"))
    parts.append(text(LEFT + 190, y + 10, "gate; 0.5 is where all start. Line below a cell: among the largest, so kept",
                      "tick"))
    return "".join(parts)


def gate_map(gates, selected, caption):
    """gates: (update, values) in order. The top row is the layer nearest to the output."""
    shown = columns(searched(gates))
    count = min(len(values) for _, values in shown)
    reach = max(0.02, *(abs(value - 0.5) for _, values in shown for value in values[:count]))
    cell = (WIDTH - LEFT - RIGHT) / len(shown)
    height = TOP + count * ROW + BOTTOM + 16
    last_step, last_values = shown[-1]
    parts = [cells(shown, selected, count, reach, cell)]
    chosen = chosen_at(selected, last_step)
    for layer in range(count):
        y = TOP + (count - 1 - layer) * ROW + 14
        parts.append(text(LEFT - 8, y, layer_name(layer, count), "name", "end"))
        mark = "  found" if layer in chosen else ""
        parts.append(text(WIDTH - RIGHT + 8, y, f"{last_values[layer]:.3f}{mark}", "value" if mark else "tick"))
    bottom = TOP + count * ROW
    steps = [step for step, _ in shown]
    for tick in nice_ticks(steps[0], steps[-1], 6):
        nearest = min(range(len(steps)), key=lambda i: abs(steps[i] - tick))
        parts.append(text(LEFT + (nearest + 0.5) * cell, bottom + 12, brief(tick), "tick", "middle"))
    parts.append(text(LEFT - 8, bottom + 12, "update", "tick", "end"))
    parts.append(scale(reach, bottom + 28))
    return figure(picture(WIDTH, height, caption, "".join(parts), "chart heat"), caption)
