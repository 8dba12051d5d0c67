"""The laws of communicators (communicator_laws_test.cpp) for "mpi", with real processes at every size."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import mpirun


class MpiLaws(unittest.TestCase):
    def hold_at(self, size):
        done = mpirun.run(size, "Worlds/CommunicatorLaws.*", {"METALOOM_LAW_BACKEND": "mpi"}, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout)
        # Every rank ran every law: none was filtered away or skipped.
        self.assertEqual(done.stdout.count("[  PASSED  ] 16 tests."), size, done.stdout)
        self.assertNotIn("SKIPPED", done.stdout)

    def test_size_1(self):
        self.hold_at(1)

    def test_size_2(self):
        self.hold_at(2)

    def test_size_3(self):
        self.hold_at(3)

    def test_size_4(self):
        self.hold_at(4)

    def test_size_7(self):
        self.hold_at(7)


if __name__ == "__main__":
    why = mpirun.available()
    if why:
        print(f"skipped: {why}")
        sys.exit(77)
    unittest.main()
