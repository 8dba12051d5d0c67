// What a method works on: a task, made of examples whose tokens lie in a mapped token store.
// Examples are views: the TokenStore they came from must outlive them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace metaloom {

enum class Split { train, validation, test };
inline constexpr std::array kSplits{Split::train, Split::validation, Split::test};
constexpr std::array<std::string_view, 3> words_of(Split) {
  return {"train", "validation", "test"};
}
constexpr const char* name_of(Split split) {
  return words_of(split)[static_cast<std::size_t>(split)].data();  // a literal, ended by 0
}

/// Which half of the training rows, of the per-pass halving that bi-level methods need (SPT trains
/// weights on one and gates on the other). Families without halves treat `first` and `second` as
/// disjoint streams.
enum class Half { all, first, second };

/// What the right answer to a row is: one of its task's classes, one of its own candidates, a
/// stretch of its text, a number, or a text to be written. A family says which (FamilyTraits).
enum class TargetKind { label, choice, span, number, tokens };

/// The right answer itself; of its members those of its kind are set.
struct Target {
  Target() = default;
  Target(std::int64_t right) : label(right) {}  // most targets are a label and no more
  std::int64_t label = -1;  // a class, local to its task: 0..N-1, or a candidate; -1: unknown
  std::int64_t start = -1, end = -1;     // first and last token in the last segment; -1: none
  double value = 0;                      // the number
  std::span<const std::int32_t> tokens;  // the text, without special tokens
};

/// One row with its right answer. Segments hold word-piece ids without special tokens:
/// text (and its pair), or context and choices.
struct Example {
  std::vector<std::span<const std::int32_t>> segments;
  Target target;
  std::int64_t row = -1;  // row in its split, for messages
};

/// Names a task without drawing it: equal ids give equal tasks on every rank.
struct TaskId {
  int dataset = 0;  // index into the mix
  Split split = Split::train;
  Half half = Half::all;
  std::int64_t pass = 0;   // which pass over the data
  std::int64_t index = 0;  // which batch or episode of that pass
  bool operator==(const TaskId&) const = default;
};

/// What a task costs is computed from these numbers, before it is drawn. Rows and tokens are those
/// that the model encodes: each candidate of a multiple choice is a row, context included, and a
/// row counts at most `max_length` word pieces.
struct TaskShape {
  std::int64_t support_rows = 0, support_tokens = 0;
  std::int64_t query_rows = 0, query_tokens = 0;
  std::int64_t longest = 0;  // word pieces of the longest row, special tokens not counted
};

/// What a dataset says of itself.
struct DatasetInfo {
  std::string name, family, licence, source;
  std::vector<std::string> labels;
  /// Per label, per word of its name, that word's word pieces (the verbaliser's input).
  std::vector<std::vector<std::vector<std::int32_t>>> label_words;
  std::string tokenizer_digest, store_digest;
  /// Rows of each split whose text is also in an earlier one, let in by `dirty_rows = "allow"`.
  std::array<std::int64_t, 3> shared_texts{};
};

/// A unit of meta-learning: an episode (support and query), or a batch of one dataset (query
/// only). Where targets are labels they index `classes`, which index the dataset's labels; else
/// `classes` is empty.
struct Task {
  TaskId id;
  const DatasetInfo* dataset = nullptr;
  std::vector<std::int64_t> classes;
  std::vector<Example> support, query;
};

}  // namespace metaloom
