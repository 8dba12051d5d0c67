#include <fmt/format.h>

#include <unordered_map>

#include "sampler/mix.h"

namespace metaloom {

std::vector<Overlap> overlaps(const TokenStore& evaluated, Split split,
                              const std::vector<const TokenStore*>& trained_on) {
  struct Rows {
    std::int64_t first, count;
    const TokenStore* counted_for;  // the training store in which the text was last met
  };
  std::unordered_map<std::int64_t, Rows> texts;
  const auto digests = evaluated.text_digests(split);
  for (std::size_t row = 0; row < digests.size(); ++row)
    texts.try_emplace(digests[row], Rows{static_cast<std::int64_t>(row), 0, nullptr})
        .first->second.count += 1;

  std::vector<Overlap> found;
  for (const TokenStore* store : trained_on) {
    Overlap overlap{evaluated.info().name, store->info().name, 0, {}};
    std::int64_t first = evaluated.rows(split);
    for (const std::int64_t digest : store->text_digests(Split::train)) {
      const auto it = texts.find(digest);
      if (it == texts.end() || it->second.counted_for == store) continue;
      it->second.counted_for = store;
      overlap.rows += it->second.count;
      first = std::min(first, it->second.first);
    }
    if (overlap.rows == 0) continue;
    overlap.example_row = fmt::format("{} row {}", name_of(split), first);
    found.push_back(std::move(overlap));
  }
  return found;
}

}  // namespace metaloom
