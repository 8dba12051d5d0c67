"""What in a run can be compared with what, and how large the differences are.

Within a stage: the scores before the first update against those after the last. Across stages: a stage against its
controls. A control runs the same method, is scored on the same data and is called like the stage with a suffix:
2_metaprompting and 2_metaprompting_plain. Episodes are drawn by the seed, so the same seed and data mean the same
episodes and rows in the same order: their differences are paired.
"""

import dataclasses
import math

from tools.report import intervals
from tools.report.run_folder import SHARE

BETTER, WORSE, OPEN = "better", "worse", "no difference shown"


@dataclasses.dataclass
class Comparison:
    dataset: str
    split: str
    metric: str
    averaging: str
    a: float
    b: float
    a_error: float
    b_error: float
    low: float
    high: float
    n: int
    paired: bool
    episodes: bool  # scores are over episodes, else over rows
    differences: list = dataclasses.field(default_factory=list)  # per episode or row, where paired
    label: str = ""  # stands for the data set where a row is about something else
    left_out: int = 0  # rows that were trained on and not scored, of the side that lacks more

    @property
    def gain(self):
        return self.b - self.a

    @property
    def verdict(self):
        if self.low > 0:
            return BETTER
        return WORSE if self.high < 0 else OPEN


@dataclasses.dataclass
class Group:
    """Comparisons that differ in nothing but the data set or the condition."""

    title: str
    a_label: str
    b_label: str
    stages: list  # that the scores are from
    rows: list
    differs: list = dataclasses.field(default_factory=list)  # (setting, of A, of B), of a stage against its control
    across: bool = False

    @property
    def overlap(self):
        return [f"{stage.name}: {line}" for stage in self.stages for line in stage.overlap]

    @property
    def splits(self):
        """The splits that its scores are of, in words."""
        return " and ".join(dict.fromkeys(row.split for row in self.rows))

    def explained(self, side):
        """What A (0) or B (1) stands for: its label, and the first settings that only it has."""
        shown = [f"{setting[0]} = {setting[1 + side]}" for setting in self.differs[:3]]
        more = len(self.differs) - len(shown)
        words = ", ".join(shown) + (f", {more} more" if more else "")
        return f"{(self.a_label, self.b_label)[side]}{f' ({words})' if words else ''}"


def same_episodes(one, other, same_draw):
    return (same_draw and len(one["values"]) == len(other["values"]) > 0
            and not any(map(math.isnan, one["values"] + other["values"])))


def compare(a, b, same_draw, label=""):
    """Two evaluations of the same data set; None where a score is not finite."""
    if math.isnan(a["value"]) or math.isnan(b["value"]):
        return None
    row = Comparison(dataset=a["dataset"], split=a["name"], metric=a["metric"], averaging=b["averaging"], a=a["value"],
                     b=b["value"], a_error=a["standard_error"], b_error=b["standard_error"], low=0, high=0, n=b["n"],
                     paired=False, episodes=b["episodes"], label=label, left_out=max(a["left_out"], b["left_out"]))
    if same_episodes(a, b, same_draw):
        row.paired = True
        row.differences = [y - x for x, y in zip(a["values"], b["values"])]
        _, row.low, row.high = intervals.mean_interval(row.differences)
    elif same_draw and len(a["right"]) == len(b["right"]) > 0:
        row.paired = True
        row.differences = [int(y) - int(x) for x, y in zip(a["right"], b["right"])]
        _, row.low, row.high = intervals.paired_shares(row.differences)
    elif a["values"] and b["values"]:
        _, row.low, row.high = intervals.welch_interval(a["values"], b["values"])
    elif row.averaging == SHARE:
        row.low, row.high = intervals.share_difference(a["value"], a["n"], b["value"], b["n"])
    else:
        row.low, row.high = intervals.normal_interval(row.gain, math.hypot(row.a_error, row.b_error))
    return row


