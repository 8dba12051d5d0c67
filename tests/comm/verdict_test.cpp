// Who is at fault, from what was heard alone: no clock, no threads, no words. And the words, from
// the verdict alone.
#include "comm/roll_call/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "comm/roll_call/text.h"

namespace metaloom {
namespace {

using Kind = Accusation::Kind;
using testing::HasSubstr;
using testing::Not;

constexpr double kDeadline = 10;  // a beat of 1 s, and 4.2 s until who waits counts as silent
constexpr double kNow = 1000;

/// A rank that was heard of `age` seconds ago, then in its operation number `begun`.
Seen heard(Note::Kind kind, std::int64_t begun, double age) {
  return {.note = {.kind = kind, .begun = begun, .operation = begun}, .heard = kNow - age};
}

/// Of a wait for operation 5, so long, by `rank`.
std::optional<Accusation> verdict(int rank, const std::vector<Seen>& seen, double waited,
                                  std::int64_t overdue = 0) {
  return accuse({rank, seen, kNow, 5, overdue, waited, kDeadline});
}

const Seen kSelf = {};
const Seen kWaits = heard(Note::waiting, 5, 0.5);
const Seen kBehind = heard(Note::doing, 4, 30);
const Seen kElsewhere = heard(Note::doing, 6, 30);  // has been there, and went on
const Seen kFellSilent = heard(Note::waiting, 5, 4.3);

TEST(Verdict, NobodyIsAtFaultWhileThereIsHope) {
  for (const int rank : {0, 1, 2}) {
    for (const double waited : {0.0, 9.0, 10.5, 14.1}) {
      EXPECT_EQ(verdict(rank, {kBehind, kBehind, kBehind}, waited), std::nullopt);
    }
  }
  EXPECT_FALSE(is_late(14.1, kDeadline));
  EXPECT_TRUE(is_late(14.3, kDeadline));
}

TEST(Verdict, WhoHasNotComeIsSilent) {
  EXPECT_EQ(verdict(0, {kSelf, kWaits, kBehind, kBehind}, 14.3),
            (Accusation{Kind::silent, {2, 3}}));
}

TEST(Verdict, WhoFellSilentWhileItWaitedIsToo) {
  EXPECT_EQ(verdict(0, {kSelf, kFellSilent, kWaits}, 14.3), (Accusation{Kind::silent, {1}}));
}

TEST(Verdict, WhereAllHaveComeThoseWhoDoNotWaitAreNamed) {
  EXPECT_EQ(verdict(0, {kSelf, kWaits, kElsewhere}, 14.3), (Accusation{Kind::silent, {2}}));
}

TEST(Verdict, WhereAllWaitItIsTangled) {
  EXPECT_EQ(verdict(0, {kSelf, kWaits, kWaits}, 14.3), (Accusation{Kind::tangled, {1, 2}}));
}

TEST(Verdict, RankOneAnswersForRankZeroOnly) {
  EXPECT_EQ(verdict(1, {kBehind, kSelf, kBehind}, 14.3), (Accusation{Kind::silent, {0}}));
  EXPECT_EQ(verdict(1, {kWaits, kSelf, kBehind}, 14.3), std::nullopt);
  EXPECT_EQ(verdict(1, {kElsewhere, kSelf, kBehind}, 14.3), std::nullopt);
  EXPECT_EQ(verdict(2, {kBehind, kBehind, kSelf}, 14.3), std::nullopt);
}

TEST(Verdict, WhoeverHasWaitedLongerThanTheOthersEndsByItself) {
  // Twice the silence and two seconds after the deadline: the line of another should stand there.
  EXPECT_EQ(verdict(2, {kWaits, kWaits, kSelf}, 20.3), std::nullopt);
  EXPECT_EQ(verdict(2, {kWaits, kWaits, kSelf}, 20.5), (Accusation{Kind::outlasted, {}}));
  EXPECT_EQ(verdict(1, {kWaits, kSelf, kBehind}, 20.5), (Accusation{Kind::outlasted, {0}}));
}

TEST(Verdict, AnOverduePeersOperationIsJudgedBeforeTheOwnDeadline) {
  EXPECT_EQ(verdict(0, {kSelf, kBehind, kWaits}, 1, /*overdue=*/5),
            (Accusation{Kind::silent, {1}}));
  EXPECT_EQ(verdict(0, {kSelf, kBehind, kWaits}, 1, /*overdue=*/4), std::nullopt);
  // Nobody has to be named yet: the one elsewhere may still come.
  EXPECT_EQ(verdict(0, {kSelf, kElsewhere, kWaits}, 1, /*overdue=*/5), std::nullopt);
}

TEST(Verdict, AProcessThatIsGoneComesFirstUnlessItHasSaidWhy) {
  Seen gone = kBehind;
  gone.gone = true;
  EXPECT_EQ(verdict(0, {kSelf, gone, kBehind}, 0.1), (Accusation{Kind::ended, {1}}));
  EXPECT_EQ(verdict(2, {kBehind, gone, kSelf}, 0.1), std::nullopt);  // not watched from there
  gone.explained = true;
  EXPECT_EQ(verdict(0, {kSelf, gone, kBehind}, 0.1), std::nullopt);
}

class RollCallText : public testing::Test {
 protected:
  RollCallText() {
    ::setenv("TZ", "UTC", 1);
    std::string("vote").copy(mine_.section, 4);
    for (int rank = 0; rank < 7; ++rank) {
      peers_.push_back({.host = "node" + std::to_string(rank), .pid = 100 + rank});
      seen_.push_back({.note = {.since = 3723}});  // 01:02:03
    }
    std::string("forward pass").copy(seen_[2].note.section, 12);
  }
  Error of(const Accusation& accusation) const {
    return error_of(accusation, {1, peers_, mine_, seen_, 12.34, 10, /*wall=*/3800.04});
  }

