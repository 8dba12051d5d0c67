#include "launcher/stage/overlap.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "core/digest.h"
#include "core/error.h"
#include "core/spelling.h"
#include "launcher/process/machine.h"
#include "sampler/mix/mix.h"
#include "sampler/store/token_store.h"

namespace metaloom {
namespace {

Lineage of_init(const std::vector<StageConfig>& stages, std::size_t index,
                const std::vector<StageLineage>& earlier) {
  const std::string& init = stages[index].run.init;
  if (init.empty()) return {};
  for (std::size_t i = 0; i < index; ++i) {
    if (stages[i].folder == init) return earlier[i].trained_on;
  }
  const Checkpoint checkpoint = Checkpoint::open(own_disk(), resolve_checkpoint(own_disk(), init));
  return checkpoint.contains("lineage") ? Lineage::load(checkpoint.read("lineage")) : Lineage();
}

/// What tells the rows of a split apart: `row` is equal where all texts are (the first by its
/// digest, others by their word pieces), `answered` where the right answer is, too.
struct RowKeys {
  RowKeys() = default;
  /// Of all rows, or of those whose first text is one of `texts`: no others can be equal to them.
  RowKeys(const TokenStore& store, Split split,
          const std::unordered_set<std::int64_t>* texts = nullptr) {
    const std::vector<std::int64_t> digests = store.text_digests(split);
    for (std::int64_t i = 0; i < store.rows(split); ++i) {
      if (texts != nullptr && !texts->contains(digests[i])) continue;
      const Example example = store.example(split, i);
      std::string key = hex(static_cast<std::uint64_t>(digests[i]));
      for (std::size_t s = 1; s < example.segments.size(); ++s) {
        key += hex(digest(std::as_bytes(example.segments[s])));
      }
      const auto& names = store.info().labels;
      const bool named = example.target.label >= 0 && example.target.label < std::ssize(names);
      row.push_back(digest(key));
      key += ' ' + (named ? names[example.target.label] : std::to_string(example.target.label));
      answered.push_back(digest(key));
    }
  }
  RowKeys sorted() && {
    std::sort(row.begin(), row.end());
    std::sort(answered.begin(), answered.end());
    return std::move(*this);
  }
  std::vector<std::uint64_t> row, answered;
};

Overlap overlap_of(const TokenStore& store, Split split, const std::string& trained_in,
                   std::vector<std::int64_t> rows) {
  const std::string& name = store.info().name;
  const std::string line =
      rows.empty() ? fmt::format(
                         "{} ({}): a set of this name was trained on in {} (no text is "
                         "shared)",
                         name, name_of(split), trained_in)
                   : fmt::format("{} ({}) was trained on in {}: {} of its {} texts", name,
                                 name_of(split), trained_in, rows.size(), store.rows(split));
  return {name, split, trained_in, std::move(rows), line};
}

/// The splits that a stage scores.
std::set<Split> scored(const EvaluationOptions& options) {
  std::set<Split> out{options.split};
  if (options.every > 0) out.insert(Split::validation);
  return out;
}

/// A rule for a set that no stage has would hold nowhere.
void check_names(const std::vector<StageConfig>& stages,
                 const std::vector<StageLineage>& lineages) {
  std::set<std::string> known;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    for (const auto& [name, splits] : lineages[i].rows) known.insert(name);
  }
  for (const StageConfig& stage : stages) {
    for (const auto* rule : {&stage.data.overlap_left_out, &stage.data.overlap_allowed}) {
      for (const std::string& name : *rule) {
        if (known.contains(name)) continue;
        throw Error(
            Fault::usage, fmt::format("dataset \"{}\" is in no stage", name),
            rule == &stage.data.overlap_allowed ? "data.overlap_allowed" : "data.overlap_left_out",
            did_you_mean(name, {known.begin(), known.end()}));
      }
    }
    for (const std::string& name : stage.data.overlap_left_out) {
      const auto& allowed = stage.data.overlap_allowed;
      if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) continue;
      throw Error(Fault::usage, fmt::format("dataset \"{}\" is both left out and allowed", name),
                  "data.overlap_left_out", "Name it in one of the two lists.");
    }
  }
}

}  // namespace

std::vector<std::string> StageLineage::allowed(const MixOptions& data) const {
  std::vector<std::string> out = described;
  for (const Overlap& overlap : found) {
    // Where its texts are left out, that a set of this name was trained on is still to be told.
    const bool gone =
        data.overlap_of(overlap.dataset) == OverlapRule::leave_out && !overlap.rows.empty();
    if (!gone) out.push_back(overlap.line);
  }
  return out;
}

std::map<std::string, std::map<Split, std::set<std::int64_t>>> StageLineage::left_out(
    const MixOptions& data) const {
  std::map<std::string, std::map<Split, std::set<std::int64_t>>> out;
  for (const Overlap& overlap : found) {
    if (data.overlap_of(overlap.dataset) != OverlapRule::leave_out || overlap.rows.empty())
      continue;
    out[overlap.dataset][overlap.split].insert(overlap.rows.begin(), overlap.rows.end());
  }
  return out;
}

