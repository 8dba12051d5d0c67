#include "sampler/families/batch_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace metaloom {

namespace {

constexpr std::int64_t kWindow = 32;  // batches among which rows are sorted by length
constexpr std::int64_t kKept = std::int64_t{1}
                               << 20;  // rows of windows that are kept, or one window

bool shuffled(const TaskId& id) {
  return id.split == Split::train || id.half != Half::all;
}

}  // namespace

BatchOrder::BatchOrder(const TokenStore& store, std::int64_t batch, Length length, const Rng& rng,
                       std::int64_t listed)
    : store_(store), batch_(batch), length_(std::move(length)), rng_(rng), listed_(listed) {
  if (batch < 1)
    throw Error(Fault::usage, fmt::format("a batch of {} rows", batch), "data.batch",
                "Give at least 1.");
}

std::int64_t BatchOrder::rows_in(Split split, Half half) const {
  const std::int64_t rows = store_.drawn_rows(split);
  if (half == Half::all) return rows;
  return half == Half::first ? rows - rows / 2 : rows / 2;
}

std::int64_t BatchOrder::batches(Split split, Half half) const {
  return (rows_in(split, half) + batch_ - 1) / batch_;
}

void BatchOrder::begin(Pass& pass, const TaskId& id) const {
  pass = {};
  if (shuffled(id)) {
    const Rng key = rng_.at(id.half == Half::all ? "rows" : "halves");
    pass.order.emplace(key.at({static_cast<std::int64_t>(id.split), id.pass}),
                       store_.drawn_rows(id.split), listed_);
  }
  pass.number = id.pass;
}

const std::vector<std::int64_t>& BatchOrder::window(Pass& pass, const TaskId& id,
                                                    std::int64_t number, std::int64_t size) const {
  if (const auto found = pass.windows.find(number); found != pass.windows.end())
    return found->second;
  const std::int64_t count = rows_in(id.split, id.half);
  // The second half of a pass is what the first one leaves of the order.
  const std::int64_t skipped =
      id.half == Half::second ? store_.drawn_rows(id.split) - count : std::int64_t{0};
  std::vector<std::pair<std::int64_t, std::int64_t>> sorted;  // length and row
  for (std::int64_t at = number * size; at < std::min((number + 1) * size, count); ++at) {
    const std::int64_t place = pass.order ? (*pass.order)[skipped + at] : at;
    const std::int64_t row = store_.drawn_row(id.split, place);
    sorted.emplace_back(length_(id.split, row), row);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (pass.kept + std::ssize(sorted) > kKept) {
    pass.windows.clear();
    pass.kept = 0;
  }
  std::vector<std::int64_t>& rows = pass.windows[number];
  rows.reserve(sorted.size());
  for (const auto& [length, row] : sorted) rows.push_back(row);
  pass.kept += std::ssize(rows);
  return rows;
}

std::vector<std::int64_t> BatchOrder::rows(const TaskId& id) const {
  const std::int64_t count = batches(id.split, id.half);
  if (id.index < 0 || id.index >= count || id.pass < 0)
    throw Error(Fault::internal,
                fmt::format("batch {} of pass {}: a pass has {}", id.index, id.pass, count),
                fmt::format("{}, split {}", store_.file().string(), name_of(id.split)));
  const std::int64_t each = shuffled(id) ? kWindow : count;  // batches of a window
  const std::lock_guard guard(lock_);
  Pass& pass = last_[static_cast<int>(id.split)][static_cast<int>(id.half)];
  if (pass.number != id.pass) begin(pass, id);
  const auto& rows = window(pass, id, id.index / each, each * batch_);
  const auto from = rows.begin() + id.index % each * batch_;
  return {from, from + std::min<std::int64_t>(batch_, rows.end() - from)};
}

}  // namespace metaloom
