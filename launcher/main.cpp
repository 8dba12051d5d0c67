// metaloom VERB TARGET key=value ... The only place that makes exit codes of errors.
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/memory.h"
#include "core/registry.h"
#include "core/version.h"
#include "launcher/process/world.h"
#include "launcher/verbs/verb.h"

namespace metaloom {
namespace {

// Of the verb that runs, for the handlers at the end of main.
std::string memory_cure = "Free some.";

constexpr int kReaderIsGone = 141;  // what a shell says of a program that SIGPIPE ended

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
  if (std::find(words.begin(), words.end(), "--help") != words.end()) {
    fmt::print("{}", verb->help());
    return 0;
  }
  memory_cure = verb->memory_cure();
  return verb->run(sorted_words({words.begin() + 1, words.end()}));
}

/// What PyTorch throws, as one line: without its backtrace, and with a cure where memory ran out.
int end_with_library_error(const std::string& what) {
  const bool ran_out =
      what.find("alloc") != std::string::npos || what.find("out of memory") != std::string::npos;
  std::string line = what.substr(0, what.find('\n'));
  if (!ran_out) return end_with_error(static_cast<int>(Fault::internal), "internal error: " + line);
  if (line.find("CUDA") == std::string::npos) {
    const Memory memory = memory_of_this_place();
    line = fmt::format("{} ({} {:.3g} GiB)", line, memory.of, memory.bytes / 0x1p30);
  }
  return end_with_error(static_cast<int>(Fault::usage),
                        fmt::format("not enough memory: {} {}", line, memory_cure));
}

/// Output is what most verbs are run for: that it was lost must be said. A reader that has enough
/// (`| head`) is no loss.
int end_with_lost_output(int code, int error) {
  if (error == EPIPE) return end_with_error(code != 0 ? code : kReaderIsGone, "");
  const Error lost(Fault::temporary, fmt::format("cannot write to it: {}", std::strerror(error)),
                   "standard output",
                   error == EBADF ? "It is closed: send it to a file, or to /dev/null."
                                  : "What was printed is incomplete: free some space, or send it "
                                    "elsewhere, and run this again.");
  return end_with_error(code != 0 ? code : lost.exit_code(), lost.what());
}

/// What a limit of this place refused to the program itself, as to start a thread.
int end_with_system_error(const std::system_error& error) {
  const int code = error.code().value();
  if (std::ferror(stdout) != 0) return end_with_lost_output(0, code);
  if (code != EAGAIN) {
    return end_with_error(static_cast<int>(Fault::internal),
                          fmt::format("internal error: {}", error.what()));
  }
  const Error known(Fault::temporary, fmt::format("no thread could be started: {}", error.what()),
                    "",
                    "Raise the limit on processes (ulimit -u, or pids.max of the control "
                    "group), or use fewer threads: comm.threads=1.");
  return end_with_error(known.exit_code(), known.what());
}

/// The exit code `code`, once everything printed has arrived.
int with_output_written(int code) {
  if (std::fflush(stdout) != 0) return end_with_lost_output(code, errno);
  return std::ferror(stdout) != 0 ? end_with_lost_output(code, EIO) : code;
}

}  // namespace
}  // namespace metaloom

int main(int count, char** words) {
  using namespace metaloom;
  keep_freed_memory();
  // What they tell comes as an error of the write as well, which does not end a training.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return with_output_written(dispatch({words + 1, words + count}));
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
  } catch (const std::system_error& error) {
    return end_with_system_error(error);
  } catch (const std::exception& error) {
    return end_with_error(static_cast<int>(Fault::internal),
                          fmt::format("internal error: {}", error.what()));
  }
}
