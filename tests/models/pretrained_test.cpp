// Model archives: exact round trip, and one clear error for each way in which one can be wrong.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "core/json.h"
#include "core/registry.h"
#include "models/pretrained.h"
#include "tests/models/random_model.h"

namespace metaloom::testing {
namespace {

using ::testing::HasSubstr;

Archive archive_of(const std::string& backbone_name, const Params& params, const Shape& shape) {
  Json meta;
  meta["format"] = "metaloom-model";
  meta["version"] = 1;
  meta["backbone"] = backbone_name;
  meta["config"] = parse_json(config_of(backbone_name, shape), "test");
  meta["tokenizer_digest"] = "0123";
  std::string pieces = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]";
  for (std::int64_t id = 5; id < shape.vocabulary; ++id) pieces += "\nword" + std::to_string(id);
  Archive archive;
  archive.put_text("meta", meta.dump());
  archive.put_text("tokenizer/tokenizer.json", R"({"normalizer":{"type":"BertNormalizer"}})");
  archive.put_text("tokenizer/vocabulary", pieces);
  archive.put_params("parameters", params);
  return archive;
}

struct Model {
  Shape shape;
  Params params;
  std::string meta_key, meta_value;  // a change to /meta

  Model() : params(weights_of(*backbone_of("bert", shape), shape, at::kFloat)) {}
  Archive archive() const {
    Archive out = archive_of("bert", params, shape);
    if (!meta_key.empty()) {
      Json meta = parse_json(out.text("meta"), "test");
      meta[meta_key] = parse_json(meta_value, "test");
      out.put_text("meta", meta.dump());
    }
    return out;
  }
};

void expect_refused(const Archive& archive, const std::vector<std::string>& told) {
  try {
    Pretrained::from_archive(archive, "bad.h5");
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::data) << error.what();
    for (const std::string& text : told) EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(Pretrained, RoundTripIsExactForEveryBackbone) {
  for (const std::string& name : Registry<Backbone>::names()) {
    for (const bool extras : {false, true}) {
      const Shape shape;
      const auto backbone = backbone_of(name, shape);
      const Params all = weights_of(*backbone, shape, at::kFloat);
      Params params;
      for (const Parameter& one : backbone->parameters()) {
        const bool further = one.part == Part::pooler || one.part == Part::head;
        if (extras || !further) params.set(one.name, all.at(one.name));
      }
      const Pretrained first =
          Pretrained::from_archive(archive_of(name, params, shape), "first.h5");
      const auto image = first.to_archive(first.weights).image();
      const Pretrained second =
          Pretrained::from_archive(Archive::parse(image, "second.h5"), "second.h5");
      EXPECT_EQ(second.meta, first.meta);
      EXPECT_EQ(second.tokenizer_json, first.tokenizer_json);
      EXPECT_EQ(second.tokenizer_digest, "0123");
      EXPECT_EQ(second.tokenizer->size(), shape.vocabulary);
      EXPECT_EQ(second.tokenizer->find("word7"), 7);
      ASSERT_EQ(second.weights.names(), params.names());
      for (const auto& [full_name, value] : params) {
        EXPECT_TRUE(at::equal(second.weights.at(full_name), value)) << full_name;
      }
      EXPECT_EQ(second.to_archive(second.weights).image(), image);
    }
  }
}

// What is trained is of the model's precision, whichever tensor comes first.
TEST(Pretrained, TellsPrecisionAndPlace) {
  Model model;
  Pretrained single = Pretrained::from_archive(model.archive(), "float.h5");
  EXPECT_EQ(single.dtype, at::kFloat);
  single.place(at::kCPU, at::kDouble);
  EXPECT_EQ(single.dtype, at::kDouble);
  EXPECT_EQ(at::empty({1}, single.options()).scalar_type(), at::kDouble);
  for (const auto& [name, value] : single.weights) EXPECT_EQ(value.scalar_type(), at::kDouble);
  const Pretrained again = Pretrained::from_archive(single.to_archive(single.weights), "double.h5");
  EXPECT_EQ(again.dtype, at::kDouble);
}

TEST(Pretrained, GivesTheWeightsOfItsParts) {
  Model model;
  const Pretrained all = Pretrained::from_archive(model.archive(), "model.h5");
  const Params body = all.weights_of({Part::embeddings, Part::layers});
  EXPECT_TRUE(body.contains("encoder.layer.1.output.dense.bias"));
  EXPECT_FALSE(body.contains("pooler.dense.weight"));
  EXPECT_EQ(body.size() + all.weights_of({Part::pooler, Part::head}).size(), all.weights.size());
}

TEST(Pretrained, AnUnknownKindOfTokenizerIsNamed) {
  Archive archive = Model().archive();
  archive.put_text("tokenizer/tokenizer.json", R"({"model": {"type": "WordPeace"}})");
  expect_refused(archive, {"WordPeace", "WordPiece", "bad.h5"});
  archive.put_text("tokenizer/tokenizer.json", R"({"model": )");
  expect_refused(archive, {"not valid JSON", "bad.h5"});
}

TEST(Pretrained, ATokenizerWithoutThePiecesOfTheFrameIsRefused) {
  const Shape shape;
  Archive archive = Model().archive();
  std::string pieces = "</s>\n_";
  for (std::int64_t id = 2; id < shape.vocabulary; ++id) pieces += "\n" + std::to_string(id);
  archive.put_text("tokenizer/tokenizer.json", R"({"model": {"type": "Letters"}})");
  archive.put_text("tokenizer/vocabulary", pieces);
  expect_refused(archive, {"special piece (begin)", "need"});
}

TEST(Pretrained, OtherFilesAreRefused) {
  Archive archive;
  archive.put("numbers", at::ones({3}));
  expect_refused(archive, {"no model archive", "bad.h5"});
}

TEST(Pretrained, WrongDescriptionsAreRefused) {
  const std::vector<std::tuple<std::string, std::string, std::vector<std::string>>> cases = {
      {"format", R"("metaloom-tokens")", {"no model archive"}},
      {"version", "2", {"version is 2"}},
      {"backbone", R"("brt")", {"brt", "bert"}},
      {"tokenizer_digest", "7", {"tokenizer_digest"}},
      {"config", "[]", {"no JSON object"}},
      {"config", "{}", {"hidden_size is missing"}},
      {"config", R"({"hidden_size": "many"})", {"hidden_size is \"many\""}},
  };
  for (const auto& [key, value, told] : cases) {
    Model model;
    model.meta_key = key;
    model.meta_value = value;
    expect_refused(model.archive(), told);
  }
}

TEST(Pretrained, AMissingTensorIsNamed) {
  Model model;
  const std::string name = "encoder.layer.1.output.dense.bias";
  const at::Tensor value = model.params.at(name);
  model.params = model.params.select([&](std::string_view other) { return other != name; });
  expect_refused(model.archive(), {name, "missing"});
  model.params.set("encoder.layer.1.output.dense.bia", value);
  expect_refused(model.archive(), {name, "missing", "encoder.layer.1.output.dense.bia"});
}

TEST(Pretrained, AnUnknownTensorIsNamed) {
  Model model;
  model.params.set("encoder.layer.7.output.dense.bias", at::ones({8}));
  expect_refused(model.archive(), {"encoder.layer.7.output.dense.bias"});
}

TEST(Pretrained, AWrongShapeNamesBoth) {
  Model model;
  model.params.set("pooler.dense.weight", at::ones({8, 5}));
  expect_refused(model.archive(), {"pooler.dense.weight", "[8, 5]", "[8, 8]"});
}

TEST(Pretrained, NumbersThatAreNoneAreNamed) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Model model;
    at::Tensor value = model.params.at("embeddings.LayerNorm.bias").clone();
    value[3] = bad;
    model.params.set("embeddings.LayerNorm.bias", value);
    expect_refused(model.archive(), {"embeddings.LayerNorm.bias", "1 of its 8"});
  }
}

