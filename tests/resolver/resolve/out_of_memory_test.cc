// What becomes of a question whose reply there is no memory for.
#include <cstddef>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resolver/forward/upstream.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/transport.h"
#include "tests/resolver/resolve/resolver_fixture.h"
#include "tests/support/allocation_counter.h"

namespace meshdns::dns {
namespace {

using ::testing::SizeIs;

using OutOfMemory = ResolverFixture;

TEST_F(OutOfMemory, TheClientIsToldAndTheQuestionIsAskedAnew) {
  constexpr std::size_t kAddresses = 1500;
  make();
  resolve("www.example.org", Transport::kTcp);
  AttemptResult reply{AttemptStatus::kReply, 0, address_reply("www.example.org", kAddresses)};
  {
    const support::ShortMemory memory(10'000);
    asked_.at(0).end(std::move(reply));
  }
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(received_[0].rcode, rcode::kServFail);
  EXPECT_EQ(resolver_->in_flight(), 0U);
  EXPECT_EQ(limits_->in_flight(), 0U);
  resolve("www.example.org", Transport::kTcp);
  ASSERT_THAT(asked_, SizeIs(2));
  answer(1, address_reply("www.example.org", kAddresses));
  ASSERT_THAT(received_, SizeIs(2));
  EXPECT_THAT(received_[1].message.answer, SizeIs(kAddresses));
}

}  // namespace
}  // namespace meshdns::dns
