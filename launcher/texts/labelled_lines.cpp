#include "launcher/texts/labelled_lines.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "core/error.h"
#include "core/json.h"

namespace metaloom {

LabelledLines::LabelledLines(const std::string& out) {
  if (!out.empty() && out != "-") file_ = std::make_unique<FileWriter>(out);
}

void LabelledLines::begin(const RowStream& rows) {
  if (begun_) return;
  begun_ = true;
  separator_ = rows.separator();
  quoted_ = rows.quoted();
  put(rows.heading());
}

void LabelledLines::write(const UserRow& row, const std::string& label, double probability) {
  std::string line;
  for (const UserRow::Part& part : row.parts) {
    if (part.kind == UserRow::Part::bytes) {
      line += part.text;
    } else {
      line += part.kind == UserRow::Part::label ? spelled(label) : Json(probability).dump();
    }
  }
  put(line);
}

void LabelledLines::flush() {
  if (file_) {
    file_->flush();
  } else if (std::fflush(stdout) != 0) {
    throw std::system_error(errno, std::generic_category(), "standard output");
  }
}

void LabelledLines::finish() {
  flush();
  if (file_) file_->finish();
}

/// main knows what it means where standard output takes no more.
void LabelledLines::put(const std::string& bytes) {
  if (file_) {
    file_->write(bytes);
  } else if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) < bytes.size()) {
    throw std::system_error(errno, std::generic_category(), "standard output");
  }
}

/// A label as the value of a field.
std::string LabelledLines::spelled(const std::string& label) const {
  if (separator_ == '\0') return Json(label).dump();
  const std::string special{separator_, '"', '\r', '\n'};
  const auto found = label.find_first_of(quoted_ ? special : special.substr(0, 1) + "\r\n");
  if (found == std::string::npos) return label;
  if (!quoted_) {
    throw Error(Fault::usage, "a label that holds a tab or a line break, in a table without quotes",
                label, "Give the texts as JSON Lines or CSV.");
  }
  std::string out = "\"";
  for (const char letter : label) out += letter == '"' ? "\"\"" : std::string(1, letter);
  return out + '"';
}

}  // namespace metaloom
