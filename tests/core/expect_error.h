// EXPECT_ERROR: a statement throws one metaloom::Error of a kind, whose message holds all of
// some pieces: the tests' way to check what, where and cure.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <string>

#include "core/error.h"

namespace metaloom {

inline void expect_error(const std::function<void()>& act, Fault fault,
                         std::initializer_list<std::string> pieces) {
  try {
    act();
    ADD_FAILURE() << "no error was thrown";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(static_cast<int>(error.fault()), static_cast<int>(fault)) << message;
    for (const auto& piece : pieces) {
      EXPECT_NE(message.find(piece), std::string::npos) << '"' << piece << "\" in: " << message;
    }
  }
}

}  // namespace metaloom

#define EXPECT_ERROR(statement, fault, ...)                                     \
  do {                                                                          \
    SCOPED_TRACE(#statement);                                                   \
    metaloom::expect_error([&] { (void)(statement); }, (fault), {__VA_ARGS__}); \
  } while (false)
