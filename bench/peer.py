"""The other side of a bench case: the same work in PyTorch and transformers, as a process that obeys bench/run.py.

usage: python -m bench.peer STYLE MODEL.h5 WORK.json STATE.h5 THREADS

STYLE: transformers (as its users write it), mask-head (the vocabulary head on the [MASK] rows only) or tuned (tasks
batched by hand as well, only the rows of the head that are asked for). Obeys "run N", "pass K" (which of the work's passes)
and "quit" on stdin.
"""

import json
import sys
import time

import h5py
import torch

from bench.peer_encoder import Encoder
from bench.peer_metaprompting import MetaPrompting
from bench.peer_muppet import Muppet
from bench.peer_spt import Spt


def load_state(path):
    """theta as the program starts from, and what else it told."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: torch.from_numpy(item[()])})
                        if isinstance(item, h5py.Dataset) and "text" not in item.attrs else None)
    return found


def peer_of(style, model_path, work, state):
    method = work.get("method", "")
    kinds = {"muppet": Muppet, "metaprompting": MetaPrompting, "spt": Spt}
    kind = next((kinds[name] for name in kinds if name in method), Encoder)
    return kind(style, model_path, work, state)


def main():
    style, model_path, work_path, state_path, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    with open(work_path, encoding="utf-8") as file:
        work = json.load(file)
    peer = peer_of(style, model_path, work, load_state(state_path))
    print(json.dumps({"threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        command, *count = line.split()
        if command == "quit":
            break
        if command == "pass":
            print(json.dumps(peer.choose(int(count[0]))), flush=True)
            continue
        seconds, cpu, losses = [], [], []
        for _ in range(int(count[0])):
            start, busy = time.perf_counter(), time.process_time()
            losses.append(peer.iterate())
            seconds.append(time.perf_counter() - start)
            cpu.append(time.process_time() - busy)
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "losses": losses}), flush=True)


if __name__ == "__main__":
    main()
