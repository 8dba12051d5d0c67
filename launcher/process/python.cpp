#include "launcher/process/python.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/files/errors.h"
#include "core/files/files.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

constexpr int kNotStarted = 127;  // exit code of a child whose exec failed

/// The folder that holds tools/: METALOOM_TOOLS, or the nearest one above the program or the
/// working folder.
fs::path project_root() {
  if (const char* root = std::getenv("METALOOM_TOOLS")) return root;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  for (const fs::path& start : {program.parent_path(), fs::current_path()}) {
    for (fs::path folder = start; folder.has_relative_path(); folder = folder.parent_path()) {
      if (fs::exists(folder / "tools" / "__init__.py")) return folder;
    }
  }
  throw Error(Fault::usage, "the Python tools were not found", program.string(),
              "Set METALOOM_TOOLS to the folder that holds metaloom's tools/.");
}

std::string interpreter(const fs::path& root) {
  if (const char* python = std::getenv("METALOOM_PYTHON")) return python;
  const fs::path own = root / ".venv" / "bin" / "python";
  return fs::exists(own) ? own.string() : "python3";
}

/// Starts `python -m MODULE words...`, its standard output being `output`.
pid_t start_python(const std::string& module, const std::vector<std::string>& words, int output) {
  const fs::path root = project_root();
  std::vector<std::string> command{interpreter(root), "-m", module};
  command.insert(command.end(), words.begin(), words.end());
  std::vector<char*> pointers;
  pointers.reserve(command.size() + 1);
  for (std::string& word : command) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const char* old_path = std::getenv("PYTHONPATH");
  const std::string path = root.string() + (old_path == nullptr ? "" : ":" + std::string(old_path));

  // Before the fork: the child may only exec.
  setenv("PYTHONPATH", path.c_str(), 1);
  std::error_code unknown;
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown);
  if (!unknown) setenv("METALOOM_PROGRAM", program.c_str(), 1);  // tools ask it (tools/kinds.py)
  const pid_t child = fork();
  if (child == 0) {
    dup2(output, STDOUT_FILENO);
    execvp(pointers[0], pointers.data());
    _exit(kNotStarted);
  }
  return child;
}

/// The exit code of a child that start_python gave, once it has ended.
int wait_for(pid_t child, const std::string& module) {
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child > 0 && WIFSIGNALED(status)) {
    throw Error(Fault::temporary, "Python was ended by signal " + std::to_string(WTERMSIG(status)),
                module, "Signal 9 often means too little memory: free some, and try again.");
  }
  const int code = child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : kNotStarted;
  if (code == kNotStarted) {
    throw Error(Fault::usage, "Python could not be started", interpreter(project_root()),
                "Run make setup, or set METALOOM_PYTHON to a Python that has the packages of "
                "requirements.txt.");
  }
  return code;
}

void require_success(int code) {
  if (code == 0) return;
  Fault fault = Fault::internal;
  for (const Fault known : {Fault::usage, Fault::data, Fault::temporary}) {
    if (code == static_cast<int>(known)) fault = known;
  }
  throw Error(fault, "");  // the tool has said what, where and the cure
}

}  // namespace

int run_python(const std::string& module, const std::vector<std::string>& words, bool as_step) {
  return wait_for(start_python(module, words, as_step ? STDERR_FILENO : STDOUT_FILENO), module);
}

void require_python(const std::string& module, const std::vector<std::string>& words) {
  require_success(run_python(module, words, /*as_step=*/true));
}

PythonStream::PythonStream(const std::string& module, const std::vector<std::string>& words)
    : module_(module) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    throw Error(Fault::temporary, std::string("no pipe: ") + std::strerror(errno), module,
                "Raise the limit on open files with ulimit -n, and start again.");
  }
  output_ = ends[0];
  child_ = start_python(module, words, ends[1]);
  close(ends[1]);
}

PythonStream::~PythonStream() {
  if (output_ >= 0) close(output_);
  if (child_ <= 0) return;
  kill(child_, SIGTERM);  // it may wait for input that never comes
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::size_t PythonStream::read(void* to, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(output_, static_cast<char*>(to) + done, size - done);
    if (got < 0 && errno != EINTR) {
      throw Error(Fault::temporary, std::string("cannot read a pipe: ") + std::strerror(errno),
                  module_, "Start again.");
    }
    if (got == 0) break;
    if (got > 0) done += static_cast<std::size_t>(got);
  }
  return done;
}

void PythonStream::finish() {
  close(std::exchange(output_, -1));
  require_success(wait_for(std::exchange(child_, -1), module_));
}

TextForTools::TextForTools(const std::string& text) : descriptor_(memfd_create("text", 0)) {
  const int code = descriptor_ < 0 ? errno : write_whole(descriptor_, text);
  if (code != 0) {
    if (descriptor_ >= 0) close(descriptor_);
    if (code == EFBIG) throw_write_error("the tokenizer for tools.data", "hand over", code);
    throw Error(Fault::temporary,
                std::string("no memory for a text of the tools: ") + std::strerror(code), "",
                "Free some memory, or raise the limits of this shell (ulimit).");
  }
}

TextForTools::~TextForTools() {
  close(descriptor_);
}

}  // namespace metaloom
