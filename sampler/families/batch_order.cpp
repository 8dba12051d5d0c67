#include "sampler/families/batch_order.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace metaloom {

namespace {

constexpr std::int64_t kWindow = 32;  // batches among which rows are sorted by length

}  // namespace

BatchOrder::BatchOrder(const TokenStore& store, std::int64_t batch, Length length, const Rng& rng)
    : store_(store), batch_(batch), length_(std::move(length)), rng_(rng) {
  if (batch < 1)
    throw Error(Fault::usage, fmt::format("a batch of {} rows", batch), "data.batch",
                "Give at least 1.");
}

std::int64_t BatchOrder::rows_in(Split split, Half half) const {
  const std::int64_t rows = store_.rows(split) - store_.left_out(split);
  if (half == Half::all) return rows;
  return half == Half::first ? rows - rows / 2 : rows / 2;
}

std::int64_t BatchOrder::batches(Split split, Half half) const {
  return (rows_in(split, half) + batch_ - 1) / batch_;
}

std::vector<std::int64_t> BatchOrder::order(const TaskId& id) const {
  std::vector<std::int64_t> rows = store_.drawn_rows(id.split);
  const std::int64_t count = rows_in(id.split, id.half);
  const bool shuffled = id.split == Split::train || id.half != Half::all;
  if (shuffled) {
    const Rng key = rng_.at(id.half == Half::all ? "rows" : "halves");
    auto order =
        key.at({static_cast<std::int64_t>(id.split), id.pass}).permutation(std::ssize(rows));
    if (id.half == Half::second) order.erase(order.begin(), order.end() - count);
    order.resize(count);
    for (std::int64_t& place : order) place = rows[place];
    rows = std::move(order);
  }
  std::vector<std::int64_t> length(store_.rows(id.split));
  for (const std::int64_t row : rows) length[row] = length_(id.split, row);
  const std::int64_t window = shuffled ? kWindow * batch_ : std::max<std::int64_t>(count, 1);
  for (std::int64_t from = 0; from < count; from += window)
    std::stable_sort(rows.begin() + from, rows.begin() + std::min(from + window, count),
                     [&](std::int64_t a, std::int64_t b) { return length[a] < length[b]; });
  return rows;
}

std::vector<std::int64_t> BatchOrder::rows(const TaskId& id) const {
  const std::int64_t count = batches(id.split, id.half);
  if (id.index < 0 || id.index >= count || id.pass < 0)
    throw Error(Fault::internal,
                fmt::format("batch {} of pass {}: a pass has {}", id.index, id.pass, count),
                fmt::format("{}, split {}", store_.file().string(), name_of(id.split)));
  const std::lock_guard guard(lock_);
  PassRows& last = last_[static_cast<int>(id.split)][static_cast<int>(id.half)];
  if (last.pass != id.pass) {
    last.rows = order(id);
    last.pass = id.pass;
  }
  const auto from = last.rows.begin() + id.index * batch_;
  const auto left = last.rows.end() - from;
  return {from, from + std::min<std::int64_t>(batch_, left)};
}

}  // namespace metaloom
