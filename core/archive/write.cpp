#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "core/archive/archive.h"
#include "core/archive/hdf5.h"
#include "core/error.h"

namespace metaloom {

namespace {

// Chunks of 1 to 4 MiB reach the speed of the disk, and each carries a checksum.
constexpr std::uint64_t kChunkBytes = 4 << 20;

struct Stored {
  hid_t type;         // in the file and in memory: little-endian machines only
  const char* dtype;  // attribute, nullptr for none
};

Stored stored_as(const at::Tensor& value, const std::string& path) {
  switch (value.scalar_type()) {
    case at::kFloat:
      return {H5T_IEEE_F32LE, nullptr};
    case at::kDouble:
      return {H5T_IEEE_F64LE, nullptr};
    case at::kLong:
      return {H5T_STD_I64LE, nullptr};
    case at::kInt:
      return {H5T_STD_I32LE, nullptr};
    case at::kByte:
      return {H5T_STD_U8LE, nullptr};
    case at::kBFloat16:
      return {H5T_STD_U16LE, "bfloat16"};
    case at::kBool:
      return {H5T_STD_U8LE, "bool"};
    default:
      throw Error(Fault::internal,
                  "an archive cannot hold " + std::string(c10::toString(value.scalar_type())),
                  path);
  }
}

// Splits the leading dimensions evenly until a chunk is small enough.
std::vector<hsize_t> chunk_shape(std::vector<hsize_t> shape, std::uint64_t bytes_each) {
  std::uint64_t bytes = bytes_each;
  for (const hsize_t size : shape) bytes *= size;
  for (hsize_t& size : shape) {
    if (bytes <= kChunkBytes) break;
    const std::uint64_t parts = std::min<std::uint64_t>(size, (bytes - 1) / kChunkBytes + 1);
    bytes /= size;
    size = (size + parts - 1) / parts;
    bytes *= size;
  }
  return shape;
}

// The memory of HDF5's core driver, kept when it closes its file. H5Fget_file_image would give a
// copy, but of HDF5 1.10 with a wrong checksum in the superblock.
struct Memory {
  void* data = nullptr;
  std::size_t size = 0;
  bool closed = false;

  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    if (closed) std::free(data);
  }

  static void* resize(void* data, std::size_t size, H5FD_file_image_op_t, void* memory) {
    auto& mine = *static_cast<Memory*>(memory);
    void* moved = std::realloc(data, size);
    if (moved == nullptr) return nullptr;
    if (size > mine.size) std::memset(static_cast<char*>(moved) + mine.size, 0, size - mine.size);
    mine.data = moved;
    mine.size = size;
    return moved;
  }
  static void* allocate(std::size_t size, H5FD_file_image_op_t op, void* memory) {
    return resize(nullptr, size, op, memory);
  }
  static herr_t release(void*, H5FD_file_image_op_t, void* memory) {
    static_cast<Memory*>(memory)->closed = true;
    return 0;
  }
  static void* same(void* memory) { return memory; }
  static herr_t keep(void*) { return 0; }
};

class Writer {
 public:
  Writer(std::size_t expected_bytes, bool contiguous)
      : contiguous_(contiguous),
        dataset_list_(list(H5P_DATASET_CREATE)),
        file_(create(expected_bytes, contiguous, &memory_)) {
    H5Pset_obj_track_times(dataset_list_, false);
  }

  /// Makes an empty group; the one around it was made before.
  void make_group(const std::string& path, std::size_t children) {
    const Handle creation = list(H5P_GROUP_CREATE);
    keep_links_compact(creation, children);
    const Handle group(H5Gcreate2(file_, path.c_str(), H5P_DEFAULT, creation, H5P_DEFAULT),
                       H5Gclose, "create a group of", kNewImage);
  }

  void write(const std::string& path, const Stored& stored, const std::vector<hsize_t>& shape,
             const void* data) {
    const int rank = static_cast<int>(shape.size());
    const Handle space(
        rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, shape.data(), nullptr), H5Sclose,
        "shape an item of", kNewImage);
    const Handle plist(H5Pcopy(dataset_list_), H5Pclose, "prepare an item of", kNewImage);
    const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
    if (contiguous_) {
      check_hdf5(H5Pset_layout(plist, H5D_CONTIGUOUS), "lay out an item of", kNewImage);
    } else if (rank == 0 || empty) {
      // Cannot be chunked; lies in the object header, which has a checksum of its own.
      H5Pset_layout(plist, H5D_COMPACT);
    } else {
      const auto chunk = chunk_shape(shape, H5Tget_size(stored.type));
      check_hdf5(H5Pset_chunk(plist, rank, chunk.data()), "chunk an item of", kNewImage);
      check_hdf5(H5Pset_fletcher32(plist), "checksum an item of", kNewImage);
    }
    const Handle dataset(
        H5Dcreate2(file_, path.c_str(), stored.type, space, H5P_DEFAULT, plist, H5P_DEFAULT),
        H5Dclose, "create an item of", kNewImage);
    if (!empty) {
      check_hdf5(H5Dwrite(dataset, stored.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data),
                 "write an item of", kNewImage);
    }
    if (stored.dtype != nullptr) mark(dataset, "dtype", stored.dtype);
  }

