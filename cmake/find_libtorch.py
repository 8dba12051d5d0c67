"""Prints, separated by semicolons: torch's version, its folder, the folder of the nvidia wheels, NCCL's version, the
prefix of this Python. Imports nothing heavy."""

import importlib.metadata
import importlib.util
import pathlib
import sys

spec = importlib.util.find_spec("torch")
if spec is None or not spec.submodule_search_locations:
    sys.exit("no module named torch")
torch = pathlib.Path(spec.submodule_search_locations[0])
try:
    nccl = importlib.metadata.version("nvidia-nccl-cu13")
except importlib.metadata.PackageNotFoundError:
    nccl = "unknown"
print(importlib.metadata.version("torch"), torch, torch.parent / "nvidia", nccl, sys.prefix, sep=";")
