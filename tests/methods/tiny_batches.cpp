#include "tests/methods/tiny_batches.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <numeric>

#include "core/registry.h"

namespace metaloom {
namespace {

constexpr int kTextWords = 24, kRows = 4;

constexpr const char* kConfig = R"({{"model_type": "bert", "vocab_size": 64, "hidden_size": 16,
  "num_hidden_layers": {}, "num_attention_heads": 2, "intermediate_size": 32,
  "max_position_embeddings": 40, "type_vocab_size": 2, "hidden_act": "gelu",
  "layer_norm_eps": 1e-12}})";

}  // namespace

Pretrained tiny_bert(std::int64_t layers, bool head) {
  Pretrained out;
  out.backbone = Registry<Backbone>::make("bert", fmt::format(kConfig, layers));
  std::vector<std::string> pieces{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
                                  "the",   "topic", "is",    "it",    "was",
                                  ",",     ".",     "?",     "un",    "##seen"};
  while (pieces.size() < 64) pieces.push_back(fmt::format("w{}", pieces.size()));
  out.tokenizer = Registry<Tokenizer>::make("WordPiece", pieces, "{}");
  out.dtype = at::kDouble;
  std::int64_t index = 0;
  for (const Parameter& one : out.backbone->parameters()) {
    if (one.part == Part::pooler || (one.part == Part::head && !head)) continue;
    const at::Tensor noise =
        Rng(3, "weights").at({index++}).normal_tensor(one.shape, 0.3, at::kDouble);
    out.weights.set(one.name, one.start == Start::ones ? noise + 1 : noise);
  }
  return out;
}

TinyBatches::TinyBatches(const std::vector<std::string>& families, std::int64_t layers)
    : pretrained(tiny_bert(layers)) {
  options.max_length = 24;
  const std::int32_t first = pretrained.tokenizer->find("w15");
  rare = first + kTextWords;
  for (const std::string& family : families) {
    DatasetInfo& info = datasets.emplace_back();
    info.name = fmt::format("{}{}", family, datasets.size());
    info.family = family == "pairs" ? "classification" : family;
    if (family == "multiple_choice") continue;
    for (int n = 0; n < (family == "pairs" ? 2 : 3); ++n) {
      const std::int32_t word = rare + 1 + 2 * n;
      info.labels.push_back(fmt::format("label {}", n));
      info.label_words.push_back({{word}, {word + 1, word}});
    }
  }
  for (int d = 0; d < static_cast<int>(families.size()); ++d) {
    for (std::int64_t index = 0; index < 2; ++index) {
      const bool last = index == 1 && d + 1 == static_cast<int>(families.size());
      tasks.push_back(task(families[d], d, index, last));
    }
  }
}

Ingredients TinyBatches::ingredients() const {
  std::vector<const DatasetInfo*> infos;
  for (const DatasetInfo& info : datasets) infos.push_back(&info);
  return {pretrained, infos, options, steps, Rng(7)};
}

std::span<const std::int32_t> TinyBatches::text(std::int64_t words, bool rare_one) {
  const Rng rng = Rng(11, "texts").at({static_cast<std::int64_t>(texts.size())});
  const std::int32_t first = pretrained.tokenizer->find("w15");
  std::vector<std::int32_t>& ids = texts.emplace_back();
  for (std::int64_t i = 0; i < words; ++i) {
    ids.push_back(first + static_cast<std::int32_t>(rng.below(i, kTextWords)));
  }
  if (rare_one) ids.back() = rare;
  return ids;
}

Task TinyBatches::task(const std::string& family, int dataset, std::int64_t index, bool last) {
  Task out{{dataset, Split::train, Half::all, 0, index}, &datasets[dataset], {}, {}, {}};
  out.classes.resize(datasets[dataset].labels.size());
  std::iota(out.classes.begin(), out.classes.end(), 0);
  for (std::int64_t row = 0; row < kRows; ++row) {
    const std::int64_t words = 3 + (row + index) % 4;
    Example example{{text(words, last)}, 0, row};
    const bool choice = family == "multiple_choice";
    const std::int64_t more = choice ? 2 + row % 2 : family == "pairs" ? 1 : 0;
    for (std::int64_t i = 0; i < more; ++i) example.segments.push_back(text(2 + i));
    example.target.label = row % (choice ? more : static_cast<std::int64_t>(out.classes.size()));
    out.query.push_back(example);
  }
  return out;
}

}  // namespace metaloom