  void write_text(const std::string& path, const std::string& text) {
    write(path, {H5T_STD_U8LE, nullptr}, {text.size()}, text.data());
    const Handle dataset(H5Dopen2(file_, path.c_str(), H5P_DEFAULT), H5Dclose, "open an item of",
                         kNewImage);
    const Handle space(H5Screate(H5S_SCALAR), H5Sclose, "mark an item of", kNewImage);
    const std::int64_t one = 1;
    attribute(dataset, "text", H5T_STD_I64LE, space, &one);
  }

  /// Closes the file and gives its bytes.
  std::vector<std::byte> image() && {
    check_hdf5(H5Fclose(file_.release()), "finish", kNewImage);
    // The memory is longer; the superblock (version 3) says where the file ends.
    constexpr std::size_t kEndAt = 28;
    std::uint64_t end = 0;
    if (memory_.size >= kEndAt + sizeof end) {
      std::memcpy(&end, static_cast<const char*>(memory_.data) + kEndAt, sizeof end);
    }
    if (!memory_.closed || end == 0 || end > memory_.size) fail_hdf5("finish", kNewImage);
    const auto* bytes = static_cast<const std::byte*>(memory_.data);
    try {
      return {bytes, bytes + end};
    } catch (const std::bad_alloc&) {
      fail_hdf5("copy", kNewImage);
    }
  }

 private:
  static Handle list(hid_t kind) { return Handle(H5Pcreate(kind), H5Pclose, "prepare", kNewImage); }

  // All links of a group lie in its object header, under its checksum. In the other kind of group
  // a damaged list of links makes HDF5 1.10 crash while it reports the damage.
  static void keep_links_compact(hid_t creation, std::size_t children) {
    constexpr unsigned kMost = 65535, kUsualName = 48;
    const auto expected = static_cast<unsigned>(std::clamp<std::size_t>(children, 1, kMost));
    check_hdf5(H5Pset_link_phase_change(creation, kMost, 0), "prepare a group of", kNewImage);
    check_hdf5(H5Pset_est_link_info(creation, expected, kUsualName), "prepare a group of",
               kNewImage);
    check_hdf5(H5Pset_obj_track_times(creation, false), "prepare a group of", kNewImage);
  }

  static Handle create(std::size_t expected_bytes, bool contiguous, Memory* memory) {
    const Handle access = list(H5P_FILE_ACCESS), creation = list(H5P_FILE_CREATE);
    H5FD_file_image_callbacks_t callbacks = {
        Memory::allocate, nullptr,      Memory::resize, Memory::release,
        Memory::same,     Memory::keep, memory};
    check_hdf5(H5Pset_fapl_core(access, expected_bytes + (1 << 16), false), "prepare", kNewImage);
    check_hdf5(H5Pset_file_image_callbacks(access, &callbacks), "prepare", kNewImage);
    check_hdf5(H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110), "prepare",
               kNewImage);
    if (contiguous) check_hdf5(H5Pset_alignment(access, 1, 64), "prepare", kNewImage);
    keep_links_compact(creation, 8);
    return Handle(H5Fcreate(kImageName, H5F_ACC_TRUNC, creation, access), H5Fclose, "create",
                  kNewImage);
  }

  static void attribute(hid_t dataset, const char* name, hid_t type, hid_t space,
                        const void* value) {
    const Handle id(H5Acreate2(dataset, name, type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                    "mark an item of", kNewImage);
    check_hdf5(H5Awrite(id, type, value), "mark an item of", kNewImage);
  }

  static void mark(hid_t dataset, const char* name, const std::string& value) {
    const Handle space(H5Screate(H5S_SCALAR), H5Sclose, "mark an item of", kNewImage);
    const Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "mark an item of", kNewImage);
    H5Tset_size(type, value.size());
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    attribute(dataset, name, type, space, value.data());
  }

  bool contiguous_;
  Memory memory_;  // outlives the file
  Handle dataset_list_, file_;
};

}  // namespace

std::vector<std::byte> Archive::image() const {
  return image_with(false);
}

std::vector<std::byte> Archive::contiguous_image() const {
  return image_with(true);
}

std::vector<std::byte> Archive::image_with(bool contiguous) const {
  std::size_t expected = 0;
  for (const auto& [path, value] : tensors_) expected += value.nbytes();
  for (const auto& [path, text] : texts_) expected += text.size();

  const Hdf5Lock lock;
  Writer writer(expected, contiguous);
  const auto make_groups = [&](const auto& self, const std::string& prefix) -> void {
    for (const auto& name : children(prefix)) {
      std::string path = prefix;
      if (!path.empty()) path += '/';
      path += name;
      if (contains(path)) continue;
      writer.make_group(path, children(path).size());
      self(self, path);
    }
  };
  make_groups(make_groups, "");
  for (const auto& [path, value] : tensors_) {
    const Stored stored = stored_as(value, path);
    const at::Tensor here = value.cpu().contiguous();
    writer.write(path, stored, {here.sizes().begin(), here.sizes().end()}, here.const_data_ptr());
  }
  for (const auto& [path, text] : texts_) writer.write_text(path, text);
  return std::move(writer).image();
}

}  // namespace metaloom
