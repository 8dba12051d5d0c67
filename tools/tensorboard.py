"""A run's metrics as TensorBoard event files, one TensorBoard run a stage.

usage: python -m tools.tensorboard RUN --out DIR

RUN is the folder of a run, of one stage or of several. DIR gets a folder for each stage; converting again replaces what
an earlier conversion wrote there. Look at it with: tensorboard --logdir DIR

example: python -m tools.tensorboard runs/quickstart --out runs/quickstart/tensorboard
"""

import argparse
import math
import pathlib

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.histogram import summary_v2 as histogram
from tensorboard.plugins.scalar import summary_v2 as scalar
from tensorboard.plugins.text import summary_v2 as text
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from tools.failure import Arguments, run as run_program, system_errors
from tools.report.run_folder import number, read_run

SUFFIX = ".metaloom"  # of our event files, so that a second conversion finds those of the first
NOT_SERIES = {"kind", "stage", "step", "time", "phase", "tasks", "skipped", "non_finite"}


class Events:
    """One stage's event file: summaries at (update, wall time)."""

    def __init__(self, folder):
        with system_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob(f"events.out.tfevents.*{SUFFIX}"):
                old.unlink()
            self.writer = EventFileWriter(str(folder), filename_suffix=SUFFIX)
        self.count = 0

    def add(self, summary, step, time):
        self.writer.add_event(Event(summary=summary, step=step, wall_time=time))
        self.count += 1

    def scalar(self, name, value, step, time):
        """Leaves a value out that is not finite: TensorBoard would end the curve there."""
        if math.isfinite(value):
            self.add(scalar.scalar_pb(name, value), step, time)

    def close(self):
        self.writer.close()


def add_updates(events, stage):
    for update in stage.updates:
        step, time = update["step"], number(update.get("time"))
        for key in update.keys() - NOT_SERIES:
            events.scalar(f"update/{key}", number(update[key]), step, time)
        if update.get("phase"):
            events.scalar(f"loss by phase/{update['phase']}", number(update.get("loss")), step, time)
        events.scalar("left out/update", float(bool(update.get("skipped"))), step, time)
        events.scalar("left out/tasks", float(len(update.get("non_finite", []))), step, time)
        for dataset, values in update.get("tasks", {}).items():
            for metric, value in values.items():
                events.scalar(f"{metric} by data set/{dataset}", number(value), step, time)


def add_evaluations(events, stage, time_at):
    for evaluation in stage.evaluations:
        step = evaluation["step"]
        name = f"{evaluation['name']}/{evaluation['dataset']}"
        metric = evaluation["metric"]
        error = "standard error" if evaluation["first"] else f"standard error of {metric}"
        events.scalar(f"{name}/{metric}", evaluation["value"], step, time_at(step))
        events.scalar(f"{name}/{error}", evaluation["standard_error"], step, time_at(step))


def add_series(events, stage, time_at):
    """Gates and the like: a curve for each of their numbers, and a histogram. Chosen layers: 0 or 1 for each layer."""
    for kind, entries in stage.series.items():
        layers = 1 + max((int(v) for _, values in entries for v in values), default=-1) if kind == "selected" else 0
        for step, values in entries:
            if kind == "selected":
                values = [float(layer in values) for layer in range(layers)]
            for layer, value in enumerate(values):
                events.scalar(f"{kind}/layer {layer:02}", value, step, time_at(step))
            if kind != "selected" and values and all(map(math.isfinite, values)):
                events.add(histogram.histogram_pb(kind, np.asarray(values, dtype=np.float64)), step, time_at(step))


def convert(stage, folder):
    """Writes one stage; returns how many summaries."""
    times = {update["step"]: number(update.get("time")) for update in stage.updates}
    start = min((time for time in times.values() if math.isfinite(time)), default=0.0)

    def time_at(step):
        return times.get(step, start)

    events = Events(folder)
    if stage.config_text:
        fenced = "".join(f"    {line}\n" for line in stage.config_text.splitlines())
        events.add(text.text_pb("configuration", fenced), 0, start)
    add_updates(events, stage)
    add_evaluations(events, stage, time_at)
    add_series(events, stage, time_at)
    with system_errors(folder):
        events.close()
    return events.count


def main():
    parser = Arguments(prog="python -m tools.tensorboard", description=__doc__,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--out", required=True, metavar="DIR")
    options = parser.parse_args()
    run = read_run(options.run)
    for stage in run.stages:
        print(f"{stage.name}: {convert(stage, pathlib.Path(options.out) / stage.name)} summaries")
    print(f"look at them with: tensorboard --logdir {options.out}")


if __name__ == "__main__":
    run_program(main)
