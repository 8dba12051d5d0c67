// Words in messages: "did you mean", the nearest of a list of known names, for every message about
// an unknown one; and paths in commands that a message tells its reader to type.
#pragma once

#include <string>
#include <vector>

namespace metaloom {

/// A cure for an unknown `name`: `Did you mean "x"? Known: a, b, c.`
/// The nearest name is offered where the edit distance makes it plausible.
std::string did_you_mean(const std::string& name, const std::vector<std::string>& known);

/// Damerau-Levenshtein distance (optimal string alignment) in characters.
int edit_distance(const std::string& a, const std::string& b);

/// `path` as a shell must be given it to be metaloom's target: in quotes where it needs them.
std::string typed_path(const std::string& path);

}  // namespace metaloom
