// What this program was built from: the git commit and the versions of the libraries it was
// compiled against. Written by the build (cmake/GitState.cmake) into one small source file; all
// views point into static storage.
#pragma once

#include <span>
#include <string_view>

namespace metaloom {

struct BuildVersion {
  std::string_view part;     // "torch", "nccl", "compiler", ...
  std::string_view version;  // as the part itself writes it
};

// The project's version, "0.1.0".
std::string_view build_project_version();

// Full commit hash of the source tree, "unknown" where the tree was not a git checkout.
std::string_view build_git_commit();

// Whether the source tree held changes beyond that commit.
bool build_git_dirty();

// Library, compiler and build settings, in a fixed order.
std::span<const BuildVersion> build_versions();

}  // namespace metaloom
