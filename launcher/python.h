// Starting the Python tools at the edge: text -> tokens, weights -> archive, report. No shell.
#pragma once

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

}  // namespace metaloom
