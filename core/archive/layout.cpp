#include "core/archive/archive.h"
#include "core/archive/hdf5.h"
#include "core/error.h"
#include "core/files/files.h"

namespace metaloom {

namespace {

// Where a contiguous integer dataset lies, checked against the size of its file.
Extent place_of(hid_t dataset, std::size_t file_bytes, const std::string& path,
                const std::string& origin) {
  const Handle type(H5Dget_type(dataset), H5Tclose, "read the type of", origin);
  const Handle plist(H5Dget_create_plist(dataset), H5Pclose, "read the storage of", origin);
  const bool narrow = H5Tequal(type, H5T_STD_I32LE) > 0, wide = H5Tequal(type, H5T_STD_I64LE) > 0;
  const bool contiguous = H5Pget_layout(plist) == H5D_CONTIGUOUS;
  const auto refuse = [&](const char* what) {
    throw Error(Fault::data, "\"" + path + "\" " + what, origin,
                "Make the token store again with `metaloom data`.");
  };
  if ((!narrow && !wide) || !contiguous) refuse("is not a contiguous array of int32 or int64");
  Extent place{0, static_cast<std::int64_t>(bounded_size(dataset, file_bytes, path, origin)),
               narrow ? 4 : 8};
  if (place.count == 0) return place;
  const haddr_t offset = H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF) refuse("was never written");
  const std::uint64_t bytes = static_cast<std::uint64_t>(place.count) * place.bytes_each;
  if (offset > file_bytes || bytes > file_bytes - offset) refuse("lies outside the file");
  if (offset % place.bytes_each != 0) refuse("is not aligned to its numbers");
  place.offset = static_cast<std::int64_t>(offset);
  return place;
}

}  // namespace

Layout read_layout(const std::filesystem::path& path) {
  const std::string origin = path.string();
  const Mapping mapping(path);
  const std::size_t file_bytes = mapping.bytes().size();
  check_signature(mapping.bytes(), origin);
  Layout out;
  const Hdf5Lock lock;
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "prepare", origin);
  check_hdf5(H5Pset_fapl_sec2(access), "prepare", origin);
  const Handle file(H5Fopen(origin.c_str(), H5F_ACC_RDONLY, access), H5Fclose, "open", origin);
  each_dataset(file, origin, [&](const std::string& item, hid_t dataset) {
    if (is_text(dataset, item, origin)) {
      out.texts.emplace(item, read_text_item(dataset, file_bytes, item, origin));
    } else {
      out.places.emplace(item, place_of(dataset, file_bytes, item, origin));
    }
  });
  return out;
}

}  // namespace metaloom
