#include "core/archive/hdf5.h"

#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

#include "core/error.h"

namespace metaloom {

namespace {

constexpr int kDeepest = 32;            // groups within groups
constexpr std::size_t kMost = 1 << 20;  // objects of one file

std::mutex& the_mutex() {
  static std::mutex mutex;
  return mutex;
}

// Descriptions over several lines hold times and addresses: not for a message.
herr_t keep_innermost(unsigned, const H5E_error2_t* error, void* message) {
  if (error->desc == nullptr || std::strchr(error->desc, '\n') != nullptr) return 0;
  *static_cast<std::string*>(message) = error->desc;
  return 0;
}

herr_t keep_name(hid_t, const char* name, const H5L_info_t* link, void* names) {
  auto& out = *static_cast<std::vector<std::pair<std::string, H5L_type_t>>*>(names);
  if (out.size() >= kMost) return -1;
  out.emplace_back(name, link->type);
  return 0;
}

[[noreturn]] void refuse(const std::string& path, const char* what, const std::string& origin) {
  throw Error(Fault::data, "\"" + path + "\" " + what, origin,
              "The file is damaged, or was not written by metaloom: make it again.");
}

void check_storage(hid_t dataset, const std::string& path, const std::string& origin) {
  const Handle plist(H5Dget_create_plist(dataset), H5Pclose, "read the storage of", origin);
  const auto layout = check_hdf5(H5Pget_layout(plist), "read the storage of", origin);
  if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) {
    refuse(path, "is stored in other files", origin);
  }
  if (check_hdf5(H5Pget_external_count(plist), "read the storage of", origin) != 0) {
    refuse(path, "is stored in other files", origin);
  }
  const int filters = check_hdf5(H5Pget_nfilters(plist), "read the filters of", origin);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    const auto filter = H5Pget_filter2(plist, static_cast<unsigned>(i), &flags, &values, nullptr, 0,
                                       nullptr, &config);
    if (filter != H5Z_FILTER_FLETCHER32) refuse(path, "is compressed or encoded", origin);
  }
}

class Walk {
 public:
  Walk(const std::string& origin, const std::function<void(const std::string&, hid_t)>& visit)
      : origin_(origin), visit_(visit) {}

  void group(hid_t id, const std::string& path, int depth) {
    if (depth > kDeepest) refuse(path, "is nested too deeply", origin_);
    std::vector<std::pair<std::string, H5L_type_t>> names;
    // Native order: any other makes HDF5 1.10 build a table, and free parts of it that it never
    // filled when the list of links is damaged.
    check_hdf5(H5Literate(id, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, keep_name, &names),
               "list the items of", origin_);
    for (const auto& [name, type] : names) {
      std::string below = path;
      if (!below.empty()) below += '/';
      below += name;
      if (type != H5L_TYPE_HARD) refuse(below, "is a link", origin_);
      object(id, name, below, depth);
    }
  }

 private:
  void object(hid_t parent, const std::string& name, const std::string& path, int depth) {
    const Handle id(H5Oopen(parent, name.c_str(), H5P_DEFAULT), H5Oclose, "open an item of",
                    origin_);
    H5O_info_t info;
    check_hdf5(H5Oget_info2(id, &info, H5O_INFO_BASIC), "look at an item of", origin_);
    if (!seen_.insert(info.addr).second || seen_.size() > kMost) {
      refuse(path, "has more than one name", origin_);
    }
    if (info.type == H5O_TYPE_GROUP) {
      group(id, path, depth + 1);
    } else if (info.type == H5O_TYPE_DATASET) {
      check_storage(id, path, origin_);
      visit_(path, id);
    } else {
      refuse(path, "is neither a group nor a dataset", origin_);
    }
  }

  const std::string& origin_;
  const std::function<void(const std::string&, hid_t)>& visit_;
  std::set<haddr_t> seen_;
};

}  // namespace

Hdf5Lock::Hdf5Lock() : lock_(the_mutex()) {
  static const bool ready = [] {
    ::setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1);
    return H5dont_atexit() >= 0 && H5open() >= 0;
  }();
  if (!ready) throw Error(Fault::internal, "HDF5 cannot be started");
  // Error stacks belong to threads: each one has to be told to be quiet.
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5Eclear2(H5E_DEFAULT);
}

void fail_hdf5(const std::string& action, const std::string& origin) {
  std::string message;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_innermost, &message);
  H5Eclear2(H5E_DEFAULT);
  if (origin == kNewImage) {
    throw Error(Fault::temporary, "cannot " + action + " an HDF5 image in memory: " + message,
                origin, "There is not enough memory: free some, or use fewer ranks on this node.");
  }
  throw Error(Fault::data, "cannot " + action + " this HDF5 file: " + message, origin,
              "The file is damaged or truncated: make it again, or take an older one.");
}

void check_signature(std::span<const std::byte> head, const std::string& origin) {
  constexpr unsigned char kSignature[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  constexpr std::size_t kVersionAt = sizeof kSignature;
  const bool is_hdf5 = head.size() > kVersionAt && std::memcmp(head.data(), kSignature, 8) == 0;
  if (!is_hdf5) throw Error(Fault::data, "not an HDF5 file", origin, "Make it again.");
  const int version = std::to_integer<int>(head[kVersionAt]);
  if (version != 2 && version != 3) {
    throw Error(Fault::data, "an HDF5 file of an older format, without checksums", origin,
                "Write it with libver=\"v110\".");
  }
}

void each_dataset(hid_t file, const std::string& origin,
                  const std::function<void(const std::string&, hid_t)>& visit) {
  const Handle root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose, "open the root of", origin);
  Walk(origin, visit).group(root, "", 0);
}

hsize_t bounded_size(hid_t dataset, std::size_t limit, const std::string& path,
                     const std::string& origin) {
  const Handle space(H5Dget_space(dataset), H5Sclose, "read the shape of", origin);
  const Handle type(H5Dget_type(dataset), H5Tclose, "read the type of", origin);
  const std::size_t each = H5Tget_size(type);
  const hssize_t count = check_hdf5(H5Sget_simple_extent_npoints(space), "read a shape of", origin);
  if (each == 0 || static_cast<hsize_t>(count) > limit / each) {
    refuse(path, "claims to be larger than the file", origin);
  }
  return static_cast<hsize_t>(count);
}

bool is_text(hid_t dataset, const std::string& path, const std::string& origin) {
  if (check_hdf5(H5Aexists(dataset, "text"), "look for a mark in", origin) == 0) return false;
  const Handle type(H5Dget_type(dataset), H5Tclose, "read the type of", origin);
  if (H5Tequal(type, H5T_STD_U8LE) <= 0) refuse(path, "is a text that is not bytes", origin);
  return true;
}

std::string read_text_item(hid_t dataset, std::size_t limit, const std::string& path,
                           const std::string& origin) {
  std::string out(bounded_size(dataset, limit, path, origin), '\0');
  if (out.empty()) return out;
  check_hdf5(H5Dread(dataset, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()),
             "read a text of", origin);
  return out;
}

}  // namespace metaloom
