// Batches of made-up datasets over a tiny BERT with random weights, in fp64: two classifications
// (the second with pairs) and a multiple choice with ragged candidates. Tasks view texts that the
// object owns. Two tasks a dataset; only the last task of all holds the word piece `rare`.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "methods/method.h"
#include "tests/methods/tiny_episodes.h"

namespace metaloom {

/// A BERT of `layers` layers, 16 wide, 2 heads, 64 word pieces, 40 positions, with an MLM head.
Pretrained tiny_bert(std::int64_t layers, bool head = true);

struct TinyBatches {
  /// `families`: one dataset each, "classification", "pairs" or "multiple_choice".
  explicit TinyBatches(const std::vector<std::string>& families, std::int64_t layers = 3);
  TinyBatches(const TinyBatches&) = delete;

  Ingredients ingredients() const;

  Pretrained pretrained;
  std::deque<DatasetInfo> datasets;
  TaskOptions options;
  std::int64_t steps = 8;
  std::deque<std::vector<std::int32_t>> texts;
  std::vector<Task> tasks;
  std::int32_t rare = 0;

 private:
  std::span<const std::int32_t> text(std::int64_t words, bool rare_one = false);
  Task task(const std::string& family, int dataset, std::int64_t index, bool last);
};

}  // namespace metaloom
