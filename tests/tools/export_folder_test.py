"""The folder of an export: what others put there stays, whenever it came, and an earlier export is there or the new one is."""

import json
import os
import pathlib
import unittest
from unittest import mock

from scratch import ScratchTest

from tools.export import folder
from tools.failure import Failure


class FolderTest(ScratchTest):
    def setUp(self):
        super().setUp()
        self.at = self.out / "exported"

    def export(self, number, overwrite=True, meanwhile=lambda: None):
        folder.check_out(self.at, overwrite)
        with folder.replacing_folder(self.at, overwrite) as made:
            (made / "config.json").write_text(json.dumps(number))
            meanwhile()

    def add(self, name, text="mine"):
        place = self.at / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def refused(self, part, *words, **more):
        with self.assertRaises(Failure) as caught:
            self.export(*words, **more)
        self.assertIn(part, str(caught.exception))
        self.assertEqual((caught.exception.code, caught.exception.where.name), (2, "exported"))
        self.assertEqual(os.listdir(self.out), ["exported"])

    def content(self):
        self.assertEqual(os.listdir(self.out), ["exported"])
        return json.loads((self.at / "config.json").read_text())

    def ways(self):
        """With the exchange of names, and on a system without."""
        yield self.subTest("exchange")
        with mock.patch.object(folder, "exchange", return_value=False):
            yield self.subTest("no exchange")

    def test_an_export_takes_the_place_of_an_earlier_one(self):
        for way in self.ways():
            with way:
                for number in range(3):
                    self.export(number)
                    self.assertEqual(self.content(), number)

    def test_what_no_export_writes_is_never_deleted(self):
        """A thesis and a repository beside config.json were renamed aside and removed."""
        self.export(1)
        for name in ("thesis.tex", ".git/HEAD", "model.safetensors/x", "my_config.json"):
            with self.subTest(name):
                self.add(name)
                self.refused(name.split("/")[0], 2)
                self.assertEqual(((self.at / name).read_text(), self.content()), ("mine", 1))
                (self.at / name).unlink()
                if "/" in name:
                    (self.at / name).parent.rmdir()

    def test_what_came_while_it_was_written(self):
        """The folder was looked at once, minutes before the rename."""
        for way in self.ways():
            with way:
                self.refused("something else than a model", 1, meanwhile=lambda: self.add("notes.txt"))
                (self.at / "notes.txt").unlink()
                self.refused("holds a model already", 1, False, meanwhile=lambda: self.export(5))
                self.export(1)
                self.refused("notes.txt", 2, meanwhile=lambda: self.add("notes.txt"))
                self.assertEqual(self.content(), 1)
                (self.at / "notes.txt").unlink()
                (self.at / "config.json").unlink()

    def test_what_came_at_the_last_moment(self):
        """Between the look and the exchange of names."""
        for way in self.ways():
            with way:
                self.export(1)
                look = folder.check_out

                def late(place, overwrite, look=look):
                    look(place, overwrite)
                    if pathlib.Path(place) == self.at and (self.out / "armed").exists():
                        (self.out / "armed").unlink()
                        self.add("thesis.tex")

                with mock.patch.object(folder, "check_out", late):
                    self.refused("thesis.tex", 2, meanwhile=(self.out / "armed").touch)
                self.assertEqual(self.content(), 1)
                (self.at / "thesis.tex").unlink()

    def test_one_step_or_the_earlier_one_beside(self):
        """A kill between the two renames left neither under its name."""
        self.export(1)
        made = self.out / ".exported.x.part"
        made.mkdir()
        if not folder.exchange(made, self.at):
            self.skipTest("this file system cannot exchange names")
        self.assertTrue((made / "config.json").exists())
        folder.exchange(made, self.at)
        (made / "config.json").write_text("2")
        with mock.patch.object(pathlib.Path, "rename", side_effect=OSError(39, "Directory not empty")):
            folder.put_in_place(made, self.at, True)  # never by two renames
        self.assertEqual([json.loads((place / "config.json").read_text()) for place in (self.at, made)], [2, 1])


if __name__ == "__main__":
    unittest.main()
