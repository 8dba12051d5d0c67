#include "methods/cloze/template.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/error.h"

namespace metaloom {
namespace {

constexpr std::int64_t kMostSoftTokens = 512;

std::vector<std::string> split_words(const std::string& words) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t end = std::min(words.find(' ', at), words.size());
    if (end > at) out.push_back(words.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

Error bad_template(const std::string& what, const std::string& words, const std::string& cure) {
  return Error(Fault::usage, what, fmt::format("template \"{}\"", words), cure);
}

/// The n of "<soft:n>", or 0 where `word` is something else.
std::int64_t soft_count(const std::string& word, const std::string& words) {
  constexpr std::string_view kOpen = "<soft:";
  if (!word.starts_with("<soft") || !word.ends_with(">")) return 0;
  std::int64_t count = 0;
  if (word == "<soft>") {
    count = 1;
  } else if (word.starts_with(kOpen)) {
    const char* end = word.data() + word.size() - 1;
    const auto [stop, fault] = std::from_chars(word.data() + kOpen.size(), end, count);
    if (fault != std::errc() || stop != end) count = 0;
  }
  if (count < 1 || count > kMostSoftTokens) {
    throw bad_template(fmt::format("\"{}\" is no number of soft tokens", word), words,
                       fmt::format("Write <soft:n> with n from 1 to {}.", kMostSoftTokens));
  }
  return count;
}

struct Kept {
  std::int64_t text, pair;
};

/// How much of a text and its pair fits into `room`: the longer one is cut first, to half of the
/// room if need be, then the other.
Kept kept_of(std::int64_t text, std::int64_t pair, std::int64_t room) {
  if (text + pair <= room) return {text, pair};
  const std::int64_t kept_pair = std::min(pair, std::max(room - text, room - room / 2));
  return {std::min(text, room - kept_pair), kept_pair};
}

/// Rows of ids and what belongs to them, padded on the right.
class Rows {
 public:
  void add(std::vector<std::int32_t> ids, std::vector<std::int64_t> segments,
           std::vector<std::int64_t> slots, std::int64_t mask) {
    longest_ = std::max(longest_, static_cast<std::int64_t>(ids.size()));
    ids_.push_back(std::move(ids));
    segments_.push_back(std::move(segments));
    slots_.push_back(std::move(slots));
    masks_.push_back(mask);
  }

  Batch batch(std::int64_t tasks, std::int32_t pad, bool has_soft) const {
    const auto rows = static_cast<std::int64_t>(ids_.size());
    Batch out;
    out.tasks = tasks;
    out.ids_RL = at::full({rows, longest_}, pad, at::kLong);
    out.segments_RL = at::zeros({rows, longest_}, at::kLong);
    out.length_R = at::zeros({rows}, at::kLong);
    if (has_soft) out.slot_RL = at::full({rows, longest_}, -1, at::kLong);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t at = r * longest_;
      std::copy(ids_[r].begin(), ids_[r].end(), out.ids_RL.data_ptr<std::int64_t>() + at);
      std::copy(segments_[r].begin(), segments_[r].end(),
                out.segments_RL.data_ptr<std::int64_t>() + at);
      if (has_soft) {
        std::copy(slots_[r].begin(), slots_[r].end(), out.slot_RL.data_ptr<std::int64_t>() + at);
      }
      out.length_R.data_ptr<std::int64_t>()[r] = static_cast<std::int64_t>(ids_[r].size());
      out.tokens += static_cast<std::int64_t>(ids_[r].size());
    }
    if (!masks_.empty() && masks_.front() >= 0) out.mask_at_R = at::tensor(masks_, at::kLong);
    return out;
  }

 private:
  std::vector<std::vector<std::int32_t>> ids_;
  std::vector<std::vector<std::int64_t>> segments_, slots_;
  std::vector<std::int64_t> masks_;
  std::int64_t longest_ = 0;
};

void check_groups(std::size_t rows, std::int64_t tasks) {
  if (rows == 0 || tasks < 1 || static_cast<std::int64_t>(rows) % tasks != 0) {
    throw Error(Fault::internal,
                fmt::format("{} rows cannot be {} tasks of equally many rows", rows, tasks),
                "Template::frame");
  }
}

}  // namespace

Template::Template(const std::string& words, const Vocabulary& vocabulary, std::int64_t max_length,
                   bool needs_mask)
    : vocabulary_(&vocabulary), max_length_(max_length) {
  std::int64_t texts = 0, pairs = 0, masks = 0;
  for (const std::string& word : split_words(words)) {
    if (word == "{text}") {
      pieces_.push_back({Piece::text});
      ++texts;
    } else if (word == "{pair}") {
      pieces_.push_back({Piece::pair});
      ++pairs;
    } else if (word == "[MASK]") {
      pieces_.push_back({Piece::mask, vocabulary.mask()});
      ++masks;
    } else if (const std::int64_t soft = soft_count(word, words); soft > 0) {
      pieces_.insert(pieces_.end(), soft, Piece{Piece::soft, vocabulary.unknown()});
      soft_tokens_ += soft;
    } else {
      for (const std::int32_t id : vocabulary.pieces_of(word)) {
        if (id == vocabulary.unknown()) {
          throw bad_template(fmt::format("the vocabulary does not know \"{}\"", word), words,
                             "Use words of the model's vocabulary, separated by single spaces.");
        }
        pieces_.push_back({Piece::word, id});
      }
    }
  }
  if (texts != 1 || pairs > 1) {
    throw bad_template("a template needs one {text} and at most one {pair}", words,
                       "Write for example \"{text} , the topic is [MASK] .\".");
  }
  if (masks > 1 || (needs_mask && masks != 1)) {
    throw bad_template(fmt::format("{} times [MASK] where one is needed", masks), words,
                       "Write [MASK] once, where the label word belongs.");
  }
  if (frame_tokens() >= max_length_) {
    throw bad_template(fmt::format("the template takes {} of max_length = {} tokens and leaves no "
                                   "room for text",
                                   frame_tokens(), max_length_),
                       words, "Raise max_length or shorten the template.");
  }
}

Template Template::plain(const Vocabulary& vocabulary, std::int64_t max_length) {
  Template out;
  out.vocabulary_ = &vocabulary;
  out.max_length_ = max_length;
  out.pieces_ = {{Piece::text}, {Piece::word, vocabulary.sep()}, {Piece::pair}};
  if (out.frame_tokens() >= max_length) {
    throw Error(Fault::usage, fmt::format("max_length = {} leaves no room for text", max_length),
                "data.max_length", "Raise it.");
  }
  return out;
}

std::int64_t Template::frame_tokens() const {
  const auto is_text = [](const Piece& p) {
    return p.kind == Piece::text || p.kind == Piece::pair;
  };
  const auto texts = std::count_if(pieces_.begin(), pieces_.end(), is_text);
  return static_cast<std::int64_t>(pieces_.size()) - texts + 2;  // [CLS] and the last [SEP]
}

std::vector<std::int64_t> Template::row_tokens(const std::vector<Example>& rows) const {
  std::vector<std::int64_t> out;
  for (const Example& row : rows) {
    std::int64_t tokens = frame_tokens();
    for (const auto& segment : row.segments) tokens += static_cast<std::int64_t>(segment.size());
    out.push_back(std::min(tokens, max_length_));
  }
  return out;
}

std::vector<std::int32_t> Template::frame_row(const Example& row,
                                              std::vector<std::int64_t>& segments,
                                              std::vector<std::int64_t>& slots,
                                              std::int64_t& mask) const {
  const bool has_pair = row.segments.size() > 1;
  const bool shows_pair = std::any_of(pieces_.begin(), pieces_.end(),
                                      [](const Piece& p) { return p.kind == Piece::pair; });
  if (has_pair && !shows_pair) {
    throw Error(Fault::usage, "the rows are pairs, and the template shows one text of them",
                "method.template", "Add {pair}, as in \"{text} ? [MASK] , {pair}\".");
  }
  const auto text = row.segments.empty() ? std::span<const std::int32_t>() : row.segments[0];
  const auto pair = has_pair ? row.segments[1] : std::span<const std::int32_t>();
  const auto dropped = [&](std::size_t i) {  // no pair, no separator before it
    return !has_pair && i + 1 < pieces_.size() && pieces_[i + 1].kind == Piece::pair &&
           pieces_[i].kind == Piece::word && pieces_[i].id == vocabulary_->sep();
  };
  std::int64_t room = max_length_ - frame_tokens();
  for (std::size_t i = 0; i < pieces_.size(); ++i) room += dropped(i) ? 1 : 0;
  const Kept kept =
      kept_of(static_cast<std::int64_t>(text.size()), static_cast<std::int64_t>(pair.size()), room);
  std::vector<std::int32_t> ids{vocabulary_->cls()};
  std::int64_t type = 0, slot = 0;
  mask = -1;
  segments.assign(1, 0);
  slots.assign(1, -1);
  const auto put = [&](std::int32_t id, std::int64_t soft) {
    ids.push_back(id);
    segments.push_back(type);
    slots.push_back(soft);
    if (id == vocabulary_->sep()) type = 1;  // what follows a [SEP] is the second segment
  };
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    if (dropped(i)) continue;
    if (piece.kind == Piece::text) {
      for (std::int64_t k = 0; k < kept.text; ++k) put(text[k], -1);
    } else if (piece.kind == Piece::pair) {
      for (std::int64_t k = 0; k < kept.pair; ++k) put(pair[k], -1);
    } else {
      if (piece.kind == Piece::mask) mask = static_cast<std::int64_t>(ids.size());
      put(piece.id, piece.kind == Piece::soft ? slot++ : -1);
    }
  }
  put(vocabulary_->sep(), -1);
  return ids;
}

Batch Template::frame(const std::vector<const Example*>& rows, std::int64_t tasks) const {
  check_groups(rows.size(), tasks);
  Rows framed;
  for (const Example* row : rows) {
    std::vector<std::int64_t> segments, slots;
    std::int64_t mask = -1;
    auto ids = frame_row(*row, segments, slots, mask);
    framed.add(std::move(ids), std::move(segments), std::move(slots), mask);
  }
  return framed.batch(tasks, vocabulary_->pad(), soft_tokens_ > 0);
}

Batch Template::frame_choices(const std::vector<const Example*>& rows, std::int64_t tasks) const {
  check_groups(rows.size(), tasks);
  std::vector<Example> candidates;
  for (const Example* row : rows) {
    for (std::size_t choice = 1; choice < row->segments.size(); ++choice) {
      candidates.push_back({{row->segments[0], row->segments[choice]}, row->target, row->row});
    }
  }
  std::vector<const Example*> pointers;
  pointers.reserve(candidates.size());
  for (const Example& candidate : candidates) pointers.push_back(&candidate);
  return frame(pointers, tasks);
}

}  // namespace metaloom
