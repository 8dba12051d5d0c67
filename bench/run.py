"""Our speed against PyTorch and transformers on the same work, in turns, in processes that stay alive (A B A B A).

usage: python -m bench.run [--build build] [--only CASE ...] [--threads N] [--rounds 4] [--seconds 2] [--busy] [--out F.json]
                           [--against BUILD]: our own bench_metaloom of another commit instead of PyTorch's peers

Same weights, token ids, threads, and way of waiting (GOMP_SPINCOUNT, as the program sets it for itself); the losses of
the first iteration must agree to 1e-4 (with products of bf16: 2e-2) before anything is timed. Passes of one case share
its seconds. The ratio is the peer's time over ours, per round against our turns before and after it; above 1 we are
faster. Dtypes are what matrices are multiplied in, ours and the peer's; weights are fp32. Of two processes that do the same, the one started first
was 5 to 10 % slower on a virtual machine (where its memory lies): so each round is taken twice, once with either side
started first, and its ratio is the geometric mean of both.
"""

import argparse
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

from bench.kinds import archive_of
from bench.work import CASES, MAX_LENGTH
from tools.failure import Arguments, Failure, run

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / ".cache" / "models" / "minilm-mlm.h5"
STORES = ROOT / ".cache" / "quickstart"
AGREE = {"fp32": 1e-4, "bf16": 2e-2}
LEAST_GFLOPS = 20  # per core: below it something else is using the machine


class Side:
    """A process that does iterations when told to."""

    def __init__(self, name, command):
        self.name = name
        environment = {"GOMP_SPINCOUNT": "1000"} | os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
                                        env=environment)
        self.about = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"{self.name} ended with code {self.process.wait()}", "bench", "See its message above")
        return json.loads(line)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return self.answer()

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.write("quit\n")
        self.process.stdin.close()
        self.process.wait(timeout=60)


def prepare():
    """The model and the token stores that the quickstart uses, made where they are not there yet."""
    if not MODEL.exists():
        subprocess.run([sys.executable, "-m", "tools.import_model", "minilm-mlm", "--out", MODEL], check=True, cwd=ROOT)
    if not (STORES / "index.json").exists():
        raise Failure("the quickstart's token stores are not there", STORES,
                      "Run: build/metaloom data data/quickstart.toml out=.cache/quickstart")


def check_losses(ours, theirs, case, peer, dtype):
    gap = abs(ours - theirs)
    if not gap <= AGREE[dtype] * max(1.0, abs(theirs)):
        raise Failure(f"the first losses differ by {gap:.1e}: {ours:.8f} and {theirs:.8f}", f"{case} against {peer}",
                      "They do not do the same work: nothing was timed")
    return gap


def quartiles(values):
    if len(values) < 2:
        return [values[0]] * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def take_turns(ours, peer, rounds, seconds):
    """By clock: the turns' median times of both, and per round the peer's over the mean of ours before and after it."""
    once = max(statistics.median(side.ask("run", 2)["seconds"]) for side in (ours, peer))  # warms up, too
    count = max(2, round(seconds / once))
    turns = {ours: [ours.ask("run", count)], peer: []}
    for _ in range(rounds):
        turns[peer].append(peer.ask("run", count))
        turns[ours].append(ours.ask("run", count))
    out = {}
    for clock in ("seconds", "cpu_seconds"):
        mine, theirs = ([statistics.median(turn[clock]) for turn in turns[side]] for side in (ours, peer))
        ratios = [their / ((before + after) / 2) for their, before, after in zip(theirs, mine, mine[1:])]
        out[clock] = {"ours": mine, "peer": theirs, "ratios": ratios}
    return out | {"iterations": count * (rounds + 1), "tokens": turns[ours][-1]["tokens"],
                  "flops": turns[ours][-1]["flops"]}


def together(one, other):
    """Of two runs of rounds, with either side started first."""
    out = {"iterations": one["iterations"] + other["iterations"], "tokens": one["tokens"], "flops": one["flops"]}
    for clock in ("seconds", "cpu_seconds"):
        a, b = one[clock], other[clock]
        ratios = [math.sqrt(first * second) for first, second in zip(a["ratios"], b["ratios"])]
        out[clock] = {side: statistics.median(a[side] + b[side]) for side in ("ours", "peer")} | {"ratio": quartiles(ratios)}
    return out


def both_sides(commands, style, ours_first):
    """The processes of our side and the peer's, started in this order."""
    names = {"ours": "bench_metaloom", "peer": style}
    order = ("ours", "peer") if ours_first else ("peer", "ours")
    started = {side: Side(names[side], commands[side]) for side in order}
    return started["ours"], started["peer"]


def prepared(work, folder, threads):
    """What follows the name of a side's program: the model and the work; and the same with products of fp32."""
    model = archive_of(work["kind"]) if "kind" in work else MODEL
    told = {"": work, "fp32": work | {"passes": [one | {"dtype": "fp32"} for one in work.get("passes", [])]}}
    for name, each in told.items():
        (folder / f"work{name}.json").write_text(json.dumps(each), encoding="utf-8")
    return {name: [model, folder / f"work{name}.json", folder / "state.h5", str(threads)] for name in told}


def peer_command(style, options, words):
    if options.against:
        return [options.against / "bench_metaloom", *words[""]]
    if style == "fp32":
        return [options.build / "bench_metaloom", *words["fp32"]]
    return [sys.executable, "-m", "bench.peer", style, *words[""]]


