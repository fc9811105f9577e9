// Peers that speak HTTP/2 badly, with nothing of gRPC in them: whatever comes, the client stays and
// connects again.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <poll.h>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>
#include <zlib.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/backoff.h"
#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/discovery/xds/xds_fixture.h"
#include "tests/support/counted.h"
#include "tests/support/http2_frames.h"
#include "tests/support/process.h"
#include "tests/support/process_memory.h"
#include "tests/support/wait_until.h"

namespace meshdns::discovery {
namespace {

using namespace std::chrono_literals;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;

constexpr std::size_t kPrefaceOctets = 24;  // RFC 9113 section 3.4

// Takes one connection after the other and says what `script` says once the client has opened its
// stream, then ends the connection as soon as the client does, or after a moment.
class GarbagePeer {
 public:
  using Script = std::function<std::string(std::uint64_t connection)>;

  explicit GarbagePeer(Script script)
      : script_(std::move(script)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage storage{};
    auto length = static_cast<socklen_t>(
        SocketAddress{*IpAddress::parse("127.0.0.1"), 0, 0}.to_sockaddr(storage));
    // The sockets interface takes every address as a sockaddr.
    auto* const address = reinterpret_cast<sockaddr*>(&storage);  // NOLINT(*-cast)
    EXPECT_EQ(bind(listener_.get(), address, length), 0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    length = sizeof(storage);
    EXPECT_EQ(getsockname(listener_.get(), address, &length), 0);
    port_ = SocketAddress::from_sockaddr(*address)->port;
    thread_ = std::thread([this] { run(); });
  }
  GarbagePeer(const GarbagePeer&) = delete;
  GarbagePeer& operator=(const GarbagePeer&) = delete;
  ~GarbagePeer() {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] std::string target() const { return "ipv4:127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::uint64_t connections() const { return connections_; }

 private:
  void run() {
    while (!stop_) {
      pollfd waiting{listener_.get(), POLLIN, 0};
      if (poll(&waiting, 1, 10) > 0) {
        const UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        serve(client.get());
        ++connections_;
      }
    }
  }
  void serve(int client) {
    say(client, support::http2::frame(support::http2::kSettings, 0, 0, ""));
    std::string heard;
    while (!opens_stream(heard)) {
      if (!hear(client, heard, 2000)) {
        return;
      }
    }
    say(client, support::http2::frame(support::http2::kSettings, support::http2::kAck, 0, "") +
                    script_(connections_));
    while (hear(client, heard, 20)) {
      heard.clear();
    }
  }
  // Whether a HEADERS frame is among what was heard.
  static bool opens_stream(std::string_view heard) {
    std::size_t at = kPrefaceOctets;
    while (at + 9 <= heard.size()) {
      const auto octet = [&](std::size_t i) {
        return static_cast<std::size_t>(static_cast<std::uint8_t>(heard[at + i]));
      };
      if (octet(3) == support::http2::kHeaders) {
        return true;
      }
      at += 9 + (octet(0) << 16U | octet(1) << 8U | octet(2));
    }
    return false;
  }
  static bool hear(int client, std::string& heard, int milliseconds) {
    pollfd waiting{client, POLLIN, 0};
    std::array<char, 65536> buffer{};
    const ssize_t size =
        poll(&waiting, 1, milliseconds) > 0 ? read(client, buffer.data(), buffer.size()) : 0;
    heard.append(buffer.data(), static_cast<std::size_t>(size > 0 ? size : 0));
    return size > 0;
  }
  // Until the client hangs up.
  static void say(int client, std::string_view bytes) {
    while (!bytes.empty()) {
      pollfd waiting{client, POLLOUT, 0};
      const ssize_t size =
          poll(&waiting, 1, 2000) > 0 ? send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL) : -1;
      if (size <= 0) {
        return;
      }
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
  }

  Script script_;
  UniqueFd listener_;
  int port_ = 0;
  std::atomic<std::uint64_t> connections_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

std::string good_response() {
  DeltaDiscoveryResponse response;
  response.set_type_url(std::string(kServiceTypeUrl));
  response.set_nonce("1");
  auto& resource = *response.add_resources();
  resource.set_name("default/web");
  resource.set_version("1");
  resource.mutable_resource()->set_type_url(std::string(kServiceTypeUrl));
  resource.mutable_resource()->set_value("good");
  return response.SerializeAsString();
}

using Frames = std::vector<std::string>;

// A conversation as it should be.
Frames good_conversation() {
  using namespace support::http2;
  return {frame(kHeaders, kEndHeaders, 1, response_headers()),
          frame(kData, 0, 1, grpc_message(good_response())),
          frame(kPing, 0, 0, "12345678"),
          frame(kWindowUpdate, 0, 0, big_endian(65535, 4)),
          frame(kWindowUpdate, 0, 1, big_endian(65535, 4)),
          frame(kData, 0, 1, grpc_message(good_response())),
          frame(kHeaders, kEndHeaders | kEndStream, 1, header("grpc-status", "14"))};
}

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  // zlib's interface takes octets that it does not change as if it might.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // NOLINT(*-cast)
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());  // NOLINT(*-cast)
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// In DATA frames of the size every peer takes.
std::string data_frames(const std::string& payload) {
  constexpr std::size_t kMost = 16'384;  // RFC 9113 section 4.2
  std::string out;
  for (std::size_t at = 0; at < payload.size(); at += kMost) {
    out += support::http2::frame(support::http2::kData, 0, 1, payload.substr(at, kMost));
  }
  return out;
}

std::vector<Frames> crafted() {
  using namespace support::http2;
  const std::string headers = frame(kHeaders, kEndHeaders, 1, response_headers());
  const std::string data = frame(kData, 0, 1, grpc_message(good_response()));
  const std::string trailers =
      frame(kHeaders, kEndHeaders | kEndStream, 1, header("grpc-status", "0"));
  std::vector<Frames> all;
  const auto add = [&](Frames frames) { all.push_back(std::move(frames)); };
  add({headers, data, trailers, data, data, headers});  // after the trailers
  add({headers, headers, data});                        // two initial headers
  add({data, headers});                                 // before any header
  add({trailers, trailers});
  add({headers, frame(kData, 0, 3, grpc_message("x")), frame(kData, 0, 2, "x"), data});
  add({headers, frame(kData, 0, 0, grpc_message("x"))});
  add({headers, frame(kData, 8, 1, std::string("\xff", 1))});  // more padding than octets
  add({frame(kHeaders, 0, 1, response_headers()), data});      // no end of headers
  Frames flood{frame(kHeaders, 0, 1, response_headers())};
  for (int i = 0; i < 2000; ++i) {
    flood.push_back(frame(kContinuation, 0, 1, header("x-" + std::to_string(i), "y")));
  }
  add(flood);
  add({frame(kContinuation, kEndHeaders, 1, response_headers())});
  for (const char* const block : {"\xff\xff\xff\xff\xff\xff", "\x80", "\x3f\xff\xff\xff\xff\x0f",
                                  "\x00\x7f\xff\xff\xff\xff\x0f", "\xbe", "\x40\x81\xff\x81\xff"}) {
    add({frame(kHeaders, kEndHeaders, 1, block), data});
  }
  for (const char* const status :
       {"", "99999999999999999999", "-1", "1x", "17", "4294967296", "\xff"}) {
    add({headers, frame(kHeaders, kEndHeaders | kEndStream, 1,
                        header("grpc-status", status) + header("grpc-message", "%zz%00%ff%"))});
  }
  for (const char* const code : {"000", "999", "404", "20", "", "2000"}) {
    add({frame(kHeaders, kEndHeaders | kEndStream, 1,
               header(":status", code) + header("content-type", "text/html"))});
  }
  add({frame(kHeaders, kEndHeaders, 1, response_headers() + header("grpc-encoding", "nonsense")),
       frame(kData, 0, 1, grpc_message("xyz", true))});
  add({frame(kHeaders, kEndHeaders, 1, response_headers() + header("grpc-encoding", "gzip")),
       frame(kData, 0, 1, grpc_message("this is no gzip", true))});
  add({frame(kHeaders, kEndHeaders, 1, response_headers() + header("grpc-encoding", "gzip")),
       data_frames(grpc_message(gzip(good_response()), true))});
  add({headers, frame(kData, 0, 1, grpc_message("x", true))});                 // of no encoding
  add({headers, frame(kData, 0, 1, std::string("\x00\xff\xff\xff\xff", 5))});  // 4 GiB to come
  add({headers, frame(kData, 0, 1, std::string("\x07\x00\x00\x00\x01x", 6))});
  for (const unsigned parameter : {1U, 2U, 3U, 4U, 5U, 6U, 0xffffU}) {
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xffffffff},
                                      std::uint64_t{0x7fffffff}, std::uint64_t{0x80000000}}) {
      add({frame(kSettings, 0, 0, big_endian(parameter, 2) + big_endian(value, 4)), headers, data});
    }
  }
  add({frame(kSettings, 0, 1, ""), headers});
  add({frame(kSettings, kAck, 0, "123456"), headers});
  add({frame(kSettings, 0, 0, "12345"), headers});
  for (const std::uint64_t window :
       {std::uint64_t{0}, std::uint64_t{0x7fffffff}, std::uint64_t{0xffffffff}}) {
    const std::string update = frame(kWindowUpdate, 0, 0, big_endian(window, 4));
    const std::string of_stream = frame(kWindowUpdate, 0, 1, big_endian(window, 4));
    add({headers, update, update, update, of_stream, of_stream, data});
  }
  const Frames pings(5000, frame(kPing, 0, 0, "12345678"));
  add(pings);
  const Frames settings(5000, frame(kSettings, 0, 0, big_endian(3, 2) + big_endian(100, 4)));
  add(settings);
  add({headers, frame(kPing, kAck, 0, "87654321"), frame(kPing, 0, 0, "1"), data});
  add({headers, frame(kRstStream, 0, 1, big_endian(7, 4)), data, trailers});
  add({frame(kRstStream, 0, 1, big_endian(0xffffffff, 4)), frame(kRstStream, 0, 9, "12")});
  for (const std::uint32_t last : {0U, 1U, 0x7fffffffU}) {
    for (const std::uint64_t code :
         {std::uint64_t{0}, std::uint64_t{11}, std::uint64_t{0xffffff}}) {
      add({frame(kGoaway, 0, 0, big_endian(last, 4) + big_endian(code, 4) + "too_many_pings"),
           headers, data, trailers});
    }
  }
  add({frame(kGoaway, 0, 0, "short")});
  add({frame(kPushPromise, kEndHeaders, 1, big_endian(2, 4) + response_headers()), headers, data});
  add({frame(kPriority, 0, 1, "12345"), frame(kPriority, 0, 0, "1"), headers, data});
  add({frame(99, 255, 1, std::string(16'000, 'x')), headers, data});
  add({frame(kData, 0, 1, std::string((1U << 24U) - 1, 'x'))});  // larger than was agreed
  add({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
  add({std::string(100'000, '\0')});
  add({std::string(100'000, '\xff')});
  return all;
}

std::string join(const Frames& frames) {
  std::string out;
  for (const std::string& one : frames) {
    out += one;
  }
  return out;
}

// A good conversation damaged by a seed.
std::string damaged(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto draw = [&](std::size_t most) { return random() % (most + 1); };
  Frames frames = good_conversation();
  for (std::size_t changes = draw(2) + 1; changes > 0; --changes) {
    const std::size_t at = draw(frames.size() - 1);
    switch (draw(4)) {
      case 0:
        std::swap(frames[at], frames[draw(frames.size() - 1)]);
        break;
      case 1:
        frames.push_back(frames[at]);
        break;
      case 2:
        frames[at].resize(draw(frames[at].size()));
        break;
      case 3:
        frames.push_back(
            support::http2::frame(static_cast<unsigned>(draw(10)), static_cast<unsigned>(draw(255)),
                                  static_cast<std::uint32_t>(draw(3)),
                                  std::string(draw(64), static_cast<char>(draw(255)))));
        break;
      default:
        break;
    }
  }
  std::string bytes = join(frames);
  for (std::size_t flips = draw(6); flips > 0 && !bytes.empty(); --flips) {
    char& octet = bytes[draw(bytes.size() - 1)];
    octet = static_cast<char>(octet ^ static_cast<char>(1U << draw(7)));
  }
  return bytes;
}

AdsClient::Options options_for(const GarbagePeer& peer) {
  AdsClient::Options options;
  options.targets = {peer.target()};
  options.connect_timeout = 1000ms;
  return options;
}

// What made a client abort, in gRPC's words or those of absl, which it uses; gRPC also aborts
// without a word. Empty when it was something of ours, or a sanitizer.
std::string assertion_in(const std::string& error) {
  for (const char* const ours : {"../../", "Sanitizer", "runtime error", "terminate called"}) {
    if (error.find(ours) != std::string::npos) {
      return {};
    }
  }
  for (const char* const beginning : {"absl::", "assertion failed: "}) {
    if (const std::size_t at = error.find(beginning); at != std::string::npos) {
      return error.substr(at, error.find('\n', at) - at);
    }
  }
  return "abort without a word";
}

// It may abort inside of gRPC, which asserts on what peers say; a supervisor then starts the
// resolver again. Any other end is ours to repair.
TEST(AdsClient, OutlivesPeersThatSpeakHttp2BadlyOrAbortsInsideOfGrpc) {
  const std::vector<Frames> first = crafted();
  const std::uint64_t target = first.size() + support::counted(400, 9'900);
  GarbagePeer peer([&](std::uint64_t connection) {
    return connection < first.size() ? join(first[connection]) : damaged(connection);
  });
  const std::vector<std::string> command{MESHDNS_GARBAGE_CLIENT, peer.target()};
  auto client = std::make_unique<support::Process>(support::ProcessOptions{.argv = command});
  std::map<std::string, std::uint64_t> aborts;
  std::uint64_t shown = 0;
  while (peer.connections() < target) {
    const std::uint64_t before = peer.connections();
    const bool moved = support::wait_until([&] {
      return peer.connections() > before + 50 || peer.connections() >= target ||
             !client->is_running();
    });
    ASSERT_TRUE(moved) << "stuck at connection " << before;
    if (const auto status = client->wait(0ms)) {
      const std::string error = client->standard_error();
      ASSERT_EQ(*status, 128 + SIGABRT) << error;
      const std::string assertion = assertion_in(error);
      ASSERT_NE(assertion, "") << error;
      if (++aborts[assertion] == 1) {
        std::printf("aborted at connection %zu: %s\n", static_cast<std::size_t>(peer.connections()),
                    assertion.c_str());
      }
      client = std::make_unique<support::Process>(support::ProcessOptions{.argv = command});
    }
    if (peer.connections() > shown + 1000) {
      shown = peer.connections();
      std::printf("connections %zu of %zu\n", static_cast<std::size_t>(shown),
                  static_cast<std::size_t>(target));
      std::fflush(stdout);
    }
  }
  for (const auto& [assertion, times] : aborts) {
    std::printf("%zu aborts in %zu connections: %s\n", static_cast<std::size_t>(times),
                static_cast<std::size_t>(target), assertion.c_str());
  }
  EXPECT_TRUE(client->is_running());
}

// Each response begets a request; those must not pile up here.
TEST(AdsClient, DoesNotListenToAServerThatDoesNotListen) {
  using namespace support::http2;
  DeltaDiscoveryResponse response;
  ASSERT_TRUE(response.ParseFromString(good_response()));
  response.set_nonce(std::string(10'000, 'n'));
  constexpr int kResponses = 2000;
  // No room for what the client says (RFC 9113 section 6.9.2).
  std::string says = frame(kSettings, 0, 0, big_endian(4, 2) + big_endian(0, 4)) +
                     frame(kHeaders, kEndHeaders, 1, response_headers());
  for (int i = 0; i < kResponses; ++i) {
    says += frame(kData, 0, 1, grpc_message(response.SerializeAsString()));
  }
  GarbagePeer peer([&](std::uint64_t) { return says; });
  ControlLoop loop;
  TestClient client(loop, options_for(peer), kServiceTypeUrl, {.wildcard = true, .names = {}});
  EXPECT_TRUE(loop.wait_for([&] { return peer.connections() >= 1; }));
  EXPECT_GE(client.responses, 1U);
  EXPECT_LE(client.responses, 60U);
  client.client().stop();
}

// A small message that is a huge one once it is unpacked.
TEST(AdsClient, UnpacksNothing) {
  using namespace support::http2;
  const std::string bomb = gzip(std::string(96UL << 20U, '\0'));
  const std::string says =
      frame(kHeaders, kEndHeaders, 1, response_headers() + header("grpc-encoding", "gzip")) +
      data_frames(grpc_message(bomb, true));
  GarbagePeer peer([&](std::uint64_t) { return says; });
  ControlLoop loop;
  const std::uint64_t before = support::resident_kib(getpid());
  std::uint64_t most = before;
  TestClient client(loop, options_for(peer), kServiceTypeUrl, {.wildcard = true, .names = {}},
                    Backoff::Options{.initial = 1ms, .maximum = 2ms});
  EXPECT_TRUE(loop.wait_for([&] {
    most = std::max(most, support::resident_kib(getpid()));
    return peer.connections() >= 3;
  }));
  client.client().stop();
  EXPECT_LT(most - before, 48U * 1024U) << "KiB";
}

}  // namespace
}  // namespace meshdns::discovery
