#include "core/error.h"

namespace metaloom {

namespace {

// "where: what. cure"
std::string compose(const std::string& what, const std::string& where, const std::string& cure) {
  std::string message = where.empty() ? what : where + ": " + what;
  if (!cure.empty()) {
    if (!message.empty() && message.back() != '.') message += '.';
    message += ' ' + cure;
  }
  return message;
}

}  // namespace

Error::Error(Fault fault, const std::string& what, const std::string& where,
             const std::string& cure)
    : std::runtime_error(compose(what, where, cure)), fault_(fault) {}

}  // namespace metaloom
