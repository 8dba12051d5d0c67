"""What the page shows of one stage: curves, its table of data sets, the search for layers, speed, notes."""

import math
import statistics

from markupsafe import Markup

from tools.report import charts, comparisons, gates
from tools.report.run_folder import SHARE, number

MOST_MARKED = 2  # data sets whose scores get a line each beside the training curve
ABOUT = {  # one sentence a method, for readers who meet it here
    "muppet": "Massive multi-task pre-finetuning: every update mixes batches of several data sets; each classification "
              "set has a head of its own. Heads start untrained, so the scores before are those of guessing.",
    "metaprompting": "A soft prompt is meta-learned over few-shot episodes. Scores are of episodes of classes that were "
                     "never trained on; every episode adapts the prompt to its support rows first.",
    "spt": "Selective prompt tuning: prompt generators at every layer are searched together with gates; the layers with "
           "the largest gates are retrained alone.",
    "mlm": "Masked language modelling: what makes an encoder answer at [MASK].",
}


def phases(stage):
    """Update lines by phase, in the order in which phases first appear."""
    found = {}
    for update in stage.updates:
        found.setdefault(update.get("phase", ""), []).append(update)
    return found


def score_marks(stage, metric):
    """Scores over updates as (name, points): a line a data set, or their mean where there are many."""
    by_set = {}
    for evaluation in [*stage.before(), *stage.during(), *stage.final()]:
        if evaluation["first"] and evaluation["metric"] == metric and math.isfinite(evaluation["value"]):
            by_set.setdefault((evaluation["name"], evaluation["dataset"]), {})[evaluation["step"]] = evaluation["value"]
    out = []
    for split in dict.fromkeys(split for split, _ in by_set):
        sets = {dataset: points for (at, dataset), points in by_set.items() if at == split}
        if len(sets) <= MOST_MARKED:
            out += [(f"{dataset}, {split}", sorted(points.items())) for dataset, points in sets.items()]
        else:
            steps = set.intersection(*(set(points) for points in sets.values()))
            out.append((f"mean of {len(sets)} data sets, {split}",
                        [(step, statistics.fmean(points[step] for points in sets.values())) for step in sorted(steps)]))
    return [(name, points) for name, points in out if points]


def curve_figures(stage):
    """Loss, and what counts first of each data set, over updates, phase by phase."""
    by_phase = phases(stage)

    def series(key):
        return [(name or "updates", [(u["step"], number(u.get(key))) for u in updates if not u.get("skipped")])
                for name, updates in by_phase.items() if any(key in u for u in updates)]

    metrics = {e["metric"]: e["averaging"] for e in stage.evaluations if e["first"]} or {"accuracy": SHARE}
    figures = [charts.curves(series("loss"), f"{stage.name}: loss as optimised", stage.planned)]
    figures += [charts.curves(series(metric), f"{stage.name}: {metric} in training", stage.planned,
                              share=averaging == SHARE, marks=score_marks(stage, metric))
                for metric, averaging in metrics.items()]
    return [Markup(picture) for picture in figures if picture]


def speed_figures(stage):
    points = [(update["step"], number(update.get("tokens_per_s"))) for update in stage.updates]
    picture = charts.curves([("tokens/s", points)], f"{stage.name}: tokens per second", stage.planned, low=0)
    return [Markup(picture)] if picture else []


def bar_reach(row, rows):
    """Half the axis of the row's bar: that of all rows that it shall be compared with."""
    edges = [abs(edge) for other in rows if other.metric == row.metric for edge in (other.low, other.high)]
    return max([0.02, *filter(math.isfinite, edges)])


def by_measure(evaluations):
    return {(e["dataset"], e["metric"]): e for e in evaluations}


