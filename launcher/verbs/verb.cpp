#include "launcher/verbs/verb.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <system_error>

#include "core/error.h"
#include "core/spelling.h"

namespace metaloom {

namespace {

bool can_be_a_key(const std::string& text) {
  constexpr const char* kOfKeys =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text.front())) == 0) return false;
  // The name of a stage may have anything in it.
  return text.find_first_not_of(kOfKeys) == std::string::npos ||
         (text.starts_with("stage.") && text.find('/') == std::string::npos);
}

bool is_assignment(const std::string& word) {
  const auto equals = word.find('=');
  return equals != std::string::npos && can_be_a_key(word.substr(0, equals));
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

std::string quoted_list(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "\"" : ", \"") + word + '"';
  return out;
}

}  // namespace

Arguments sorted_words(const std::vector<std::string>& words) {
  Arguments out;
  for (const std::string& word : words) {
    if (word.starts_with("--")) {
      throw Error(Fault::usage, fmt::format("there is no option {}", word), "command line",
                  fmt::format("Options are --help and --version only; settings are given as "
                              "key=value, a path that starts so as ./{}",
                              word));
    }
    (is_assignment(word) ? out.assignments : out.targets).push_back(word);
  }
  if (!out.targets.empty()) return out;
  const auto path = std::find_if(out.assignments.begin(), out.assignments.end(), exists);
  if (path == out.assignments.end()) return out;
  out.targets.push_back(*path);
  out.assignments.erase(path);
  return out;
}

std::string only_target(const Arguments& arguments, const std::string& verb,
                        const std::string& what) {
  const std::vector<std::string>& targets = arguments.targets;
  if (targets.size() == 1) return targets[0];
  std::string cure = fmt::format("See metaloom {} --help.", verb);
  if (targets.empty() && !arguments.assignments.empty()) {
    const std::string& first = arguments.assignments[0];
    cure += fmt::format(" {} was taken for a setting: a path is written {}", quoted_list({first}),
                        typed_path("./" + first));
  } else if (!targets.empty()) {
    cure += " A path with blanks in it is written in quotes.";
  }
  throw Error(Fault::usage,
              targets.empty() ? fmt::format("metaloom {} needs {}", verb, what)
                              : fmt::format("metaloom {} takes one target, not {}: {}", verb,
                                            targets.size(), quoted_list(targets)),
              "command line", cure);
}

std::pair<Table, std::vector<std::string>> own_assignments(const Arguments& arguments,
                                                           const std::string& prefix) {
  std::pair<Table, std::vector<std::string>> out;
  for (const std::string& assignment : arguments.assignments) {
    if (assignment.starts_with(prefix + ".")) {
      out.first.assign(assignment.substr(prefix.size() + 1));
    } else {
      out.second.push_back(assignment);
    }
  }
  return out;
}

}  // namespace metaloom