def bench_pass(sides, number, one, work, options):
    """One pass, its first losses compared, with this pair of processes."""
    told = [side.ask("pass", number) if "passes" in work else {"dtype": "float32"} for side in sides]
    first = [side.ask("run", 1)["losses"][0] for side in sides]
    gap = None if work.get("dropout") else check_losses(*first, one["about"], sides[1].name, one["dtype"])
    seconds = options.seconds / len(work.get("passes", [one]))
    return {"dtypes": [each["dtype"] for each in told], "loss_gap": gap}, take_turns(*sides, options.rounds, seconds)


def bench_case(case, options, folder):
    about, make, peers = CASES[case]
    work = make(STORES) | {"max_length": MAX_LENGTH}
    words = prepared(work, folder, options.threads)
    passes = [one | {"about": f"{about}, {one['about']}"} for one in work.get("passes", [])] or [{"about": about, "dtype": "fp32"}]
    rows = []
    for style in [options.against.parent.name] if options.against else peers:
        commands = {"ours": [options.build / "bench_metaloom", *words[""]], "peer": peer_command(style, options, words)}
        runs = [[] for _ in passes]
        for ours_first in (True, False):  # fresh processes: both sides start from the same weights
            sides = both_sides(commands, style, ours_first)
            try:
                for number, one in enumerate(passes):
                    runs[number].append(bench_pass(sides, number, one, work, options))
            finally:
                for side in sides:
                    side.close()
        for one, ((told, first), (_, second)) in zip(passes, runs):
            rows.append(row_of({"case": case, "about": one["about"], "peer": style} | told, together(first, second)))
            print(line_of(rows[-1]), flush=True)
    return rows


def row_of(named, found):
    taken = found["seconds"]["ours"]
    return named | found | {"tokens_per_s": found["tokens"] / taken, "gflops": found["flops"] / taken / 1e9}


def line_of(row):
    low, middle, high = row["seconds"]["ratio"]
    gap = "(random)" if row["loss_gap"] is None else f"{row['loss_gap']:.0e}"
    dtypes = "/".join(SHORT[dtype] for dtype in row["dtypes"])
    return (f"{row['about']:40} {row['peer']:13} {dtypes:9} {1e3 * row['seconds']['ours']:9.1f} {1e3 * row['seconds']['peer']:9.1f} "
            f"{middle:6.2f} [{low:.2f} {high:.2f}] {row['cpu_seconds']['ratio'][1]:8.2f} {row['tokens_per_s']:9.0f} "
            f"{row['gflops']:8.1f} {gap:>9}")


SHORT = {"float32": "fp32", "bfloat16": "bf16", "float64": "fp64"}
HEADING = (f"{'work':40} {'against':13} {'dtypes':9} {'ours ms':>9} {'peer ms':>9} {'ratio':>6} [quartiles] {'CPU time':>8} "
           f"{'tokens/s':>9} {'GFLOP/s':>8} {'loss gap':>9}")


def machine(options):
    """What the figures were taken on, and its matmul limit."""
    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor())
    import torch
    import transformers

    return {"processor": model, "cores": os.cpu_count(), "threads": options.threads, "torch": torch.__version__,
            "transformers": transformers.__version__, "load": os.getloadavg()[0], "busy": options.busy}


def measured_limit(options, folder):
    work = CASES["encoder_forward"][1](STORES)
    (folder / "work.json").write_text(json.dumps(work), encoding="utf-8")
    side = Side("bench_metaloom", [options.build / "bench_metaloom", MODEL, folder / "work.json", folder / "state.h5",
                                   str(options.threads)])
    try:
        return side.ask("limit")["gflops"]
    finally:
        side.close()


def bench(options, folder):
    about = machine(options)
    about["matmul_gflops"] = measured_limit(options, folder)
    print(f"{about['processor']}, {options.threads} threads, torch {about['torch']}, transformers {about['transformers']}; "
          f"fp32 matmul {about['matmul_gflops']:.0f} GFLOP/s; load {about['load']:.1f}")
    if about["matmul_gflops"] < LEAST_GFLOPS * options.threads and not options.busy:
        raise Failure(f"a matmul runs at {about['matmul_gflops']:.0f} GFLOP/s only: something else is using the machine",
                      "bench", "Wait until it is idle; --busy goes on all the same and says so")
    if options.busy:
        print("taken with --busy: other work may have shared the machine, which slows both sides and widens the quartiles")
    print(HEADING)
    rows = [row for case in options.only or CASES for row in bench_case(case, options, folder)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


def main():
    parser = Arguments(prog="python -m bench.run", description=__doc__,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--against", type=pathlib.Path, metavar="BUILD",
                        help="compare with bench_metaloom of this build folder; the row is named after the folder it is in")
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="CASE")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2, help="of one turn")
    parser.add_argument("--busy", action="store_true", help="go on although the machine is busy; the table and the JSON file say so")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs" / "bench" / "bench.json")
    options = parser.parse_args()
    options.build = options.build.resolve()
    if options.against:
        options.against = options.against.resolve()
    for build in filter(None, (options.build, options.against)):
        if not (build / "bench_metaloom").exists():
            raise Failure("bench_metaloom is not built", build, "Run: make bench")
    os.environ.setdefault("METALOOM_PROGRAM", str(options.build / "metaloom"))  # knows the kinds' parameters
    prepare()
    with tempfile.TemporaryDirectory() as folder:
        bench(options, pathlib.Path(folder))


if __name__ == "__main__":
    run(main)
