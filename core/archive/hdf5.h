// What the archive's files share of HDF5: the lock, handles that close themselves, and its error
// codes turned into Error. Included by this room only. Ours, because HighFive is no package of
// Debian 12 and HDF5's own C++ library has no name for most of what makes this safe (images in
// memory, compact links, the order of a listing, the innermost message of an error stack).
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <utility>

namespace metaloom {

/// Held around every use of HDF5 (one thread of a process at a time). The first one sets the
/// library up: no handler at exit (it crashes after a full disk), no file locks (NFS, Lustre).
class Hdf5Lock {
 public:
  Hdf5Lock();

 private:
  std::unique_lock<std::mutex> lock_;
};

/// The name of an image: HDF5 wants one, tries to open it, and must find nothing there.
inline constexpr const char* kImageName = "/dev/null/image";

/// Where an image that is being made comes from, for messages.
inline constexpr const char* kNewImage = "new archive";

/// Throws Error{data} with HDF5's innermost message about `origin`; Error{temporary} about a new
/// image, which lies in memory and has nothing else to fail for than the lack of it.
[[noreturn]] void fail_hdf5(const std::string& action, const std::string& origin);

/// Passes `code` on unless it is negative: then HDF5 failed.
template <class Code>
Code check_hdf5(Code code, const std::string& action, const std::string& origin) {
  if (code < 0) fail_hdf5(action, origin);
  return code;
}

/// Throws Error{data} unless the bytes begin as HDF5 of version 1.10 does: older metadata has no
/// checksums, and damage in it can crash HDF5.
void check_signature(std::span<const std::byte> head, const std::string& origin);

/// An HDF5 identifier, closed at the end of its scope.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle(hid_t id, Close close, const std::string& action, const std::string& origin)
      : id_(check_hdf5(id, action, origin)), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&&) = delete;
  operator hid_t() const { return id_; }
  /// The identifier, which the caller now closes.
  hid_t release() { return std::exchange(id_, -1); }

 private:
  hid_t id_;
  Close close_;
};

/// Calls `visit(path, dataset)` for every dataset of an open file. Throws Error{data} on
/// anything that the format does not have: soft and external links, an object with two names,
/// external or virtual storage, filters other than the checksum.
void each_dataset(hid_t file, const std::string& origin,
                  const std::function<void(const std::string&, hid_t)>& visit);

/// Numbers in a dataset; its whole size is at most `limit` bytes, else Error{data}.
hsize_t bounded_size(hid_t dataset, std::size_t limit, const std::string& path,
                     const std::string& origin);

bool is_text(hid_t dataset, const std::string& path, const std::string& origin);
/// The bytes of a text of at most `limit` bytes.
std::string read_text_item(hid_t dataset, std::size_t limit, const std::string& path,
                           const std::string& origin);

}  // namespace metaloom
