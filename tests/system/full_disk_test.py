"""A disk that fills up ends training with one clear error and leaves no half-written checkpoint."""

import subprocess
import sys
import unittest

from tests.system.program import SystemTest

TEMPORARY = 75


class FullDisk(SystemTest):
    def test_a_full_disk(self):
        disk = self.place.folder / "small"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("only root can mount a small tmpfs")
        try:
            output = self.place.metaloom(*self.place.chain("small/run"), code=TEMPORARY)
            errors = [line for line in output.splitlines() if "error:" in line]
            self.assertEqual(1, len(errors), output)
            self.assertIn("space", errors[0])
            left = [path for path in disk.rglob("*") if path.name.startswith("step_") or ".tmp" in path.name]
            self.assertEqual([], left)
        finally:
            subprocess.run(["umount", str(disk)], check=True)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    for _, why in result.skipped:
        print(f"skipped: {why}")
    sys.exit(77 if result.skipped else not result.wasSuccessful())
