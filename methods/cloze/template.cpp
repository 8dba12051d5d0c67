#include "methods/cloze/template.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "core/error.h"

namespace metaloom {
namespace {

constexpr std::int64_t kMostSoftTokens = 512;
// The template's words for it, in every model.
constexpr std::array<std::string_view, 2> kMasks{"[MASK]", "{mask}"};

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

void check_groups(std::size_t rows, std::int64_t tasks) {
  if (rows == 0 || tasks < 1 || static_cast<std::int64_t>(rows) % tasks != 0) {
    throw Error(Fault::internal,
                fmt::format("{} rows cannot be {} tasks of equally many rows", rows, tasks),
                "Template::frame");
  }
}

}  // namespace

Template::Template(const Pretrained& pretrained, std::int64_t max_length)
    : tokenizer_(pretrained.tokenizer.get()),
      framing_(pretrained.backbone->framing()),
      max_length_(max_length) {}

Template::Template(const std::string& words, const Pretrained& pretrained, std::int64_t max_length)
    : Template(pretrained, max_length) {
  read_at_ = framing_.answer;
  for (const std::string& word : split_words(words)) add_word(word, words);
  check(words);
  answer_begins_ = pieces_.front().kind == Piece::mask;
  close();
  if (frame_tokens() >= max_length_) {
    throw bad_template(fmt::format("the template takes {} of max_length = {} tokens and leaves no "
                                   "room for text",
                                   frame_tokens(), max_length_),
                       words, "Raise max_length or shorten the template.");
  }
}

Template Template::plain(const Pretrained& pretrained, std::int64_t max_length) {
  Template out(pretrained, max_length);
  out.read_at_ = out.framing_.row;
  out.pieces_ = out.specials(out.framing_.between);
  out.pieces_.insert(out.pieces_.begin(), {Piece::text});
  out.pieces_.push_back({Piece::pair});
  out.close();
  if (out.frame_tokens() >= max_length) {
    throw Error(Fault::usage, fmt::format("max_length = {} leaves no room for text", max_length),
                "data.max_length", "Raise it.");
  }
  return out;
}

std::string Template::usual(const std::string& words, const Pretrained& pretrained) {
  if (pretrained.backbone->framing().answer == ReadAt::mask) return words;
  return words.substr(0, words.find(" [MASK]"));
}

/// 0 where the tokenizer has no such piece: what is padded is not read, what is soft is replaced.
std::int32_t Template::id_of(Special role) const {
  return std::max(tokenizer_->special(role), 0);
}

std::vector<Template::Piece> Template::specials(const std::vector<Special>& roles) const {
  std::vector<Piece> out;
  out.reserve(roles.size());
  for (const Special role : roles) out.push_back({Piece::word, tokenizer_->special(role)});
  return out;
}

void Template::add_word(const std::string& word, const std::string& words) {
  const std::int32_t mask = tokenizer_->special(Special::mask);
  if (word == "{text}") {
    pieces_.push_back({Piece::text});
  } else if (word == "{pair}") {
    pieces_.push_back({Piece::pair});
  } else if (std::find(kMasks.begin(), kMasks.end(), word) != kMasks.end() ||
             (mask >= 0 && word == tokenizer_->piece(mask))) {
    pieces_.push_back({Piece::mask, id_of(Special::mask)});
  } else if (const std::int64_t soft = soft_count(word, words); soft > 0) {
    pieces_.insert(pieces_.end(), soft, Piece{Piece::soft, id_of(Special::unknown)});
    soft_tokens_ += soft;
  } else {
    const auto before = pieces_.empty() ? Tokenizer::Before::nothing : Tokenizer::Before::space;
    for (const std::int32_t id : tokenizer_->pieces_of(word, before)) {
      if (id == tokenizer_->special(Special::unknown)) {
        throw bad_template(fmt::format("the vocabulary does not know \"{}\"", word), words,
                           "Use words of the model's vocabulary, separated by single spaces.");
      }
      pieces_.push_back({Piece::word, id});
    }
  }
}

void Template::check(const std::string& words) const {
  const auto count = [this](Piece::Kind kind) {
    return std::count_if(pieces_.begin(), pieces_.end(),
                         [kind](const Piece& p) { return p.kind == kind; });
  };
  if (count(Piece::text) != 1 || count(Piece::pair) > 1) {
    throw bad_template("a template needs one {text} and at most one {pair}", words,
                       "Write for example \"{text} , the topic is [MASK] .\".");
  }
  const std::int64_t masks = count(Piece::mask);
  if (framing_.answer != ReadAt::mask && masks > 0) {
    throw bad_template(
        fmt::format("a [MASK] for a model that {} and answers with the next word",
                    tokenizer_->special(Special::mask) < 0 ? "has no such piece" : "reads on"),
        words,
        "Leave it out and let the template end where the label word belongs, as in \"{text} The "
        "topic is\".");
  }
  if (framing_.answer == ReadAt::mask && masks != 1) {
    throw bad_template(fmt::format("{} times [MASK] where one is needed", masks), words,
                       "Write [MASK] once, where the label word belongs.");
  }
}

void Template::close() {
  const auto pair = std::find_if(pieces_.begin(), pieces_.end(),
                                 [](const Piece& p) { return p.kind == Piece::pair; });
  if (pair != pieces_.end()) {
    const std::vector<Piece> between = specials(framing_.between);
    auto piece = pair;
    for (auto special = between.rbegin(); special != between.rend(); ++special) {
      if (piece == pieces_.begin() || (piece - 1)->kind != Piece::word ||
          (piece - 1)->id != special->id) {
        break;
      }
      (--piece)->with_pair = true;
    }
  }
  const std::vector<Piece> before = specials(framing_.before), after = specials(framing_.after);
  pieces_.insert(pieces_.begin(), before.begin(), before.end());
  pieces_.insert(pieces_.end(), after.begin(), after.end());
}

std::int64_t Template::frame_tokens() const {
  return std::count_if(pieces_.begin(), pieces_.end(), [](const Piece& p) {
    return p.kind != Piece::text && p.kind != Piece::pair;
  });
}

bool Template::is_frame(std::int64_t piece) const {
  for (const auto* roles : {&framing_.before, &framing_.between, &framing_.after}) {
    for (const Special role : *roles) {
      if (piece == tokenizer_->special(role)) return true;
    }
  }
  return false;
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

FramedRow Template::frame_row(const Example& row) const {
  const bool has_pair = row.segments.size() > 1;
  const bool shows_pair = std::any_of(pieces_.begin(), pieces_.end(),
                                      [](const Piece& p) { return p.kind == Piece::pair; });
  if (has_pair && !shows_pair) {
    throw Error(Fault::usage, "the rows are pairs, and the template shows one text of them",
                "method.template", "Add {pair}, as in \"{text} ? [MASK] , {pair}\".");
  }
  const auto text = row.segments.empty() ? std::span<const std::int32_t>() : row.segments[0];
  const auto pair = has_pair ? row.segments[1] : std::span<const std::int32_t>();
  const auto dropped = [&](const Piece& piece) { return piece.with_pair && !has_pair; };
  const std::int64_t room =
      max_length_ - frame_tokens() + std::count_if(pieces_.begin(), pieces_.end(), dropped);
  const Kept kept = kept_of(std::ssize(text), std::ssize(pair), room);
  const std::int32_t end = tokenizer_->special(Special::end);
  FramedRow out;
  std::int64_t type = 0, slot = 0, mask = -1;
  const auto put = [&](std::int32_t id, std::int64_t soft) {
    out.ids.push_back(id);
    out.types.push_back(type);
    out.slots.push_back(soft);
    if (id == end) type = 1;
  };
  for (const Piece& piece : pieces_) {
    if (dropped(piece)) continue;
    if (piece.kind == Piece::text) {
      for (std::int64_t k = 0; k < kept.text; ++k) put(text[k], -1);
    } else if (piece.kind == Piece::pair) {
      for (std::int64_t k = 0; k < kept.pair; ++k) put(pair[k], -1);
    } else {
      if (piece.kind == Piece::mask) mask = std::ssize(out.ids);
      put(piece.id, piece.kind == Piece::soft ? slot++ : -1);
    }
  }
  out.read_at = read_at_ == ReadAt::first  ? 0
                : read_at_ == ReadAt::mask ? mask
                                           : std::ssize(out.ids) - 1;
  return out;
}

Batch Template::frame(const std::vector<const Example*>& rows, std::int64_t tasks) const {
  check_groups(rows.size(), tasks);
  std::vector<FramedRow> framed;
  framed.reserve(rows.size());
  for (const Example* row : rows) framed.push_back(frame_row(*row));
  return padded_batch(framed, tasks, id_of(Special::pad),
                      {.types = framing_.types, .slots = soft_tokens_ > 0});
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
