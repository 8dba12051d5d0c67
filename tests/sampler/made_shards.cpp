#include "tests/sampler/made_shards.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/digest.h"
#include "core/files/files.h"
#include "core/json.h"

namespace metaloom::testing {

namespace {

constexpr Split kAll[] = {Split::train, Split::validation, Split::test};

/// Rows first..end-1 of a split, with offsets of their own.
SplitArrays piece(const SplitArrays& all, std::int64_t first, std::int64_t end) {
  SplitArrays out;
  out.row_segments = out.segment_offsets = {};
  for (std::int64_t row = first; row <= end; ++row)
    out.row_segments.push_back(all.row_segments[row] - all.row_segments[first]);
  const std::int64_t from = all.row_segments[first], to = all.row_segments[end];
  for (std::int64_t s = from; s <= to; ++s)
    out.segment_offsets.push_back(all.segment_offsets[s] - all.segment_offsets[from]);
  out.tokens = {all.tokens.begin() + all.segment_offsets[from],
                all.tokens.begin() + all.segment_offsets[to]};
  out.labels = {all.labels.begin() + first, all.labels.begin() + end};
  out.text_digests = {all.text_digests.begin() + first, all.text_digests.begin() + end};
  return out;
}

Json entry_of(const std::filesystem::path& file, const StoreArrays& store, std::int64_t block) {
  const auto image = store.archive().contiguous_image();
  write_file(file, image);
  Json places = Json::object(), rows = Json::object();
  for (const auto& [path, place] : read_layout(file).places)
    places[path] = {place.offset, place.count, place.bytes_each};
  for (const Split split : kAll)
    rows[name_of(split)] = store.splits[static_cast<int>(split)].labels.size();
  std::string blocks;
  for (std::size_t at = 0; at < image.size(); at += static_cast<std::size_t>(block))
    blocks += hex(digest(std::span(image).subspan(
        at, std::min(static_cast<std::size_t>(block), image.size() - at))));
  return {{"file", file.filename().string()},
          {"bytes", image.size()},
          {"rows", rows},
          {"places", places},
          {"blocks", blocks}};
}

Json content_of(const StoreArrays& store) {
  Json out = Json::object();
  for (const Split split : kAll) {
    const SplitArrays& arrays = store.splits[static_cast<int>(split)];
    const auto put = [&](const char* column, const auto& numbers) {
      out[fmt::format("{}/{}", name_of(split), column)] =
          hex(digest(std::as_bytes(std::span(numbers))));
    };
    put("tokens", arrays.tokens), put("labels", arrays.labels);
    put("segment_offsets", arrays.segment_offsets), put("row_segments", arrays.row_segments);
    put("text_digests", arrays.text_digests);
  }
  return out;
}

}  // namespace

std::filesystem::path write_shards(const StoreArrays& store, const std::filesystem::path& folder,
                                   std::int64_t rows_each, std::int64_t block) {
  const auto shards = folder / (store.name + ".shards");
  make_folder(shards);
  Json index{{"format", "metaloom-shards"},
             {"version", 1},
             {"block", block},
             {"meta", parse_json(store.meta(), "meta")},
             {"content", content_of(store)},
             {"shards", Json::array()}};
  std::int64_t most = 1;
  Json rows = Json::object();
  for (const Split split : kAll) {
    const auto& labels = store.splits[static_cast<int>(split)].labels;
    most = std::max<std::int64_t>(most, std::ssize(labels));
    rows[name_of(split)] = labels.size();
  }
  for (std::int64_t first = 0; first < most; first += rows_each) {
    StoreArrays part = store;
    for (SplitArrays& split : part.splits) {
      const auto all = std::ssize(split.labels);
      split = piece(split, std::min(first, all), std::min(first + rows_each, all));
    }
    const auto file = shards / fmt::format("{:05}.h5", first / rows_each);
    index["shards"].push_back(entry_of(file, part, block));
  }
  const std::string text = index.dump();
  replace_file(shards / "index.json", text);
  const Json manifest{{"file", store.name + ".shards/index.json"},
                      {"bytes", text.size()},
                      {"xxh3_64", hex(digest(text))},
                      {"rows", rows}};
  replace_file(folder / (store.name + ".json"), manifest.dump());
  return folder / (store.name + ".h5");
}

}  // namespace metaloom::testing
