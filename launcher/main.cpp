// metaloom VERB TARGET key=value ... The only place that catches errors and picks exit codes.
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/memory.h"
#include "core/registry.h"
#include "core/version.h"
#include "launcher/verb.h"
#include "launcher/world.h"

namespace metaloom {
namespace {

std::string overview() {
  std::string out =
      "metaloom: distributed meta-training for few-shot language tasks\n\n"
      "  metaloom VERB TARGET key=value ...\n"
      "  metaloom VERB --help\n"
      "  metaloom --version\n\nVerbs\n";
  for (const auto& [name, entry] : Registry<Verb>::entries()) {
    out += fmt::format("  {:<10} {}\n", name, entry.about);
  }
  out += "\nExample\n  mpirun -np 2 metaloom train configs/quickstart.toml run=runs/first\n";
  return out;
}

std::string version_text() {
  std::string out = fmt::format("metaloom {}\n  {:<10} {}{}\n", build_project_version(), "commit",
                                build_git_commit(), build_git_dirty() ? ", with changes" : "");
  for (const BuildVersion& entry : build_versions()) {
    out += fmt::format("  {:<10} {}\n", entry.part, entry.version);
  }
  return out;
}

int dispatch(const std::vector<std::string>& words) {
  if (words.empty() || words[0] == "--help" || words[0] == "help") {
    fmt::print("{}", overview());
    return words.empty() ? static_cast<int>(Fault::usage) : 0;
  }
  if (words[0] == "--version") {
    fmt::print("{}", version_text());
    return 0;
  }
  const auto verb = Registry<Verb>::make(words[0]);
  Arguments arguments;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--help") {
      fmt::print("{}", verb->help());
      return 0;
    }
    if (word.starts_with("--")) {
      throw Error(Fault::usage, fmt::format("there is no option {}", word), "command line",
                  "Options are --help and --version only; settings are given as key=value.");
    }
    (word.find('=') == std::string::npos ? arguments.targets : arguments.assignments)
        .push_back(word);
  }
  return verb->run(arguments);
}

/// What PyTorch throws, as one line: without its backtrace, and with a cure where memory ran out.
int end_with_library_error(const std::string& what) {
  const bool memory =
      what.find("alloc") != std::string::npos || what.find("out of memory") != std::string::npos;
  const std::string line = what.substr(0, what.find('\n'));
  if (!memory) return end_with_error(static_cast<int>(Fault::internal), "internal error: " + line);
  return end_with_error(static_cast<int>(Fault::usage),
                        "not enough memory: " + line +
                            " Lower data.batch, data.pack or method.graph_memory; metaloom plan "
                            "shows what a run needs.");
}

}  // namespace
}  // namespace metaloom

int main(int count, char** words) {
  using namespace metaloom;
  keep_freed_memory();
  try {
    return dispatch({words + 1, words + count});
  } catch (const Error& error) {
    return end_with_error(error.exit_code(), error.what());
  } catch (const c10::Error& error) {
    return end_with_library_error(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return end_with_library_error("allocation failed.");
  } catch (const std::filesystem::filesystem_error& error) {
    const Error known(Fault::data, error.code().message(), error.path1().string(),
                      "Check the path and its permissions.");
    return end_with_error(known.exit_code(), known.what());
  } catch (const std::exception& error) {
    return end_with_error(static_cast<int>(Fault::internal),
                          fmt::format("internal error: {}", error.what()));
  }
}
