// A disk in memory that behaves as badly as a real one may, and otherwise as the system's
// (tests/core/disk_laws_test.cpp). What is written is on the disk for good only once it was synced:
// tests/core/simulated_tree.h says what a crash leaves. Steps are counted: before any of them the
// machine can be made to stop, or the step to fail. Paths are absolute.
#pragma once

#include <algorithm>
#include <cerrno>
#include <functional>
#include <mutex>
#include <random>

#include "core/error.h"
#include "core/files/disk.h"
#include "core/files/errors.h"
#include "core/files/files.h"
#include "tests/core/simulated_tree.h"

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
    tree_.crash(std::mt19937_64(seed));
    crashed_ = false;
    crash_at_ = fail_at_ = steps_ = 0;
  }

  Found look(const Path& path, Links links = Links::follow) override {
    const std::lock_guard lock(mutex_);
    const Node& node = tree_[tree_.find(path, links)];
    return {node.kind, node.bytes.size(), node.target};
  }
  void check_reach(const Path&) override {}
  std::vector<Path> list(const Path& folder) override {
    const std::lock_guard lock(mutex_);
    std::vector<Path> out;
    for (const auto& [name, id] : tree_[tree_.find(folder, Links::follow)].names) {
      out.push_back(folder / name);
    }
    return out;
  }
  Path real(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return tree_.settled(path, Links::follow);
  }
  std::vector<std::byte> read(const Path& file) override {
    const std::lock_guard lock(mutex_);
    const Node& node = tree_[tree_.find(file, Links::follow)];
    if (node.kind == Kind::nothing) throw_read_error(file, "open", ENOENT);
    if (node.kind != Kind::file) throw_read_error(file, "read", EISDIR);
    const auto bytes = std::as_bytes(std::span(node.bytes));
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
    const Path place = tree_.settled(file, Links::follow);  // links stay
    const Path temporary = temporary_beside(place);
    put(temporary, text);
    take_place(temporary, place);
  }
  void replace_link(const Path& link, const Path& target) override {
    const std::lock_guard lock(mutex_);
    step(link, "link");
    const Path place = tree_.settled(link, Links::stop);
    const Path temporary = temporary_beside(place);
    if (const int code = tree_.refusal(temporary); code != 0) throw_write_error(link, "link", code);
    const int id = tree_.made({.kind = Kind::link, .target = target});
    tree_.change(temporary, {{temporary.filename(), id}});
    take_place(temporary, place);
  }
  std::unique_ptr<Appender> appender(const Path& file) override {
    return std::make_unique<End>(*this, file);
  }
  void make_folder(const Path& folder) override {
    const std::lock_guard lock(mutex_);
    std::vector<Path> places{folder};  // up to the first that is there
    while (tree_.find(places.back(), Links::follow) == 0) {
      places.push_back(places.back().parent_path());
    }
    for (auto place = places.rbegin(); place != places.rend(); ++place) make_one_folder(*place);
  }
  void rename(const Path& from, const Path& to) override {
    const std::lock_guard lock(mutex_);
    move(from, to);
  }
  bool exchange(const Path& a, const Path& b) override {
    const std::lock_guard lock(mutex_);
    if (!exchanges) return false;
    step(b, "rename to it");
    const Path one = tree_.settled(a, Links::stop), other = tree_.settled(b, Links::stop);
    const int at_one = tree_.at(one), at_other = tree_.at(other);
    if (at_one == 0 || at_other == 0) throw_write_error(b, "rename to it", ENOENT);
    tree_.change(one, at_other, other, at_one);
    return true;
  }
  void remove(const Path& path) override {
    const std::lock_guard lock(mutex_);
    remove_all(tree_.settled(path, Links::stop));
  }
  void remove_empty(const Path& folder) override {
    const std::lock_guard lock(mutex_);
    const Path place = tree_.settled(folder, Links::stop);
    const Node& node = tree_[tree_.at(place)];
    if (node.kind == Kind::file || !node.names.empty()) return;
    try {
      remove_all(place);
    } catch (const Error&) {  // it stays
    }
  }

 private:
  using Kind = Found::Kind;
  using Node = SimulatedTree::Node;

  class End final : public Appender {
   public:
    End(SimulatedDisk& disk, Path file) : disk_(disk), file_(std::move(file)) {}
    int append(std::string_view text) override {
      const std::lock_guard lock(disk_.mutex_);
      // Nothing makes no step: who only tries whether the file opens would be told of a refusal.
      const int code =
          text.empty() && !disk_.crashed_ ? begin(0, 0) : begin(disk_.counted(), text.size());
      if (code == 0) disk_.tree_[id_].bytes += text;
      return code;
    }
    int sync() override {
      const std::lock_guard lock(disk_.mutex_);
      const int code = begin(disk_.counted(), 0);
      if (code == 0) disk_.make_safe(file_, disk_.tree_[id_]);
      return code;
    }

   private:
    /// Opens the file, which stays open until something fails, if the step itself has not: errno.
    /// Does not throw where the machine stops, for destructors come here: the next step does.
    int begin(int code, std::size_t bytes) {
      if (code == 0 && id_ == 0) {
        id_ = disk_.tree_.opened(file_);
        code = std::max(0, -id_);
      }
      if (code == 0 && bytes > 0 && disk_.tree_.used() + bytes > disk_.capacity) code = ENOSPC;
      if (code != 0) id_ = 0;
      return code;
    }

    SimulatedDisk& disk_;
    Path file_;
    int id_ = 0;
  };

  /// Counts a step: 0, or errno of its failure. Where the machine has stopped, nothing is counted.
  int counted() {
    crashed_ = crashed_ || ++steps_ == crash_at_;
    if (crashed_) return EIO;
    return steps_ == fail_at_ ? code_ : 0;
  }
  void step(const Path& path, const char* action) {
    const int code = counted();
    if (crashed_) throw Crash{};
    if (code != 0) throw_write_error(path, action, code);
  }
  void make_safe(const Path& file, Node& node) {
    if (!forgets || !forgets(file)) node.safe_bytes = node.bytes;
  }

  void put(const Path& file, std::string_view text) {
    step(file, "create");
    const int id = tree_.opened(file);
    if (id < 0) throw_write_error(file, "create", -id);
    tree_[id].bytes.clear();
    try {
      if (tree_.used() + text.size() > capacity) {
        throw_write_error(file, "write", ENOSPC, text.size());
      }
      tree_[id].bytes = text;
      step(file, "write");
      step(file, "write");
    } catch (const Error&) {
      const Path place = tree_.settled(file, Links::stop);  // of a link, the link goes
      tree_.change(place, {{place.filename(), 0}});
      throw;
    }
    make_safe(file, tree_[id]);
  }
  void sync_names(const Path& folder) {
    step(folder, "fsync");
    Node& node = tree_[tree_.find(folder, Links::follow)];
    if (node.kind == Kind::nothing) throw_write_error(folder, "open", ENOENT);
    if (node.kind != Kind::folder) throw_write_error(folder, "open", ENOTDIR);
    if (forgets && forgets(folder)) return;
    node.safe_names = node.names;
    node.pending.clear();
  }
  void make_one_folder(const Path& folder) {
    const Path place = tree_.settled(folder, Links::stop);
    if (const int id = tree_.find(place, Links::follow); id != 0) {
      if (tree_[id].kind != Kind::folder) throw_write_error(folder, "make this folder", ENOTDIR);
    } else {
      step(folder, "make this folder");
      if (tree_.at(place) != 0) throw_write_error(folder, "make this folder", EEXIST);
      tree_.change(place, {{place.filename(), tree_.made({.kind = Kind::folder})}});
    }
    sync_names(folder.parent_path());
  }
  void take_place(const Path& temporary, const Path& place) {
    try {
      move(temporary, place);
    } catch (const Error&) {
      tree_.change(temporary, {{temporary.filename(), 0}});
      throw;
    }
    sync_names(place.parent_path());
  }
  void move(const Path& from, const Path& to) {
    step(to, "rename to it");
    const Path old = tree_.settled(from, Links::stop), place = tree_.settled(to, Links::stop);
    const int code = refusal_of_move(old, place);
    if (code != 0) throw_write_error(to, "rename to it", code);
    if (old != place) tree_.change(place, tree_.at(old), old, 0);
  }
  int refusal_of_move(const Path& from, const Path& to) {
    const int id = tree_.at(from), there = tree_.at(to);
    if (id == 0) return ENOENT;
    if (const int code = tree_.refusal(to); code != 0) return code;
    const bool below = to.string().starts_with(from.string() + '/');
    if (below) return EINVAL;
    if (there == 0 || there == id) return 0;
    const bool folder = tree_[id].kind == Kind::folder;
    if (tree_[there].kind != Kind::folder) return folder ? ENOTDIR : 0;
    if (!folder) return EISDIR;
    return tree_[there].names.empty() ? 0 : ENOTEMPTY;
  }
  void remove_all(const Path& place) {
    const int id = tree_.at(place);
    if (id == 0) return;
    const SimulatedTree::Names below = tree_[id].names;
    for (const auto& [name, each] : below) remove_all(place / name);
    step(place, "remove");
    tree_.change(place, {{place.filename(), 0}});
  }

  std::mutex mutex_;  // guards all below
  SimulatedTree tree_;
  std::int64_t steps_ = 0, crash_at_ = 0, fail_at_ = 0;
  int code_ = 0;
  bool crashed_ = false;
};

}  // namespace metaloom