def dataset_rows(stage):
    """The table of a stage's data sets: training curve; of each measure score before and after, gain."""
    group = comparisons.within(stage)
    gained = {(row.dataset, row.metric): row for row in group.rows if row.dataset} if group else {}
    before, after, latest = map(by_measure, (stage.before(), stage.final(), stage.during()))
    scored = dict.fromkeys([*before, *after, *latest])
    trained = {}
    for update in stage.updates:
        for name, values in update.get("tasks", {}).items():
            trained.setdefault(name, []).append((update["step"], number(values.get("loss"))))
    unscored = [(name, "accuracy") for name in trained if name not in {dataset for dataset, _ in scored}]
    rows = []
    for place in [*scored, *unscored]:
        name, metric = place
        any_score = after.get(place) or before.get(place) or latest.get(place)
        first = any_score is None or any_score["first"]  # of the data set's rows: that with its training
        points = trained.get(name, []) if first else []
        spark = charts.sparkline(points, f"{name}: training loss over {len(points)} updates")
        gain = gained.get(place)
        rows.append({"name": name, "metric": metric, "spark": Markup(spark), "updates": len(points) if first else "",
                     "before": before.get(place), "after": after.get(place), "latest": latest.get(place), "gain": gain,
                     "bar": Markup(charts.gain_bar(gain, bar_reach(gain, gained.values()))) if gain else "",
                     "n": any_score["n"] if any_score else None})
    return rows


def layer_search(stage):
    """The heat map of a stage that has gates; the layers of one that has selected some."""
    selected, values = stage.series.get("selected", []), stage.series.get("gates", [])
    if not selected and not values:
        return None
    caption = f"{stage.name}: gates of the search, layers x updates"
    return {"map": Markup(gates.gate_map(values, selected, caption)) if values else "",
            "layers": [int(layer) for layer in selected[-1][1]] if selected else [],
            "how": stage.config.get("method", {}).get("select", "gates" if values else "")}


def notes(stage):
    """What was left out or is missing, in words."""
    out = []
    skipped = [update["step"] for update in stage.updates if update.get("skipped")]
    lost = {}
    for update in stage.updates:
        for task in update.get("non_finite", []):
            lost.setdefault(task.get("dataset", "?"), []).append(update["step"])
    if skipped:
        out.append(f"{len(skipped)} updates were left out, their gradient was not finite: "
                   f"{', '.join(map(str, skipped[:10]))}{' ...' if len(skipped) > 10 else ''}.")
    for dataset, steps in lost.items():
        out.append(f"{len(steps)} tasks of {dataset} were not finite and were left out of their updates "
                   f"({', '.join(map(str, steps[:10]))}{' ...' if len(steps) > 10 else ''}).")
    if stage.unreadable:
        out.append(f"{stage.unreadable} lines of metrics.jsonl could not be read and are missing here.")
    return out


def rates(stage):
    updates = stage.updates
    times = [number(update.get("time")) for update in updates]
    gaps = [b - a for a, b in zip(times, times[1:]) if b >= a]
    median = statistics.median(gaps) if gaps else math.nan

    def middle(key):
        values = [number(update.get(key)) for update in updates if key in update]
        values = [value for value in values if math.isfinite(value)]
        return statistics.median(values) if values else math.nan

    return {"stage": stage, "tokens": sum(update.get("tokens", 0) for update in updates),
            "tokens_per_s": middle("tokens_per_s"), "tasks_per_s": middle("tasks_per_s"), "seconds": median,
            "span": times[-1] - times[0] if len(times) > 1 else math.nan,
            "skipped": sum(bool(update.get("skipped")) for update in updates),
            "lost": sum(len(update.get("non_finite", [])) for update in updates)}


def about(stage):
    select = stage.config.get("method", {}).get("select", "gates")
    if stage.method == "spt" and select != "gates":
        return f"Prompt generators at layers that no search has chosen (select = {select}), trained alone."
    return ABOUT.get(stage.method, "")


def stage_status(stage):
    if stage.finished:
        return "finished"
    return f"update {stage.done} of {stage.planned}" if stage.planned else "started"


def starts_from(stage, run):
    init = stage.config.get("init", "")
    if not init:
        return stage.config.get("model", {}).get("weights", "")
    return comparisons.short("init", init, run)


def stage_context(stage, run):
    return {"stage": stage, "status": stage_status(stage), "about": about(stage),
            "starts_from": starts_from(stage, run), "figures": curve_figures(stage),
            "speed": speed_figures(stage), "datasets": dataset_rows(stage),
            "search": layer_search(stage), "notes": notes(stage)}
