#include "launcher/overlap.h"

#include <fmt/format.h>

#include "core/error.h"
#include "sampler/mix.h"

namespace metaloom {
namespace {

Lineage of_init(const std::vector<StageConfig>& stages, std::size_t index,
                const std::vector<StageLineage>& earlier) {
  const std::string& init = stages[index].run.init;
  if (init.empty()) return {};
  for (std::size_t i = 0; i < index; ++i) {
    if (stages[i].folder == init) return earlier[i].trained_on;
  }
  const Checkpoint checkpoint = Checkpoint::open(resolve_checkpoint(init));
  return checkpoint.contains("lineage") ? Lineage::load(checkpoint.read("lineage")) : Lineage();
}

}  // namespace

std::vector<std::string> overlaps(const Lineage& trained_on, const Mix& mix, Split split) {
  std::vector<std::string> findings;
  for (int d = 0; d < mix.datasets(); ++d) {
    const auto rows = mix.store(d).text_digests(split);
    auto found = trained_on.overlap(rows);
    // The set itself counts even where its splits share no text: its labels are known.
    for (const std::string& entry : trained_on.entries_of(mix.info(d).name)) found[entry];
    for (const auto& [trained, count] : found) {
      findings.push_back(
          count > 0 ? fmt::format("{} ({}) was trained on in {}: {} of its {} texts",
                                  mix.info(d).name, name_of(split), trained, count, rows.size())
                    : fmt::format("{} ({}): a set of this name was trained on in {} (no text is "
                                  "shared)",
                                  mix.info(d).name, name_of(split), trained));
    }
  }
  return findings;
}

std::vector<StageLineage> find_lineages(const std::vector<StageConfig>& stages) {
  std::vector<StageLineage> out;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const StageConfig& stage = stages[i];
    const Mix mix(stage.data, Rng(0));
    StageLineage lineage{.trained_on = of_init(stages, i, out), .findings = {}};
    lineage.findings = overlaps(lineage.trained_on, mix, split_called(stage.evaluate.split));
    // A stage's own training rows belong to its evaluation sets by design; they matter to what
    // comes after it.
    for (int d = 0; d < mix.datasets(); ++d) {
      lineage.trained_on.add(stage.name, mix.info(d).name, mix.store(d).text_digests(Split::train));
    }
    out.push_back(std::move(lineage));
  }
  return out;
}

std::vector<std::string> check_overlaps(const std::vector<StageConfig>& stages,
                                        const std::vector<StageLineage>& lineages) {
  std::vector<std::string> warnings;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    for (const std::string& finding : lineages[i].findings) {
      if (!stages[i].data.allow_overlap) {
        throw Error(Fault::data, finding, "stage " + stages[i].name,
                    "Leave those datasets out of the mix, or say data.allow_overlap=true: every "
                    "table then says so.");
      }
      warnings.push_back(stages[i].name + ": " + finding);
    }
  }
  return warnings;
}

}  // namespace metaloom
