// Checkpoints of a run: folders step_00000120/ with one HDF5 image per section and a manifest
// of sizes and digests; `latest` is a symbolic link moved only after everything is durable
// (docs/formats.md). Independent of the number of ranks:
// rank 0 writes. Images are built by the caller's thread and written by a background thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoints/manifest.h"
#include "checkpoints/shared_files.h"
#include "core/archive/archive.h"
#include "core/background.h"
#include "core/clock.h"
#include "core/config/fields.h"
#include "core/files/disk.h"

namespace metaloom {

struct CheckpointOptions {
  std::int64_t every = 50;  // updates between saves; 0: only at the end
  std::int64_t keep = 2;    // newest ones kept (the one that `latest` names besides)
  void fields(Fields& f);
};

/// A verified checkpoint. Sections are parsed when asked for, after their digest matched.
class Checkpoint {
 public:
  /// Verifies manifest, sizes and digests of all sections before HDF5 sees a byte.
  /// Throws Error{data} that says what does not match. `disk` outlives it.
  static Checkpoint open(Disk& disk, const std::filesystem::path& folder);

  std::int64_t step() const { return manifest_.step; }
  const std::filesystem::path& folder() const { return folder_; }
  /// What the run that wrote it was configured as, and which start of the program it was.
  const std::string& config_digest() const { return manifest_.config_digest; }
  const std::string& attempt() const { return manifest_.attempt; }
  std::vector<std::string> sections() const;
  bool contains(const std::string& section) const { return manifest_.sections.contains(section); }
  /// Reads, verifies again and parses one section. Throws Error{data}, naming the nearest where
  /// there is no such section.
  Archive read(const std::string& section) const;
  const std::string& manifest() const { return text_; }  // JSON text
  /// Of the bytes of one section; empty where there is no such section.
  std::string section_digest(const std::string& section) const;

 private:
  Checkpoint(Disk& disk, std::filesystem::path folder) : disk_(&disk), folder_(std::move(folder)) {}
  /// The bytes of a section, which are what the manifest says.
  std::vector<std::byte> verified_bytes(const std::string& name, const SectionFile& section) const;

  Disk* disk_;  // a pointer, so that checkpoints can be assigned
  std::filesystem::path folder_;
  std::string text_;
  Manifest manifest_;
};

/// The checkpoints of one run. Used by one thread of one process (rank 0).
class CheckpointFolder {
 public:
  /// On `disk`, written in a thread of `clock`'s; both outlive it.
  CheckpointFolder(Disk& disk, Clock& clock, std::filesystem::path folder,
                   const CheckpointOptions& options, std::string config_digest);
  ~CheckpointFolder();  // waits for the write under way; a failure there is logged

  /// From here on no earlier start of the program saves here any more: it finds out at its next
  /// save, which throws Error{usage}.
  void claim();
  /// Builds images now, writes them in the background; waits for the previous save first and
  /// throws its error. `shared` sections (a frozen model) are written once, by content digest,
  /// to shared/<digest>.h5 and referred to; under its name it may not change while this object
  /// lives. Throws Error{temporary} on a full or failing disk: earlier checkpoints are intact.
  void save(std::int64_t step, const std::map<std::string, Archive>& sections,
            const std::map<std::string, Archive>& shared);
  /// Waits until the last save is durable; throws its error.
  void finish();
  /// The newest checkpoint that verifies. Damaged ones are moved to quarantine/ with a warning
  /// that says why; an unfinished one is removed; `latest` is pointed at what is returned.
  /// `shared` is what the run will save as such: where a shared file no longer holds it, it is
  /// written anew first, or its damage would condemn every step; where the checkpoint has another
  /// content for it, throws Error{usage}, unless they `may_differ`. What cannot be reached, or is
  /// of a newer format, is not damaged: throws Error{temporary} or Error{usage}, sets nothing
  /// aside.
  std::optional<Checkpoint> newest(const std::map<std::string, Archive>& shared = {},
                                   bool may_differ = false);
  /// Removes every checkpoint and what belongs to them, nothing else: the folder may be a link, and
  /// what it points at may hold other things. For a run that starts over.
  void clear();

 private:
  using Image = SharedFiles::Image;
  static constexpr const char* kReplaced = ".replaced-";  // until its successor has its name
  static constexpr const char* kLatest = "latest";
  static constexpr const char* kAttempt = "attempt";  // which start of the program may save

  static std::string original_name(const std::filesystem::path& path);
  void write(std::int64_t step, const std::string& manifest,
             const std::map<std::filesystem::path, Image>& files);
  void commit(const std::filesystem::path& temporary, const std::filesystem::path& step);
  std::int64_t latest_step() const;
  void clear_leftovers();
  template <class IsOurs>
  void clear_below(const std::filesystem::path& folder, const IsOurs& is_ours);
  void settle_copied_latest();
  void check_claim() const;
  void quarantine(const std::filesystem::path& step, const std::string& why);
  void rotate();

  Disk& disk_;
  Clock& clock_;
  std::filesystem::path folder_;
  CheckpointOptions options_;
  std::string config_digest_;
  std::string attempt_;
  bool claimed_ = false;
  SharedFiles shared_;
  Background writing_;  // last: it uses all of the above
};

/// `path` is a checkpoint folder, its `latest` link, a run folder, or the folder of a run of
/// several stages (the last one that has a checkpoint): the checkpoint meant by `init`, `adapt`,
/// `predict`, `inspect`. Throws Error{data} that says what is there instead.
std::filesystem::path resolve_checkpoint(Disk& disk, const std::filesystem::path& path);

/// Whether this folder of checkpoints (RUN/checkpoints) holds one, whole or not.
bool holds_checkpoint(Disk& disk, const std::filesystem::path& folder);

}  // namespace metaloom
