// A disk in memory that behaves as badly as a real one may. What is written is on the disk for good
// only once it was synced: a crash keeps of each folder's changes since then the first few, of each
// file's new content all, a part or nothing. Steps are counted: before any of them the machine can
// be made to stop, or the step to fail. Paths are absolute.
#pragma once

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <mutex>
#include <random>

#include "core/error.h"
#include "core/files/disk.h"
#include "core/files/errors.h"
#include "core/files/files.h"

namespace metaloom {

/// The machine stops. No std::exception: nothing of ours may go on after it.
struct Crash {};

class SimulatedDisk : public Disk {
 public:
  using Path = std::filesystem::path;

  bool exchanges = true;                               // whether two names can change places
  std::uint64_t capacity = UINT64_MAX;                 // bytes of all files
  std::function<bool(const Path&)> forgets = nullptr;  // syncs that do nothing: of these paths

  /// Steps made so far.
  std::int64_t steps() const { return steps_; }
  /// The machine stops before step `step` (1, 2, ...).
  void crash_before(std::int64_t step) { crash_at_ = step; }
  /// Step `step` fails with errno `code`.
  void fail(std::int64_t step, int code) {
    fail_at_ = step;
    code_ = code;
  }
  /// The machine starts again, with what the crash has left: `seed` chooses.
  void restart(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (Node& node : nodes_) {
      const std::size_t kept = node.pending.empty() ? 0 : random() % (node.pending.size() + 1);
      for (std::size_t i = 0; i < kept; ++i) apply(node.safe_names, node.pending[i]);
      node.names = node.safe_names;
      node.pending.clear();
      if (node.bytes == node.safe_bytes) continue;
      const auto fate = random() % 3;
      if (fate == 0) node.bytes = node.safe_bytes;
      if (fate == 1) node.bytes.resize(random() % (node.bytes.size() + 1));
      node.safe_bytes = node.bytes;
    }
    crashed_ = false;
    crash_at_ = fail_at_ = steps_ = 0;
  }

  Found look(const Path& path, Links links = Links::follow) override {
    const std::lock_guard lock(mutex_);
    const int id = find(path, links);
    if (id == 0) return {};
    return {nodes_[id].kind, nodes_[id].bytes.size(), nodes_[id].target};
  }
  void check_reach(const Path&) override {}
  std::vector<Path> list(const Path& folder) override {
    const std::lock_guard lock(mutex_);
    std::vector<Path> out;
    for (const auto& [name, id] : nodes_[find(folder, Links::follow)].names) {
      out.push_back(folder / name);
    }
    return out;
  }
  Path real(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return settled(path, Links::follow);
  }
  std::vector<std::byte> read(const Path& file) override {
    const std::lock_guard lock(mutex_);
    const int id = find(file, Links::follow);
    if (id == 0) throw_read_error(file, "open", ENOENT);
    const auto bytes = std::as_bytes(std::span(nodes_[id].bytes));
    return {bytes.begin(), bytes.end()};
  }

  void write(const Path& file, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(mutex_);
    put(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  void sync(const Path& folder) override {
    const std::lock_guard lock(mutex_);
    sync_names(folder);
  }
  void replace(const Path& file, std::string_view text) override {
    const std::lock_guard lock(mutex_);
    const Path temporary = temporary_beside(file);
    put(temporary, text);
    move(temporary, file);
    sync_names(file.parent_path());
  }
  void replace_link(const Path& link, const Path& target) override {
    const std::lock_guard lock(mutex_);
    const Path temporary = temporary_beside(link);
    step(link, "link");
    const int id = made({.kind = Found::Kind::link, .target = target});
    change(link, {{temporary.filename(), id}});
    move(temporary, link);
    sync_names(link.parent_path());
  }
  std::unique_ptr<Appender> appender(const Path& file) override {
    return std::make_unique<End>(*this, file);
  }
  void make_folder(const Path& folder) override {
    const std::lock_guard lock(mutex_);
    Path place;
    for (const Path& name : folder) {
      place /= name;
      if (find(place, Links::follow) != 0) continue;
      step(place, "make this folder");
      change(place, {{name, made({.kind = Found::Kind::folder})}});
      sync_names(place.parent_path());
    }
  }
  void rename(const Path& from, const Path& to) override {
    const std::lock_guard lock(mutex_);
    move(from, to);
  }
  bool exchange(const Path& a, const Path& b) override {
    const std::lock_guard lock(mutex_);
    if (!exchanges) return false;
    step(b, "rename to it");
    change(a, {{a.filename(), find(b, Links::stop)}, {b.filename(), find(a, Links::stop)}});
    return true;
  }
  void remove(const Path& path) override {
    const std::lock_guard lock(mutex_);
    remove_all(path);
  }
  void remove_empty(const Path& folder) override {
    const std::lock_guard lock(mutex_);
    if (nodes_[find(folder, Links::stop)].names.empty()) remove_all(folder);
  }

 private:
  using Names = std::map<std::string, int>;  // what a folder holds; as a change, 0: taken away

  struct Node {
    Found::Kind kind = Found::Kind::nothing;
    std::string bytes, safe_bytes;  // of a file: as it is read, as a crash would leave it
    Path target;                    // of a link
    Names names, safe_names;        // of a folder
    std::vector<Names> pending;     // its changes since it was synced, in order
  };

  class End final : public Appender {
   public:
    End(SimulatedDisk& disk, Path file) : disk_(disk), file_(std::move(file)) {}
    int append(std::string_view text) override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.crashed_) return EIO;  // destructors try once more
      if (text.empty()) return 0;
      ++disk_.steps_;
      disk_.crashed_ = disk_.steps_ == disk_.crash_at_;  // the next step throws
      if (disk_.crashed_) return EIO;
      if (disk_.steps_ == disk_.fail_at_) return disk_.code_;
      if (disk_.used(kRoot) + text.size() > disk_.capacity) return ENOSPC;
      int id = disk_.find(file_, Links::follow);
      if (id == 0) {
        id = disk_.made({.kind = Found::Kind::file});
        disk_.change(file_, {{file_.filename(), id}});
      }
      disk_.nodes_[id].bytes += text;
      return 0;
    }

   private:
    SimulatedDisk& disk_;
    Path file_;
  };