  Note mine_ = {.since = 3790};
  std::vector<Peer> peers_;
  std::vector<Seen> seen_;
};

TEST_F(RollCallText, NamesRankHostProcessAndSection) {
  const Error error = of({Kind::silent, {2}});
  EXPECT_EQ(error.fault(), Fault::hang);
  EXPECT_THAT(
      error.what(),
      HasSubstr("silent: rank 2 (node2, pid 102) was last in section \"forward pass\" since "
                "01:02:03, 77.0 s ago; rank 1 has waited 12.3 s in section \"vote\" "
                "(deadline 10 s)"));
  EXPECT_THAT(error.what(), HasSubstr("raise comm.deadline"));
}

TEST_F(RollCallText, NamesFourAndCountsTheOthers) {
  const std::string line = of({Kind::tangled, {0, 2, 3, 4, 5, 6}}).what();
  EXPECT_THAT(line, HasSubstr("all ranks wait, for different things or on a dead link: rank 0 "));
  EXPECT_THAT(line, HasSubstr("rank 4 (node4, pid 104) was last outside any section"));
  EXPECT_THAT(line, HasSubstr(" and 2 more; rank 1 has waited"));
  EXPECT_THAT(line, Not(HasSubstr("rank 5")));
}

TEST_F(RollCallText, AnEndedProcessIsNoHang) {
  const Error error = of({Kind::ended, {2}});
  EXPECT_EQ(error.fault(), Fault::temporary);
  EXPECT_THAT(error.what(), HasSubstr("77.0 s ago; its process has ended"));
}

TEST_F(RollCallText, WhoEndsByItselfSaysWhereItWas) {
  EXPECT_THAT(
      of({Kind::outlasted, {}}).what(),
      HasSubstr("rank 1 (node1) has waited 12.3 s for the others, in section \"vote\" since "
                "01:03:10, 10.0 s ago"));
  EXPECT_THAT(of({Kind::outlasted, {0}}).what(),
              HasSubstr("ago; rank 0 (node0, pid 100) was last"));
}

TEST_F(RollCallText, TheWatchdogNamesItsOwnProcess) {
  EXPECT_EQ(
      describe_stuck(3, {.host = "n", .pid = 7}, "backward", 1.5),
      "metaloom: error: rank 3 (n, pid 7) is stuck: nothing has happened for 1.5 s in section "
      "\"backward\". Where the work is only slow, raise comm.deadline.");
}

}  // namespace
}  // namespace metaloom
