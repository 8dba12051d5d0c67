// Starting the Python tools at the edge: text -> tokens, weights -> archive, report. No shell. By
// fork and exec: posix_spawn takes as many lines, and boost::process allocates in between, where
// another thread may hold the allocator's lock (boostorg/process issue 28).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace metaloom {

/// Runs `python -m MODULE words...` and returns its exit code. The interpreter is METALOOM_PYTHON,
/// else the project's .venv, else python3; the modules are found beside the program's source tree
/// (METALOOM_TOOLS overrides). Throws Error{usage} where there is no interpreter.
/// `as_step` sends what it prints to standard error: for verbs whose own output is a result.
int run_python(const std::string& module, const std::vector<std::string>& words,
               bool as_step = false);

/// As run_python with `as_step`, but an exit code other than 0 becomes an Error of that kind: the
/// tool has said what is wrong already.
void require_python(const std::string& module, const std::vector<std::string>& words);

/// A tool that runs beside the program, which reads what it prints. What it says of its own goes to
/// standard error; standard input is the program's.
class PythonStream {
 public:
  PythonStream(const std::string& module, const std::vector<std::string>& words);
  /// One that has not been read to its end is ended.
  ~PythonStream();
  PythonStream(const PythonStream&) = delete;

  /// Fills `to` and returns how much that is: less than `size` only where the tool's output ends.
  std::size_t read(void* to, std::size_t size);
  /// Waits for its end; an exit code other than 0 becomes an Error, as of require_python.
  void finish();

 private:
  std::string module_;
  int child_ = -1;  // its process
  int output_ = -1;
};

/// A text that a tool reads as a file, without one on any disk: it lies in memory, and tools that
/// are started while it lives inherit it.
class TextForTools {
 public:
  explicit TextForTools(const std::string& text);
  ~TextForTools();
  TextForTools(const TextForTools&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_ = -1;
};

}  // namespace metaloom
