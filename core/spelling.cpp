#include "core/spelling.h"

#include <algorithm>
#include <numeric>

namespace metaloom {

namespace {

// More names than this are shortened to the nearest ones: a model has hundreds of parameters.
constexpr std::size_t kLongestList = 40;

// How far off a name may be and still be what was meant.
int plausible_distance(const std::string& name) {
  return std::max<int>(1, static_cast<int>(name.size()) / 3);
}

}  // namespace

int edit_distance(const std::string& a, const std::string& b) {
  const std::size_t columns = b.size() + 1;
  std::vector<int> above2(columns), above(columns), row(columns);
  std::iota(above.begin(), above.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int substitution = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, substitution});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], above2[j - 2] + 1);
    }
    std::swap(above2, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  if (known.empty()) return "None is known here.";
  std::vector<std::pair<int, std::string>> ranked;
  ranked.reserve(known.size());
  for (const auto& candidate : known)
    ranked.emplace_back(edit_distance(name, candidate), candidate);
  std::sort(ranked.begin(), ranked.end());

  std::string cure;
  const int nearest = ranked.front().first;
  if (nearest <= plausible_distance(name)) {
    cure = "Did you mean ";
    for (std::size_t i = 0; i < ranked.size() && ranked[i].first == nearest; ++i) {
      cure += (i > 0 ? " or \"" : "\"") + ranked[i].second + '"';
    }
    cure += "? ";
  }
  std::vector<std::string> listed;
  for (const auto& [distance, candidate] : ranked) {
    if (listed.size() < kLongestList) listed.push_back(candidate);
  }
  std::sort(listed.begin(), listed.end());
  cure += known.size() > kLongestList ? "Nearest known: " : "Known: ";
  for (std::size_t i = 0; i < listed.size(); ++i) cure += (i > 0 ? ", " : "") + listed[i];
  if (known.size() > kLongestList) cure += " (of " + std::to_string(known.size()) + ")";
  return cure + '.';
}

std::string typed_path(const std::string& path) {
  const bool plain =
      path.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/=+,:@") ==
      std::string::npos;
  std::string out = path.starts_with('-') ? "./" + path : path;
  if (plain && !path.empty()) return out;
  for (auto at = out.find('\''); at != std::string::npos; at = out.find('\'', at + 4)) {
    out.replace(at, 1, "'\\''");  // ends the quotes, a quote of its own, begins them anew
  }
  return '\'' + out + '\'';
}

}  // namespace metaloom
