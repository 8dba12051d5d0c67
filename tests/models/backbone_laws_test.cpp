// Laws of every registered backbone, over random shapes, weights and batches.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "core/registry.h"
#include "tests/core/expect_error.h"
#include "tests/models/backbone_example.h"
#include "tests/models/random_model.h"
#include "tests/models/rows_at.h"

namespace metaloom::testing {
namespace {

constexpr double kClose =
    1e-10;  // relative to the largest; in fp64, where no net is ill-conditioned

struct Case {
  Shape shape = any_shape();
  std::unique_ptr<Backbone> backbone;
  Params params;
  Batch batch = batch_of(shape);

  explicit Case(const std::string& name, at::ScalarType dtype = at::kDouble)
      : backbone(backbone_of(name, shape)), params(weights_of(*backbone, shape, dtype)) {}
  at::Tensor encode(const ForwardOptions& options = {}) const {
    return backbone->encode(SharedWeights(params), batch, options);
  }
};

void for_every_backbone(const std::function<void(const std::string&)>& law) {
  ASSERT_FALSE(Registry<Backbone>::names().empty());
  for (const std::string& name : Registry<Backbone>::names()) {
    EXPECT_TRUE(rc::check(name, [&] { law(name); }));
  }
}

TEST(BackboneLaws, PaddingDoesNotChangeOutputs) {
  for_every_backbone([](const std::string& name) {
    const Case c(name);
    const auto more = *rc::gen::inRange<std::int64_t>(1, 4);
    const at::Tensor longer =
        c.backbone->encode(SharedWeights(c.params), padded(c.batch, more), {});
    const at::Tensor same = longer.narrow(1, 0, c.batch.ids_RL.size(1));
    RC_ASSERT(difference_at_tokens(same, c.encode(), c.batch) <= kClose);
  });
}

TEST(BackboneLaws, BatchOrderDoesNotChangeOutputs) {
  for_every_backbone([](const std::string& name) {
    const Case c(name);
    const at::Tensor order = at::tensor(Rng(c.shape.seed, "order").permutation(c.batch.rows()));
    const at::Tensor shuffled =
        c.backbone->encode(SharedWeights(c.params), rows_of(c.batch, order), {});
    RC_ASSERT(difference_at_tokens(shuffled, c.encode().index_select(0, order),
                                   rows_of(c.batch, order)) <= kClose);
  });
}

TEST(BackboneLaws, KeptPositionsEqualThoseSelectedAfterwards) {
  for_every_backbone([](const std::string& name) {
    const Case c(name);
    const Rng dropout(c.shape.seed, "dropout");
    ForwardOptions options;
    options.attention = *rc::gen::element(Attention::fused, Attention::math);
    if (*rc::gen::arbitrary<bool>()) options.dropout = &dropout;
    const at::Tensor prompt_RPD =
        Rng(c.shape.seed, "prompt")
            .normal_tensor({c.batch.rows(), 2, c.backbone->geometry().width}, 1, at::kDouble);
    const RowsAt prompts(static_cast<int>(c.shape.layers) - 1, prompt_RPD);
    if (*rc::gen::arbitrary<bool>()) options.prompts = &prompts;
    const at::Tensor all_RLD = c.encode(options);
    options.keep_R = c.batch.read_at_R;
    const at::Tensor row_R = at::arange(c.batch.rows());
    RC_ASSERT(difference(c.encode(options), all_RLD.index({row_R, c.batch.read_at_R})) <= 1e-12);
  });
}

TEST(BackboneLaws, ThePrefixCacheEqualsTheFullRun) {
  for_every_backbone([](const std::string& name) {
    const Case c(name);
    ForwardOptions options;
    options.first_layer = *rc::gen::inRange(0, static_cast<int>(c.shape.layers) + 1);
    const at::Tensor below =
        c.backbone->encode_below(SharedWeights(c.params), c.batch, options.first_layer);
    if (options.first_layer > 0) options.hidden_RLD = below;
    if (*rc::gen::arbitrary<bool>()) options.keep_R = c.batch.read_at_R;
    ForwardOptions full;
    full.keep_R = options.keep_R;
    RC_ASSERT(difference(c.encode(options), c.encode(full)) <= 1e-12);
  });
}

TEST(BackboneLaws, MathAttentionEqualsFused) {
  for_every_backbone([](const std::string& name) {
    const Case c(name);
    ForwardOptions math;
    math.attention = Attention::math;
    RC_ASSERT(difference_at_tokens(c.encode(math), c.encode(), c.batch) <= kClose);
  });
}

TEST(BackboneLaws, NoPromptRowsChangeNothing) {
  for_every_backbone([](const std::string& name) {
    const Case c(name);
    const at::Tensor rows_RPD = *rc::gen::arbitrary<bool>()
                                    ? at::zeros({c.batch.rows(), 0, c.backbone->geometry().width})
                                    : at::Tensor();
    const RowsAt prompts(0, rows_RPD);
    ForwardOptions options;
    options.prompts = &prompts;
    RC_ASSERT(at::equal(c.encode(options), c.encode()));
  });
}

// Where a layer above the embeddings does not know positions, rows that the text itself would have
// there must act as the text does.
TEST(BackboneLaws, PromptRowsAreSeenLikeTextStates) {
  for_every_backbone([](const std::string& name) {
    if (Registry<BackboneExample>::make(name, Shape()).layers_know_positions) return;
    const Case c(name);
    const int layer = *rc::gen::inRange(1, static_cast<int>(c.shape.layers) + 1);
    const auto length = c.batch.ids_RL.size(1);
    const auto count = *rc::gen::inRange<std::int64_t>(1, 3);
    const at::Tensor below = c.backbone->encode_below(SharedWeights(c.params), c.batch, layer);
    const RowsAt prompts(layer, below.narrow(1, 0, count));
    Batch rest = c.batch;
    rest.ids_RL = c.batch.ids_RL.narrow(1, count, length - count);
    rest.segments_RL = at::Tensor();
    rest.length_R = c.batch.length_R - count;
    rest.tokens = c.batch.tokens - count * c.batch.rows();
    ForwardOptions options;
    options.prompts = &prompts;
    options.first_layer = layer;
    options.hidden_RLD = below.narrow(1, count, length - count);
    const at::Tensor out = c.backbone->encode(SharedWeights(c.params), rest, options);
    RC_ASSERT(difference_at_tokens(out, c.encode().narrow(1, count, length - count), rest) <=
              1e-12);
  });
}

TEST(BackboneLaws, SoftTokensWithAWordsEmbeddingAreThatWord) {
  for_every_backbone([](const std::string& name) {
    const Case c(name);
    const SharedWeights weights(c.params);
    const bool shared = *rc::gen::arbitrary<bool>();
    const std::int64_t tasks = shared ? 1 : c.shape.tasks;
    // Words 1 and 2 of each task's first row become soft tokens of all its rows.
    const at::Tensor words_TP = c.batch.ids_RL.unflatten(0, {c.shape.tasks, c.shape.rows_each})
                                    .select(1, 0)
                                    .narrow(1, 1, 2);
    Batch plain = c.batch, soft = c.batch;
    plain.ids_RL = c.batch.ids_RL.clone();
    soft.slot_RL = at::full_like(c.batch.ids_RL, -1);
    for (std::int64_t r = 0; r < c.batch.rows(); ++r) {
      for (std::int64_t p = 0; p < 2; ++p) {
        plain.ids_RL[r][1 + p] = words_TP[shared ? 0 : r / c.shape.rows_each][p];
        soft.slot_RL[r][1 + p] = p;
      }
    }
    const std::string table =
        c.backbone->word_table().substr(0, c.backbone->word_table().rfind('.'));
    ForwardOptions options;
    options.soft_TPD = weights.embedding(table, words_TP.narrow(0, 0, tasks));
    RC_ASSERT(at::equal(c.backbone->encode(weights, soft, options),
                        c.backbone->encode(weights, plain, {})));
  });
}

// A pack of T tasks drops what T packs of one drop, however long its longest row is.
TEST(BackboneLaws, DropoutBelongsToTheTaskNotToThePack) {
  for_every_backbone([](const std::string& name) {
    const Case c(name);
    ForwardOptions all;
    all.dropout_rate = 0.3;
    for (std::int64_t t = 0; t < c.shape.tasks; ++t) {
      all.dropout_by_task.push_back(Rng(c.shape.seed, "dropout").at({7 * t}));
    }
    const Batch longer = padded(c.batch, 2);
    const at::Tensor packed_RLD = c.backbone->encode(SharedWeights(c.params), longer, all);
    RC_ASSERT(difference_at_tokens(packed_RLD,
                                   c.backbone->encode(SharedWeights(c.params), longer, {}),
                                   longer) > 1e-3);
    for (std::int64_t t = 0; t < c.shape.tasks; ++t) {
      const at::Tensor rows = at::arange(t * c.shape.rows_each, (t + 1) * c.shape.rows_each);
      const Batch alone = rows_of(c.batch, rows);
      ForwardOptions one;
      one.dropout_rate = 0.3;
      one.dropout_by_task = {all.dropout_by_task[static_cast<std::size_t>(t)]};
      const at::Tensor mine = packed_RLD.index_select(0, rows).narrow(1, 0, c.shape.length);
      RC_ASSERT(difference_at_tokens(c.backbone->encode(SharedWeights(c.params), alone, one), mine,
                                     alone) <= 1e-12);
    }
  });
}

// A text as long as the geometry says goes through, one longer is refused: where a model's
// positions begin is its own affair.
TEST(BackboneLaws, TextsMayBeAsLongAsTheGeometrySays) {
  for (const std::string& name : Registry<Backbone>::names()) {
    Shape shape;
    const auto backbone = backbone_of(name, shape);
    const SharedWeights weights(weights_of(*backbone, shape, at::kFloat));
    const std::int64_t positions = backbone->geometry().positions;
    const Batch batch = batch_of(shape);
    const Batch longest = padded(batch, positions - batch.ids_RL.size(1));
    EXPECT_EQ(backbone->encode(weights, longest, {}).size(1), positions) << name;
    EXPECT_ERROR(backbone->encode(weights, padded(longest, 1), {}), Fault::data, "positions");
  }
}

TEST(BackboneLaws, RowsAreReadSomewhere) {
  for (const std::string& name : Registry<Backbone>::names()) {
    const Framing framing = backbone_of(name, Shape())->framing();
    EXPECT_NE(framing.row, ReadAt::mask) << name << ": a row without a template has no mask";
    EXPECT_NE(framing.answer, ReadAt::first) << name << ": the first piece knows no template";
    if (framing.types) {
      EXPECT_FALSE(framing.between.empty()) << name << ": nothing parts the types";
    }
  }
}

TEST(BackboneLaws, DeclarationsAgree) {
  for (const std::string& name : Registry<Backbone>::names()) {
    const auto backbone = backbone_of(name, Shape());
    std::vector<std::string> by_word = backbone->word_rows(), names;
    EXPECT_NE(std::find(by_word.begin(), by_word.end(), backbone->word_table()), by_word.end());
    for (const Parameter& one : backbone->parameters()) {
      names.push_back(one.name);
      // Biases and LayerNorms are left alone by weight decay (Devlin et al. 2019, A.2).
      if (one.start != Start::normal) {
        EXPECT_FALSE(one.decays) << name << " " << one.name;
      }
      if (std::erase(by_word, one.name) > 0) {
        EXPECT_EQ(one.shape.at(0), backbone->geometry().vocabulary) << name << " " << one.name;
      }
    }
    EXPECT_TRUE(by_word.empty()) << name << " does not declare " << by_word.front();
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end())) << name;
  }
}