TEST(Pretrained, AVocabularyOfAnotherModelIsRefused) {
  Model model;
  Archive archive = model.archive();
  archive.put_text("tokenizer/vocabulary", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nword5");
  expect_refused(archive, {"6 word pieces", "40 word embeddings"});
}

TEST(Pretrained, ModelsBertCannotBeAreRefused) {
  const Shape shape;
  const auto refused = [&](const std::string& key, const std::string& value,
                           const std::string& told) {
    Json config = parse_json(config_of("bert", shape), "test");
    config[key] = parse_json(value, "test");
    try {
      Registry<Backbone>::make("bert", config.dump());
      FAIL() << key;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::data);
      EXPECT_THAT(error.what(), HasSubstr(told));
    }
  };
  refused("num_attention_heads", "3", "does not divide");
  refused("num_hidden_layers", "0", "num_hidden_layers is 0");
  refused("vocab_size", "2.5", "vocab_size is 2.5");
  refused("hidden_act", R"("quick_gelu")", "quick_gelu");
  refused("layer_norm_eps", "-1", "layer_norm_eps");
  refused("position_embedding_type", R"("relative_key")", "relative_key");
  refused("is_decoder", "true", "decoder");
}

TEST(Pretrained, WhatAModelLacksIsSaidWhenAskedFor) {
  const Shape shape;
  const auto backbone = backbone_of("bert", shape);
  const Params bare = weights_of(*backbone, shape, at::kFloat).select([](std::string_view name) {
    return !name.starts_with("cls.") && !name.starts_with("pooler.");
  });
  const SharedWeights weights(bare);
  EXPECT_THROW(backbone->pooled(weights, at::ones({2, 8})), Error);
  EXPECT_THROW(backbone->word_logits(weights, at::ones({2, 8}), {}), Error);
  Batch batch = batch_of(shape);
  EXPECT_THROW(backbone->encode(weights, padded(batch, shape.positions), {}), Error);
}

