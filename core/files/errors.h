// What a failed call of the operating system means to whoever reads or writes a file.
#pragma once

#include <cstddef>
#include <filesystem>

namespace metaloom {

/// Throws what `code`, an errno of writing to `path`, means: its kind and its cure. `wanted`: the
/// bytes that were to be written, where that is known.
[[noreturn]] void throw_write_error(const std::filesystem::path& path, const char* action, int code,
                                    std::size_t wanted = 0);
/// As throw_write_error, of reading.
[[noreturn]] void throw_read_error(const std::filesystem::path& path, const char* action, int code);

}  // namespace metaloom
