#include "launcher/texts/row_stream.h"

#include <cstring>
#include <string_view>

#include "core/error.h"

namespace metaloom {
namespace {

/// Numbers and texts out of a frame, which is little-endian as this machine is.
class Frame {
 public:
  explicit Frame(std::string_view bytes) : rest_(bytes) {}

  template <class Number>
  Number number() {
    Number out;
    std::memcpy(&out, take(sizeof out).data(), sizeof out);
    return out;
  }
  std::string text(std::uint64_t size) { return std::string(take(size)); }
  std::vector<std::int32_t> ids() {
    const auto count = number<std::uint32_t>();
    std::vector<std::int32_t> out(count);
    const std::string_view bytes = take(count * sizeof(std::int32_t));
    if (count > 0) std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }

 private:
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) throw Error(Fault::internal, "a frame of the tools is cut short");
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  std::string_view rest_;
};

UserRow row_in(std::string_view bytes) {
  Frame frame(bytes);
  UserRow row;
  row.number = frame.number<std::int64_t>();
  row.digest = frame.number<std::int64_t>();
  row.given = static_cast<UserRow::Label>(frame.number<std::uint8_t>());
  row.label = frame.text(frame.number<std::uint32_t>());
  for (auto count = frame.number<std::uint32_t>(); count > 0; --count) {
    row.segments.push_back(frame.ids());
  }
  for (auto count = frame.number<std::uint32_t>(); count > 0; --count) {
    const auto kind = static_cast<UserRow::Part::Kind>(frame.number<std::uint8_t>());
    row.parts.push_back({kind, frame.text(frame.number<std::uint64_t>())});
  }
  return row;
}

std::vector<std::string> command_for(const UserRows& rows, const std::string& tokenizer) {
  std::vector<std::string> words{"stream",
                                 "--data=" + rows.data,
                                 "--tokenizer=" + tokenizer,
                                 "--max-tokens=" + std::to_string(rows.max_tokens),
                                 "--text=" + rows.columns.text,
                                 "--label=" + rows.columns.label,
                                 "--text-pair=" + rows.columns.text_pair};
  if (!rows.format.empty()) words.push_back("--format=" + rows.format);
  if (rows.labelled) words.emplace_back("--labelled");
  for (const std::string& typed : rows.label_words) words.push_back("--label-words=" + typed);
  return words;
}

}  // namespace

void UserColumns::fields(Fields& f) {
  f.text("text", text, "column of the text; a dot reaches into a nested column");
  f.text("label", label, "column of the label");
  f.text("text_pair", text_pair, "column of a second text, which the template shows as {pair}");
}

RowStream::RowStream(const UserRows& rows, const std::string& tokenizer)
    : tokenizer_(tokenizer), tool_("tools.data", command_for(rows, tokenizer_.path())) {}

std::vector<UserRow> RowStream::next() {
  std::vector<UserRow> rows;
  while (!ended_) {
    char head[1 + sizeof(std::uint64_t)];
    if (tool_.read(head, sizeof head) < sizeof head) {
      ended_ = true;  // without an ending: it had an error
      break;
    }
    std::uint64_t size;
    std::memcpy(&size, head + 1, sizeof size);
    std::string bytes(size, '\0');
    if (tool_.read(bytes.data(), size) < size) {
      ended_ = true;
      break;
    }
    if (head[0] == 'R') {
      rows.push_back(row_in(bytes));
    } else if (head[0] == 'B') {
      break;
    } else if (head[0] == 'H') {
      Frame frame(bytes);
      separator_ = frame.number<char>();
      quoted_ = frame.number<std::uint8_t>() != 0;
      heading_ = frame.text(bytes.size() - 2);
    } else if (head[0] == 'E') {
      ending_ = std::move(bytes);
      ended_ = true;
    } else {
      throw Error(Fault::internal, "an unknown frame of the tools", std::string(1, head[0]));
    }
  }
  return rows;
}

std::string RowStream::finish() {
  tool_.finish();
  if (ending_.empty()) throw Error(Fault::internal, "the tools ended without an ending");
  return ending_;
}

}  // namespace metaloom
