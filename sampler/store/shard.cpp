#include "sampler/store/shard.h"

#include <fmt/format.h>

namespace metaloom {

StoreShard::StoreShard(StoreFile file, std::int64_t labels)
    : file_(std::move(file)), labels_(labels) {
  for (const Split split : kSplits) {
    const Columns& c = columns_[static_cast<std::size_t>(split)] = columns_at(split);
    if (c.row_segments.size() != c.labels.size() + 1 || c.text_digests.size() != c.labels.size())
      damaged(fmt::format("{} labels, {} row offsets, {} text digests", c.labels.size(),
                          c.row_segments.size(), c.text_digests.size()),
              split);
    if (c.segment_offsets.size() == 0) damaged("offsets that do not start at 0", split);
    if (rows(split) != file_.rows[static_cast<std::size_t>(split)])
      damaged(fmt::format("{} rows where the manifest says {}", rows(split),
                          file_.rows[static_cast<std::size_t>(split)]),
              split);
  }
}

StoreShard::Columns StoreShard::columns_at(Split split) const {
  const auto take = [&]<class T>(Column<T>& column, const char* name) {
    const std::string path = fmt::format("{}/{}", name_of(split), name);
    const auto found = file_.places.find(path);
    if (found == file_.places.end())
      throw Error(Fault::data, fmt::format("no contiguous integers \"{}\"", path),
                  file_.file->path().string(), kStoreCure);
    if (found->second.count > 0 && found->second.bytes_each != static_cast<int>(sizeof(T)))
      throw Error(Fault::data, "integers of another width",
                  fmt::format("{}, {}", file_.file->path().string(), path), kStoreCure);
    column = {*file_.file, found->second};
  };
  Columns out;
  take(out.tokens, "tokens"), take(out.labels, "labels");
  take(out.segment_offsets, "segment_offsets"), take(out.row_segments, "row_segments");
  take(out.text_digests, "text_digests");
  return out;
}

std::span<const std::int64_t> StoreShard::bounds(Split split, std::int64_t row) const {
  const Columns& c = columns(split);
  const auto segments = c.row_segments.part(row, 2);
  if (segments[0] < 0 || segments[1] <= segments[0])
    damaged("row offsets that do not rise", split, row);
  if (segments[1] >= c.segment_offsets.size())
    damaged(fmt::format("a row that ends at segment {} of {}", segments[1],
                        c.segment_offsets.size() - 1),
            split, row);
  const auto bounds = c.segment_offsets.part(segments[0], segments[1] - segments[0] + 1);
  if (bounds.front() < 0) damaged("token offsets that fall", split, row);
  for (std::size_t s = 1; s < bounds.size(); ++s) {
    if (bounds[s] == bounds[s - 1]) damaged("a text of zero tokens", split, row);
    if (bounds[s] < bounds[s - 1]) damaged("token offsets that fall", split, row);
  }
  if (bounds.back() > c.tokens.size())
    damaged(fmt::format("a text that ends at token {} of {}", bounds.back(), c.tokens.size()),
            split, row);
  return bounds;
}

void StoreShard::check(Split split, std::int64_t row) const {
  const Columns& c = columns(split);
  const auto bounds = this->bounds(split, row);
  check_label(split, row, std::ssize(bounds) - 1);
  for (const std::int32_t token : c.tokens.part(bounds.front(), bounds.back() - bounds.front()))
    if (token < 0) damaged(fmt::format("word piece {}", token), split, row);
}

/// Without label names a label is the index of the right choice, the first segment being the
/// context.
void StoreShard::check_label(Split split, std::int64_t row, std::int64_t segments) const {
  const std::int64_t choices = segments > 2 ? segments - 1 : 0;
  const std::int64_t bound = labels_ > 0 ? labels_ : choices;
  const std::int32_t label = columns(split).labels[row];
  if (label < -1 || label >= bound)
    damaged(fmt::format("label {}, which is none of the {}", label, bound), split, row);
}

/// Both offset tables start at 0, rise at every step and end where what they cut ends.
void StoreShard::check(Split split) const {
  const Columns& c = columns(split);
  if (c.row_segments[0] != 0 || c.segment_offsets[0] != 0)
    damaged("offsets that do not start at 0", split);
  for (std::int64_t row = 0; row < rows(split); ++row) check(split, row);
  const std::int64_t segments = c.segment_offsets.size() - 1;
  if (c.row_segments[rows(split)] != segments)
    damaged(fmt::format("rows end at segment {} of {}", c.row_segments[rows(split)], segments),
            split);
  if (c.segment_offsets[segments] != c.tokens.size())
    damaged(
        fmt::format("texts end at token {} of {}", c.segment_offsets[segments], c.tokens.size()),
        split);
  c.text_digests.all();
}

std::string StoreShard::where(Split split, std::int64_t row) const {
  const std::string out = fmt::format("{}, split {}", file_.file->path().string(), name_of(split));
  return row < 0 ? out : fmt::format("{}, row {}", out, row);
}

void StoreShard::damaged(const std::string& what, Split split, std::int64_t row) const {
  throw Error(Fault::data, what, where(split, row), kStoreCure);
}

}  // namespace metaloom
