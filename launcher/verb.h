// Seam: one command of the program, `metaloom VERB TARGET key=value ...`. One .cpp each,
// self-registered; main knows none of them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"

namespace metaloom {

/// The command line after the verb.
struct Arguments {
  std::vector<std::string> targets;      // words without "="
  std::vector<std::string> assignments;  // key=value, in order
};

class Verb {
 public:
  static constexpr const char* kSeam = "command";
  using Factory = std::function<std::unique_ptr<Verb>()>;
  virtual ~Verb() = default;
  /// What --help prints: usage, keys with defaults, an example.
  virtual std::string help() const = 0;
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
