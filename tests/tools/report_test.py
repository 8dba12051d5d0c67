"""tools.report on made-up runs: the gains, their intervals, the page, runs in any state."""

import html.parser
import json
import math
import random
import re
import statistics
import unittest

import scratch
from made_run import MadeStage, episode_values, make_run

from tools.report import __main__ as report
from tools.report import comparisons, intervals
from tools.report.run_folder import read_run

VOID = {"meta", "br", "link", "img", "input", "hr"}
LOADS = {"src", "href", "xlink:href", "data", "action", "srcset", "poster"}


class Page(html.parser.HTMLParser):
    """Checks nesting while reading; collects tables, text and everything that would load something."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.loads, self.ids, self.tables, self.images = [], [], [], [], 0
        self.feed(text)
        self.close()
        if self.open:
            raise AssertionError(f"not closed: {self.open}")

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.loads += [value for name, value in attributes if name in LOADS]
        self.ids += [values["id"]] if "id" in values else []
        if tag == "svg":
            self.images += 1
            assert values.get("role") == "img" and values.get("aria-label"), values
        if tag == "table":
            self.tables.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing, at line {self.getpos()[0]}")

    def handle_data(self, data):
        if "table" in self.open:
            self.tables[-1] += data


class Report(scratch.ScratchTest):
    def report(self, folder):
        """(stdout, page) of a run's report."""
        code, out, err = scratch.call(report, folder)
        self.assertEqual((code, err), (0, ""))
        return out, (folder / "report.html").read_text(encoding="utf-8")

    def rows_of(self, folder, title):
        run = read_run(folder)
        return {row.label or row.dataset: row for group in comparisons.groups(run) if group.title == title
                for row in group.rows}

    def test_a_whole_run_names_each_comparison_with_its_verdict(self):
        out, _ = self.report(make_run(self.folder / "run"))
        for words in (r"intents +20\.0 +80\.0 +\+60\.0 \[\+54\.7, \+64\.6\] +500 rows +better",
                      r"riddles +26\.0 +27\.0 .* no difference shown",
                      r"mean of 3 data sets .* better",
                      r"2_metaprompting_plain, test:  A = random prompt,  B = meta-learned prompt\n"
                      r"  few .* 100 episodes, paired +better",
                      r"A = 2_metaprompting_plain \(init = no earlier stage\),  B = 2_metaprompting \(init = 1_muppet\)",
                      r"end, random layers / found layers +80\.0 +81\.0 .* no difference shown"):
            self.assertRegex(out, words)
        self.assertTrue(out.rstrip().endswith("report.html"))

    def test_the_page_is_well_formed_and_loads_nothing(self):
        _, text = self.report(make_run(self.folder / "run"))
        page = Page(text)
        self.assertTrue(all(place.startswith("#") for place in page.loads), page.loads)
        self.assertNotIn("url(", text)
        self.assertNotIn("<script", text)
        self.assertEqual({place[1:] for place in page.loads} - set(page.ids), set())
        self.assertGreater(page.images, 20)
        self.assertEqual(text.count("found</text>"), 2)  # the heat map marks as many layers as are kept

    def test_an_allowed_overlap_stands_in_every_table_of_its_stage_and_in_the_text(self):
        out, text = self.report(make_run(self.folder / "run", overlap=["moods (validation): 3 of 8 texts"]))
        tables = [table for table in Page(text).tables if "moods" in table or "1_muppet" in table]
        self.assertGreaterEqual(len(tables), 4)
        for table in tables:
            self.assertIn("overlap allowed", table)
        self.assertRegex(out, r"  moods .* better \*")
        self.assertIn("1_muppet: moods (validation): 3 of 8 texts", out)

    def test_pairs_of_equal_episodes_are_compared_episode_by_episode(self):
        make_run(self.folder / "run")
        row = self.rows_of(self.folder / "run", "2_metaprompting")["few"]
        a, b = episode_values(100, 0.66, 7), episode_values(100, 0.66, 7, 0.12)
        differences = [y - x for x, y in zip(a, b)]
        half = 1.98422 * statistics.stdev(differences) / 10  # t of 99 degrees
        self.assertTrue(row.paired)
        self.assertAlmostEqual(row.gain, statistics.fmean(differences), 12)
        self.assertAlmostEqual(row.high - row.gain, half, 6)

    def test_rows_are_compared_row_by_row(self):
        before, after = "01" * 50 + "0" * 100, "01" * 50 + "1" * 10 + "0" * 90  # ten rows gained, none lost
        MadeStage(self.folder / "run" / "1_muppet", "1_muppet", "muppet").updates(sets=("moods",)).rows(
            "before", "moods", 0.25, 200, right=before).rows(
            "after", "moods", 0.30, 200, step=60, final=True, right=after).write()
        row = self.rows_of(self.folder / "run", "1_muppet")["moods"]
        self.assertTrue(row.paired)
        self.assertAlmostEqual(row.gain, 0.05, 12)
        # Agresti and Min 2005: 10.5 and 0.5 discordant rows of 202.
        self.assertAlmostEqual(row.high - row.gain, 1.959964 * (11 - 10**2 / 202) ** 0.5 / 202, 6)

    def test_another_seed_or_another_draw_is_not_paired(self):
        for name, seed in (("2_meta", 1), ("2_meta_other", 2)):
            MadeStage(self.folder / "run" / name, name, "metaprompting", seed=seed).updates(sets=("few",)).episodes(
                "after", "few", episode_values(50, 0.6, seed), step=60, final=True).write()
        rows = self.rows_of(self.folder / "run", "2_meta against its control")
        row = rows["few, after"]
        self.assertFalse(row.paired)
        self.assertGreater(row.high - row.low, 0.06)

    def two_measures(self):
        """Accuracy first, then numbers that are no shares: of rows, one of them without the rows' values."""
        stage = MadeStage(self.folder / "run", "muppet", "muppet").updates(sets=("moods", "puns"))
        overlap = [0.1 * number for number in range(50)]
        for condition, value, more, step in (("before", 0.2, 0.0, 0), ("after", 0.8, 1.5, 60)):
            at = {"step": step, "final": step > 0}
            for dataset in ("moods", "puns"):
                stage.rows(condition, dataset, value, **at)
                stage.rows(condition, dataset, value / 2 - 0.3, metric="correlation", averaging="correlation",
                           standard_error=0.01, **at)
            stage.rows(condition, "moods", 2.45 + more, n=50, metric="overlap", averaging="mean",
                       values=[each + more for each in overlap], **at)
        stage.write()
        return self.folder / "run"

    def test_the_first_measure_counts_and_only_shares_are_percentages(self):
        """The last measure of a data set stood in the place of the first, and every one in percent."""
        out, text = self.report(self.two_measures())
        for words in (r"(?m)^  moods +20\.0 +80\.0 +\+60\.0 \[", r"moods, correlation +-0\.2 +0\.1 +\+0\.3 \[\+0\.272, \+0\.328\]",
                      r"mean of 2 data sets, correlation +-0\.2 +0\.1", r"moods, overlap +2\.45 +3\.95 +\+1\.5 .* 50 rows, paired",
                      "Other measures are named"):
            self.assertRegex(out, words)
        for words in (r"<th scope=\"row\">moods</th>.*<td class=\"n\">20\.0 &plusmn; 1\.8</td>",
                      r"<th scope=\"row\">moods, overlap</th><td></td><td class=\"n\"></td><td class=\"n\">2\.45 &plusmn;",
                      "accuracy in training"):
            self.assertRegex(text, words)
        self.assertNotIn("correlation in training", text)
        self.assertNotIn('id="few-shot"', text)  # rows that kept their values were taken for episodes
        Page(text)

    def test_only_intervals_of_shares_end_at_0_and_1(self):
        """That of a mean of 1.2 ended at 1."""
        stage = MadeStage(self.folder / "run", "meta", "metaprompting").updates(sets=("few",))
        for condition, step in (("before", 0), ("after", 60)):
            stage.episodes(condition, "few", [0.99, 1.0, 1.0], step=step, final=step > 0)
            stage.episodes(condition, "few", [1.1, 1.2, 1.3], step=step, final=step > 0, metric="distance", averaging="mean")
        stage.write()
        _, text = self.report(self.folder / "run")
        self.assertRegex(text, r"<td class=\"n\">99\.7</td><td>98\.2 to 100\.0</td>")
        self.assertRegex(text, r"<td class=\"n\">1\.2</td><td>0\.9516 to 1\.448</td>")
        self.assertIn("Distance on few (test)", text)
        Page(text)

    def test_lines_of_older_programs_are_accuracies(self):
        make_run(self.folder / "run")
        report = self.report(self.folder / "run")
        for path in (self.folder / "run").glob("*/metrics.jsonl"):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            for line in lines:
                line.pop("averaging", None)
                line.pop("episodes", None)
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.assertEqual(report[0], self.report(self.folder / "run")[0])

    def test_a_single_stage_that_goes_on_has_curves_and_no_gains_yet(self):
        stage = MadeStage(self.folder / "run", "muppet", "muppet", done=25).rows("before", "moods", 0.4).updates()
        stage.write(finished=False)
        with open(self.folder / "run" / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write('{"kind":"update","stage":"muppet","st')  # being written right now
        out, text = self.report(self.folder / "run")
        self.assertIn("none yet", out)
        self.assertIn("update 25 of 60", text)
        self.assertNotIn("could not be read", text)
        Page(text)

    def test_a_stage_that_has_only_started_is_shown_as_such(self):
        MadeStage(self.folder / "run" / "1_a", "1_a", "muppet", done=0).write(finished=False)
        (self.folder / "run" / "1_a" / "metrics.jsonl").unlink()
        _, text = self.report(self.folder / "run")
        self.assertIn("update 0 of 60", text)
        self.assertIn("No update has been made yet", text)

    def test_what_was_not_finite_is_said(self):
        stage = MadeStage(self.folder / "run", "muppet", "muppet").updates().rows("before", "moods", math.nan)
        stage.rows("after", "moods", 0.5, step=60, final=True)
        stage.lines[9].update(skipped=True, loss=None, non_finite=[{"dataset": "moods", "index": 3, "pass": 0}])
        stage.write()
        path = self.folder / "run" / "metrics.jsonl"
        path.write_text(path.read_text().replace("NaN", "null") + "no JSON\n{}\n")
        out, text = self.report(self.folder / "run")
        self.assertIn("1 updates were left out, their gradient was not finite: 10", text)
        self.assertIn("1 tasks of moods were not finite", text)
        self.assertIn("1 lines of metrics.jsonl could not be read", text)
        self.assertIn("none yet", out)
        Page(text)

    def test_names_are_escaped(self):
        MadeStage(self.folder / "run", "x", "<b>&\"'").updates(sets=("<i>",)).rows("<u>", "<i>", 0.5).rows(
            "</table>", "<i>", 0.9, step=60, final=True).write()
        _, text = self.report(self.folder / "run")
        Page(text)
        self.assertIsNone(re.search(r"<(i|u|b)>", text))

    def test_a_folder_without_a_run_is_one_clear_error(self):
        (self.folder / "empty").mkdir()
        for folder, words in (("empty", "holds no run"), ("missing", "no such folder")):
            self.assert_one_clear_error(scratch.call(report, self.folder / folder), 3, words)

    def test_a_damaged_configuration_is_one_clear_error(self):
        stage = MadeStage(self.folder / "run", "muppet", "muppet").updates().write()
        (stage.folder / "config.toml").write_text("steps = = 3\n")
        self.assert_one_clear_error(scratch.call(report, stage.folder), 3, "not TOML")


class Intervals(unittest.TestCase):
    def test_quantiles_of_student(self):
        for degrees, value in ((1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (29, 2.045), (99, 1.984)):
            self.assertAlmostEqual(intervals.t_quantile(degrees) / value, 1, delta=1.5e-3)

    def test_newcombe_s_published_example(self):
        # Newcombe 1998, table II, 56/70 against 48/80, method 10.
        low, high = intervals.share_difference(48 / 80, 80, 56 / 70, 70)
        self.assertAlmostEqual(low, 0.0524, 4)
        self.assertAlmostEqual(high, 0.3339, 4)

    def test_certain_shares_keep_an_interval(self):
        low, high = intervals.share_interval(1.0, 10)
        self.assertLess(low, 0.75)
        self.assertAlmostEqual(high, 1.0, 12)
        self.assertLess(intervals.mean_of_differences([(1.0, 10, 1.0, 10)])[1], -0.1)

    def test_intervals_cover_the_truth_in_19_of_20_cases(self):
        lot = random.Random(3)
        share = [0, 0, 0]
        for _ in range(2000):
            a, b = (sum(lot.random() < p for _ in range(60)) / 60 for p in (0.7, 0.8))
            low, high = intervals.share_difference(a, 60, b, 60)
            share[0] += low <= 0.1 <= high
            _, low, high = intervals.mean_interval([lot.gauss(0.1, 1) for _ in range(8)])
            share[1] += low <= 0.1 <= high
            _, low, high = intervals.paired_shares(lot.choices([1, 0, -1], [0.15, 0.8, 0.05], k=200))
            share[2] += low <= 0.1 <= high
        for hits in share:
            self.assertAlmostEqual(hits / 2000, 0.95, delta=0.015)


class MadeMetrics(scratch.ScratchTest):
    def test_they_are_what_the_program_writes(self):
        """The made-up lines have the keys that worker/diagnostics.cpp writes."""
        make_run(self.folder / "run")
        source = (scratch.ROOT / "worker" / "diagnostics.cpp").read_text()
        for path in (self.folder / "run").glob("*/metrics.jsonl"):
            for line in map(json.loads, path.read_text().splitlines()):
                if line["kind"] in ("update", "evaluation"):
                    for key in line.keys() - {"accuracy"}:
                        self.assertIn(f'"{key}"', source)


if __name__ == "__main__":
    unittest.main()
