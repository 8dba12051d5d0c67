#include "methods/spt/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/error.h"
#include "methods/cloze/template.h"
#include "methods/spt/prompts.h"

namespace metaloom {

void SptOptions::fields(Fields& f) {
  f.text("template", words,
         "what the model reads: {text}, one [MASK] (none where a model answers with the next "
         "word), {pair} if rows are pairs, <soft:n>");
  f.choice("label_pieces", label_pieces,
           "which pieces stand for a label word: its first, or the mean over all of them");
  f.choice("select", select, "the layers that keep prompts: by their gates, or a control");
  f.integers("layers", layers, "select = \"listed\": these layers, 0 for the embeddings' output",
             {0, 1000});
  f.integer("keep", keep, "layers that keep prompts (gates, random)", {1, 1000});
  f.integer("search_steps", search_steps, "updates of the search; 0: half of all", {0, 1e9});
  f.integer("prompt_rows", prompt_rows, "prompt rows that a generator makes", {1, 512});
  f.integer("bottleneck", bottleneck, "width of a generator's bottleneck", {1, 65536});
  f.integer("phm", phm, "order of the hypercomplex matrices; 1: dense ones", {1, 1024});
  f.real("tau", tau, "share of the rows from below that new ones replace", {0, 1});
  f.real("dropout", dropout, "share of generated numbers dropped in training", {0, 0.9});
  f.real("consistency", consistency, "weight of the architecture-consistency loss", {0, 1e6});
  f.real("keep_probability", keep_probability, "of a gate, in the consistency loss's masks",
         {0, 1});
  f.real("gate_rate", gate_rate, "learning rate of the gates, times the schedule's", {0, 1e6});
  f.real("gate_beta1", gate_beta1, "Adam's first moment for the gates", {0, 0.999999});
  f.real("gate_decay", gate_decay, "decoupled weight decay of the gates", {0, 10});
  f.flag("reparameterise", reparameterise, "let the gates compete (SPT); false: as DARTS has them");
}

SptPlan::SptPlan(const Table& section, const Ingredients& in) : rng_(in.rng.at("spt layers")) {
  read_fields(section, "method", options_, {"name"});
  if (options_.words == SptOptions().words)
    options_.words = Template::usual(options_.words, in.pretrained);
  const Backbone::Geometry geometry = in.pretrained.backbone->geometry();
  positions_ = geometry.layers;
  steps_ = in.steps;
  generator_ = {geometry.width, options_.bottleneck, options_.phm};
  generator_.check();
  check_layers();
  if (!searches()) return;
  // Recorded as it is, not as "half of all": a run that goes on with more updates keeps its search.
  if (options_.search_steps == 0) options_.search_steps = in.steps / 2;
  search_steps_ = options_.search_steps;
  check_steps();
}

void SptPlan::check_layers() const {
  const auto refuse = [](const std::string& what, const std::string& cure) {
    throw Error(Fault::usage, what, "method.layers", cure);
  };
  if ((options_.select == Select::listed) != !options_.layers.empty()) {
    refuse("select = \"listed\" and a list of layers belong together",
           "Give both, or neither of them.");
  }
  const std::set<std::int64_t> different(options_.layers.begin(), options_.layers.end());
  if (different.size() != options_.layers.size()) {
    refuse("a layer is listed twice", "List every layer once.");
  }
  if (!different.empty() && *different.rbegin() >= positions_) {
    refuse(fmt::format("there is no layer {}", *different.rbegin()),
           fmt::format("The model's positions for prompts are 0 to {}.", positions_ - 1));
  }
  if (final_layers() > positions_) {
    throw Error(Fault::usage,
                fmt::format("{} layers shall keep prompts, the model has {} positions for them",
                            options_.keep, positions_),
                "method.keep", fmt::format("Choose 1 to {}.", positions_));
  }
}

void SptPlan::check_steps() const {
  if (steps_ > 0 && (search_steps_ < 2 || search_steps_ >= steps_)) {
    throw Error(Fault::usage,
                fmt::format("a search of {} updates in a run of {}: it takes one for the "
                            "generators and one for the gates, and leaves some for retraining",
                            search_steps_, steps_),
                "method.search_steps", fmt::format("Choose 2 to {}.", steps_ - 1));
  }
}

std::int64_t SptPlan::final_layers() const {
  if (options_.select == Select::all) return positions_;
  if (options_.select == Select::listed) return static_cast<std::int64_t>(options_.layers.size());
  return options_.keep;
}

std::vector<int> SptPlan::layers(const Params& theta) const {
  if (searches()) return largest_gates(theta.at("gates"), positions_, options_.keep);
  std::vector<int> out;
  if (options_.select == Select::listed) {
    out.assign(options_.layers.begin(), options_.layers.end());
  } else if (options_.select == Select::random) {
    const std::vector<std::int64_t> order = rng_.permutation(positions_);
    out.assign(order.begin(), order.begin() + options_.keep);
  } else {
    out.resize(static_cast<std::size_t>(positions_));
    std::iota(out.begin(), out.end(), 0);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace metaloom
