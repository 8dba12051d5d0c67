// Class logits by hand: the mean of the MLM logits of the first pieces of a class's words.
#include "methods/cloze/verbaliser.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/methods/tiny_batches.h"

namespace metaloom {
namespace {

class VerbaliserTest : public ::testing::Test {
 protected:
  Task task(std::vector<std::int64_t> classes) const {
    Task out;
    out.dataset = &dataset_;
    out.classes = std::move(classes);
    return out;
  }

  Pretrained pretrained_ = tiny_bert(1);
  SharedWeights weights_{pretrained_.weights};
  DatasetInfo dataset_{"made", "classification", "", "", {"a", "b b", "c"}, {}, "", ""};
  at::Tensor states_RD_ = Rng(1).normal_tensor({4, 16}, 1, at::kDouble);
  at::Tensor all_RV_ = pretrained_.backbone->word_logits(weights_, states_RD_, {});

  void SetUp() override {
    // "a" has one word of two pieces, "b b" the same word twice, "c" two words that begin alike.
    dataset_.label_words = {{{20, 21}}, {{30}, {30}}, {{40, 22}, {41}, {40}}};
  }
};

TEST_F(VerbaliserTest, AClassIsTheMeanOfItsWordsFirstPieces) {
  const at::Tensor logits_RN = Verbaliser({task({0, 1, 2})}, ClassPieces({&dataset_}))
                                   .logits(*pretrained_.backbone, weights_, states_RD_);
  const at::Tensor by_hand_RN = at::stack({all_RV_.select(1, 20), all_RV_.select(1, 30),
                                           (2 * all_RV_.select(1, 40) + all_RV_.select(1, 41)) / 3},
                                          1);
  EXPECT_LT((logits_RN - by_hand_RN).abs().max().item<double>(), 1e-12);
}

TEST_F(VerbaliserTest, TasksOfAPackHaveTheirOwnClasses) {
  const at::Tensor logits_RN = Verbaliser({task({0, 1}), task({1, 0})}, ClassPieces({&dataset_}))
                                   .logits(*pretrained_.backbone, weights_, states_RD_);
  const at::Tensor a_R = all_RV_.select(1, 20), b_R = all_RV_.select(1, 30);
  const at::Tensor by_hand_RN =
      at::cat({at::stack({a_R, b_R}, 1).narrow(0, 0, 2), at::stack({b_R, a_R}, 1).narrow(0, 2, 2)});
  EXPECT_LT((logits_RN - by_hand_RN).abs().max().item<double>(), 1e-12);
}

TEST_F(VerbaliserTest, ClassesOfEqualFirstPiecesAreTheMeanOfAllTheirPieces) {
  // Broke: unhelpfulness (un ##help ...) and unfriendliness had one logit, and the second of them
  // was never predicted.
  dataset_.label_words = {{{20, 21, 21}}, {{20, 22}}, {{40}}};
  const at::Tensor logits_RN = Verbaliser({task({1, 0, 2})}, ClassPieces({&dataset_}))
                                   .logits(*pretrained_.backbone, weights_, states_RD_);
  const auto word = [&](std::int64_t id) { return all_RV_.select(1, id); };
  const at::Tensor by_hand_RN =
      at::stack({(word(20) + word(22)) / 2, (word(20) + 2 * word(21)) / 3, word(40)}, 1);
  EXPECT_LT((logits_RN - by_hand_RN).abs().max().item<double>(), 1e-12);
}

TEST_F(VerbaliserTest, AnEpisodeThatDrawsOneOfTwoSuchClassesReadsItAlike) {
  dataset_.label_words = {{{20, 21}}, {{20, 22}}, {{40}}};
  const ClassPieces pieces({&dataset_});
  const auto logits = [&](std::vector<std::int64_t> classes) {
    return Verbaliser({task(std::move(classes))}, pieces)
        .logits(*pretrained_.backbone, weights_, states_RD_);
  };
  EXPECT_LT((logits({0, 2}).select(1, 0) - logits({0, 1}).select(1, 0)).abs().max().item<double>(),
            1e-12);
}

}  // namespace
}  // namespace metaloom
