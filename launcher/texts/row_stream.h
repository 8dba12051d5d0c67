// A user's own rows, one batch after another as they arrive: tools.data reads and tokenises them in
// a process of its own (tools/data/stream.py has the other end of the pipe). Memory does not grow
// with the number of rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "launcher/process/python.h"

namespace metaloom {

/// Which columns of a user's file hold what; a dot reaches into a nested column.
struct UserColumns {
  std::string text = "text", label = "label", text_pair;
  void fields(Fields& f);
};

/// Where the rows come from.
struct UserRows {
  std::string data, format;  // format: where the file's name does not tell
  UserColumns columns;
  bool labelled = false;                 // a row without a label is an error
  std::int64_t max_tokens = 128;         // word pieces kept of a text
  std::vector<std::string> label_words;  // as typed: label_words...=...
};

struct UserRow {
  enum class Label { none, given, odd };  // odd: something that can be no label
  /// The record's bytes, and between them the places of what is added.
  struct Part {
    enum Kind : std::uint8_t { bytes, label, probability } kind;
    std::string text;
  };
  std::int64_t number = 0, digest = 0;  // counted as its file counts; of the text
  Label given = Label::none;
  std::string label;
  std::vector<std::vector<std::int32_t>> segments;  // word pieces
  std::vector<Part> parts;
};

class RowStream {
 public:
  /// `tokenizer`: the text of tokenizer.json.
  RowStream(const UserRows& rows, const std::string& tokenizer);

  /// The next rows: so many as are at hand, kRowsAtOnce at most. None: the end.
  std::vector<UserRow> next();
  /// What stands before the first row (a header with its columns added), once next() has returned.
  const std::string& heading() const { return heading_; }
  /// How a field is separated and whether it may be quoted, once next() has returned; JSON: '\0'.
  char separator() const { return separator_; }
  bool quoted() const { return quoted_; }
  /// Waits for the tool. Throws where it had an error, which it has said; then the rows before
  /// that have been given. Returns what it says in the end, as JSON.
  std::string finish();

 private:
  TextForTools tokenizer_;
  PythonStream tool_;
  std::string heading_, ending_;
  char separator_ = '\0';
  bool quoted_ = false, ended_ = false;
};

}  // namespace metaloom