  static constexpr int kRoot = 1;

  static void apply(Names& names, const Names& change) {
    for (const auto& [name, id] : change) {
      if (id == 0) {
        names.erase(name);
      } else {
        names[name] = id;
      }
    }
  }

  void step(const Path& path, const char* action) {
    crashed_ = crashed_ || ++steps_ == crash_at_;
    if (crashed_) throw Crash{};
    if (steps_ == fail_at_) throw_write_error(path, action, code_);
  }
  int made(Node node) {
    nodes_.push_back(std::move(node));
    return static_cast<int>(nodes_.size()) - 1;
  }
  /// Of the folder that `path` lies in.
  void change(const Path& path, const Names& names) {
    const int folder = find(path.parent_path(), Links::follow);
    if (folder == 0) throw_write_error(path, "create", ENOENT);
    apply(nodes_[folder].names, names);
    nodes_[folder].pending.push_back(names);
  }

  /// Without links, as far as `links` says.
  Path settled(const Path& path, Links links, int depth = 0) const {
    Path out = "/";
    const Path rest = path.lexically_normal().relative_path();
    for (auto name = rest.begin(); name != rest.end(); ++name) {
      if (name->empty()) continue;
      const bool last = std::next(name) == rest.end() || std::next(name)->empty();
      const Node& node = nodes_[walk(out / *name)];
      if (node.kind == Found::Kind::link && (!last || links == Links::follow) && depth < 40) {
        out = settled(out / node.target, Links::follow, depth + 1);
      } else {
        out /= *name;
      }
    }
    return out;
  }
  int walk(const Path& path) const {
    int id = kRoot;
    for (const Path& name : path.relative_path()) {
      const auto below = nodes_[id].names.find(name);
      if (below == nodes_[id].names.end()) return 0;
      id = below->second;
    }
    return id;
  }
  int find(const Path& path, Links links) const { return walk(settled(path, links)); }
  std::uint64_t used(int id) const {
    std::uint64_t out = nodes_[id].bytes.size();
    for (const auto& [name, below] : nodes_[id].names) out += used(below);
    return out;
  }

  void put(const Path& file, std::string_view text) {
    step(file, "create");
    int id = find(file, Links::follow);
    if (id == 0) change(file, {{file.filename(), id = made({.kind = Found::Kind::file})}});
    nodes_[id].bytes.clear();
    try {
      if (used(kRoot) + text.size() > capacity)
        throw_write_error(file, "write", ENOSPC, text.size());
      nodes_[id].bytes = text;
      step(file, "write");
      step(file, "write");
    } catch (const Error&) {
      change(file, {{file.filename(), 0}});
      throw;
    }
    if (!forgets || !forgets(file)) nodes_[id].safe_bytes = nodes_[id].bytes;
  }
  void sync_names(const Path& folder) {
    step(folder, "fsync");
    Node& node = nodes_[find(folder, Links::follow)];
    if (node.kind != Found::Kind::folder) throw_write_error(folder, "open", ENOENT);
    if (forgets && forgets(folder)) return;
    node.safe_names = node.names;
    node.pending.clear();
  }
  void move(const Path& from, const Path& to) {
    step(to, "rename to it");
    const int id = find(from, Links::stop), there = find(to, Links::stop);
    if (id == 0) throw_write_error(to, "rename to it", ENOENT);
    if (there != 0 && !nodes_[there].names.empty())
      throw_write_error(to, "rename to it", ENOTEMPTY);
    if (from.parent_path() == to.parent_path()) {
      change(to, {{from.filename(), 0}, {to.filename(), id}});
    } else {
      change(to, {{to.filename(), id}});
      change(from, {{from.filename(), 0}});
    }
  }
  void remove_all(const Path& path) {
    const int id = find(path, Links::stop);
    if (id == 0) return;
    const Names below = nodes_[id].names;
    for (const auto& [name, each] : below) remove_all(path / name);
    step(path, "remove");
    change(path, {{path.filename(), 0}});
  }

  std::mutex mutex_;                                               // guards all below
  std::vector<Node> nodes_ = {{}, {.kind = Found::Kind::folder}};  // none, the root
  std::int64_t steps_ = 0, crash_at_ = 0, fail_at_ = 0;
  int code_ = 0;
  bool crashed_ = false;
};

}  // namespace metaloom
