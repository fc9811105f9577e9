// Local answers over UDP allocate nothing: counted in the whole process, the test's own thread
// left out, while queries go through real sockets.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/unique_fd.h"
#include "resolver/server/dns_server.h"
#include "resolver/server/event_ring.h"
#include "resolver/server/tcp_connection.h"
#include "tests/resolver/server/server_fixture.h"
#include "tests/support/dns_client.h"

namespace {

std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> largest{0};  // octets of one
thread_local bool counts_on_this_thread = true;

void* allocate(std::size_t size) {
  if (counts_on_this_thread) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    for (std::size_t known = largest;
         known < size && !largest.compare_exchange_weak(known, size);) {
    }
  }
  void* const memory = std::malloc(size == 0 ? 1 : size);  // NOLINT: this is operator new itself
  if (memory == nullptr) {
    std::abort();
  }
  return memory;
}

}  // namespace

// NOLINTBEGIN(misc-new-delete-overloads,cppcoreguidelines-no-malloc): replaces the global ones.
void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
// NOLINTEND(misc-new-delete-overloads,cppcoreguidelines-no-malloc)

namespace meshdns::dns {
namespace {

using support::DnsTransport;

class AllocationTest : public ServerFixture {
 protected:
  // Sends bursts of queries for hits, misses, other types and malformed ones; waits for each burst.
  void exchange(int bursts) const {
    const UniqueFd socket = support::connect_socket(server(), DnsTransport::kUdp);
    std::vector<std::vector<std::uint8_t>> queries = {
        support::encode({.name = "backend.mesh"}),
        support::encode({.name = "Backend.Mesh"}),
        support::encode({.name = "many.mesh"}),
        support::encode({.name = "nothing.mesh"}),
        support::encode({.name = "backend.mesh", .type = "TXT"}),
        support::encode({.name = "mesh", .type = "SOA"})};
    queries.push_back(queries[0]);
    queries.back().resize(20);  // FORMERR
    for (int i = 0; i < bursts; ++i) {
      for (const auto& query : queries) {
        ASSERT_TRUE(support::send_message(socket.get(), DnsTransport::kUdp, query));
      }
      for (std::size_t reply = 0; reply < queries.size(); ++reply) {
        ASSERT_TRUE(support::receive_message(socket.get(), DnsTransport::kUdp).has_value());
      }
    }
  }
};

TEST_F(AllocationTest, LocalAnswersOverUdpAllocateNothing) {
  counts_on_this_thread = false;
  start();
  exchange(20);
  const std::size_t before = allocations.load();
  exchange(200);
  EXPECT_EQ(allocations.load() - before, 0U) << "in 1400 queries";
}

// The rings fill up on the way: dropping allocates nothing either.
TEST_F(AllocationTest, LocalAnswersThatAreRecordedAllocateNothing) {
  counts_on_this_thread = false;
  EventRing log(std::size_t{64} << 10U);
  EventRing dnstap(std::size_t{64} << 10U);
  DnsServer::Options options = default_options();
  options.record = {{.log = &log, .log_sample = 2, .dnstap = &dnstap}};
  start(options);
  exchange(20);
  const std::size_t before = allocations.load();
  exchange(200);
  EXPECT_EQ(allocations.load() - before, 0U) << "in 1400 queries";
  EXPECT_TRUE(log.front().has_value());
  EXPECT_GT(dnstap.dropped(), 0U);
  server_.reset();  // before its rings
}

// It goes on asking, so that there is always more for it than it has taken.
TEST_F(AllocationTest, AClientThatNeverHasReadAllOfItTakesBoundedMemory) {
  counts_on_this_thread = false;
  constexpr int kQueries = 3000;  // some 5 MiB of answers
  sockets_.set_most_sent(20'000);
  start();
  const UniqueFd connection = support::connect_socket(server(), DnsTransport::kTcp);
  largest = 0;
  const auto query = support::encode({.name = "many.mesh"});
  std::vector<std::uint8_t> stream;
  for (int i = 0; i < kQueries; ++i) {
    stream.push_back(0);
    stream.push_back(static_cast<std::uint8_t>(query.size()));
    stream.insert(stream.end(), query.begin(), query.end());
  }
  std::thread writer([&] {  // a blocking send(2) takes all
    EXPECT_EQ(::send(connection.get(), stream.data(), stream.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(stream.size()));
  });
  int replies = 0;
  while (replies < kQueries &&
         support::receive_message(connection.get(), DnsTransport::kTcp).has_value()) {
    ++replies;
  }
  writer.join();
  EXPECT_EQ(replies, kQueries);
  EXPECT_LT(largest.load(), 4 * TcpConnection::kMaxOutputOctets);
}

TEST_F(AllocationTest, TheCountSeesTheWorkersAllocations) {
  counts_on_this_thread = false;
  start();
  exchange(1);
  const std::size_t before = allocations.load();
  EXPECT_EQ(ask("backend.mesh", DnsTransport::kTcp), "244.0.0.1");
  EXPECT_GT(allocations.load(), before) << "a connection must have cost some";
}

}  // namespace
}  // namespace meshdns::dns
