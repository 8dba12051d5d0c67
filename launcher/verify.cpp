// metaloom verify: checks every digest of a checkpoint, a run or a folder of token stores.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "checkpoints/checkpoint.h"
#include "core/error.h"
#include "core/registry.h"
#include "launcher/verb.h"
#include "sampler/token_store.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

/// Checkpoint folders and token stores at or below `root`.
std::vector<fs::path> things_below(const fs::path& root) {
  std::vector<fs::path> out;
  const auto consider = [&](const fs::path& path) {
    const bool checkpoint = fs::exists(path / "manifest.json");
    const bool store =
        path.extension() == ".h5" && fs::exists(fs::path(path).replace_extension(".json"));
    if (checkpoint || store) out.push_back(path);
  };
  consider(root);
  if (fs::is_directory(root)) {
    for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
         ++it) {
      // What was set aside as damaged, or never finished, is no part of the run.
      const std::string name = it->path().filename().string();
      if (name == "quarantine" || name.find(kTemporary) != std::string::npos) {
        it.disable_recursion_pending();
      } else if (!it->is_symlink()) {
        consider(it->path());
      }
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

class Verify final : public Verb {
 public:
  std::string help() const override {
    return "metaloom verify PATH\n\n"
           "PATH: a checkpoint, a run folder, a token store or a folder of them. Checks sizes,\n"
           "digests and structure of everything below it; exit code 3 where something is damaged.\n"
           "\nExample\n  metaloom verify runs/quickstart\n";
  }

  int run(const Arguments& arguments) const override {
    const fs::path root = only_target(arguments, "verify", "a run, checkpoint or token store");
    const auto things = things_below(root);
    if (things.empty()) {
      throw Error(Fault::data, "there is no checkpoint and no token store", root.string(),
                  "Give a run folder, a checkpoint folder, or a folder of token stores.");
    }
    int damaged = 0;
    for (const fs::path& path : things) {
      try {
        if (path.extension() == ".h5") {
          TokenStore store(path);
        } else {
          const Checkpoint checkpoint = Checkpoint::open(path);
          for (const std::string& section : checkpoint.sections()) checkpoint.read(section);
        }
        fmt::print("good     {}\n", path.string());
      } catch (const Error& error) {  // the one place that goes on: it reports all of them
        fmt::print("damaged  {}: {}\n", path.string(), error.what());
        ++damaged;
      }
    }
    fmt::print("{} checked, {} damaged\n", things.size(), damaged);
    return damaged == 0 ? 0 : static_cast<int>(Fault::data);
  }
};

const Register<Verb> here{"verify", "check the digests of checkpoints and token stores",
                          [] { return std::make_unique<Verify>(); }};

}  // namespace
}  // namespace metaloom
