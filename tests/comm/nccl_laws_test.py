"""The laws of communicators for "nccl": one rank per GPU, then several ranks on the first GPU, which must pass for
nodes of their own (METALOOM_LAW_ONE_GPU; NCCL talks over loopback then). Skipped where no GPU is visible."""

import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import mpirun

ONE_GPU = {"METALOOM_LAW_ONE_GPU": "1", "CUDA_VISIBLE_DEVICES": "0", "NCCL_SOCKET_IFNAME": "lo", "NCCL_IB_DISABLE": "1",
           "NCCL_MAX_CTAS": "2"}


def visible_gpus():
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    except FileNotFoundError:
        return 0
    return listed.stdout.count("UUID: GPU") if listed.returncode == 0 else 0


class NcclLaws(unittest.TestCase):
    def hold_at(self, size, variables):
        done = mpirun.run(size, "Worlds/CommunicatorLaws.*", {"METALOOM_LAW_BACKEND": "nccl", **variables}, timeout=600)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout.count("[  PASSED  ] 16 tests."), size, done.stdout)

    def test_one_rank_per_gpu(self):
        for size in (1, 2, 3, 4, 7):
            with self.subTest(size=size):
                if size > visible_gpus():
                    self.skipTest(f"{visible_gpus()} GPUs for {size} ranks")
                self.hold_at(size, {})

    def test_several_ranks_on_one_gpu(self):
        for size in (2, 3, 4, 7):
            with self.subTest(size=size):
                self.hold_at(size, ONE_GPU)

    def test_two_ranks_on_one_gpu_are_refused(self):
        done = mpirun.run(2, "Worlds/CommunicatorLaws.SectionsNest/*",
                          {"METALOOM_LAW_BACKEND": "nccl", "CUDA_VISIBLE_DEVICES": "0"}, timeout=120)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("ranks 0 and 1 share GPU 0 of", done.stdout)


if __name__ == "__main__":
    why = mpirun.available() or (None if visible_gpus() else "no GPU is visible")
    if why:
        print(f"skipped: {why}")
        sys.exit(77)
    unittest.main()
