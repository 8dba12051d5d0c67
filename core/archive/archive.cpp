#include "core/archive/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/files/files.h"
#include "core/spelling.h"

namespace metaloom {

namespace {

bool well_formed(const std::string& path) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    if (name.empty() || name == "." || name == ".." || name.find('\0') != std::string::npos) {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

// What follows "prefix/" in the keys of `items` that start so.
template <class Items, class F>
void each_below(const Items& items, const std::string& prefix, const F& f) {
  const std::string start = prefix.empty() ? "" : prefix + '/';
  for (auto it = items.lower_bound(start); it != items.end(); ++it) {
    if (!it->first.starts_with(start)) break;
    f(it->first.substr(start.size()), it->second);
  }
}

// Whether an item lies inside `path`, which would then be a group.
template <class Items>
bool holds_items(const Items& items, const std::string& path) {
  const auto it = items.lower_bound(path + '/');
  return it != items.end() && it->first.starts_with(path + '/');
}

template <class Items>
std::vector<std::string> keys_of(const Items& items) {
  std::vector<std::string> out;
  out.reserve(items.size());
  for (const auto& [path, value] : items) out.push_back(path);
  return out;
}

[[noreturn]] void missing(const std::string& path, const std::string& kind,
                          const std::string& origin, const std::vector<std::string>& known) {
  throw Error(Fault::data, "it holds no " + kind + " \"" + path + '"', origin,
              did_you_mean(path, known));
}

}  // namespace

void Archive::check_place(const std::string& path) const {
  if (!well_formed(path)) {
    throw Error(Fault::internal, "\"" + path + "\" cannot name an item of an archive", origin_);
  }
  bool clash = holds_items(tensors_, path) || holds_items(texts_, path);
  for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    clash = clash || contains(path.substr(0, slash));
  }
  if (clash) {
    throw Error(Fault::internal, "\"" + path + "\" would lie inside another item", origin_);
  }
}

void Archive::put(const std::string& path, const at::Tensor& value) {
  check_place(path);
  texts_.erase(path);
  tensors_.insert_or_assign(path, value.detach());
}

void Archive::put_text(const std::string& path, std::string value) {
  check_place(path);
  tensors_.erase(path);
  texts_.insert_or_assign(path, std::move(value));
}

void Archive::put_params(const std::string& prefix, const Params& params) {
  const std::string folder = prefix.empty() ? "" : prefix + '/';
  for (const auto& [name, value] : params) put(fmt::format("{}{}", folder, name), value);
}

bool Archive::contains(const std::string& path) const {
  return tensors_.contains(path) || texts_.contains(path);
}

at::Tensor Archive::get(const std::string& path) const {
  const auto it = tensors_.find(path);
  if (it == tensors_.end()) missing(path, "tensor", origin_, keys_of(tensors_));
  return it->second;
}

const std::string& Archive::text(const std::string& path) const {
  const auto it = texts_.find(path);
  if (it == texts_.end()) missing(path, "text", origin_, keys_of(texts_));
  return it->second;
}

Params Archive::params(const std::string& prefix) const {
  Params out;
  each_below(tensors_, prefix,
             [&](const std::string& name, const at::Tensor& value) { out.set(name, value); });
  return out;
}

std::vector<std::string> Archive::children(const std::string& prefix) const {
  std::set<std::string> names;
  const auto add = [&](const std::string& rest, const auto&) {
    names.insert(rest.substr(0, rest.find('/')));
  };
  each_below(tensors_, prefix, add);
  each_below(texts_, prefix, add);
  return {names.begin(), names.end()};
}

Archive Archive::load(const std::filesystem::path& file) {
  return parse(read_bytes(file), file.string());
}

}  // namespace metaloom