TEST(BackboneLaws, WiderNumbersTakeMoreBytesAndAsManyFlops) {
  for (const std::string& name : Registry<Backbone>::names()) {
    const auto backbone = backbone_of(name, Shape());
    const Pass pass{.rows = 3, .length = 7, .head_rows = 3, .head_ids = 9};
    const Cost single = backbone->cost(pass, at::kFloat), twice = backbone->cost(pass, at::kDouble);
    EXPECT_GT(single.flops, 0) << name;
    EXPECT_DOUBLE_EQ(twice.flops, single.flops) << name;
    EXPECT_DOUBLE_EQ(twice.peak_bytes, 2 * single.peak_bytes) << name;
  }
}

TEST(Batch, AChangeReachesEveryTensorThatIsThere) {
  Batch batch = batch_of(Shape());
  batch.target =
      Tokens{.ids_RL = at::ones({2, 3}, at::kLong), .length_R = at::ones({2}, at::kLong)};
  const Batch more = batch.map([](const at::Tensor& x) { return x + 5; });
  EXPECT_TRUE(at::equal(more.ids_RL, batch.ids_RL + 5));
  EXPECT_TRUE(at::equal(more.read_at_R, batch.read_at_R + 5));
  EXPECT_FALSE(more.slot_RL.defined());
  EXPECT_TRUE(at::equal(more.target->ids_RL, batch.target->ids_RL + 5));
  EXPECT_TRUE(at::equal(more.target->length_R, batch.target->length_R + 5));
  EXPECT_FALSE(more.target->segments_RL.defined());
}

}  // namespace
}  // namespace metaloom::testing
