"""Run folders as `metaloom train` leaves them, made up: five stages with known gains, in any state of completion."""

import json
import random

LAYERS = 6
SETS = ("intents", "moods", "riddles")


def toml(table, prefix=""):
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += ["", f"[{prefix}{key}]", toml(value, f"{prefix}{key}.")]
    return "\n".join(lines)


class MadeStage:
    """Writes one stage's folder; `done` of `steps` updates are made."""

    def __init__(self, folder, name, method, steps=60, done=None, init="", seed=1, overlap=(), **method_options):
        self.folder, self.name, self.steps = folder, name, steps
        self.done = steps if done is None else done
        self.lines = []
        self.random = random.Random(name)
        self.config = {"run": "runs/made", "seed": seed, "steps": steps, "init": init,
                       "model": {"weights": "models/tiny.h5"}, "method": {"name": method, **method_options},
                       "data": {"root": "stores", "datasets": list(SETS), "ways": 5},
                       "evaluate": {"before_name": "before", "after_name": "after"}}
        self.provenance = {"program": "0.1.0", "git_commit": "0123456789abcdef", "git_dirty": False, "host": "node1",
                           "versions": {"torch": "2.11.0"}, "ranks": 2, "ranks_on_host": 2, "threads_per_rank": 1,
                           "started": "2026-01-02T03:04:05Z", "seed": seed, "stage": name,
                           "data": {name: "00ff" for name in SETS}, "init": init, "overlap": list(overlap)}

    def line(self, kind, step, **more):
        self.lines.append({"kind": kind, "stage": self.name, "step": step, **more})

    def updates(self, start=2.0, end=0.7, phase=lambda step: "train", sets=SETS, **more):
        for step in range(1, self.done + 1):
            loss = start + (end - start) * step / self.steps + self.random.gauss(0, 0.08)
            accuracy = min(1, max(0, 1.1 - loss / 2 + self.random.gauss(0, 0.05)))
            name = sets[step % len(sets)]
            self.line("update", step, time=1.7e9 + 1.5 * step, phase=phase(step), loss=loss, accuracy=accuracy,
                      grad_norm=1.0, lr=1e-3, tokens=2048, tokens_per_s=1400.0, tasks_per_s=2.5,
                      tasks={name: {"loss": loss, "accuracy": accuracy}}, **more)
        return self

    def rows(self, condition, dataset, value, n=500, step=0, split="validation", final=False, right="", **more):
        told = {"metric": "accuracy", "averaging": "share", "standard_error": abs(value * (1 - value) / n) ** 0.5,
                "loss": 1.0, "n": n, "episodes": False, "values": [], "right": right} | more
        self.line("evaluation", step, final=final, name=split, condition=condition, dataset=dataset, value=value, **told)
        return self

    def episodes(self, condition, dataset, values, step=0, split="test", final=False, **more):
        mean = sum(values) / len(values)
        spread = (sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1) / len(values)) ** 0.5
        told = {"metric": "accuracy", "averaging": "share", "loss": 1.0, "n": len(values), "episodes": True} | more
        self.line("evaluation", step, final=final, name=split, condition=condition, dataset=dataset, value=mean,
                  standard_error=spread, values=values, **told)
        return self

    def search(self, search_steps, favoured=(2, 4)):
        gates = [0.5] * (LAYERS + 1)
        for step in range(1, self.done + 1):
            if step <= search_steps and step % 2 == 0:
                gates = [a + self.random.gauss(0.012 if i in favoured else -0.006, 0.01) for i, a in enumerate(gates)]
            largest = sorted(sorted(range(LAYERS), key=lambda i: -gates[i])[:2])
            self.line("gates", step, values=list(gates))
            self.line("selected", step, values=largest)
        return self

    def write(self, finished=True):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.toml").write_text(toml(self.config) + "\n")
        (self.folder / "provenance.json").write_text(json.dumps(self.provenance))
        (self.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        if finished:
            (self.folder / "result.json").write_text(json.dumps({"stage": self.name, "steps": self.steps}))
        return self


def episode_values(n, mean, seed, shift=0.0):
    """Accuracies of n 5-way 5-query episodes; the same seed is the same difficulty, `shift` moves every one."""
    lot, noise = random.Random(seed), random.Random(seed * 1000 + shift)
    values = [lot.gauss(mean, 0.12) + shift + noise.gauss(0, 0.05) for _ in range(n)]
    return [min(1.0, max(0.0, round(value * 25) / 25)) for value in values]


def make_run(folder, overlap=()):
    """The five stages of a quickstart: known gains everywhere, none between found and random layers."""
    stage = MadeStage(folder / "1_muppet", "1_muppet", "muppet", overlap=overlap)
    for dataset, before, after in zip(SETS, (0.2, 0.5, 0.26), (0.8, 0.9, 0.27)):
        stage.rows("before", dataset, before).rows("after", dataset, after, step=60, final=True)
    stage.updates().write()
    for name, init, mean in (("2_metaprompting", str(folder / "1_muppet"), 0.66), ("2_metaprompting_plain", "", 0.58)):
        stage = MadeStage(folder / name, name, "metaprompting", init=init).updates(sets=("few",))
        stage.episodes("random prompt", "few", episode_values(100, mean, 7))
        stage.episodes("meta-learned prompt", "few", episode_values(100, mean, 7, 0.12), step=60, final=True)
        stage.write()
    start = str(folder / "2_metaprompting")
    stage = MadeStage(folder / "3_spt", "3_spt", "spt", init=start, select="gates", keep=2)
    stage.updates(phase=lambda step: "retrain" if step > 40 else "gates" if step % 2 == 0 else "weights", sets=("end",))
    stage.search(40).rows("untrained", "end", 0.3, split="test").rows("found layers", "end", 0.81, step=60, split="test",
                                                                      final=True).write()
    stage = MadeStage(folder / "3_spt_random", "3_spt_random", "spt", init=start, select="random", keep=2)
    stage.updates(phase=lambda step: "retrain", sets=("end",))
    for step in range(1, 61):
        stage.line("selected", step, values=[1, 5])
    stage.rows("untrained", "end", 0.31, split="test").rows("random layers", "end", 0.80, step=60, split="test",
                                                            final=True).write()
    return folder
