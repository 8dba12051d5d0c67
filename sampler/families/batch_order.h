// How the rows of a dataset become the batches of a pass; shared by the families whose task is a
// batch. Training rows are shuffled anew in every pass, then sorted by length inside windows of 32
// batches, so that the rows of a batch need little padding while batches stay random. The rows of
// validation and test are sorted by length alone: no seed decides what an evaluation sees.
// Every row of a (half of a) pass stands in exactly one batch; the last one may be smaller.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "core/rng.h"
#include "sampler/store/token_store.h"

namespace metaloom {

class BatchOrder {
 public:
  /// `length` is what rows are sorted by. The store must outlive this.
  using Length = std::function<std::int64_t(Split split, std::int64_t row)>;
  BatchOrder(const TokenStore& store, std::int64_t batch, Length length, const Rng& rng);

  std::int64_t batches(Split split, Half half) const;
  /// Rows of the batch, ascending in length. Thread-safe.
  std::vector<std::int64_t> rows(const TaskId& id) const;

 private:
  std::int64_t rows_in(Split split, Half half) const;
  std::vector<std::int64_t> order(const TaskId& id) const;

  const TokenStore& store_;
  std::int64_t batch_;
  Length length_;
  Rng rng_;
  // The order of the pass last asked for, for each split and half: batches of one pass are asked
  // for one after the other, and an order costs a sort of all rows.
  struct PassRows {
    std::int64_t pass = -1;
    std::vector<std::int64_t> rows;
  };
  mutable PassRows last_[3][3];
  mutable std::mutex lock_;  // guards last_
};

}  // namespace metaloom
