#include "bench/replayed_sockets.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "bench/answer_check.h"
#include "bench/names_file.h"
#include "bench/query_series.h"
#include "bench/query_stream.h"
#include "resolver/server/datagram_batch.h"

namespace meshdns::bench {
namespace {

using dns::DatagramBatch;

constexpr std::size_t kBatch = DatagramBatch::kMaxDatagrams;

class ReplayedSocketsTest : public ::testing::Test {
 protected:
  // Receives one batch and sends each of its queries back with the flags that `flag` adds.
  std::size_t echo(ReplayedSockets& sockets, std::uint8_t flag) {
    const std::size_t count = batch_.receive(sockets, fd_.get());
    for (std::size_t i = 0; i < count; ++i) {
      clients_.insert(batch_.client(i).port);
      batch_.response_buffer(i)[2] |= flag;
      batch_.add_reply(i, batch_.request(i).size());
    }
    batch_.send(sockets, fd_.get());
    return count;
  }

  static NamesFile make_names() {
    NamesFile names;
    names.present.push_back({name_to_wire("a.mesh").value_or(std::vector<std::uint8_t>()), {}, {}});
    return names;
  }

  UniqueFd fd_{socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  NamesFile names_ = make_names();
  QuerySeries series_{*make_mixed_stream(names_, {}), 48};
  AnswerCheck check_{CheckDepth::kEcho, &names_};
  DatagramBatch batch_;
  std::set<std::uint16_t> clients_;
};

TEST_F(ReplayedSocketsTest, GiveFullBatchesOfTheSeriesUntilAllIsAskedThenNothing) {
  ReplayedSockets sockets({.queries = 3 * kBatch, .clients = 5, .burst = 2, .judged = 1000},
                          series_, check_);

  EXPECT_EQ(echo(sockets, 0x80), kBatch);
  EXPECT_EQ(echo(sockets, 0x80), kBatch);
  EXPECT_EQ(echo(sockets, 0x80), kBatch);
  EXPECT_EQ(echo(sockets, 0x80), 0U);

  sockets.wait();
  EXPECT_EQ(sockets.answered(), 3 * kBatch);
  EXPECT_EQ(check_.answers(), 3 * kBatch);
  EXPECT_EQ(check_.mistakes()[0], 3 * kBatch);
  EXPECT_EQ(clients_.size(), 5U);
}

TEST_F(ReplayedSocketsTest, JudgeAnswersAsManyAsTheyAreTold) {
  ReplayedSockets sockets({.queries = 3 * kBatch, .clients = kBatch, .judged = kBatch}, series_,
                          check_);

  while (echo(sockets, 0) != 0) {
  }

  EXPECT_EQ(sockets.answered(), 3 * kBatch);
  EXPECT_EQ(check_.answers(), kBatch);
  EXPECT_EQ(check_.mistakes()[0], 0U);  // they lack QR
}

}  // namespace
}  // namespace meshdns::bench