TEST(Cost, FollowsTheFormula) {
  Shape shape;
  shape.inner = 32;  // 4 d
  const auto backbone = backbone_of("bert", shape);
  const double d = 8, n = 2, length = 7, tokens = 21;
  const Pass upper{.rows = 3, .length = 7, .first_layer = 1, .head_rows = 3, .head_ids = 40};
  EXPECT_DOUBLE_EQ(backbone->cost({.rows = 3, .length = 7}, at::kFloat).flops,
                   tokens * (24 * n * d * d + 4 * n * length * d));
  EXPECT_DOUBLE_EQ(backbone->cost(upper, at::kFloat).flops,
                   tokens * (24 * d * d + 4 * length * d) + 3 * 2 * (d * d + d * 40));
  const Pass whole{.rows = 3, .length = 7}, part{.rows = 3, .length = 7, .first_layer = 1};
  // Kept per token and layer: 8 d, the inner states twice, a number per head; 3 d for the
  // embeddings.
  EXPECT_DOUBLE_EQ(backbone->cost(whole, at::kFloat).peak_bytes,
                   4 * tokens * (n * (8 * d + 2 * 32 + 2) + 3 * d));
  EXPECT_GT(backbone->cost(whole, at::kFloat).peak_bytes,
            backbone->cost(part, at::kFloat).peak_bytes);
  for (const auto& [dtype, share] : {std::pair(at::kDouble, 2.0), std::pair(at::kBFloat16, 0.5)}) {
    EXPECT_DOUBLE_EQ(backbone->cost(upper, dtype).flops, backbone->cost(upper, at::kFloat).flops);
    EXPECT_DOUBLE_EQ(backbone->cost(upper, dtype).peak_bytes,
                     share * backbone->cost(upper, at::kFloat).peak_bytes);
  }
}

}  // namespace
}  // namespace metaloom::testing
