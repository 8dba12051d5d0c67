"""A run folder as Python objects: what docs/formats.md says of config.toml, metrics.jsonl, provenance.json, result.json.

Reads runs that are still going on, too: nothing but a stage's folder has to be there.
"""

import dataclasses
import json
import math
import pathlib
import tomllib

from tools.failure import Failure, system_errors

SHARE = "share"  # the averaging of what is shown in %
STAGE_FILES = ("metrics.jsonl", "config.toml", "provenance.json")


@dataclasses.dataclass
class Stage:
    name: str
    folder: pathlib.Path
    config: dict
    config_text: str
    provenance: dict
    finished: bool
    updates: list = dataclasses.field(default_factory=list)  # by step, one each
    evaluations: list = dataclasses.field(default_factory=list)
    series: dict = dataclasses.field(default_factory=dict)  # kind -> [(step, values)], such as "gates"
    unreadable: int = 0  # lines of metrics.jsonl that are no JSON

    @property
    def method(self):
        return self.config.get("method", {}).get("name", "")

    @property
    def planned(self):
        """Updates to make; None where nobody knows yet."""
        return self.config.get("steps")

    @property
    def done(self):
        return max((update["step"] for update in self.updates), default=0)

    @property
    def overlap(self):
        """Evaluation texts that were trained on: one line per pair of sets. A run has them only where it allows them."""
        return self.provenance.get("overlap", [])

    def before(self):
        """Evaluations before the first update."""
        return [e for e in self.evaluations if e["step"] == 0 and not e.get("final")]

    def final(self):
        return [e for e in self.evaluations if e.get("final")]

    def during(self):
        return [e for e in self.evaluations if e["step"] > 0 and not e.get("final")]


@dataclasses.dataclass
class Run:
    folder: pathlib.Path
    stages: list

    @property
    def name(self):
        return self.folder.name


def number(value):
    """A number of a metrics line; NaN where it was not finite (JSON has no word for it)."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def read_text(path):
    with system_errors(path):
        return path.read_text(encoding="utf-8", errors="replace")


def read_json(path):
    if not path.is_file():
        return {}
    try:
        value = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise Failure(f"not JSON: {error.msg}", f"{path}, line {error.lineno}",
                      "Start the run again: it writes this file anew") from None
    return value if isinstance(value, dict) else {}


def read_config(path):
    """(table, text) of a config.toml; empty where the run has not written it yet."""
    if not path.is_file():
        return {}, ""
    text = read_text(path)
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise Failure(f"not TOML: {error}", path, "Start the run again: it writes this file anew") from None


def add_line(stage, line, updates, evaluations):
    """Sorts one metrics line into its stage; later lines replace earlier ones of the same thing."""
    kind, step = line.get("kind"), line.get("step")
    if not isinstance(step, int):
        return
    if kind == "update":
        updates[step] = line
    elif kind == "evaluation" and "dataset" in line:
        line = {"condition": "", "name": "", "metric": "accuracy", "averaging": SHARE, "n": 0, "values": [], "right": "",
                "left_out": 0, **line}
        line["value"] = number(line.get("value"))
        line["standard_error"] = number(line.get("standard_error"))
        line["values"] = [number(value) for value in line["values"] or []]
        line.setdefault("episodes", bool(line["values"]))  # older lines: rows kept none
        evaluations[step, bool(line.get("final")), line["name"], line["condition"], line["dataset"], line["metric"]] = line
    elif isinstance(line.get("values"), list):
        stage.series.setdefault(kind, {})[step] = [number(value) for value in line["values"]]


def read_metrics(stage):
    path = stage.folder / "metrics.jsonl"
    if not path.is_file():
        return
    updates, evaluations = {}, {}
    lines = read_text(path).split("\n")
    for index, text in enumerate(lines):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            stage.unreadable += index + 1 < len(lines)  # a last line without its end is being written right now
            continue
        if isinstance(line, dict):
            add_line(stage, line, updates, evaluations)
    stage.updates = [updates[step] for step in sorted(updates)]
    stage.evaluations = list(evaluations.values())
    scored = set()
    for place, evaluation in evaluations.items():
        evaluation["first"] = place[:-1] not in scored  # of a data set's measures: the one that counts
        scored.add(place[:-1])
    stage.series = {kind: sorted(entries.items()) for kind, entries in stage.series.items()}


def read_stage(folder, name):
    config, text = read_config(folder / "config.toml")
    stage = Stage(name=name or config.get("method", {}).get("name", "") or folder.name, folder=folder, config=config,
                  config_text=text, provenance=read_json(folder / "provenance.json"),
                  finished=(folder / "result.json").is_file())
    read_metrics(stage)
    return stage


def is_stage(folder):
    return any((folder / name).is_file() for name in STAGE_FILES)


def read_run(path):
    """The run in `path`: of several stages where its sub-folders are stages, else of one."""
    folder = pathlib.Path(path)
    if not folder.is_dir():
        raise Failure("there is no such folder", folder, "Give the folder of a run: what its `run` key says")
    folder = folder.resolve()
    with system_errors(folder):
        inside = sorted(entry for entry in folder.iterdir() if entry.is_dir() and is_stage(entry))
    if inside:
        return Run(folder, [read_stage(entry, entry.name) for entry in inside])
    if not is_stage(folder):
        raise Failure("this folder holds no run", folder,
                      "Give the folder that holds config.toml and metrics.jsonl, or the one above several such stages")
    return Run(folder, [read_stage(folder, "")])
