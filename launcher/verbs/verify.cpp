// metaloom verify: checks every digest of a checkpoint, a run or a folder of token stores.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <vector>

#include "checkpoints/checkpoint.h"
#include "core/error.h"
#include "core/registry.h"
#include "launcher/process/machine.h"
#include "launcher/verbs/verb.h"
#include "sampler/store/token_store.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

/// Whether a token store's rows may lie there: in one file, or in a folder of shards.
bool is_rows(const fs::path& path) {
  return path.extension() == ".h5" || path.extension() == ".shards";
}

/// Checkpoint folders, token stores and links to nothing, at or below a place. Links are followed
/// (checkpoints may lie on another disk); what several names lead to is taken once, by a name
/// without links if it has one.
class Things {
 public:
  explicit Things(const fs::path& root) {
    look(root);
    while (!links_.empty()) {
      const fs::path link = links_.back();
      links_.pop_back();
      look(link);
    }
    std::sort(found_.begin(), found_.end());
  }
  const std::vector<fs::path>& found() const { return found_; }

 private:
  void look(const fs::path& path) {
    std::error_code code;  // a link to nothing, or to itself
    if (!fs::exists(path, code)) {
      found_.push_back(path);
      return;
    }
    if (!seen_.insert(fs::canonical(path)).second) return;
    const bool checkpoint = fs::exists(path / "manifest.json");
    const bool store = is_rows(path) && fs::exists(fs::path(path).replace_extension(".json"));
    if (checkpoint || store) found_.push_back(path);
    if (!fs::is_directory(path)) return;
    const fs::directory_iterator content(path, code);
    if (code) found_.push_back(path);  // it cannot be read
    for (const auto& entry : content) {
      // What was set aside as damaged, or never finished, is no part of the run.
      const std::string name = entry.path().filename().string();
      if (name == "quarantine" || name.find(kTemporary) != std::string::npos) continue;
      if (entry.is_symlink()) {
        links_.push_back(entry.path());
      } else {
        look(entry.path());
      }
    }
  }

  std::set<fs::path> seen_;  // without links
  std::vector<fs::path> links_, found_;
};

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
    if (!fs::exists(fs::symlink_status(root))) {
      throw Error(Fault::data, "there is nothing", root.string(), "Check the path.");
    }
    const Things below(root);
    const auto& things = below.found();
    if (things.empty()) {
      throw Error(Fault::data, "there is no checkpoint and no token store", root.string(),
                  "Give a run folder, a checkpoint folder, or a folder of token stores.");
    }
    int damaged = 0;
    for (const fs::path& path : things) {
      try {
        if (!fs::exists(path)) {
          throw Error(Fault::data, "a link to nothing", "",
                      "Mount the disk that it names, or remove the link.");
        }
        if (is_rows(path)) {
          TokenStore(path).check();
        } else {
          const Checkpoint checkpoint = Checkpoint::open(own_disk(), path);
          for (const std::string& section : checkpoint.sections()) checkpoint.read(section);
        }
        fmt::print("good     {}\n", path.string());
      } catch (const Error& error) {  // goes on: it reports all of them
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
