"""How long a rank takes until it knows its first tasks, on one core and on token stores that are made up.

usage: python -m bench.stores [--build build] [--rows N ...] [--folder DIR] [--out F.json]

The default is 10 million rows (0.5 GB, some 10 s to make). 100 million are for who asks for them: --rows 100000000 takes
5 GB and a minute or two to make. --folder keeps the stores for the next time. What the rows say:

  open            the store and its family, up to where an update can be asked for
  plan            the first update of 64 tasks: whose turn it is, what each costs, who computes it
  64 x 1024       a later update of 65,536 tasks for 1,024 ranks, as one of them plans it, told the costs of the others' tasks
  labels          the limit of what reads all rows: one pass over all labels, which episodes make twice to find their classes

In brackets: the seconds of the processor, which another process on the machine does not lengthen.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import time

from bench.made_stores import make_store
from tools.failure import Arguments, Failure, run

ROOT = pathlib.Path(__file__).resolve().parent.parent
FAMILIES = ("classification", "episodes")
GOALS = {10_000_000: 1.0, 100_000_000: 3.0}  # seconds to open and plan
PLAN_GOAL = 0.05


def on_one_core():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def measured(program, store, slots, ranks):
    command = [program, store.parent, store.stem, str(slots), str(ranks)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, preexec_fn=on_one_core)
    if done.returncode:
        raise Failure(f"bench_stores ended with code {done.returncode}", store, "See its message above")
    return json.loads(done.stdout)


def made(folder, family, rows):
    store = pathlib.Path(folder) / f"{family}_{rows}.h5"
    if not store.with_suffix(".json").exists():
        begun = time.monotonic()
        make_store(folder, store.stem, family, rows)
        print(f"{store.stem}: made in {time.monotonic() - begun:.0f} s")
    return store


def bench_store(program, folder, family, rows):
    store = made(folder, family, rows)
    one, world = measured(program, store, 64, 1), measured(program, store, 65536, 1024)
    start = {clock: one["open"][clock] + one["first_plan"][clock] for clock in ("seconds", "cpu_seconds")}
    row = {"family": family, "rows": rows, "open": one["open"], "plan": one["first_plan"], "start": start,
           "world_plan": world["later_plan"], "labels": one["labels"], "peak_bytes": one["peak_bytes"],
           "goal": GOALS.get(rows), "world_goal": PLAN_GOAL}
    print(f"{family:15} {rows:>11,} {told(row['open'])} {told(row['plan'])} {told(start)} {row['goal'] or '':>5} "
          f"{told(row['world_plan'])} {PLAN_GOAL:>5} {told(row['labels'])} {row['peak_bytes'] / 2**20:8.0f}", flush=True)
    return row


def told(times):
    return f"{times['seconds']:8.3f} ({times['cpu_seconds']:.3f})"


HEADING = (f"{'one core':15} {'rows':>11} {'open s':>16} {'plan s':>16} {'both s':>16} {'goal':>5} {'64 x 1024 s':>16} "
           f"{'goal':>5} {'labels s':>16} {'peak MiB':>8}")


def main():
    parser = Arguments(prog="python -m bench.stores", description=__doc__,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000])
    parser.add_argument("--folder", type=pathlib.Path, help="where the stores are made, and stay")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs" / "bench" / "stores.json")
    options = parser.parse_args()
    program = options.build.resolve() / "bench_stores"
    if not program.exists():
        raise Failure("bench_stores is not built", options.build, "Run: make bench")
    print(HEADING)
    holder = contextlib.nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory()
    with holder as folder:
        rows = [bench_store(program, folder, family, rows) for rows in options.rows for family in FAMILIES]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"load": os.getloadavg()[0], "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


if __name__ == "__main__":
    run(main)