std::vector<Overlap> overlaps(const Lineage& trained_on, const Mix& mix, Split split,
                              const Alive& alive) {
  std::vector<Overlap> out;
  for (int d = 0; d < mix.datasets(); ++d) {
    const TokenStore& store = mix.store(d);
    auto found = trained_on.overlap(store.text_digests(split));
    // The set itself counts even where its splits share no text: its labels are known.
    for (const std::string& entry : trained_on.entries_of(store.info().name)) found[entry];
    for (const auto& [trained, rows] : found)
      out.push_back(overlap_of(store, split, trained, rows));
    alive();
  }
  return out;
}

std::vector<Overlap> own_overlaps(const Mix& mix, Split split, const std::set<std::string>& trained,
                                  const Alive& alive) {
  if (trained.empty()) return {};
  std::unordered_set<std::int64_t> texts;
  for (int d = 0; d < mix.datasets(); ++d) {
    for (const std::int64_t text : mix.store(d).text_digests(split)) texts.insert(text);
    alive();
  }
  std::vector<RowKeys> known(static_cast<std::size_t>(mix.datasets()));
  for (int d = 0; d < mix.datasets(); ++d) {
    if (!trained.contains(mix.info(d).name)) continue;
    known[d] = RowKeys(mix.store(d), Split::train, &texts).sorted();
    alive();
  }
  std::vector<Overlap> out;
  for (int d = 0; d < mix.datasets(); ++d) {
    const TokenStore& store = mix.store(d);
    const RowKeys keys(store, split);
    alive();
    for (int other = 0; other < mix.datasets(); ++other) {
      const bool own = other == d;
      const auto& mine = own ? keys.row : keys.answered;
      const auto& theirs = own ? known[other].row : known[other].answered;
      std::vector<std::int64_t> rows;
      for (std::int64_t row = 0; row < std::ssize(mine); ++row) {
        if (std::binary_search(theirs.begin(), theirs.end(), mine[row])) rows.push_back(row);
      }
      if (rows.empty()) continue;
      const std::string where = own ? "its own training rows"
                                    : fmt::format("the training rows of {}", mix.info(other).name);
      out.push_back(overlap_of(store, split, where, std::move(rows)));
    }
  }
  return out;
}

std::vector<std::string> described_overlaps(const Mix& mix, Split split) {
  std::vector<std::string> out;
  for (int d = 0; d < mix.datasets(); ++d) {
    const std::int64_t shared = mix.info(d).shared_texts[static_cast<int>(split)];
    if (shared == 0) continue;
    out.push_back(fmt::format("{} ({}): {} of its {} texts are in an earlier split, too",
                              mix.info(d).name, name_of(split), shared, mix.store(d).rows(split)));
  }
  return out;
}

std::vector<StageLineage> find_lineages(const std::vector<StageConfig>& stages,
                                        const Alive& alive) {
  std::vector<StageLineage> out;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const StageConfig& stage = stages[i];
    const Mix mix(stage.data, Rng(0));
    alive();
    StageLineage lineage{.trained_on = of_init(stages, i, out), .found = {}};
    std::set<std::string> sets;
    for (int d = 0; d < mix.datasets(); ++d) sets.insert(mix.info(d).name);
    for (const Split split : scored(stage.evaluate)) {
      for (const auto& found : {overlaps(lineage.trained_on, mix, split, alive),
                                own_overlaps(mix, split, sets, alive)}) {
        lineage.found.insert(lineage.found.end(), found.begin(), found.end());
      }
      const auto described = described_overlaps(mix, split);
      lineage.described.insert(lineage.described.end(), described.begin(), described.end());
      for (int d = 0; d < mix.datasets(); ++d) {
        lineage.rows[mix.info(d).name][split] = mix.store(d).rows(split);
      }
    }
    for (int d = 0; d < mix.datasets(); ++d) {
      lineage.trained_on.add(stage.name, mix.info(d).name, mix.store(d).text_digests(Split::train));
      alive();
    }
    out.push_back(std::move(lineage));
  }
  return out;
}

std::vector<std::string> check_overlaps(const std::vector<StageConfig>& stages,
                                        const std::vector<StageLineage>& lineages) {
  check_names(stages, lineages);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const MixOptions& data = stages[i].data;
    for (const Overlap& overlap : lineages[i].found) {
      if (data.overlap_of(overlap.dataset) != OverlapRule::refuse) continue;
      throw Error(
          Fault::data, overlap.line, "stage " + stages[i].name,
          fmt::format("Leave those datasets out of the mix; or say data.overlap=\"leave out\" "
                      "(those texts are not scored; data.overlap_left_out=[\"{0}\"]: of "
                      "this set alone) or data.overlap=allow (allow_overlap=true): every "
                      "table then says so.",
                      overlap.dataset));
    }
    for (const auto& line : lineages[i].allowed(data)) {
      lines.push_back(fmt::format("overlap allowed: {}: {}", stages[i].name, line));
    }
    for (const auto& [dataset, splits] : lineages[i].left_out(data)) {
      for (const auto& [split, rows] : splits) {
        const std::int64_t all = lineages[i].rows.at(dataset).at(split);
        if (std::ssize(rows) == all) {
          throw Error(
              Fault::data,
              fmt::format("all {} texts of {} ({}) were trained on: none is left to score", all,
                          dataset, name_of(split)),
              "stage " + stages[i].name,
              "Give the set rows of its own to be scored on, or leave it out of the stage.");
        }
        lines.push_back(
            fmt::format("left out: {}: {} of the {} texts of {} ({}), trained on before",
                        stages[i].name, rows.size(), all, dataset, name_of(split)));
      }
    }
  }
  return lines;
}

}  // namespace metaloom
