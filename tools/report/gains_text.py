"""The table of gains as text: what `make quickstart` ends with."""

import math

from tools.report.comparisons import OPEN

NOTE = ("Accuracy in %, gain in points with its 95 % interval. An interval that holds 0 shows no difference: there is\n"
        "none, or it is too small for n. Paired: over the same episodes or rows. Intervals are over these, not\n"
        "over trainings: they say nothing of other seeds.")


def percent(value):
    return f"{100 * value:.1f}"


def points(value):
    return "?" if math.isinf(value) else f"{100 * value:+.1f}"


def interval(row):
    return f"[{points(row.low)}, {points(row.high)}]"


def counted(row):
    left_out = f", {row.left_out} left out" if row.left_out else ""
    return f"{row.n} {'episodes' if row.episodes else 'rows'}{', paired' if row.paired else ''}{left_out}"


def row_name(row):
    return row.label or row.dataset


def group_lines(group, name_width):
    lines = [f"{group.title}, {group.splits}:  A = {group.explained(0)},  B = {group.explained(1)}"]
    for row in group.rows:
        mark = " *" if group.overlap else ""
        lines.append(f"  {row_name(row):<{name_width}} {percent(row.a):>6} {percent(row.b):>6}  {points(row.gain):>6} "
                     f"{interval(row):<15} {counted(row):<20} {row.verdict}{mark}")
    if group.overlap:
        lines.append("  * overlap allowed: texts of this evaluation were trained on; no measure of unseen data")
        lines += [f"    {line}" for line in group.overlap]
    return lines


def gains_text(groups, run):
    """The whole table; says what is missing where a run has nothing to compare yet."""
    heading = f"Measured gains of {run.name}"
    if not groups:
        return f"{heading}\n  none yet: no stage has scores from before and after its training\n"
    width = max(len(row_name(row)) for group in groups for row in group.rows)
    lines = [heading, NOTE, "", f"  {'on':<{width}} {'A':>6} {'B':>6}  {'gain':>6} {'95 % interval':<15} {'over':<20} B is"]
    for group in groups:
        lines += ["", *group_lines(group, width)]
    rows = [row for group in groups for row in group.rows]
    undecided = sum(row.verdict == OPEN for row in rows)
    unfinished = [stage.name for stage in run.stages if not stage.finished]
    lines += ["", f"{len(rows)} comparisons, {undecided} of them without a difference that can be told from chance."]
    if unfinished:
        lines.append(f"Not finished yet: {', '.join(unfinished)}.")
    return "\n".join(lines) + "\n"
