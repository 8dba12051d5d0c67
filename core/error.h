// The one exception type. An Error carries what happened, where, and what to do about it;
// its kind decides the exit code of the process. Only main
// ends the process by it.
#pragma once

#include <stdexcept>
#include <string>

namespace metaloom {

/// What went wrong, as the exit code a batch script can act on.
enum class Fault : int {
  usage = 2,          ///< a wrong command line or configuration
  data = 3,           ///< missing, truncated or inconsistent data or weights
  no_checkpoint = 4,  ///< no usable checkpoint where one is demanded
  internal = 70,      ///< a broken promise of the program itself
  temporary = 75,     ///< may work when tried again (a full disk, a lost file server)
  hang = 86,          ///< a deadline passed
  non_finite = 87,    ///< too many non-finite tasks or steps
};

class Error : public std::runtime_error {
 public:
  /// `where` names the file, row, key or section; `cure` says what to do, in the imperative.
  Error(Fault fault, const std::string& what, const std::string& where = "",
        const std::string& cure = "");

  Fault fault() const { return fault_; }
  int exit_code() const { return static_cast<int>(fault_); }

 private:
  Fault fault_;
};

}  // namespace metaloom
