"""Links to another disk broke verify (it saw nothing behind them) and resume=never (it removed the link, not the run)."""

import os
import pathlib
import shutil
import unittest

from tests.system.program import SystemTest

USAGE, DATA = 2, 3


class Links(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.place.folder
        cls.words = cls.place.pair
        cls.place.metaloom(*cls.words("first"))

    def linked(self, name, *below):
        """A copy of the run of which these folders lie elsewhere, with links in their places."""
        run = self.folder / name
        shutil.copytree(self.folder / "first", run, symlinks=True)
        for number, place in enumerate(below):
            elsewhere = self.folder / f"disk of {name}" / str(number)
            elsewhere.parent.mkdir(exist_ok=True)
            shutil.move(run / place, elsewhere)
            (run / place).symlink_to(elsewhere)
        return run

    def test_verify_looks_behind_links(self):
        run = self.linked("seen", "1_first/checkpoints", "2_second")
        (run / "loop").symlink_to(run)
        (run / "again").symlink_to(run / "1_first")
        self.assertIn("4 checked, 0 damaged", self.place.metaloom("verify", run))
        (self.folder / "linked run").symlink_to(run)
        self.assertIn("4 checked, 0 damaged", self.place.metaloom("verify", self.folder / "linked run"))
        theta = run / "1_first/checkpoints/step_00000002/theta.h5"
        theta.write_bytes(theta.read_bytes()[:-1])
        self.assertIn("4 checked, 1 damaged", self.place.metaloom("verify", run, code=DATA))
        stores = self.folder / "linked stores"
        stores.mkdir()
        for path in self.place.stores.iterdir():
            (stores / path.name).symlink_to(path)
        self.assertIn("5 checked, 0 damaged", self.place.metaloom("verify", stores))

    def test_a_link_to_nothing_is_told(self):
        run = self.linked("gone", "1_first/checkpoints")
        elsewhere = (run / "1_first/checkpoints").readlink()
        elsewhere.rename(elsewhere.with_name("unmounted"))
        self.assertIn("a link to nothing", self.place.metaloom("verify", run, code=DATA))
        for resume in ("auto", "never"):
            printed = self.place.metaloom(*self.words(run, f"stage.1_first.resume={resume}"), code=USAGE)
            self.assertIn("a link to nothing", printed)
            self.assertIn("Mount the disk", printed)
        self.assertTrue((run / "1_first/checkpoints").is_symlink())

    def test_starting_over_empties_what_links_point_at(self):
        run = self.linked("anew", "1_first/checkpoints", "2_second")
        (run / "1_first/checkpoints/notes.txt").write_text("mine")
        (run / "1_first/checkpoints/step_00000099").mkdir()
        self.place.metaloom(*self.words(run, "resume=never", "steps=1"))
        for link in ("1_first/checkpoints", "2_second"):
            self.assertTrue((run / link).is_symlink(), link)
        for stage in ("1_first", "2_second"):
            self.assertEqual(["step_00000001"], [path.name for path in (run / stage / "checkpoints").glob("step_*")])
            self.assertEqual(1, len(list((run / stage / "checkpoints/shared").iterdir())))
        self.assertEqual("mine", (run / "1_first/checkpoints/notes.txt").read_text())
        self.assertIn("2 checked, 0 damaged", self.place.metaloom("verify", run))

    def test_a_linked_run_goes_on(self):
        run = self.linked("on", "1_first/checkpoints", "2_second")
        for stage in ("1_first", "2_second"):
            (run / stage / "result.json").unlink()
        link = self.folder / "link to on"
        link.symlink_to(run)
        printed = self.place.metaloom(*self.words(link))
        self.assertEqual(2, printed.count("going on after update"), printed)
        self.assertIn("accuracy", self.place.metaloom("evaluate", link / "2_second"))

    def test_checkpoints_on_another_file_system(self):
        """Nothing is renamed from one to the other."""
        disk = pathlib.Path("/dev/shm")
        if not os.access(disk, os.W_OK) or os.stat(disk).st_dev == os.stat(self.folder).st_dev:
            self.skipTest("there is no second file system here")
        elsewhere = disk / f"{self.folder.name}-checkpoints"
        elsewhere.mkdir()
        self.addCleanup(shutil.rmtree, elsewhere)
        run = self.folder / "apart"
        (run / "1_first").mkdir(parents=True)
        (run / "1_first/checkpoints").symlink_to(elsewhere)
        self.place.metaloom(*self.words(run, "checkpoint.keep=1"))
        self.assertEqual("step_00000002", (elsewhere / "latest").readlink().name)


if __name__ == "__main__":
    unittest.main()