def mean_row(rows):
    """The mean over data sets of rows, as one more comparison."""
    count = len(rows)
    paired = all(row.paired for row in rows)
    if paired or rows[0].averaging != SHARE:
        half = math.sqrt(sum(((row.high - row.low) / 2) ** 2 for row in rows)) / count
        low, high = (sum(row.gain for row in rows) / count + side * half for side in (-1, 1))
    else:
        _, low, high = intervals.mean_of_differences([(row.a, row.n, row.b, row.n) for row in rows])
    return Comparison(dataset="", split=rows[0].split, metric=rows[0].metric, averaging=rows[0].averaging,
                      a=sum(r.a for r in rows) / count, b=sum(r.b for r in rows) / count,
                      a_error=math.sqrt(sum(r.a_error**2 for r in rows)) / count,
                      b_error=math.sqrt(sum(r.b_error**2 for r in rows)) / count, low=low, high=high,
                      n=sum(r.n for r in rows), paired=paired, episodes=False,
                      label=f"mean of {count} data sets")


def key_of(evaluation):
    return evaluation["dataset"], evaluation["name"], evaluation["metric"]


def matched(a_side, b_side, same_draw, label=lambda a, b: ""):
    by_key = {key_of(a): a for a in a_side}
    rows = [compare(by_key[key_of(b)], b, same_draw, label(by_key[key_of(b)], b)) for b in b_side
            if key_of(b) in by_key]
    return [row for row in rows if row is not None]


def within(stage):
    """Before against after, of one stage; None where one of the two is not there (yet)."""
    rows = matched(stage.before(), stage.final(), same_draw=True)
    if not rows:
        return None
    by_measure = {}
    for row in rows:
        if not row.episodes:
            by_measure.setdefault((row.metric, row.averaging), []).append(row)
    rows += [mean_row(of_rows) for of_rows in by_measure.values() if len(of_rows) > 1]
    return Group(stage.name, stage.before()[0]["condition"], stage.final()[0]["condition"], [stage], rows)


def flat(table, prefix=""):
    out = {}
    for key, value in table.items():
        if isinstance(value, dict):
            out.update(flat(value, f"{prefix}{key}."))
        else:
            out[prefix + key] = value
    return out


def short(key, value, run):
    if key == "init":
        place = str(value).rstrip("/")
        return "no earlier stage" if not place else next(
            (stage.name for stage in run.stages if place.endswith(f"/{stage.name}") or place == stage.name), place)
    return str(value).lower() if isinstance(value, bool) else str(value) if value != "" else "none"


def differing_settings(a, b, run):
    """[("init", "no earlier stage", "1_muppet"), ...] of two configurations; names, places and saving left out."""
    ignored = ("run", "resume", "checkpoint.", "comm.", "evaluate.before", "evaluate.after")
    mine, theirs = flat(a.config), flat(b.config)
    keys = sorted({*mine, *theirs}, key=lambda key: (key not in ("init", "method.select"), key))  # what stages are about first
    names = [key for key in keys if mine.get(key) != theirs.get(key) and not key.startswith(ignored)]
    return [(key, short(key, mine.get(key, ""), run), short(key, theirs.get(key, ""), run)) for key in names]


def drawn_from(stage):
    """What decides which episodes and rows a stage scores: not where its stores lie, nor what is allowed."""
    data = {key: value for key, value in stage.config.get("data", {}).items()
            if key != "root" and not key.startswith(("overlap", "allow_"))}
    provenance = stage.provenance
    return data, provenance.get("data_content", provenance.get("data")), provenance.get("left_out", {})


def across(control, stage, run):
    """A stage against its control, or None where they share no score."""
    same_draw = (control.config.get("seed") == stage.config.get("seed")
                 and drawn_from(control) == drawn_from(stage))

    def label(a, b):
        both = a["condition"] if a["condition"] == b["condition"] else f"{a['condition']} / {b['condition']}"
        return f"{b['dataset']}, {both}"

    rows = []
    if control.config.get("method") == stage.config.get("method"):
        rows += matched(control.before(), stage.before(), same_draw, label)
    rows += matched(control.final(), stage.final(), same_draw, label)
    if not rows:
        return None
    return Group(f"{stage.name} against its control", control.name, stage.name, [control, stage], rows,
                 differing_settings(control, stage, run), across=True)


def controls(run):
    """(control, stage) pairs: see the top of this file."""
    for stage in run.stages:
        for other in run.stages:
            if other.name.startswith(f"{stage.name}_") and other.method == stage.method:
                yield other, stage


def groups(run):
    """All comparisons of a run: each stage's own, then those with its controls."""
    found = [within(stage) for stage in run.stages]
    found += [across(control, stage, run) for control, stage in controls(run)]
    return [group for group in found if group is not None]
