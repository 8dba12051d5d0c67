// How the rows of a dataset become the batches of a pass; shared by the families whose task is a
// batch. Training rows are shuffled anew in every pass, then sorted by length inside windows of 32
// batches, so that the rows of a batch need little padding while batches stay random. The rows of
// validation and test are sorted by length alone: no seed decides what an evaluation sees.
// Every row of a (half of a) pass stands in exactly one batch; the last one may be smaller.
// A window is made when a batch of it is asked for: a pass costs nothing that grows with its rows
// once its order is computed (PassOrder). An evaluation's rows are one window.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/rng.h"
#include "sampler/pass_order.h"
#include "sampler/store/token_store.h"

namespace metaloom {

class BatchOrder {
 public:
  /// `length` is what rows are sorted by. The store must outlive this. `listed`: as PassOrder's.
  using Length = std::function<std::int64_t(Split split, std::int64_t row)>;
  BatchOrder(const TokenStore& store, std::int64_t batch, Length length, const Rng& rng,
             std::int64_t listed = PassOrder::kListed);

  std::int64_t batches(Split split, Half half) const;
  /// Rows of the batch, ascending in length. Thread-safe.
  std::vector<std::int64_t> rows(const TaskId& id) const;

 private:
  // The order of the pass last asked for, for each split and half, and the windows of it that were
  // sorted last: a batch is asked for to be planned, and then to be drawn.
  struct Pass {
    std::int64_t number = -1;
    std::optional<PassOrder> order;  // of the places of drawn rows; none: ascending
    std::unordered_map<std::int64_t, std::vector<std::int64_t>> windows;
    std::int64_t kept = 0;  // rows in them
  };
  std::int64_t rows_in(Split split, Half half) const;
  void begin(Pass& pass, const TaskId& id) const;
  const std::vector<std::int64_t>& window(Pass& pass, const TaskId& id, std::int64_t number,
                                          std::int64_t size) const;

  const TokenStore& store_;
  std::int64_t batch_;
  Length length_;
  Rng rng_;
  std::int64_t listed_;
  mutable Pass last_[3][3];
  mutable std::mutex lock_;  // guards last_
};

}  // namespace metaloom
