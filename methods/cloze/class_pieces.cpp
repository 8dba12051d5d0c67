#include "methods/cloze/class_pieces.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "core/error.h"

namespace metaloom {
namespace {

using Pieces = std::vector<std::int32_t>;

/// A mean as a value: how often each piece counts, in lowest terms.
using Mean = std::map<std::int32_t, std::int64_t>;

Mean mean_of(const Pieces& pieces) {
  Mean counts;
  for (const std::int32_t piece : pieces) ++counts[piece];
  std::int64_t common = 0;
  for (const auto& [piece, count] : counts) common = std::gcd(common, count);
  for (auto& [piece, count] : counts) count /= common;
  return counts;
}

using Words = std::vector<std::vector<Pieces>>;  // by label

/// The pieces of a word that begins a text; the word's own where its letters are not known.
Pieces at_beginning(const Pieces& word, const Tokenizer& tokenizer) {
  const auto text = [&tokenizer](Pieces::const_iterator from, Pieces::const_iterator to) {
    return tokenizer.words_of({from, to});
  };
  try {
    Pieces out = tokenizer.pieces_of(text(word.begin(), word.end()), Tokenizer::Before::nothing);
    const std::int32_t unknown = tokenizer.special(Special::unknown);
    if (out.empty() || std::find(out.begin(), out.end(), unknown) != out.end()) return word;
    // A space by itself tells nothing of the word.
    if (out.size() > 1 && text(out.begin(), out.begin() + 1).empty()) out.erase(out.begin());
    return out;
  } catch (const Error&) {  // by a table of letters that is not here
    return word;
  }
}

bool keeps_spaces(const Tokenizer& tokenizer) {
  return tokenizer.pieces_of("a", Tokenizer::Before::nothing) !=
         tokenizer.pieces_of("a", Tokenizer::Before::space);
}

Words words_by(const LabelRule& rule, const DatasetInfo& dataset) {
  Words out = dataset.label_words;
  if (rule.at_beginning == nullptr || !keeps_spaces(*rule.at_beginning)) return out;
  for (auto& words : out) {
    for (Pieces& word : words) word = at_beginning(word, *rule.at_beginning);
  }
  return out;
}

Pieces pieces_of(const DatasetInfo& dataset, const Words& words, std::size_t label, bool whole) {
  Pieces pieces;
  if (label < words.size()) {
    for (const Pieces& word : words[label]) {
      if (!word.empty())
        pieces.insert(pieces.end(), word.begin(), whole ? word.end() : word.begin() + 1);
    }
  }
  if (pieces.empty()) {
    throw Error(Fault::data,
                fmt::format("the label \"{}\" has no word to stand for it", dataset.labels[label]),
                fmt::format("dataset {}", dataset.name),
                "Give it one in the dataset's label_words and prepare the data again.");
  }
  return pieces;
}

[[noreturn]] void refuse(const DatasetInfo& dataset, std::size_t first, std::size_t second) {
  throw Error(
      Fault::data,
      fmt::format(
          "the classes \"{}\" and \"{}\" have the same words: the model cannot tell them apart",
          dataset.labels[first], dataset.labels[second]),
      fmt::format("dataset {}", dataset.name),
      "Give one of them other words with label_words: in the description, for metaloom data, or to "
      "metaloom adapt.");
}

std::vector<Pieces> told_apart(const DatasetInfo& dataset, const LabelRule& rule) {
  const std::size_t count = dataset.labels.size();
  const Words words = words_by(rule, dataset);
  std::vector<bool> whole(count, rule.pieces == LabelPieces::mean);
  for (;;) {  // ends: each turn takes all pieces of one class more
    std::vector<Pieces> out;
    std::map<Mean, std::vector<std::size_t>> equal;
    for (std::size_t label = 0; label < count; ++label) {
      out.push_back(pieces_of(dataset, words, label, whole[label]));
      equal[mean_of(out.back())].push_back(label);
    }
    std::set<std::size_t> more;
    std::optional<std::pair<std::size_t, std::size_t>> twins;
    for (const auto& [mean, labels] : equal) {
      if (labels.size() < 2) continue;
      for (const std::size_t label : labels)
        if (!whole[label]) more.insert(label);
      const std::pair first_two(labels[0], labels[1]);
      twins = twins ? std::min(*twins, first_two) : first_two;
    }
    if (!twins) return out;
    if (more.empty()) refuse(dataset, twins->first, twins->second);
    for (const std::size_t label : more) whole[label] = true;
  }
}

}  // namespace

ClassPieces::ClassPieces(const std::vector<const DatasetInfo*>& datasets, const LabelRule& rule) {
  for (const DatasetInfo* dataset : datasets) pieces_[dataset] = told_apart(*dataset, rule);
}

const std::vector<std::int32_t>& ClassPieces::of(const DatasetInfo& dataset,
                                                 std::int64_t label) const {
  const auto found = pieces_.find(&dataset);
  if (found == pieces_.end()) {
    throw Error(Fault::internal, "a task of a dataset that the method was not told of",
                dataset.name);
  }
  return found->second.at(static_cast<std::size_t>(label));
}

}  // namespace metaloom
