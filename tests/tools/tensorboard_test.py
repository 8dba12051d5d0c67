"""tools.tensorboard on made-up runs, read back with TensorBoard's own reader."""

import unittest

import scratch
from made_run import MadeStage, make_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from tools import tensorboard


def read(folder):
    """{tag: [(step, value)]} and the set of histogram tags of a folder of event files."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    values, plugins = {}, {}
    for tag in events.Tags()["tensors"]:
        plugins[tag] = events.SummaryMetadata(tag).plugin_data.plugin_name
        values[tag] = [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
    curves = {tag: [(step, float(value)) for step, value in entries] for tag, entries in values.items()
              if plugins[tag] == "scalars"}
    return curves, {tag: kind for tag, kind in plugins.items() if kind != "scalars"}


class TensorBoard(scratch.ScratchTest):
    def convert(self, folder):
        code, out, err = scratch.call(tensorboard, folder, "--out", self.out)
        self.assertEqual((code, err), (0, ""))
        return out

    def test_each_stage_is_a_run_with_all_of_its_curves(self):
        self.convert(make_run(self.folder / "run"))
        self.assertEqual(sorted(path.name for path in self.out.iterdir()),
                         ["1_muppet", "2_metaprompting", "2_metaprompting_plain", "3_spt", "3_spt_random"])
        curves, _ = read(self.out / "1_muppet")
        self.assertEqual([step for step, _ in curves["update/loss"]], list(range(1, 61)))
        self.assertEqual(len(curves["accuracy by data set/moods"]), 20)
        self.assertEqual([(step, round(value, 5)) for step, value in curves["validation/intents/accuracy"]],
                         [(0, 0.2), (60, 0.8)])

    def test_each_measure_has_an_error_of_its_own(self):
        """All measures of a data set wrote into one curve."""
        MadeStage(self.folder / "run", "muppet", "muppet").updates().rows("before", "moods", 0.5, n=100).rows(
            "before", "moods", 2.5, metric="overlap", averaging="mean", standard_error=0.25).write()
        self.convert(self.folder / "run")
        curves, _ = read(self.out / "muppet")
        for tag, value in (("accuracy", 0.5), ("standard error", 0.05), ("overlap", 2.5), ("standard error of overlap", 0.25)):
            self.assertEqual([round(at, 6) for _, at in curves[f"validation/moods/{tag}"]], [value], tag)

    def test_gates_are_curves_and_histograms_and_chosen_layers_are_marked(self):
        self.convert(make_run(self.folder / "run"))
        curves, others = read(self.out / "3_spt")
        self.assertEqual([tag for tag in sorted(curves) if tag.startswith("gates/")],
                         [f"gates/layer {layer:02}" for layer in range(7)])
        self.assertEqual(others, {"gates": "histograms", "configuration": "text"})
        chosen = [layer for layer in range(6) if curves[f"selected/layer {layer:02}"][-1] == (60, 1.0)]
        self.assertEqual(chosen, [2, 4])

    def test_converting_again_does_not_double_a_curve(self):
        folder = make_run(self.folder / "run")
        self.convert(folder)
        self.convert(folder)
        self.assertEqual(len(list((self.out / "3_spt").iterdir())), 1)

    def test_what_is_not_finite_is_left_out(self):
        stage = MadeStage(self.folder / "run", "muppet", "muppet", done=5).updates()
        stage.lines[2].update(loss=None, grad_norm=None, skipped=True)
        stage.write(finished=False)
        self.convert(self.folder / "run")
        curves, _ = read(self.out / "muppet")
        self.assertEqual([step for step, _ in curves["update/loss"]], [1, 2, 4, 5])
        self.assertEqual([value for _, value in curves["left out/update"]], [0, 0, 1, 0, 0])

    def test_no_run_is_one_clear_error(self):
        self.assert_one_clear_error(scratch.call(tensorboard, self.folder, "--out", self.out), 3, "holds no run")


if __name__ == "__main__":
    unittest.main()
