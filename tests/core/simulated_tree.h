// What lies on a disk in memory (tests/core/simulated_disk.h): folders, files and links as they are
// read, and beside that what a crash of the machine would leave of them. Paths are absolute.
#pragma once

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/files/disk.h"

namespace metaloom {

class SimulatedTree {
 public:
  using Path = std::filesystem::path;
  using Names = std::map<std::string, int>;  // what a folder holds; as a change, 0: taken away

  struct Node {
    Found::Kind kind = Found::Kind::nothing;
    std::string bytes, safe_bytes;  // of a file: as it is read, as a crash would leave it
    Path target;                    // of a link
    Names names, safe_names;        // of a folder
    std::vector<Names> pending;     // its changes since it was synced, in order
  };

  Node& operator[](int id) { return nodes_[id]; }
  int made(Node node) {
    nodes_.push_back(std::move(node));
    return static_cast<int>(nodes_.size()) - 1;
  }
  /// The node at a path, 0 where there is none; a link that leads nowhere is none when followed.
  int find(const Path& path, Links links) const {
    const int id = at(settled(path, links));
    const bool dangles = links == Links::follow && nodes_[id].kind == Found::Kind::link;
    return dangles ? 0 : id;
  }
  /// The node at a path without links, 0 where there is none.
  int at(const Path& path) const {
    int id = kRoot;
    for (const Path& name : path.relative_path()) {
      const auto below = nodes_[id].names.find(name);
      if (below == nodes_[id].names.end()) return 0;
      id = below->second;
    }
    return id;
  }
  /// Without links, as far as `links` says. A chain of more than 40 links leads nowhere.
  Path settled(const Path& path, Links links, int depth = 0) const {
    Path out = "/";
    const Path rest = path.relative_path();
    for (auto name = rest.begin(); name != rest.end(); ++name) {
      if (name->empty() || *name == ".") continue;
      if (*name == "..") {  // of what the names before it lead to
        out = out.parent_path();
        continue;
      }
      const bool last = std::next(name) == rest.end() || std::next(name)->empty();
      const Node& node = nodes_[at(out / *name)];
      if (node.kind == Found::Kind::link && (!last || links == Links::follow) && depth < 40) {
        out = settled(out / node.target, Links::follow, depth + 1);
      } else {
        out /= *name;
      }
    }
    return out;
  }

  /// What keeps a name from being made at a settled path: errno, 0 if nothing does.
  int refusal(const Path& place) const {
    const int folder = at(place.parent_path());
    if (folder == 0) return ENOENT;
    return nodes_[folder].kind == Found::Kind::folder ? 0 : ENOTDIR;
  }
  /// The folder around a settled path, which is there, gets or loses names.
  void change(const Path& place, const Names& names) {
    Node& folder = nodes_[at(place.parent_path())];
    apply(folder.names, names);
    folder.pending.push_back(names);
  }
  /// Two names change, in one step where they are of one folder.
  void change(const Path& one, int at_one, const Path& other, int at_other) {
    if (one.parent_path() == other.parent_path()) {
      change(one, {{one.filename(), at_one}, {other.filename(), at_other}});
    } else {
      change(one, {{one.filename(), at_one}});
      change(other, {{other.filename(), at_other}});
    }
  }
  /// The file at `path` as open(O_CREAT) finds or makes it, through links that may lead to nothing
  /// yet; negative errno where it cannot.
  int opened(const Path& path) {
    const Path place = settled(path, Links::follow);
    if (const int id = at(place); id != 0) {
      if (nodes_[id].kind == Found::Kind::file) return id;
      return nodes_[id].kind == Found::Kind::folder ? -EISDIR : -ELOOP;
    }
    if (const int code = refusal(place); code != 0) return -code;
    const int id = made({.kind = Found::Kind::file});
    change(place, {{place.filename(), id}});
    return id;
  }
  /// Bytes of all files.
  std::uint64_t used(int id = kRoot) const {
    std::uint64_t out = nodes_[id].bytes.size();
    for (const auto& [name, below] : nodes_[id].names) out += used(below);
    return out;
  }

  /// The machine has stopped: of each folder's changes since it was synced the first few are left,
  /// of each file's new content all, a part or nothing; of what was only appended to, all that was
  /// synced is.
  void crash(std::mt19937_64 random) {
    for (Node& node : nodes_) {
      const std::size_t kept = node.pending.empty() ? 0 : random() % (node.pending.size() + 1);
      for (std::size_t i = 0; i < kept; ++i) apply(node.safe_names, node.pending[i]);
      node.names = node.safe_names;
      node.pending.clear();
      if (node.bytes == node.safe_bytes) continue;
      const auto fate = random() % 3;
      const bool longer = node.bytes.starts_with(node.safe_bytes);
      const std::size_t least = longer ? node.safe_bytes.size() : 0;
      if (fate == 0) node.bytes = node.safe_bytes;
      if (fate == 1) node.bytes.resize(least + random() % (node.bytes.size() - least + 1));
      node.safe_bytes = node.bytes;
    }
  }

 private:
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

  std::vector<Node> nodes_ = {{}, {.kind = Found::Kind::folder}};  // none, the root
};

}  // namespace metaloom
