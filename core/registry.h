// Self-registration: an implementation of a seam is one .cpp without a header that holds
//   const Register<Method> here{"spt", "what it is, in one line", [](...) { ... }};
// and is found by name. A seam T declares `using Factory = std::function<...>` and
// `static constexpr const char* kSeam = "method"`.
// Self-registered objects must be linked from OBJECT libraries: a static archive drops them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/spelling.h"

namespace metaloom {

template <class T>
class Registry {
 public:
  struct Entry {
    std::string about;
    typename T::Factory make;
  };

  /// All names, sorted: what law suites run over.
  static std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& [name, entry] : entries()) out.push_back(name);
    return out;
  }

  /// The entry called `name`. Throws Error{usage} naming the nearest known one.
  static const Entry& at(const std::string& name) {
    const auto it = entries().find(name);
    if (it != entries().end()) return it->second;
    throw Error(Fault::usage, std::string("there is no ") + T::kSeam + " called \"" + name + "\"",
                T::kSeam, did_you_mean(name, names()));
  }

  /// Builds the implementation called `name`.
  template <class... Args>
  static auto make(const std::string& name, Args&&... args) {
    return at(name).make(std::forward<Args>(args)...);
  }

  static std::map<std::string, Entry>& entries() {
    static std::map<std::string, Entry> all;
    return all;
  }
};

template <class T>
struct Register {
  Register(std::string name, std::string about, typename T::Factory make) {
    const auto [it, fresh] = Registry<T>::entries().try_emplace(
        std::move(name), typename Registry<T>::Entry{std::move(about), std::move(make)});
    if (fresh) return;
    throw Error(Fault::internal,
                std::string("two of one name: ") + T::kSeam + " \"" + it->first + '"', "registry",
                "Give one of them another name.");
  }
};

}  // namespace metaloom
