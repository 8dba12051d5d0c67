"""Starts the ranks of a test under mpirun, as root and on few cores too."""

import os
import pathlib
import shutil
import subprocess

TEST_PROGRAM = pathlib.Path(os.environ.get("METALOOM_BUILD_DIR", "build")) / "test_comm"


def available():
    """Why nothing can be started here, or None."""
    if shutil.which("mpirun") is None:
        return "mpirun is not installed"
    if not TEST_PROGRAM.exists():
        return f"{TEST_PROGRAM} is not built"
    return None


def run(ranks, test_filter, variables, timeout):
    """The finished process of test_comm on that many ranks, both its streams in `stdout`."""
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                   "OMPI_MCA_mpi_yield_when_idle": "1", "OMP_NUM_THREADS": "1", **variables}
    command = ["mpirun", "-np", str(ranks), "--oversubscribe", "--bind-to", "none", str(TEST_PROGRAM.resolve()),
               f"--gtest_filter={test_filter}", "--gtest_brief=1", "--gtest_color=no"]
    return subprocess.run(command, env=environment, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
