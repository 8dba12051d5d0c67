#include <ATen/ATen.h>

#include "core/archive/archive.h"
#include "core/archive/hdf5.h"
#include "core/error.h"

namespace metaloom {

namespace {

// The text attribute `dtype`. Its length must be fixed: a variable one lies in a heap without
// checksums, where damage makes HDF5 1.10 crash or turn for ever.
std::string dtype_mark(hid_t dataset, const std::string& path, const std::string& origin) {
  if (check_hdf5(H5Aexists(dataset, "dtype"), "look for a mark in", origin) == 0) return "";
  const Handle id(H5Aopen(dataset, "dtype", H5P_DEFAULT), H5Aclose, "open a mark of", origin);
  const Handle type(H5Aget_type(id), H5Tclose, "read a mark of", origin);
  const Handle space(H5Aget_space(id), H5Sclose, "read a mark of", origin);
  const std::size_t size = H5Tget_size(type);
  const bool usable = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
                      size > 0 && size <= 64 && H5Sget_simple_extent_npoints(space) == 1;
  if (!usable) {
    throw Error(Fault::data, "the mark \"dtype\" of \"" + path + "\" is no text of fixed length",
                origin, "Write it as numpy.bytes_.");
  }
  std::string out(size, '\0');
  check_hdf5(H5Aread(id, type, out.data()), "read a mark of", origin);
  return out.substr(0, out.find('\0'));
}

// The number type of a dataset, by its type in the file and its mark.
at::ScalarType number_type(hid_t type, const std::string& mark, const std::string& path,
                           const std::string& origin) {
  const auto is = [&](hid_t known) { return H5Tequal(type, known) > 0; };
  if (mark.empty()) {
    if (is(H5T_IEEE_F32LE)) return at::kFloat;
    if (is(H5T_IEEE_F64LE)) return at::kDouble;
    if (is(H5T_STD_I64LE)) return at::kLong;
    if (is(H5T_STD_I32LE)) return at::kInt;
    if (is(H5T_STD_U8LE)) return at::kByte;
  }
  if (mark == "bfloat16" && is(H5T_STD_U16LE)) return at::kBFloat16;
  if (mark == "bool" && is(H5T_STD_U8LE)) return at::kBool;
  throw Error(Fault::data, "\"" + path + "\" has a number type that archives do not use", origin,
              "Write fp32, fp64, int64, int32, uint8, or bfloat16 and bool with their marks.");
}

std::vector<std::int64_t> shape_of(hid_t dataset, const std::string& path,
                                   const std::string& origin) {
  const Handle space(H5Dget_space(dataset), H5Sclose, "read the shape of", origin);
  if (H5Sget_simple_extent_type(space) == H5S_NULL) {
    throw Error(Fault::data, "\"" + path + "\" has no shape", origin, "Write the file again.");
  }
  const int rank = check_hdf5(H5Sget_simple_extent_ndims(space), "read the shape of", origin);
  std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
  check_hdf5(H5Sget_simple_extent_dims(space, sizes.data(), nullptr), "read the shape of", origin);
  return {sizes.begin(), sizes.end()};
}

at::Tensor read_tensor(hid_t dataset, std::size_t limit, const std::string& path,
                       const std::string& origin) {
  const Handle type(H5Dget_type(dataset), H5Tclose, "read the type of", origin);
  const at::ScalarType dtype = number_type(type, dtype_mark(dataset, path, origin), path, origin);
  const hsize_t count = bounded_size(dataset, limit, path, origin);
  const bool is_bool = dtype == at::kBool;
  // An empty shape may still have an absurd size in it.
  const auto shape = shape_of(dataset, path, origin);
  for (const std::int64_t size : shape) {
    if (size < 0 || (count > 0 && static_cast<hsize_t>(size) > count)) {
      throw Error(Fault::data, "\"" + path + "\" has an impossible shape", origin,
                  "The file is damaged: make it again.");
    }
  }
  at::Tensor out = at::empty(shape, is_bool ? at::kByte : dtype);
  if (count > 0) {
    check_hdf5(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.mutable_data_ptr()),
               "read \"" + path + "\" of", origin);
  }
  return is_bool ? out.ne(0) : out;
}

}  // namespace

Archive Archive::parse(std::span<const std::byte> image, const std::string& origin) {
  check_signature(image, origin);
  Archive out;
  out.origin_ = origin;
  const Hdf5Lock lock;
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "prepare", origin);
  check_hdf5(H5Pset_fapl_core(access, 1 << 16, false), "prepare", origin);
  // HDF5 makes a copy of its own, so that the image is not written to.
  check_hdf5(H5Pset_file_image(access, const_cast<std::byte*>(image.data()), image.size()),
             "take in", origin);
  const Handle file(H5Fopen(kImageName, H5F_ACC_RDONLY, access), H5Fclose, "open", origin);
  std::size_t left = image.size();  // everything together is no larger than the image
  each_dataset(file, origin, [&](const std::string& path, hid_t dataset) {
    if (is_text(dataset, path, origin)) {
      std::string text = read_text_item(dataset, left, path, origin);
      left -= text.size();
      out.texts_.emplace(path, std::move(text));
    } else {
      at::Tensor value = read_tensor(dataset, left, path, origin);
      left -= value.nbytes();
      out.tensors_.emplace(path, std::move(value));
    }
  });
  return out;
}

}  // namespace metaloom
