"""Fills page.html.jinja with what a run folder holds: one self-contained HTML file, no script, nothing from a network."""

import datetime
import math
import pathlib

import jinja2
from markupsafe import Markup

from tools.report import charts, comparisons, gains_text, intervals, stage_parts
from tools.report.run_folder import SHARE

TEMPLATES = pathlib.Path(__file__).parent


def seconds_text(seconds):
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole // 60 % 60:02} min"
    return f"{whole // 60} min {whole % 60:02} s" if whole >= 60 else f"{seconds:.1f} s"


def few_shot_conditions(run):
    """{(data set, split, metric): conditions with mean and interval}, of every data set of episodes."""
    sets = {}
    for index, stage in enumerate(run.stages):
        for evaluation in [*stage.before(), *stage.final()]:
            if evaluation["episodes"] and evaluation["values"] and not any(map(math.isnan, evaluation["values"])):
                mean, low, high = intervals.mean_interval(evaluation["values"])
                if evaluation["averaging"] == SHARE:
                    low, high = max(0.0, low), min(1.0, high)
                sets.setdefault((evaluation["dataset"], evaluation["name"], evaluation["metric"]), []).append(
                    {"stage": stage, "condition": evaluation["condition"], "averaging": evaluation["averaging"],
                     "mean": mean, "low": low, "high": high, "n": evaluation["n"], "colour": index % charts.COLOURS + 1})
    return sets


def differences(groups, place):
    """Histograms of the paired differences of a few-shot data set, of a measure that is a share."""
    out = []
    for group in groups:
        for row in group.rows:
            if row.paired and row.averaging == SHARE and (row.dataset, row.split, row.metric) == place:
                what = (f"{group.title}, {row.label}" if group.across
                        else f"{group.title}: {group.b_label} against {group.a_label}")
                out.append(Markup(charts.difference_histogram(
                    row, f"{what}: {gains_text.gain(row)} points {gains_text.interval(row)}")))
    return out


def few_shot(run, groups):
    """Per data set of episodes: all conditions side by side, and the differences of each paired comparison."""
    out = []
    for place, conditions in few_shot_conditions(run).items():
        dataset, split, metric = place
        share = conditions[0]["averaging"] == SHARE
        ways = conditions[0]["stage"].config.get("data", {}).get("ways")
        rows = [(f"{c['condition']} ({c['stage'].name})", c["mean"], c["low"], c["high"], c["colour"]) for c in conditions]
        caption = f"{metric.capitalize()} on {dataset} ({split}): mean over {conditions[0]['n']} episodes, 95 % intervals"
        chance = 1 / ways if ways and metric == "accuracy" else None
        out.append({"dataset": dataset, "split": split, "metric": metric, "conditions": conditions,
                    "differences": differences(groups, place),
                    "chart": Markup(charts.interval_chart(rows, caption, metric, share, chance)),
                    "overlap": any(c["stage"].overlap for c in conditions)})
    return out


def layer_table(run):
    """Found layers beside layers chosen otherwise: one row a stage that has selected some."""
    rows = []
    for stage in run.stages:
        search = stage_parts.layer_search(stage)
        for score in stage.final() if search else []:
            low, high = (intervals.share_interval(score["value"], score["n"]) if score["averaging"] == SHARE
                         else intervals.normal_interval(score["value"], score["standard_error"]))
            rows.append({"stage": stage, "how": search["how"], "layers": search["layers"], "score": score, "low": low,
                         "high": high})
    return rows


def summary(run):
    origin = next((stage.provenance for stage in run.stages if stage.provenance), {})
    commit = origin.get("git_commit", "")
    facts = [("stages", f"{sum(stage.finished for stage in run.stages)} of {len(run.stages)} finished"),
             ("ranks x threads", f"{origin['ranks']} x {origin['threads_per_rank']}" if "ranks" in origin else ""),
             ("program", f"metaloom {origin['program']}" if "program" in origin else ""),
             ("commit", commit[:12] + (" with changes" if origin.get("git_dirty") else "")),
             ("started", origin.get("started", "").replace("T", " ").replace("Z", " UTC"))]
    return [(name, value) for name, value in facts if value]


def render(run):
    """The page's HTML."""
    groups = comparisons.groups(run)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(figure=gains_text.figure, gain=gains_text.gain, interval=gains_text.interval,
                               named=gains_text.named, counted=gains_text.counted, row_name=gains_text.row_name,
                               duration=seconds_text,
                               known=lambda value: isinstance(value, (int, float)) and math.isfinite(value))
    return environment.get_template("page.html.jinja").render(
        run=run, summary=summary(run), groups=groups, other_measures=gains_text.other_measures(groups),
        gain_bar=lambda row, group: Markup(charts.gain_bar(row, stage_parts.bar_reach(row, group.rows))),
        stages=[stage_parts.stage_context(stage, run) for stage in run.stages], few_shot=few_shot(run, groups),
        layers=layer_table(run), rates=[stage_parts.rates(stage) for stage in run.stages if stage.updates],
        overlaps=[(stage.name, line) for stage in run.stages for line in stage.overlap],
        style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        made=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"))
