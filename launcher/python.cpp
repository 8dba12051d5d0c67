#include "launcher/python.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

int run_python(const std::string& module, const std::vector<std::string>& words, bool as_step) {
  const fs::path root = project_root();
  const std::string python = interpreter(root);
  std::vector<std::string> command{python, "-m", module};
  command.insert(command.end(), words.begin(), words.end());
  std::vector<char*> pointers;
  pointers.reserve(command.size() + 1);
  for (std::string& word : command) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const char* old_path = std::getenv("PYTHONPATH");
  const std::string path = root.string() + (old_path == nullptr ? "" : ":" + std::string(old_path));

  setenv("PYTHONPATH", path.c_str(), 1);  // before the fork: the child may only exec
  const pid_t child = fork();
  if (child == 0) {
    if (as_step) dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp(pointers[0], pointers.data());
    _exit(127);
  }
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child > 0 && WIFSIGNALED(status)) {
    throw Error(Fault::temporary, "Python was ended by signal " + std::to_string(WTERMSIG(status)),
                module, "Signal 9 often means too little memory: free some, and try again.");
  }
  const int code = child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 127;
  if (code == 127) {
    throw Error(Fault::usage, "Python could not be started", python,
                "Run make setup, or set METALOOM_PYTHON to a Python that has the packages of "
                "requirements.txt.");
  }
  return code;
}

void require_python(const std::string& module, const std::vector<std::string>& words) {
  const int code = run_python(module, words, /*as_step=*/true);
  if (code == 0) return;
  Fault fault = Fault::internal;
  for (const Fault known : {Fault::usage, Fault::data, Fault::temporary}) {
    if (code == static_cast<int>(known)) fault = known;
  }
  throw Error(fault, "");  // the tool has said what, where and the cure
}

}  // namespace metaloom
