// A store made for tests, written in shards as tools/data/shards.py writes them.
#pragma once

#include "tests/sampler/made_stores.h"

namespace metaloom::testing {

/// Writes NAME.shards, with `rows_each` rows of each split in a shard and digests of every `block`
/// bytes, and NAME.json; returns the path NAME.h5, where no file lies.
std::filesystem::path write_shards(const StoreArrays& store, const std::filesystem::path& folder,
                                   std::int64_t rows_each, std::int64_t block = 256);

}  // namespace metaloom::testing
