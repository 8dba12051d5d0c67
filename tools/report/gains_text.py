"""The table of gains as text: what `make quickstart` ends with."""

import math

from tools.report.comparisons import OPEN
from tools.report.run_folder import SHARE

NOTE = ("Accuracy in %, gain in points with its 95 % interval. An interval that holds 0 shows no difference: there is\n"
        "none, or it is too small for n. Paired: over the same episodes or rows. Intervals are over these, not\n"
        "over trainings: they say nothing of other seeds.")
NAMED = "Other measures are named: shares in %, the rest as the numbers that they are."


def figure(value, averaging):
    """A share in %; any other measure as it is."""
    return f"{100 * value:.1f}" if averaging == SHARE else f"{value:.4g}"


def difference(value, averaging):
    """A difference of shares in points."""
    if math.isinf(value):
        return "?"
    return f"{100 * value:+.1f}" if averaging == SHARE else f"{value:+.3g}"


def gain(row):
    return difference(row.gain, row.averaging)


def interval(row):
    return f"[{difference(row.low, row.averaging)}, {difference(row.high, row.averaging)}]"


def named(place, metric):
    """Accuracy is what is meant where nothing else is said."""
    return place if metric == "accuracy" else f"{place}, {metric}"


def counted(row):
    left_out = f", {row.left_out} left out" if row.left_out else ""
    return f"{row.n} {'episodes' if row.episodes else 'rows'}{', paired' if row.paired else ''}{left_out}"


def other_measures(groups):
    """What to say of them, where there are any."""
    return [NAMED] if any(row.metric != "accuracy" for group in groups for row in group.rows) else []


def row_name(row):
    return named(row.label or row.dataset, row.metric)


def group_lines(group, name_width):
    lines = [f"{group.title}, {group.splits}:  A = {group.explained(0)},  B = {group.explained(1)}"]
    for row in group.rows:
        mark = " *" if group.overlap else ""
        a, b = (figure(value, row.averaging) for value in (row.a, row.b))
        lines.append(f"  {row_name(row):<{name_width}} {a:>6} {b:>6}  {gain(row):>6} {interval(row):<15} "
                     f"{counted(row):<20} {row.verdict}{mark}")
    if group.overlap:
        lines.append("  * overlap allowed: texts of this evaluation were trained on; no measure of unseen data")
        lines += [f"    {line}" for line in group.overlap]
    return lines


def gains_text(groups, run):
    """The whole table; says what is missing where a run has nothing to compare yet."""
    heading = f"Measured gains of {run.name}"
    if not groups:
        return f"{heading}\n  none yet: no stage has scores from before and after its training\n"
    rows = [row for group in groups for row in group.rows]
    width = max(len(row_name(row)) for row in rows)
    lines = [heading, NOTE, *other_measures(groups), "", f"  {'on':<{width}} {'A':>6} {'B':>6}  {'gain':>6} {'95 % interval':<15} {'over':<20} B is"]
    for group in groups:
        lines += ["", *group_lines(group, width)]
    undecided = sum(row.verdict == OPEN for row in rows)
    unfinished = [stage.name for stage in run.stages if not stage.finished]
    lines += ["", f"{len(rows)} comparisons, {undecided} of them without a difference that can be told from chance."]
    if unfinished:
        lines.append(f"Not finished yet: {', '.join(unfinished)}.")
    return "\n".join(lines) + "\n"
