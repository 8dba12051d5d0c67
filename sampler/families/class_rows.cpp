#include "sampler/families/class_rows.h"

#include <fmt/format.h>

#include <limits>
#include <map>

#include "core/error.h"

namespace metaloom {

namespace {

/// Calls act(row, label) for every row that tasks are drawn from and that has a label, ascending: a
/// text to be labelled belongs to no class.
template <class Act>
void each_drawn(const TokenStore& store, Split split, const Act& act) {
  const bool some_left_out = store.left_out(split) > 0;
  store.each_labels(split, [&](std::int64_t row, std::span<const std::int32_t> labels) {
    for (const std::int32_t label : labels) {
      if (label >= 0 && !(some_left_out && store.is_left_out(split, row)))
        act(row, static_cast<std::int64_t>(label));
      ++row;
    }
  });
}

}  // namespace

ClassRows::ClassRows(const TokenStore& store) : store_(store) {
  std::map<std::int64_t, Split> home;
  for (const Split split : kSplits) {
    count(split);
    for (const std::int64_t label : classes(split)) {
      const Split known = home.emplace(label, split).first->second;
      if (known == split) continue;
      throw Error(Fault::data,
                  fmt::format("class \"{}\" is in the splits {} and {}: few-shot tests need "
                              "unseen classes",
                              store.info().labels[static_cast<std::size_t>(label)], name_of(known),
                              name_of(split)),
                  fmt::format("{}, split {}", store.file().string(), name_of(split)),
                  "Give each class to one split and run `metaloom data` again.");
    }
  }
}

void ClassRows::count(Split split) {
  if (store_.rows(split) > std::numeric_limits<std::uint32_t>::max())
    throw Error(Fault::data, fmt::format("{} rows of episodes", store_.rows(split)),
                fmt::format("{}, split {}", store_.file().string(), name_of(split)),
                "Cut the set into several: a split of episodes has at most 4,294,967,295 rows.");
  const std::int64_t labels = std::ssize(store_.info().labels);
  std::vector<std::int64_t> counts(static_cast<std::size_t>(labels) + 1, 0);
  each_drawn(store_, split, [&](std::int64_t row, std::int64_t label) {
    if (label >= labels)
      throw Error(Fault::data, fmt::format("label {}, which has no name", label),
                  store_.where(split, row), "Run `metaloom data` again for this dataset.");
    ++counts[static_cast<std::size_t>(label) + 1];
  });
  Lists& lists = of(split);
  for (std::int64_t label = 0; label < labels; ++label) {
    const auto next = static_cast<std::size_t>(label) + 1;
    if (counts[next] > 0) lists.classes.push_back(label);
    counts[next] += counts[next - 1];
  }
  lists.starts = std::move(counts);
}

void ClassRows::fill(Split split) const {
  Lists& lists = of(split);
  std::vector<std::int64_t> next = lists.starts;
  lists.rows = std::make_unique_for_overwrite<std::uint32_t[]>(
      static_cast<std::size_t>(lists.starts.back()));
  each_drawn(store_, split, [&](std::int64_t row, std::int64_t label) {
    const std::int64_t place = next[static_cast<std::size_t>(label)]++;
    lists.rows[static_cast<std::size_t>(place)] = static_cast<std::uint32_t>(row);
  });
}

std::int64_t ClassRows::rows_of(Split split, std::int64_t label) const {
  const auto& starts = of(split).starts;
  return starts[static_cast<std::size_t>(label) + 1] - starts[static_cast<std::size_t>(label)];
}

std::span<const std::uint32_t> ClassRows::rows(Split split, std::int64_t label) const {
  Lists& lists = of(split);
  std::call_once(lists.made, [&] { fill(split); });
  return {lists.rows.get() + lists.starts[static_cast<std::size_t>(label)],
          static_cast<std::size_t>(rows_of(split, label))};
}

}  // namespace metaloom
