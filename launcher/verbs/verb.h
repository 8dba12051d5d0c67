// Seam: one command of the program, `metaloom VERB TARGET key=value ...`. One .cpp each,
// self-registered; main knows none of them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/config/table.h"

namespace metaloom {

/// The command line after the verb.
struct Arguments {
  std::vector<std::string> targets;      // paths
  std::vector<std::string> assignments;  // key=value, in order
};

/// Sorts the words after the verb. A word is an assignment where what stands before its first "="
/// can be a key, which starts with a letter and has no "/": RUNS/lr=0.1 and ./lr=0.1 are targets.
/// Where no word is a target, the first assignment that is also the name of a file or folder is
/// one. Throws Error{usage} for options, which verbs have none of.
Arguments sorted_words(const std::vector<std::string>& words);

class Verb {
 public:
  static constexpr const char* kSeam = "command";
  using Factory = std::function<std::unique_ptr<Verb>()>;
  virtual ~Verb() = default;
  /// What --help prints: usage, keys with defaults, an example.
  virtual std::string help() const = 0;
  /// What to do where it runs out of memory, in the imperative.
  virtual std::string memory_cure() const { return "Free some, or use a machine that has more."; }
  /// Returns the exit code; throws Error.
  virtual int run(const Arguments& arguments) const = 0;
};

/// The only target of a verb that takes one. Throws Error{usage} where there is none or several;
/// `what` says what belongs there ("a configuration file").
std::string only_target(const Arguments& arguments, const std::string& verb,
                        const std::string& what);

/// Sorts assignments into the verb's own ("show.rows=3", its prefix taken off) and all others.
std::pair<Table, std::vector<std::string>> own_assignments(const Arguments& arguments,
                                                           const std::string& prefix);

}  // namespace metaloom
