#include "tests/methods/tiny_episodes.h"

#include <ATen/ATen.h>

#include <cmath>
#include <stdexcept>

#include "core/registry.h"

namespace metaloom {
namespace {

constexpr int kWays = 3, kLabels = 5, kTextWords = 20;

const char* const kConfig = R"({"model_type": "bert", "vocab_size": 48, "hidden_size": 16,
  "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
  "max_position_embeddings": 40, "type_vocab_size": 2, "hidden_act": "gelu",
  "layer_norm_eps": 1e-12})";

Pretrained random_bert() {
  Pretrained out;
  out.backbone = Registry<Backbone>::make("bert", kConfig);
  std::vector<std::string> pieces{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "topic",
                                  "is",    "of",    "this",  "text",  "about",  ",",   "."};
  while (pieces.size() < 48) pieces.push_back("w" + std::to_string(pieces.size()));
  out.tokenizer = Registry<Tokenizer>::make("WordPiece", pieces, "{}");
  out.dtype = at::kDouble;
  std::int64_t index = 0;
  for (const Parameter& one :
       out.backbone->parameters({Part::embeddings, Part::layers, Part::head})) {
    const at::Tensor noise =
        Rng(3, "weights").at({index++}).normal_tensor(one.shape, 0.3, at::kDouble);
    out.weights.set(one.name, one.start == Start::ones ? noise + 1 : noise);
  }
  return out;
}

}  // namespace

TinyEpisodes::TinyEpisodes(std::int64_t count, std::int64_t queries) : pretrained(random_bert()) {
  options.ways = kWays;
  options.shots = 1;
  options.queries = queries;
  options.max_length = 24;
  dataset.name = "tiny";
  dataset.family = "episodes";
  const std::int32_t first = pretrained.tokenizer->find("w14");
  for (int n = 0; n < kLabels; ++n) {
    dataset.labels.push_back("label " + std::to_string(n));
    const std::int32_t word = first + kTextWords + 2 * n;
    dataset.label_words.push_back({{word}, {word + 1, word}});
  }
  rare = first + kTextWords - 1;
  const Rng rng(11, "texts");
  const auto text = [&](bool last) {
    const auto index = static_cast<std::int64_t>(texts.size());
    const Rng words = rng.at({index});
    std::vector<std::int32_t> ids;
    for (std::int64_t i = 0; i < 3 + words.below(0, 4); ++i)
      ids.push_back(first + static_cast<std::int32_t>(words.below(i + 1, kTextWords - 1)));
    if (last) ids.back() = rare;
    texts.push_back(ids);
  };
  const std::int64_t rows = kWays * (1 + queries);
  for (std::int64_t t = 0; t < count; ++t)
    for (std::int64_t i = 0; i < rows; ++i) text(t + 1 == count);
  for (std::int64_t t = 0; t < count; ++t) {
    Task task;
    task.id.index = t;
    task.dataset = &dataset;
    for (const std::int64_t n : Rng(13).at({t}).permutation(kLabels))
      if (task.classes.size() < kWays) task.classes.push_back(n);
    for (std::int64_t i = 0; i < rows; ++i) {
      const Example example{{texts[t * rows + i]}, i % kWays, i};
      (i < kWays ? task.support : task.query).push_back(example);
    }
    tasks.push_back(task);
  }
}

void CapturedGradients::add(const std::string& name, const at::Tensor& gradient) {
  const at::Tensor dense = gradient.is_sparse() ? gradient.to_dense() : gradient;
  sums.set(name, sums.contains(name) ? sums.at(name) + dense : dense);
}

at::Tensor scores_of(const Method& method, const Params& theta, const Task& task,
                     const StepContext& context) {
  const Classifier* classifier = method.classifier(*task.dataset);
  if (classifier == nullptr) throw std::logic_error("no classifier");
  return classifier->scores(theta, task, context);
}

Measure measured(const std::vector<Measure>& measures, const std::string& name) {
  for (const Measure& measure : measures)
    if (measure.name == name) return measure;
  throw std::logic_error("no measure " + name);
}

double relative_distance(const Params& a, const Params& b) {
  const Params difference = axpy(-1, b, a);
  return std::sqrt(dot(difference, difference).item<double>() / dot(b, b).item<double>());
}

}  // namespace metaloom
